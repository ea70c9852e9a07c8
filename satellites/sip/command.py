"""`passfel sip`: how the telephone of the running assistant fares."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx

_SECONDS = 10.0


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", own: Callable[[Settings], str]
) -> None:
    """Add `sip`; `own` tells where the running assistant is."""
    sip = commands.add_parser(
        "sip",
        help="see how the telephone fares",
        description="Show whether the telephone is registered, who is banned, and how well its calls are heard.",
    )
    sip.add_argument("what", choices=["status"], help="show all of it")
    sip.set_defaults(command=lambda settings, _: _status(settings, own(settings)))


def _status(settings: Settings, address: str) -> int:
    import httpx  # noqa: PLC0415 - passfel --help does without

    if not settings.sip.enabled:
        print("The telephone is off: set enabled = true below [sip] in the settings, and start the assistant again.")
        return 1
    token = settings.token.get_secret_value() if settings.token else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=_SECONDS, trust_env=False) as http:
            known = _answered(http.get("/v1/satellites"))
    except httpx.TransportError:
        print(f"No assistant answers at {address}: start it with passfel serve.", file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    ours = [each for each in known if each["door"] in ("sip", "audiosocket")]
    for line in [line for each in ours for line in told(each)]:
        print(line)
    if not ours:
        print("The running assistant has no telephone: start it again with these settings.", file=sys.stderr)
    return 0 if any(each["state"] == "ready" for each in ours) else 1


def _answered(response: "httpx.Response") -> Any:
    if response.is_error:
        raise ValueError(f"The assistant answered {response.status_code}: check the token in the settings.")
    return response.json()


def told(satellite: dict[str, Any]) -> Iterator[str]:
    """Describe the telephone, or a call, in lines for people."""
    detail = satellite["detail"]
    if satellite["device"] == "sip":
        yield f"telephone   {satellite['state']}" + (f", {detail['problem']}" if detail["problem"] else "")
        if detail["listens"]:
            yield f"  direct    {detail['listens']}"
        for name, account in detail["accounts"].items():
            yield f"  {name:9} {account['state']}" + (f": {account['problem']}" if account["problem"] else "")
        for address, seconds in detail["banned"].items():
            yield f"  banned    {address} for {seconds // 60 + 1} more minutes"
        yield f"  calls     {detail['calls']}"
        return
    who = detail.get("person") or detail.get("number") or satellite["door"]
    heard = f", {detail['codec_rate'] / 1000:.0f} kHz" if detail.get("codec_rate") else ""
    if "mos" in detail:
        heard += (
            f", {detail['lost']:.1%} lost, jitter {detail['jitter_ms']} ms, round trip {detail['round_trip_ms']} ms, "
            f"estimated MOS {detail['mos']}{', encrypted' if detail['encrypted'] else ''}"
        )
    yield f"call        {who} {satellite['state']} for {detail['seconds']} s{heard}"
    if detail["problem"]:
        yield f"            {detail['problem']}"
