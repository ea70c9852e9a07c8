"""A real Home Assistant with its demo house, in an environment of its own, for tests.

`python -m tests.peers.home_assistant` makes the environment beside `.venv`, once: a minute, and 400 MB of disk.
2024.3 is the last one for Python 3.11.
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

import httpx
from hass_client import HomeAssistantClient

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-ha"
PYTHON = FOLDER / "bin" / "python"
REQUIREMENTS = Path(__file__).with_name("homeassistant-requirements.txt")
START_SECONDS = 120

CONFIGURATION = """\
homeassistant:
  name: Home
  unit_system: metric
  time_zone: Europe/Lisbon
http:
  server_host: 127.0.0.1
  server_port: {port}
demo:
config:
api:
history:
recorder:
  commit_interval: 0
scene:
  - name: Movie night
    entities:
      light.bed_light: "on"
      light.ceiling_lights: "off"
"""


def ready() -> bool:
    return _complete().is_file()


def make() -> None:
    """Make the environment unless it is there. Raises `subprocess.CalledProcessError` where a step fails."""
    if ready():
        return
    print("Installing a Home Assistant to test against", file=sys.stderr, flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / ".gitignore").write_text("*\n")
    _run(sys.executable, "-m", "venv", FOLDER)
    # It says much about what it does not need to know.
    _run(PYTHON, *"-m pip --disable-pip-version-check --no-input install --quiet -r".split(), REQUIREMENTS)
    _complete().touch()


def _complete() -> Path:
    return FOLDER / f".complete-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}"


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


@dataclass
class HomeAssistant:
    url: str
    token: str
    folder: Path
    process: asyncio.subprocess.Process

    async def state(self, entity: str) -> str:
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {self.token}"}) as http:
            return str((await http.get(f"{self.url}/api/states/{entity}")).raise_for_status().json()["state"])

    async def put(self, entity: str, state: str, **attributes: object) -> None:
        """Have an entity be so, as a device would tell it."""
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {self.token}"}) as http:
            body = {"state": state, "attributes": attributes}
            (await http.post(f"{self.url}/api/states/{entity}", json=body)).raise_for_status()

    async def until(self, entity: str, state: str) -> None:
        async with asyncio.timeout(10):
            while await self.state(entity) != state:
                await asyncio.sleep(0.05)

    async def running(self) -> None:
        """Wait until all of it has been set up: it answers before."""
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as http:
            while True:
                answer = await http.get(f"{self.url}/api/config", headers={"authorization": f"Bearer {self.token}"})
                if answer.status_code == httpx.codes.OK and answer.json()["state"] == "RUNNING":
                    return
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def start(self) -> None:
        self.process = await _started(self.folder, self.url)


@asynccontextmanager
async def home_assistant(folder: Path) -> AsyncIterator[HomeAssistant]:
    """Run it over a new folder, with an owner and a token, and the rooms of its demo."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    _configure(folder, port)
    url = f"http://127.0.0.1:{port}"
    home = HomeAssistant(url, "", folder, await _started(folder, url))
    try:
        home.token = await _owner(url)
        yield home
    finally:
        if home.process.returncode is None:
            await home.stop()


def _configure(folder: Path, port: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))


async def _started(folder: Path, url: str) -> asyncio.subprocess.Process:
    with (folder / "output.txt").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(PYTHON), "-m", "homeassistant", "--config", str(folder), "--skip-pip"),
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": ""},
        )
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as http:
        while True:
            if process.returncode is not None:
                raise AssertionError(f"Home Assistant ended: {(folder / 'output.txt').read_text()[-2000:]}")
            try:
                if (await http.get(f"{url}/api/onboarding")).status_code in (200, 404):
                    return process
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def _owner(url: str) -> str:
    """Make an owner and a token that lives long, as the browser's first steps do."""
    person = {"client_id": url, "name": "Ana", "username": "ana", "password": "secret word", "language": "en"}
    async with httpx.AsyncClient(base_url=url) as http:
        code = (await http.post("/api/onboarding/users", json=person)).raise_for_status().json()["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": url}
        token = (await http.post("/auth/token", data=form)).raise_for_status().json()["access_token"]
    async with HomeAssistantClient(url.replace("http", "ws") + "/api/websocket", token) as client:
        long = await client.send_command("auth/long_lived_access_token", client_name="PASSFEL", lifespan=365)
        return str(long)


if __name__ == "__main__":
    try:
        make()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"Home Assistant's environment cannot be made: {error}", file=sys.stderr)
        sys.exit(1)
