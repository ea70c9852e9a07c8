"""`passfel connect`, `tools` and `tool` with real servers, as somebody at a terminal uses them."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.peers import home_assistant as home_peer
from tests.peers.home_assistant import home_assistant
from tests.peers.server import ROOT
from tests.peers.test_calendar import PASSWORD, radicale
from tests.tools.provider import provider, status


async def passfel(data: Path, *arguments: str, answers: str = "", **variables: str) -> tuple[int, str]:
    environment = os.environ | {"PASSFEL_DATA_DIR": str(data)} | variables
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "passfel.py", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate(answers.encode())
    return process.returncode or 0, said.decode()


@pytest.mark.skipif(
    not home_peer.ready() and not os.environ.get("CI"), reason="no Home Assistant: python -m tests.peers.home_assistant"
)
async def test_a_home_assistant_is_connected_and_a_lamp_tried(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with home_assistant(tmp_path / "home") as home:
        code, said = await passfel(data, "connect", "homeassistant", answers=f"{home.url}\nwrong\n")
        assert (code, "does not accept the key" in said) == (1, True)
        code, said = await passfel(data, "connect", "homeassistant", answers=f"{home.url}\n{home.token}\n")
        assert code == 0, said
        assert "Home Assistant is connected" in said
        assert home.token not in said
        assert stat.S_IMODE((data / "credentials.json").stat().st_mode) == 0o600
        code, said = await passfel(data, "tool", "turn_on", "name=bed light")
        assert (code, "The bed light is on." in said) == (0, True), said
        code, said = await passfel(data, "tool", "unlock_door", "name=front door")
        assert (code, "say --yes to confirm" in said) == (1, True)
        code, said = await passfel(data, "tool", "unlock_door", "name=front door", "--yes")
        assert (code, await home.state("lock.front_door")) == (0, "unlocked"), said
        _, said = await passfel(data, "tools")
        assert next(line for line in said.splitlines() if line.startswith("turn_on")).split()[2] == "worked"


async def test_a_calendar_is_connected_and_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with radicale(tmp_path) as url:
        code, said = await passfel(data, "connect", "caldav", answers=f"{url}\nana\nwrong\n")
        assert (code, "password has to be checked" in said) == (1, True), said
        assert not (data / "credentials.json").exists()
        code, said = await passfel(data, "connect", "caldav", answers=f"{url}\nana\n{PASSWORD}\n")
        assert code == 0, said
        code, said = await passfel(data, "tool", "add_event", "title=dentist", "when=tomorrow", "time=9:30")
        assert "I put Dentist on the calendar" in said
        code, said = await passfel(data, "tool", "list_events", "when=tomorrow")
        assert "Dentist at 9:30 AM" in said


async def test_a_hosted_model_is_connected_by_its_key(tmp_path: Path) -> None:
    async with provider() as server:
        server.instead = status(401)
        code, said = await passfel(tmp_path, "connect", "venice", answers=f"{server.url}\nkey\n")
        assert (code, "does not accept the key" in said) == (1, True), said
        server.instead = status(200, text='{"data": [{"id": "llama"}]}')
        code, said = await passfel(tmp_path, "connect", "venice", answers=f"{server.url}\nkey\nllama\n")
        assert (code, "llama answers where your own model fails" in said) == (0, True), said
        assert server.headers[-1]["Authorization"] == "Bearer key"


@pytest.mark.parametrize("answers", ["", "\n", "no address\n", "http://127.0.0.1:1\ntoken\n"])
async def test_what_is_no_answer_is_told_in_one_line(tmp_path: Path, answers: str) -> None:
    code, said = await passfel(tmp_path, "connect", "homeassistant", answers=answers)
    assert code == 1
    assert said.splitlines()[-1].count("passfel:") == 1
    assert "Traceback" not in said


async def test_a_tool_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, said = await passfel(tmp_path, "tool", "make_coffee")
    assert (code, "there is no tool 'make_coffee'" in said) == (1, True)
