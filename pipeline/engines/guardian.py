"""Runs a server that knows nothing of `pipeline.engines.supervision`, and keeps that protocol in its place.

`pipeline.engines.vllm` starts it by its path, in a process of its own. It imports nothing of ours. The server's command
comes after `--`, with `{port}` where the port belongs. Once the server's health address answers 200, one line of JSON,
`{"port": 40123}`, goes to standard output; the server's output goes to standard error, where lines of the guardian's
own begin with `guardian: `. At SIGTERM, or when standard input ends, which is when the parent does, the server is told
to end. Then, or when it ends by itself, the process group is killed: what the server left behind, and the guardian.
"""

import argparse
import contextlib
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

_CHECK_SECONDS = 0.25
_ANSWER_SECONDS = 5.0


def main() -> None:
    """Run the server until it ends. The last line logged tells its exit code; a signal's number is negative."""
    options = _options()
    port = _claimed(options.port)
    guardian = _Guardian(options.grace)
    # Before there is a server, so that at no moment a signal ends the guardian alone.
    signal.signal(signal.SIGTERM, lambda *_: guardian.end())
    try:
        server = guardian.start([part.replace("{port}", str(port)) for part in options.command])
    except OSError as error:
        sys.exit(f"guardian: {options.command[0]} cannot be run: {error.strerror}")
    threading.Thread(target=guardian.end_with_parent, daemon=True).start()
    threading.Thread(target=_tell_when_ready, args=(port, options.health), daemon=True).start()
    code = server.wait()
    reason = ", most likely because memory ran out" if code == -signal.SIGKILL else ""
    # Nobody reads it where the parent has died.
    with contextlib.suppress(OSError):
        print(f"guardian: it ended with exit code {code}{reason}", file=sys.stderr, flush=True)
    _kill_group()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a server on the loopback address.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--health", required=True, help="path that answers 200 once requests are served")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that it may take to end")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _claimed(port: int) -> int:
    """Find a free port, or see that `port` is free, before minutes are spent on loading a model."""
    try:
        with socket.create_server(("127.0.0.1", port)) as claimed:
            return int(claimed.getsockname()[1])
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
        sys.exit(f"guardian: port {port} cannot be had: {reason}")


class _Guardian:
    """Ends the server once, in order or by force."""

    def __init__(self, grace: float) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._grace = grace
        self._ending = False

    def start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Run the server; it is told to end at once where that was wanted meanwhile."""
        self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)  # noqa: S603
        if self._ending:
            self._server.terminate()
        return self._server

    def end(self) -> None:
        """Tell the server to end, and see to it that it does."""
        if not self._ending:
            self._ending = True
            if self._server is not None:
                self._server.terminate()
            force = threading.Timer(self._grace, _kill_group)
            force.daemon = True
            force.start()

    def end_with_parent(self) -> None:
        """Wait for the end of standard input."""
        sys.stdin.buffer.read()
        self.end()


def _kill_group() -> None:
    os.killpg(0, signal.SIGKILL)


def _tell_when_ready(port: int, health: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            opener.open(f"http://127.0.0.1:{port}{health}", timeout=_ANSWER_SECONDS).close()
            print(json.dumps({"port": port}), flush=True)
            return
        time.sleep(_CHECK_SECONDS)


if __name__ == "__main__":
    main()
