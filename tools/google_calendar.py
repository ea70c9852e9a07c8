"""Calendars at Google, by its Calendar API, version 3.

What is on them is kept here, and of later changes only what Google's sync tokens tell is fetched.
"""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from loguru import logger
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tools.agenda import Appointment
from tools.google_account import GoogleAccount
from tools.service import NotThere, Service, Unauthorized, Unwell
from tools.tool import Failed

BEFORE: Final = timedelta(days=40)
AFTER: Final = timedelta(days=410)
"""Around today, what is kept here."""
WHOLE_SECONDS: Final = 24 * 3600.0
"""After which all of it is fetched again, since the days around today have moved."""
CHANGES_SECONDS: Final = 10.0
"""For which no changes are asked for."""
STALE_SECONDS: Final = 900.0
"""For which what is kept here counts where Google does not answer."""
MOST_PAGES: Final = 100
_FIELDS: Final = "items(id,status,summary,location,start,end,recurringEventId),nextPageToken,nextSyncToken"


class _Moment(BaseModel):
    day: date | None = Field(default=None, validation_alias="date")
    moment: datetime | None = Field(default=None, validation_alias="dateTime")

    def local(self, zone: tzinfo) -> datetime:
        if self.moment is not None:
            return self.moment.astimezone(zone) if self.moment.tzinfo is not None else self.moment.replace(tzinfo=zone)
        if self.day is None:
            raise ValueError("an event without a time")
        return datetime.combine(self.day, time(), zone)


class _Event(BaseModel):
    id: str
    status: str = "confirmed"
    summary: str = ""
    location: str = ""
    start: _Moment = _Moment()
    end: _Moment = _Moment()
    series: str | None = Field(default=None, validation_alias="recurringEventId")


class _Page(BaseModel):
    items: list[dict[str, Any]] = []
    next: str | None = Field(default=None, validation_alias="nextPageToken")
    sync_token: str = Field(default="", validation_alias="nextSyncToken")


class _Entry(BaseModel):
    id: str
    summary: str = ""
    own_summary: str = Field(default="", validation_alias="summaryOverride")
    selected: bool = False
    primary: bool = False
    role: str = Field(default="reader", validation_alias="accessRole")

    @property
    def name(self) -> str:
        return self.own_summary or self.summary


class _Entries(BaseModel):
    items: list[_Entry] = []
    next: str | None = Field(default=None, validation_alias="nextPageToken")


_PAGE: Final = TypeAdapter(_Page)
_EVENT: Final = TypeAdapter(_Event)
_ENTRIES: Final = TypeAdapter(_Entries)


@dataclass(slots=True)
class _Kept:
    """What is known of one calendar."""

    events: dict[str, _Event] = field(default_factory=dict)
    sync_token: str = ""
    whole_at: float = -WHOLE_SECONDS
    """When all of it was fetched, and when changes were, in monotonic seconds."""
    changes_at: float = -WHOLE_SECONDS


class GoogleCalendar:
    """Reads the calendars that an account shows, and writes to one of them.

    Args:
        service: the Calendar API.
        name: the calendar for new appointments; None is the account's own.
        zone: the household's.
        now: seconds since 1970.
    """

    def __init__(
        self,
        service: Service,
        account: GoogleAccount,
        *,
        name: str | None,
        zone: tzinfo,
        now: Callable[[], float] = clock.time,
    ) -> None:
        self._service = service
        self._account = account
        self._name = name
        self._zone = zone
        self._now = now
        self._entries: list[_Entry] = []
        self._kept: dict[str, _Kept] = {}
        self._asking = asyncio.Lock()

    async def names(self) -> list[str]:
        """What the calendars are called. Raises `Failed`."""
        async with _told():
            return [entry.name for entry in await self._calendars()]

    async def between(self, starts: datetime, ends: datetime) -> list[Appointment]:
        """The appointments of a time, those that repeat each time they do, the next first. Raises `Failed`."""
        found = []
        async with _told(), self._asking:
            today = datetime.fromtimestamp(self._now(), self._zone)
            known = starts >= today - BEFORE + timedelta(days=1) and ends <= today + AFTER - timedelta(days=1)
            for entry in await self._calendars():
                events = await (self._synced(entry) if known else self._listed(entry, _window(starts, ends)))
                found += [self._appointment(entry, event) for event in events.values()]
        fitting = [each for each in found if each is not None and each.ends > starts and each.starts < ends]
        return sorted(fitting, key=lambda each: (each.starts, each.title))

    async def add(
        self, title: str, starts: datetime, ends: datetime, *, all_day: bool, place: str, repeat: str | None
    ) -> None:
        """Write an appointment down. Raises `Failed`."""
        event: dict[str, Any] = {
            # A name of our own: asked twice because an answer was lost, Google still has it once.
            "id": uuid4().hex,
            "summary": title,
            "start": self._moment(starts, all_day=all_day),
            "end": self._moment(ends, all_day=all_day),
        }
        if place:
            event["location"] = place
        if repeat:
            event["recurrence"] = [f"RRULE:FREQ={repeat.upper()}"]
        async with _told():
            path = _path(self._for_new(await self._calendars()))
            try:
                await self._asked("POST", path, json=event)
            except NotThere as refused:
                if refused.status != 409:
                    raise
        self._changed()

    async def move(self, appointment: Appointment, starts: datetime, ends: datetime) -> None:
        """Move an appointment; of one that repeats only this time. Raises `Failed`."""
        times = {
            "start": self._moment(starts, all_day=appointment.all_day),
            "end": self._moment(ends, all_day=appointment.all_day),
        }
        async with _told():
            await self._asked("PATCH", _path(*appointment.handle), json=times)
        self._changed()

    async def remove(self, appointment: Appointment) -> None:
        """Remove an appointment; of one that repeats only this time. Raises `Failed`."""
        async with _told():
            try:
                await self._asked("DELETE", _path(*appointment.handle))
            except NotThere as refused:
                if refused.status != 410:
                    raise
        self._changed()

    async def _synced(self, entry: _Entry) -> Mapping[str, _Event]:
        """What is on a calendar around today."""
        kept, now = self._kept.setdefault(entry.id, _Kept()), clock.monotonic()
        if now - kept.changes_at < CHANGES_SECONDS:
            return kept.events
        try:
            if kept.sync_token and now - kept.whole_at < WHOLE_SECONDS:
                await self._fetch_changes(entry, kept)
            else:
                await self._fetch_whole(entry, kept)
        except Unwell:
            if now - kept.changes_at > STALE_SECONDS:
                raise
            return kept.events
        kept.changes_at = now
        return kept.events

    async def _fetch_changes(self, entry: _Entry, kept: _Kept) -> None:
        try:
            changes, token = await self._pages(entry, {"syncToken": kept.sync_token})
        except NotThere as refused:
            if refused.status != 410:
                raise
            # Google forgets old tokens, and then wants all to be asked for again.
            await self._fetch_whole(entry, kept)
            return
        for event in changes:
            if event.status == "cancelled":
                kept.events.pop(event.id, None)
            else:
                kept.events[event.id] = event
        kept.sync_token = token

    async def _fetch_whole(self, entry: _Entry, kept: _Kept) -> None:
        today = datetime.fromtimestamp(self._now(), self._zone)
        events, kept.sync_token = await self._pages(entry, _window(today - BEFORE, today + AFTER))
        kept.events = {event.id: event for event in events if event.status != "cancelled"}
        kept.whole_at = clock.monotonic()

    async def _listed(self, entry: _Entry, window: Mapping[str, str]) -> Mapping[str, _Event]:
        events, _ = await self._pages(entry, window)
        return {event.id: event for event in events if event.status != "cancelled"}

    async def _pages(self, entry: _Entry, which: Mapping[str, str]) -> tuple[list[_Event], str]:
        """All events of a question, and the token with which to ask for changes."""
        params = {"singleEvents": "true", "maxResults": "2500", "fields": _FIELDS, **which}
        events: list[_Event] = []
        for _ in range(MOST_PAGES):
            page = _PAGE.validate_json(await self._asked("GET", _path(entry.id), params=params))
            for item in page.items:
                try:
                    events.append(_EVENT.validate_python(item))
                except ValidationError as damaged:
                    logger.warning(f"an appointment is left out, it cannot be read: {damaged.errors()[0]['msg']}")
            if page.next is None:
                return events, page.sync_token
            params["pageToken"] = page.next
        raise Unwell("Google sends its calendar without an end, so I stopped.")

    async def _calendars(self) -> list[_Entry]:
        """Those that the account shows; asked for together with the whole of what is on them."""
        oldest = min((kept.whole_at for kept in self._kept.values()), default=-WHOLE_SECONDS)
        if not self._entries or clock.monotonic() - oldest >= WHOLE_SECONDS:
            found, params = list[_Entry](), {"maxResults": "250"}
            for _ in range(MOST_PAGES):
                page = _ENTRIES.validate_json(await self._asked("GET", "/users/me/calendarList", params=params))
                readable = [entry for entry in page.items if entry.role != "freeBusyReader"]
                found += [entry for entry in readable if entry.selected or entry.primary]
                if page.next is None:
                    break
                params["pageToken"] = page.next
            self._entries = sorted(found, key=lambda entry: not entry.primary)
            self._kept = {entry.id: self._kept.get(entry.id, _Kept()) for entry in self._entries}
        if not self._entries:
            raise Failed("There is no calendar in the Google account.")
        return self._entries

    def _for_new(self, entries: list[_Entry]) -> str:
        if self._name is None:
            return entries[0].id
        for entry in entries:
            if entry.name.lower() == self._name.lower():
                return entry.id
        raise Failed(f"There is no calendar called {self._name} in the Google account.")

    async def _asked(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: object = None
    ) -> bytes:
        token = await self._account.token()
        for renewed in (False, True):
            try:
                reply = await self._service.request(
                    method, path, params=params, json=json, headers={"authorization": f"Bearer {token}"}
                )
            except Unauthorized:
                if renewed:
                    raise
                # Tokens may end early, such as after a new password.
                token = await self._account.token(unlike=token)
            else:
                return reply.body
        raise AssertionError("the second attempt returns or raises")

    def _changed(self) -> None:
        for kept in self._kept.values():
            kept.changes_at = min(kept.changes_at, clock.monotonic() - CHANGES_SECONDS)

    def _moment(self, moment: datetime, *, all_day: bool) -> dict[str, str]:
        if all_day:
            return {"date": moment.date().isoformat()}
        return {"dateTime": moment.isoformat(), "timeZone": str(self._zone)}

    def _appointment(self, entry: _Entry, event: _Event) -> Appointment | None:
        try:
            starts, ends = event.start.local(self._zone), event.end.local(self._zone)
        except (ValueError, OverflowError) as damaged:
            logger.warning(f"an appointment is left out, it cannot be read: {damaged}")
            return None
        return Appointment(
            f"{event.id} {starts.isoformat()}",
            " ".join(event.summary.split()) or "an appointment without a name",
            starts,
            max(starts, ends),
            event.start.moment is None,
            " ".join(event.location.split()),
            event.series is not None,
            (entry.id, event.id),
        )


def _window(starts: datetime, ends: datetime) -> dict[str, str]:
    return {"timeMin": starts.isoformat(timespec="seconds"), "timeMax": ends.isoformat(timespec="seconds")}


def _path(calendar: str, event: str | None = None) -> str:
    path = f"/calendars/{quote(calendar, safe='')}/events"
    return path if event is None else f"{path}/{quote(event, safe='')}"


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Turn what may go wrong at Google into what a person can hear."""
    try:
        yield
    except NotThere as refused:
        logger.warning(f"Google Calendar: {refused}: {refused.body[:200]!r}")
        if refused.status in (404, 410):
            raise Failed("Google doesn't have that appointment any more.") from refused
        raise Failed("Google refuses to do that with the calendar.") from refused
    except ValidationError as strange:
        logger.warning(f"Google Calendar answered in an unknown form: {strange.errors()[0]['msg']}")
        raise Unwell("Google Calendar sent something that I can't read. Please try again later.") from strange
