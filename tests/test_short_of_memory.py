"""`passfel serve` where memory is short: in a control group of its own, and under `ulimit -v`."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

MIB = 1 << 20
SERVE = [sys.executable, "-m", "passfel", "serve"]
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@contextlib.contextmanager
def group(limit: int) -> Iterator[Path]:
    """Make a control group of version 1 or 2 with so many bytes, or skip where none can be made."""
    old = (V1 / "memory.limit_in_bytes").exists()
    folder = (V1 if old else V2) / f"passfel-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield folder
    finally:
        for _ in range(50):
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def environment(data: Path, port: int = 0) -> dict[str, str]:
    return os.environ | {"PASSFEL_DATA_DIR": str(data), "PASSFEL_PORT": str(port or free_port())}


def within(folder: Path, command: list[str]) -> list[str]:
    return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", *command]


def test_what_does_not_fit_its_group_is_refused_before_it_loads(tmp_path: Path) -> None:
    with group(500 * MIB) as folder:
        ended = subprocess.run(
            within(folder, SERVE), env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1
    assert "0.49 are free (the control group)" in ended.stderr
    assert "Listening" not in ended.stdout


def test_what_does_not_fit_its_ulimit_is_refused_before_it_loads(tmp_path: Path) -> None:
    command = ["sh", "-c", 'ulimit -v 800000; exec "$@"', "sh", *SERVE]
    ended = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "(ulimit -v)" in ended.stderr


def test_with_auto_it_takes_less_and_answers(tmp_path: Path) -> None:
    port = free_port()
    with (
        group(850 * MIB) as folder,
        subprocess.Popen(
            within(folder, [*SERVE, "--auto"]), env=environment(tmp_path, port), stdout=subprocess.PIPE, text=True
        ) as serving,
    ):
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
                _until_warm(http, serving)
                asked = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 20}
                answer = http.post("/v1/chat/completions", json=asked)
                assert answer.status_code == 200, answer.text
                memory = http.get("/v1/engine").json()["memory"]
            assert memory["limit"] == pytest.approx(0.83, abs=0.01)
        finally:
            serving.terminate()
        told, _ = serving.communicate(timeout=30)
    assert "Started with hearing.model = " in told
    assert serving.returncode == 0


def _until_warm(http: httpx.Client, serving: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert serving.poll() is None, "it has ended"
        with contextlib.suppress(httpx.HTTPError):
            if http.get("/healthz").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail("it does not get warm")
