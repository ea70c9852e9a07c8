"""`passfel connect`, `tools` and `tool` with real servers, as somebody at a terminal uses them."""

import asyncio
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.peers import home_assistant as home_peer
from tests.peers import joplin_server
from tests.peers.home_assistant import home_assistant
from tests.peers.joplin_server import TOKEN, joplin
from tests.peers.server import ROOT
from tests.peers.test_calendar import PASSWORD, radicale
from tests.tools.google import CLIENT, REFRESH, SECRET, google
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


async def test_google_is_connected_with_a_code_and_asked(tmp_path: Path) -> None:
    async with google() as served:
        urls = {
            "PASSFEL_GOOGLE__SIGN_IN_URL": served.url,
            "PASSFEL_GOOGLE__CALENDAR_URL": f"{served.url}/calendar/v3",
        }
        code, said = await passfel(tmp_path, "connect", "google", answers=f"{CLIENT}\nwrong\n", **urls)
        assert (code, "id and secret" in said) == (1, True), said
        code, said = await passfel(tmp_path, "connect", "google", answers=f"{CLIENT}\n{SECRET}\n", **urls)
        assert code == 0, said
        assert "Open https://www.google.com/device on any device and type GQVQ-JKEC" in said
        assert "Google is connected" in said
        assert REFRESH not in said
        assert SECRET not in said
        code, said = await passfel(tmp_path, "tool", "add_event", "title=dentist", "when=tomorrow", "time=9:30", **urls)
        assert "I put Dentist on the calendar" in said, said
        code, said = await passfel(tmp_path, "tool", "list_events", "when=tomorrow", **urls)
        assert "Dentist at 9:30 AM" in said


async def test_two_calendars_are_one_and_one_that_is_silent_is_named(tmp_path: Path) -> None:
    async with radicale(tmp_path) as url, google() as served:
        settings = {
            "PASSFEL_GOOGLE__SIGN_IN_URL": served.url,
            "PASSFEL_GOOGLE__CALENDAR_URL": f"{served.url}/calendar/v3",
            "PASSFEL_GOOGLE__CLIENT_ID": CLIENT,
            "PASSFEL_GOOGLE__CLIENT_SECRET": SECRET,
            "PASSFEL_GOOGLE__REFRESH_TOKEN": REFRESH,
            "PASSFEL_CALENDAR__URL": url,
            "PASSFEL_CALENDAR__USERNAME": "ana",
            "PASSFEL_CALENDAR__PASSWORD": PASSWORD,
        }
        first = datetime.now(UTC).date() + timedelta(days=30)
        day, following = first.isoformat(), (first + timedelta(days=1)).isoformat()
        served.put("ana@example.org", summary="Choir", start={"date": day}, end={"date": following})
        for tool, arguments, told in (
            ("add_event", ("title=dentist", f"when={day}", "time=9:30"), "I put Dentist on the calendar"),
            ("list_events", (f"when={day}",), "2 appointments: Choir, all day and Dentist at 9:30 AM"),
            ("move_event", ("title=dentist", "time=11:00"), "11:00 AM now"),
        ):
            _, said = await passfel(tmp_path / "data", "tool", tool, *arguments, **settings)
            assert told in said
        settings["PASSFEL_GOOGLE__REFRESH_TOKEN"] = "of somebody else"
        _, said = await passfel(tmp_path / "data", "tool", "list_events", f"when={day}", **settings)
        assert "Dentist at 11:00 AM" in said
        assert "But your Google calendar doesn't answer right now." in said


@pytest.mark.skipif(not joplin_server.ready() and not os.environ.get("CI"), reason="no Joplin: make test-joplin")
async def test_a_joplin_is_connected_and_asked(tmp_path: Path) -> None:
    data, profile = tmp_path / "data", tmp_path / "profile"
    profile.mkdir()
    async with joplin(profile) as url:
        code, said = await passfel(data, "connect", "joplin", answers=f"{url}\nwrong\n")
        assert (code, "doesn't let me in" in said) == (1, True), said
        code, said = await passfel(data, "connect", "joplin", answers=f"{url}\n{TOKEN}\n")
        assert (code, "Joplin is connected: 0 notes" in said) == (0, True), said
        code, said = await passfel(data, "tool", "add_to_list", "item=call Anna", "list_name=to-do")
        assert "Call Anna is on the to-do list." in said
        code, said = await passfel(data, "tool", "read_todos")
        assert "To do: call Anna." in said


async def test_a_hosted_model_is_connected_by_its_key(tmp_path: Path) -> None:
    async with provider() as server:
        server.instead = status(401)
        code, said = await passfel(tmp_path, "connect", "venice", answers=f"{server.url}\nkey\n")
        assert (code, "does not accept the key" in said) == (1, True), said
        server.instead = status(200, text="<html>Welcome</html>")
        code, said = await passfel(tmp_path, "connect", "venice", answers=f"{server.url}\nkey\n")
        assert (code, "check the address" in said, "Traceback" in said) == (1, True, False), said
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
