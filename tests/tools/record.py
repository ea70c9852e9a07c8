"""Replace the answers in `responses/` by what the providers answer now: `make record`, for somebody with internet.

A file keeps its address; the moment is noted, and tests take theirs from it.
"""

import json
import time

import httpx

from tests.tools.provider import RESPONSES

CONTACT = "PASSFEL tests (self-hosted household assistant)"


def main() -> int:
    failed = 0
    with httpx.Client(headers={"user-agent": CONTACT}, follow_redirects=True, timeout=30) as client:
        for file in sorted(RESPONSES.glob("*.json")):
            kept = json.loads(file.read_text())
            try:
                reply = client.get(kept["url"])
                reply.raise_for_status()
                kind = reply.headers.get("content-type", "").partition(";")[0]
                body = reply.json() if "json" in kind else reply.text
            except (httpx.HTTPError, ValueError) as error:
                print(f"{file.name}: not replaced: {error}")
                failed += 1
                continue
            recorded = {"origin": "recorded", "at": time.time(), "url": kept["url"], "status": reply.status_code}
            recorded |= {"type": kind, "body": body}
            file.write_text(json.dumps(recorded, ensure_ascii=False, separators=(",", ":")) + "\n")
            print(f"{file.name}: recorded")
            time.sleep(1)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
