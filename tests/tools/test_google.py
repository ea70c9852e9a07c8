"""Google's calendar, against a server written from its documentation; it was never run against Google itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from aiohttp import web

from tests.tools.calling import Caller, context
from tests.tools.google import CLIENT, FAMILY, REFRESH, SECRET, Google, google
from tools import google_calendar
from tools.calendar import Calendar
from tools.google_account import GoogleAccount
from tools.google_calendar import GoogleCalendar
from tools.outcomes import Status
from tools.service import MemoryCache, Service
from tools.tool import Failed
from tools.web import Web

ZONE = ZoneInfo("Europe/Lisbon")
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE).timestamp()
ANA = "ana@example.org"


@dataclass
class Diary:
    google: Google
    source: GoogleCalendar
    caller: Caller

    async def ask(self, tool: str, **arguments: Any) -> str:
        return await self.caller.ask(tool, **arguments)

    async def sure(self, tool: str, **arguments: Any) -> str:
        assert (await self.caller.call(tool, **arguments)).status is Status.UNCONFIRMED
        outcome = await self.caller.executor.confirm("talk", context("yes"), yes=True)
        assert outcome is not None
        return outcome.say


@asynccontextmanager
async def opened(served: Google, refresh_token: str | None = REFRESH, name: str | None = None) -> AsyncIterator[Diary]:
    web_ = Web([served.url])
    account = GoogleAccount(Service("Google", served.url, web_, cache=MemoryCache()), CLIENT, SECRET, refresh_token)
    api = Service("Google Calendar", f"{served.url}/calendar/v3", web_, cache=MemoryCache(), requests=1000)
    source = GoogleCalendar(api, account, name=name, zone=ZONE, now=lambda: MONDAY)
    calendar = Calendar(source, zone=lambda: ZONE, now=lambda: MONDAY)
    try:
        yield Diary(served, source, Caller(calendar.tools()))
    finally:
        await web_.close()


@pytest_asyncio.fixture
async def diary(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Diary]:
    monkeypatch.setattr(google_calendar, "CHANGES_SECONDS", 0.0)
    async with google() as served, opened(served) as made:
        yield made
        assert served.wrong == []


def hours(day: int, first: int, last: int) -> dict[str, dict[str, str]]:
    return {
        name: {"dateTime": datetime(2026, 11, day, hour, tzinfo=ZONE).isoformat()}
        for name, hour in (("start", first), ("end", last))
    }


async def test_appointments_of_all_shown_calendars_are_told(diary: Diary) -> None:
    diary.google.put(FAMILY, summary="Football", location="the park", **hours(24, 18, 19))
    diary.google.put(
        ANA, summary="Dentist", start={"dateTime": "2026-11-24T09:30:00Z"}, end={"dateTime": "2026-11-24T10:00:00Z"}
    )
    diary.google.put(ANA, summary="Rent", start={"date": "2026-11-24"}, end={"date": "2026-11-25"})
    diary.google.put("holidays", summary="Hidden", **hours(24, 8, 9))
    diary.google.put("boss", summary="Busy", **hours(24, 8, 9))
    said = await diary.ask("list_events", when="tomorrow")
    assert said == "Tomorrow there are 3 appointments: Rent, all day, Dentist at 9:30 AM and Football at 6:00 PM."
    assert await diary.ask("find_event", about="football") == "Football is tomorrow at 6:00 PM, at the park."


async def test_after_the_first_time_only_changes_are_fetched(diary: Diary) -> None:
    kept = [
        diary.google.put(ANA, summary=f"Thing {number}", **hours(25, 9 + number, 10 + number)) for number in range(5)
    ]
    assert "5 appointments" in await diary.ask("list_events", when="wednesday")
    diary.google.asked.clear()
    diary.google.put(ANA, **{**diary.google.events[ANA][kept[0]], "summary": "Renamed"})
    del diary.google.events[ANA][kept[1]]
    diary.google.changes.append((ANA, kept[1]))
    said = await diary.ask("list_events", when="wednesday")
    assert "4 appointments: Renamed" in said
    assert all("syncToken" in asked for asked in diary.google.asked)


async def test_a_sync_token_that_has_expired_means_that_all_is_fetched_again(diary: Diary) -> None:
    diary.google.put(ANA, summary="Dentist", **hours(25, 9, 10))
    await diary.ask("list_events", when="wednesday")
    diary.google.put(ANA, summary="Choir", **hours(25, 19, 20))
    diary.google.forgotten = 2
    assert "Dentist at 9:00 AM and Choir at 7:00 PM" in await diary.ask("list_events", when="wednesday")


async def test_an_appointment_is_added_moved_and_deleted(diary: Diary) -> None:
    said = await diary.ask("add_event", title="dentist", when="friday", time="9:30", place="Main Street 4")
    assert said == "I put Dentist on the calendar: it is on Friday at 9:30 AM, at Main Street 4."
    (event,) = diary.google.events[ANA].values()
    assert event["start"] == {"dateTime": "2026-11-27T09:30:00+00:00", "timeZone": "Europe/Lisbon"}
    assert await diary.ask("move_event", title="dentist", time="15:00") == (
        "Dentist is on Friday at 3:00 PM, at Main Street 4 now."
    )
    assert await diary.sure("delete_event", title="dentist") == "I took Dentist on Friday off the calendar."
    assert diary.google.events[ANA] == {}
    assert await diary.ask("list_events", when="friday") == "There is nothing on the calendar on Friday."


async def test_of_what_repeats_only_one_time_is_taken_off(diary: Diary) -> None:
    await diary.ask("add_event", title="choir", when="tuesday", time="19:00", repeat="weekly")
    said = await diary.sure("delete_event", title="choir", on="2026-12-01")
    assert "The other times stay." in said
    assert "Choir" in await diary.ask("list_events", when="2026-12-08")
    assert "nothing" in await diary.ask("list_events", when="2026-12-01")


async def test_an_answer_that_was_lost_puts_nothing_there_twice(diary: Diary) -> None:
    insert = diary.google._insert
    lost = iter([True])

    def answer(*arguments: Any) -> web.Response:
        answered = insert(*arguments)
        return web.Response(status=503) if next(lost, False) else answered

    diary.google._insert = answer  # type: ignore[method-assign]
    assert "I put Dentist on the calendar" in await diary.ask("add_event", title="dentist", when="friday", time="9:30")
    assert len(diary.google.events[ANA]) == 1


async def test_a_token_that_google_has_ended_is_renewed(diary: Diary) -> None:
    await diary.ask("list_events", when="today")
    diary.google.valid.clear()
    assert "nothing on the calendar" in await diary.ask("list_events", when="today")
    assert diary.google.tokens == 2


async def test_who_has_been_shut_out_is_told_what_to_do(diary: Diary) -> None:
    diary.google.lasting = "another"
    assert await diary.ask("list_events") == "Google doesn't let me in any more. Please connect it again."


async def test_google_that_wants_to_be_asked_less_often_is_left_alone(diary: Diary) -> None:
    reason = {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}]}}
    diary.google.instead = web.json_response(reason, status=403, headers={"Retry-After": "60"})
    assert "wants to be asked less often" in await diary.ask("list_events")


async def test_for_a_while_what_is_known_counts_where_google_is_silent(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary.google.put(ANA, summary="Dentist", **hours(25, 9, 10))
    await diary.ask("list_events", when="wednesday")
    diary.google.instead = web.Response(status=503, headers={"Retry-After": "60"})
    assert "Dentist" in await diary.ask("list_events", when="wednesday")
    monkeypatch.setattr(google_calendar, "STALE_SECONDS", 0.0)
    diary.google.instead = web.Response(status=503, headers={"Retry-After": "60"})
    assert "has trouble right now" in await diary.ask("list_events", when="wednesday")


@pytest.mark.parametrize(
    "event",
    [
        {"start": {"dateTime": "soon"}, "end": {}},
        {"start": {}, "end": {}},
        {"start": None},
        {"summary": 7, "start": {}},
    ],
)
async def test_an_event_that_cannot_be_read_costs_no_other(diary: Diary, event: dict[str, Any]) -> None:
    diary.google.put(ANA, summary="Dentist", **hours(25, 9, 10))
    diary.google.put(ANA, **event)
    assert "Wednesday there is Dentist" in await diary.ask("list_events", when="wednesday")


@pytest.mark.parametrize("text", ["<html>", '{"items": 3}', "[" * 500, "", '{"items": [{}]'])
async def test_what_is_no_calendar_is_told(diary: Diary, text: str) -> None:
    diary.google.instead = web.Response(text=text)
    assert "can't read" in await diary.ask("list_events")


async def test_days_far_away_are_asked_for_themselves(diary: Diary) -> None:
    diary.google.put(ANA, summary="Wedding", start={"date": "2029-06-02"}, end={"date": "2029-06-03"})
    assert "Wedding" in await diary.ask("list_events", when="2029-06-02")


async def test_new_appointments_go_to_the_calendar_that_was_chosen() -> None:
    async with google() as served, opened(served, name="family") as diary:
        await diary.ask("add_event", title="picnic", when="saturday")
        assert len(served.events[FAMILY]) == 1
    async with google() as served, opened(served, name="work") as diary:
        assert "no calendar called work" in await diary.ask("add_event", title="picnic", when="saturday")


async def test_a_household_lets_passfel_in_with_a_code() -> None:
    async with google() as served, opened(served, None) as diary:
        account = diary.source._account
        invitation = await account.invite()
        assert (invitation.code, invitation.url) == ("GQVQ-JKEC", "https://www.google.com/device")
        assert await account.let_in(invitation) == REFRESH
        assert await account.token() in served.valid


@pytest.mark.parametrize(
    ("pending", "told"),
    [
        (["access_denied"], "access was refused"),
        (["slow_down", "expired_token"], "in time"),
        (["invalid_client"], "id and secret"),
    ],
)
async def test_who_is_not_let_in_is_told_why(pending: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.google_account.SLOWER", 0.0)
    async with google() as served, opened(served, None) as diary:
        served.pending = pending
        account = diary.source._account
        with pytest.raises(Failed, match=told):
            await account.let_in(await account.invite())
