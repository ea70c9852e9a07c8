"""A real CalDAV server, Radicale, keeps what people put on the calendar."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest_asyncio

from tests.tools.calling import Caller, MemoryStore, context
from tools.caldav_calendar import CalDav
from tools.calendar import Calendar
from tools.outcomes import Status

ZONE = ZoneInfo("Europe/Lisbon")
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)
PASSWORD = "only for this test"


@asynccontextmanager
async def radicale(folder: Path) -> AsyncIterator[str]:
    """Run it on a free port with one account, ana; tells its address."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    users = folder / "users"
    users.write_text(f"ana:{PASSWORD}\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "radicale", f"--storage-filesystem-folder={folder / 'collections'}"),
        *("--server-hosts", f"127.0.0.1:{port}", "--auth-type", "htpasswd", "--auth-delay", "0"),
        *("--auth-htpasswd-filename", str(users), "--auth-htpasswd-encryption", "plain"),
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "RADICALE_CONFIG": ""},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(30):
            while True:
                try:
                    await http.get(url)
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
            auth = ("ana", PASSWORD)
            made = await http.request("MKCALENDAR", f"{url}/ana/family/", auth=auth)
            assert made.status_code == 201
        yield url
    finally:
        process.terminate()
        await process.wait()


@dataclass
class Diary:
    calendar: Calendar
    caller: Caller
    source: CalDav
    said: list[str]
    now: list[float]
    url: str

    async def ask(self, tool: str, **arguments: Any) -> str:
        return await self.caller.ask(tool, **arguments)

    async def sure(self, tool: str, **arguments: Any) -> str:
        """Ask, and say yes."""
        asked = await self.caller.call(tool, **arguments)
        assert asked.status is Status.UNCONFIRMED
        outcome = await self.caller.executor.confirm("talk", context("yes"), yes=True)
        assert outcome is not None
        return outcome.say

    async def put(self, ical: str) -> None:
        async with httpx.AsyncClient(auth=("ana", PASSWORD)) as http:
            body = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{ical.strip()}\r\nEND:VCALENDAR\r\n"
            name = abs(hash(ical))
            (await http.put(f"{self.url}/ana/family/{name}.ics", content=body)).raise_for_status()


@asynccontextmanager
async def diary(url: str, *, password: str = PASSWORD, store: MemoryStore | None = None) -> AsyncIterator[Diary]:
    said: list[str] = []
    now = [MONDAY.timestamp()]

    async def announce(text: str) -> None:
        said.append(text)

    source = CalDav(url, "ana", password, name=None, zone=ZONE)
    calendar = Calendar(
        source,
        zone=lambda: ZONE,
        reminded=store or MemoryStore(),
        announce=announce,
        before=timedelta(minutes=10),
        now=lambda: now[0],
    )
    try:
        yield Diary(calendar, Caller(calendar.tools()), source, said, now, url)
    finally:
        await source.close()


@pytest_asyncio.fixture
async def ana(tmp_path: Path) -> AsyncIterator[Diary]:
    async with radicale(tmp_path) as url, diary(url) as one:
        yield one


async def test_an_appointment_is_put_on_the_calendar_found_moved_and_taken_off(ana: Diary) -> None:
    assert await ana.ask("list_events", when="friday") == "There is nothing on the calendar on Friday."
    said = await ana.ask("add_event", title="a dentist", when="friday", time="9:30", place="Main Street")
    assert said == "I put Dentist on the calendar: it is on Friday at 9:30 AM, at Main Street."
    assert await ana.ask("list_events", when="friday") == "On Friday there is Dentist at 9:30 AM."
    assert await ana.ask("find_event", about="the dentist") == "Dentist is on Friday at 9:30 AM, at Main Street."
    assert await ana.ask("list_events") == "The next one, Dentist, is on Friday at 9:30 AM, at Main Street."
    assert (
        await ana.ask("move_event", title="dentist", when="thursday")
        == "Dentist is on Thursday at 9:30 AM, at Main Street now."
    )
    assert (
        await ana.ask("move_event", title="dentist", time="3")
        == "Dentist is on Thursday at 3:00 PM, at Main Street now."
    )
    assert await ana.ask("list_events", when="friday") == "There is nothing on the calendar on Friday."
    assert await ana.sure("delete_event", title="dentist") == "I took Dentist on Thursday off the calendar."
    assert await ana.ask("list_events", when="this week") == "There is nothing on the calendar this week."


async def test_another_program_sees_what_was_put_there(ana: Diary) -> None:
    await ana.ask("add_event", title="Lunch with Eva", when="tomorrow", time="12:30", minutes=90)
    async with diary(ana.url) as other:
        assert await other.ask("list_events", when="tomorrow") == "Tomorrow there is Lunch with Eva at 12:30 PM."


async def test_who_is_free_is_told_with_the_gaps(ana: Diary) -> None:
    await ana.ask("add_event", title="Work", when="tomorrow", time="9:00", minutes=180)
    await ana.ask("add_event", title="Gym", when="tomorrow", time="18:00")
    said = await ana.ask("free_time", when="tomorrow")
    assert said == "Tomorrow you are free until 9:00 AM, from 12:00 PM to 6:00 PM and from 7:00 PM on."
    assert (
        await ana.ask("free_time", when="tomorrow", time="10 am")
        == "No, tomorrow at 10:00 AM there is Work until 12:00 PM."
    )
    assert await ana.ask("free_time", when="tomorrow", time="2 pm") == "Yes, you are free tomorrow at 2:00 PM."


async def test_two_at_once_are_told_of(ana: Diary) -> None:
    await ana.ask("add_event", title="Work", when="tomorrow", time="9:00", minutes=180)
    assert "There is also Work at 9:00 AM." in await ana.ask(
        "add_event", title="Dentist", when="tomorrow", time="10:00"
    )


async def test_one_time_of_many_is_moved_and_taken_off_alone(ana: Diary) -> None:
    assert "every Tuesday" in await ana.ask("add_event", title="Piano", when="tuesday", time="16:00", repeat="weekly")
    assert await ana.ask("list_events", when="2026-12-08") == "On Tuesday, December 8 there is Piano at 4:00 PM."
    assert "on Tuesday, December 1 at 5:00 PM" in await ana.ask(
        "move_event", title="piano", on="2026-12-01", time="17:00"
    )
    assert "The other times stay." in await ana.sure("delete_event", title="piano", on="2026-12-08")
    assert "nothing" in await ana.ask("list_events", when="2026-12-08")
    assert "Piano at 4:00 PM" in await ana.ask("list_events", when="2026-12-15")
    assert "Piano at 5:00 PM" in await ana.ask("list_events", when="2026-12-01")


async def test_a_time_stays_on_the_wall_when_the_clocks_change(ana: Diary) -> None:
    await ana.put(
        "BEGIN:VEVENT\r\nUID:rec\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Lisbon:20260301T090000\r\n"
        "DTEND;TZID=Europe/Lisbon:20260301T093000\r\nRRULE:FREQ=DAILY\r\nSUMMARY:Walk\r\nEND:VEVENT"
    )
    for day in ("2027-03-27", "2027-03-28", "2027-03-29"):
        assert "Walk at 9:00 AM" in await ana.ask("list_events", when=day)


async def test_a_whole_day_is_one_also_in_another_zone(ana: Diary) -> None:
    await ana.ask("add_event", title="Holiday", when="wednesday")
    assert await ana.ask("list_events", when="wednesday") == "On Wednesday there is Holiday, all day."
    assert "nothing" in await ana.ask("list_events", when="thursday")
    await ana.put(
        "BEGIN:VEVENT\r\nUID:tokyo\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Asia/Tokyo:20261126T090000\r\n"
        "DURATION:PT1H\r\nSUMMARY:Call with Tokyo\r\nEND:VEVENT"
    )
    assert await ana.ask("find_event", about="tokyo") == "Call with Tokyo is on Thursday at 12:00 AM."


async def test_a_damaged_appointment_costs_no_other(ana: Diary) -> None:
    await ana.ask("add_event", title="Dentist", when="friday", time="9:30")
    await ana.put("BEGIN:VEVENT\r\nUID:odd\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261127T110000Z\r\nEND:VEVENT")
    said = await ana.ask("list_events", when="friday")
    assert "Dentist at 9:30 AM" in said
    assert "an appointment without a name" in said


async def test_an_appointment_is_told_of_in_time_and_once(tmp_path: Path) -> None:
    store = MemoryStore()
    async with radicale(tmp_path) as url:
        async with diary(url, store=store) as ana:
            await ana.ask("add_event", title="Dentist", when="today", time="11:00", place="Main Street")
            await ana.calendar.look()
            assert ana.said == []
            ana.now[0] += 52 * 60
            await ana.calendar.look()
            await ana.calendar.look()
            assert ana.said == ["In 8 minutes: Dentist, at Main Street."]
            assert await ana.calendar.upcoming(ZONE) == ["Calendar: Dentist is today at 11:00 AM, at Main Street."]
        async with diary(url, store=store) as again:
            again.now[0] += 55 * 60
            await again.calendar.look()
            assert again.said == []


async def test_what_goes_wrong_is_told(ana: Diary) -> None:
    assert "I find nothing called dentist" in await ana.ask("find_event", about="dentist")
    assert (await ana.caller.call("add_event", title="x", when="February 30")).status is Status.INVALID
    assert "passed already" in await ana.ask("add_event", title="Breakfast", when="today", time="8 am")
    async with diary(ana.url, password="wrong") as stranger:
        assert "password has to be checked" in await stranger.ask("list_events", when="today")
    async with diary("http://127.0.0.1:1") as nobody:
        assert "doesn't answer right now" in await nobody.ask("list_events", when="today")


async def test_of_several_somebody_has_to_choose(ana: Diary) -> None:
    for title in ("Call mother", "Call the bank"):
        await ana.ask("add_event", title=title, when="friday", time="9:30")
    assert await ana.ask("find_event", about="call") == "Which one? There are Call mother and Call the bank."


async def test_of_many_the_first_are_told(ana: Diary) -> None:
    for number in range(9):
        await ana.ask("add_event", title=f"Thing {number}", when="friday", time=f"{9 + number}:00", minutes=30)
    assert "and 3 more" in await ana.ask("list_events", when="friday")
