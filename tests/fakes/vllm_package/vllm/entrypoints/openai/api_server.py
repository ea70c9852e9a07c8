"""What `pipeline.engines.vllm` starts, without a model: vLLM's arguments, key, health address and second process.

The model's folder tells by its files how it fails.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers as vLLM does: the key is asked for below /v1 only."""

    def do_GET(self) -> None:
        if self.path.startswith("/v1") and self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": "Unauthorized"})
        elif self.path == "/health":
            self.answer(503 if (FOLDER / "sick").exists() else 200, {})
        elif self.path == "/v1/models":
            self.answer(200, {"data": [{"id": OPTIONS.served_model_name, "owned_by": "vllm", "max_model_len": 4096}]})
        else:
            self.answer(404, {})

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


parser = argparse.ArgumentParser(prog="api_server.py")
for name in "--model", "--served-model-name", "--host":
    parser.add_argument(name)
for name in "--port", "--max-model-len", "--max-num-seqs", "--kv-cache-memory-bytes":
    parser.add_argument(name, type=int)
parser.add_argument("--gpu-memory-utilization", type=float)
parser.add_argument("--scheduling-policy")
for name in (
    "--enable-prefix-caching",
    "--enable-prompt-tokens-details",
    "--disable-uvicorn-access-log",
    "--enforce-eager",
):
    parser.add_argument(name, action="store_true")
OPTIONS = parser.parse_args()
FOLDER = Path(OPTIONS.model)

if (FOLDER / "stubborn").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if (FOLDER / "log").exists():
    print((FOLDER / "log").read_text(), file=sys.stderr, flush=True)
if (FOLDER / "fails").exists():
    sys.exit(3)
if (FOLDER / "slow").exists():
    time.sleep(600)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "EngineCore", OPTIONS.model])
ThreadingHTTPServer((OPTIONS.host, OPTIONS.port), Handler).serve_forever()
