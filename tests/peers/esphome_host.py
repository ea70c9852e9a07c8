"""Real ESPHome firmware, built for this machine instead of an ESP32, for tests.

`python -m tests.peers.esphome_host` makes an environment beside `.venv` and builds the firmware in it, once: a few
minutes and 300 MB of disk. It needs `g++`. What it has is ESPHome's API; a voice assistant is only for ESP32s, and so
is multicast DNS. The library that encrypts is only in PlatformIO's registry: `ESPHOME_NOISE=FOLDER` takes the sources
of https://github.com/esphome/noise-c, which need Debian's `libsodium-dev`, and builds devices with a key as well.
"""

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-esphome"
PYTHON = FOLDER / "bin" / "python"
VERSION = "2026.6.5"
NOISE = os.environ.get("ESPHOME_NOISE")
KEY = base64.b64encode(bytes(range(32))).decode()
PORT = 6053
MACS = ("06:35:69:AB:F6:79", "06:35:69:AB:F6:80")
START_SECONDS = 10

CONFIGURATION = """\
esphome:
  name: puck
  friendly_name: Kitchen puck
  project:
    name: passfel.puck
    version: "1.2"
host:
  mac_address: "{mac}"
logger:
api:
{encryption}
"""
ENCRYPTION = f"  encryption:\n    key: {KEY}"
FLAGS = ("-DUSE_HOST", "-DESPHOME_LOG_LEVEL=ESPHOME_LOG_LEVEL_DEBUG", "-fno-exceptions", "-std=gnu++20", "-w", "-I.")
# It would listen at all addresses of this machine; so each device has one of its own.
ANYWHERE, THERE = "s_addr = ESPHOME_INADDR_ANY", 's_addr = inet_addr(getenv("ADDRESS"))'


@dataclass(frozen=True)
class Build:
    """A firmware."""

    mac: str
    encrypted: bool

    @property
    def name(self) -> str:
        return f"{self.mac[-2:]}{'-encrypted' if self.encrypted else ''}"

    @property
    def program(self) -> Path:
        return FOLDER / "firmware" / self.name / "device"


BUILDS = [Build(mac, encrypted) for encrypted in ((False, True) if NOISE else (False,)) for mac in MACS]


def ready() -> bool:
    return _complete().is_file()


def make() -> None:
    """Make the environment unless it is there. Raises `subprocess.CalledProcessError` where a step fails."""
    if ready():
        return
    print("Building an ESPHome firmware to test against", file=sys.stderr, flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / ".gitignore").write_text("*\n")
    _run(sys.executable, "-m", "venv", FOLDER)
    _run(PYTHON, *"-m pip --disable-pip-version-check --no-input install --quiet".split(), f"esphome=={VERSION}")
    for build in BUILDS:
        _build(build)
    _complete().touch()


def _build(build: Build) -> None:
    """Have ESPHome write the firmware's source, and compile what another build has not compiled already."""
    folder = build.program.parent
    folder.mkdir(parents=True)
    encryption = ENCRYPTION if build.encrypted else ""
    (folder / "puck.yaml").write_text(CONFIGURATION.format(mac=build.mac, encryption=encryption))
    _run(FOLDER / "bin" / "esphome", "compile", "--only-generate", folder / "puck.yaml")
    source = folder / ".esphome" / "build" / "puck" / "src"
    socket = source / "esphome" / "components" / "socket" / "socket.cpp"
    text = socket.read_text()
    if ANYWHERE not in text:
        raise OSError(f"{socket} is not as it was in ESPHome {VERSION}")
    socket.write_text(text.replace(ANYWHERE, THERE))
    flags: tuple[str, ...] = FLAGS
    libraries: list[Path | str] = ["-lpthread"]
    if build.encrypted:
        assert NOISE is not None
        flags += (f"-I{NOISE}/include",)
        noise = Path(NOISE) / "src"
        parts = [*(noise / "protocol").glob("*.c"), *(noise / "backend" / "sodium").glob("*.c")]
        parts += [noise / "backend" / "ref" / "hash-blake2s.c", *(noise / "crypto" / "blake2").glob("*.c")]
        include = (f"-I{NOISE}/include", f"-I{noise}", f"-I{noise / 'protocol'}", "-w")
        libraries = [*_compiled("gcc", parts, include, folder), "-lsodium", *libraries]
    objects = _compiled("g++", sorted(source.rglob("*.cpp")), flags, source)
    _run("g++", *objects, *libraries, "-o", build.program)


def _compiled(compiler: str, files: Sequence[Path], flags: Sequence[str], folder: Path) -> list[Path]:
    def compiled(numbered: tuple[int, Path]) -> Path:
        number, file = numbered
        made = folder / f"{number}-{file.stem}.o"
        subprocess.run([compiler, "-c", *flags, str(file), "-o", str(made)], check=True, cwd=folder)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compiled, enumerate(files)))


def _complete() -> Path:
    described = f"{VERSION} {CONFIGURATION} {ENCRYPTION} {FLAGS} {BUILDS}".encode()
    return FOLDER / f".complete-{hashlib.sha256(described).hexdigest()[:12]}"


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


@asynccontextmanager
async def device(build: Build, address: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a firmware at an address of the loopback, port `PORT`, until the context ends; `folder` is its home."""
    log_file = folder / f"{address}.log"
    with log_file.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            str(build.program), env={"HOME": str(folder), "ADDRESS": address}, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                if process.returncode is not None:
                    raise AssertionError(f"the device ended: {log_file.read_text()[-2000:]}")
                try:
                    _, writer = await asyncio.open_connection(address, PORT)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    try:
        make()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"No ESPHome firmware can be built: {error}", file=sys.stderr)
        sys.exit(1)
