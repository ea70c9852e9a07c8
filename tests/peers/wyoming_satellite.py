"""The real wyoming-satellite in an environment of its own, for tests: as on a Raspberry Pi, but for its sound card.

`python -m tests.peers.wyoming_satellite` makes the environment beside `.venv`, once: a few seconds. The last version
on PyPI is 1.0.0; `WYOMING_SATELLITE=FOLDER` takes another from its sources.
"""

import asyncio
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.spoken import RATE, pcm, room_tone

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-wyoming"
PYTHON = FOLDER / "bin" / "python"
SOURCE = os.environ.get("WYOMING_SATELLITE")
# Each wants just this version of the protocol's package; what else they name is for what is not used here.
PACKAGES = (
    ("wyoming==1.5.4", "pyring-buffer==1.0.1", SOURCE)
    if SOURCE
    else ("wyoming==1.4.1", "pyring-buffer==1.0.1", "wyoming-satellite==1.0.0")
)
START_SECONDS = 30
PLAYED_RATE = 22_050


def ready() -> bool:
    return _complete().is_file()


def make() -> None:
    """Make the environment unless it is there. Raises `subprocess.CalledProcessError` where a step fails."""
    if ready():
        return
    print("Installing a Wyoming satellite to test against", file=sys.stderr, flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / ".gitignore").write_text("*\n")
    _run(sys.executable, "-m", "venv", FOLDER)
    _run(PYTHON, *"-m pip --disable-pip-version-check --no-input install --quiet --no-deps".split(), *PACKAGES)
    _complete().touch()


def _complete() -> Path:
    described = "\n".join(PACKAGES).encode()
    return FOLDER / f".complete-{hashlib.sha256(described).hexdigest()[:12]}"


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


MICROPHONE = """
import os, sys, time
# Plays what is put into a folder, one file after the other, and the quiet of the room around it.
folder, quiet = sys.argv[1], open(sys.argv[2], "rb").read()
sound, due, at = b"", time.monotonic(), 0
while True:
    if not sound:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".pcm"):
                with open(os.path.join(folder, name), "rb") as file:
                    sound += file.read()
                os.remove(os.path.join(folder, name))
    at = (at + 2048) % (len(quiet) - 2048)
    piece = (sound[:2048] + quiet[at:])[:2048]
    sound = sound[2048:]
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    due += 0.064
    time.sleep(max(0, due - time.monotonic()))
"""
LOUDSPEAKER = """
import sys, time
# Takes as long as a sound card does, and keeps what it played.
with open(sys.argv[1], "ab") as file:
    due = time.monotonic()
    while piece := sys.stdin.buffer.read1(4096):
        file.write(piece)
        file.flush()
        due = max(due, time.monotonic() - 0.2) + len(piece) / (2 * 22050)
        time.sleep(max(0, due - time.monotonic()))
"""


@dataclass
class PiSatellite:
    """A running one, with a microphone and a loudspeaker that are files."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process
    _said: int = 0

    @property
    def uri(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def say(self, *parts: np.ndarray) -> None:
        """Let its microphone hear something, from now on and in real time."""
        self._said += 1
        made = self.folder / f"{self._said:03}.tmp"
        made.write_bytes(pcm(np.concatenate(parts)))
        made.rename(self.folder / "said" / f"{self._said:03}.pcm")

    @property
    def played(self) -> bytes:
        """What its loudspeaker has played, at `PLAYED_RATE`."""
        file = self.folder / "played.pcm"
        return file.read_bytes() if file.exists() else b""

    def log(self) -> str:
        return (self.folder / "satellite.log").read_text()

    async def until_logged(self, text: str) -> None:
        async with asyncio.timeout(START_SECONDS):
            while text not in self.log():
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self.process.terminate()
        await self.process.wait()


@asynccontextmanager
async def wyoming_satellite(folder: Path, *arguments: str, port: int = 0) -> AsyncIterator[PiSatellite]:
    """Run one on a free port of the loopback until the context ends."""
    (folder / "said").mkdir(parents=True, exist_ok=True)
    (folder / "microphone.py").write_text(MICROPHONE)
    (folder / "loudspeaker.py").write_text(LOUDSPEAKER)
    (folder / "quiet.pcm").write_bytes(pcm(room_tone(10.0)))
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
    microphone = f"{PYTHON} {folder / 'microphone.py'} {folder / 'said'} {folder / 'quiet.pcm'}"
    loudspeaker = f"{PYTHON} {folder / 'loudspeaker.py'} {folder / 'played.pcm'}"
    with (folder / "satellite.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(PYTHON), "-m", "wyoming_satellite", "--uri", f"tcp://127.0.0.1:{port}", "--name", "Kitchen"),
            *("--no-zeroconf", "--debug", "--mic-command", microphone, "--snd-command", loudspeaker),
            *("--mic-command-rate", str(RATE), "--snd-command-rate", str(PLAYED_RATE), *arguments),
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": ""},
            start_new_session=True,
        )
    satellite = PiSatellite(port, folder, process)
    try:
        await _listening(satellite)
        yield satellite
    finally:
        if process.returncode is None:
            # Its microphone and loudspeaker are its children.
            os.killpg(process.pid, 15)
            await process.wait()


async def _listening(satellite: PiSatellite) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            if satellite.process.returncode is not None:
                raise AssertionError(f"the satellite ended: {satellite.log()[-2000:]}")
            if _listens(satellite.port):
                return
            await asyncio.sleep(0.05)


def _listens(port: int) -> bool:
    """Look it up: a try would be the one connection that it takes."""
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


if __name__ == "__main__":
    try:
        make()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"The Wyoming satellite's environment cannot be made: {error}", file=sys.stderr)
        sys.exit(1)
