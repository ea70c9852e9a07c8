"""A calendar on a CalDAV server (RFC 4791): Apple's, Nextcloud's, Radicale, any other; by the library `caldav`."""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from caldav import aio
from caldav.lib import error
from loguru import logger

from tools.agenda import Appointment
from tools.tool import Failed

ANSWER_SECONDS: Final = 8.0
CALENDARS_FRESH: Final = 600.0
"""Seconds after which it is asked again which calendars there are."""


class CalDav:
    """Reads all calendars of an account, and writes to one of them.

    Args:
        url: the server's address; https://caldav.icloud.com for Apple.
        password: one made for PASSFEL, where the server knows such.
        name: the calendar for new appointments; None is the first one.
        zone: the zone of appointments that have none.
    """

    def __init__(self, url: str, username: str, password: str, *, name: str | None, zone: tzinfo) -> None:
        self._client = aio.AsyncDAVClient(url=url, username=username, password=password, timeout=round(ANSWER_SECONDS))
        self._name = name
        self._zone = zone
        self._calendars: list[Any] = []
        self._names: dict[str, str] = {}
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def names(self) -> list[str]:
        """What the calendars are called. Raises `Failed`."""
        async with _told():
            return [self._names.get(str(calendar.url), "") for calendar in await self._all()]

    async def between(self, starts: datetime, ends: datetime) -> list[Appointment]:
        """The appointments of a time, those that repeat each time they do, the next first. Raises `Failed`."""
        async with _told():
            found = []
            for calendar in await self._all():
                for event in await calendar.search(event=True, start=starts, end=ends, expand=True):
                    appointment = _appointment(event, self._zone)
                    if appointment is not None and appointment.ends > starts and appointment.starts < ends:
                        found.append(appointment)
        return sorted(found, key=lambda each: (each.starts, each.title))

    async def add(
        self, title: str, starts: datetime, ends: datetime, *, all_day: bool, place: str, repeat: str | None
    ) -> None:
        """Write an appointment down. Raises `Failed`."""
        async with _told():
            calendar = self._for_new(await self._all())
            begin: date = starts.date() if all_day else starts
            end: date = ends.date() if all_day else ends
            more: dict[str, Any] = {"rrule": {"FREQ": repeat.upper()}} if repeat else {}
            if place:
                more["location"] = place
            await calendar.add_event(summary=title, dtstart=begin, dtend=end, **more)

    async def move(self, appointment: Appointment, starts: datetime, ends: datetime) -> None:
        """Move an appointment; of one that repeats only this time. Raises `Failed`."""
        async with _told():
            event = appointment.handle
            component = event.icalendar_component
            for name in ("DTSTART", "DTEND", "DURATION"):
                component.pop(name, None)
            component.add("DTSTART", starts.date() if appointment.all_day else starts)
            component.add("DTEND", ends.date() if appointment.all_day else ends)
            await event.save(**({"only_this_recurrence": True} if appointment.repeats else {}))

    async def remove(self, appointment: Appointment) -> None:
        """Remove an appointment; of one that repeats only this time. Raises `Failed`."""
        async with _told():
            event = appointment.handle
            if not appointment.repeats:
                await event.delete()
                return
            whole = await event.parent.get_event_by_uid(event.icalendar_component["UID"])
            whole.icalendar_component.add("EXDATE", event.icalendar_component["RECURRENCE-ID"].dt)
            await whole.save()

    async def _all(self) -> Sequence[Any]:
        async with self._asking:
            if clock.monotonic() >= self._until:
                principal = await self._client.get_principal()
                found = []
                calendars: Any = principal.get_calendars()
                for calendar in await calendars:
                    if "VEVENT" in (await calendar.get_supported_components() or ["VEVENT"]):
                        self._names[str(calendar.url)] = str(await calendar.get_display_name() or "")
                        found.append(calendar)
                self._calendars, self._until = found, clock.monotonic() + CALENDARS_FRESH
        if not self._calendars:
            raise Failed("There is no calendar on the calendar server. Please make one there first.")
        return self._calendars

    def _for_new(self, calendars: Sequence[Any]) -> Any:
        if self._name is None:
            return calendars[0]
        for calendar in calendars:
            if self._names.get(str(calendar.url), "").lower() == self._name.lower():
                return calendar
        raise Failed(f"There is no calendar called {self._name} on the calendar server.")


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Turn what may go wrong at a server into what a person can hear."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except error.AuthorizationError as refused:
        raise Failed("The calendar server doesn't let me in. Its password has to be checked.") from refused
    except error.NotFoundError as missing:
        raise Failed("The calendar server doesn't have that any more.") from missing
    except (error.DAVError, OSError, TimeoutError) as trouble:
        logger.warning(f"the calendar server: {type(trouble).__name__}: {trouble}")
        raise Failed("The calendar server doesn't answer right now. Please try again in a few minutes.") from trouble
    except (ValueError, KeyError, AttributeError, TypeError) as strange:
        logger.opt(exception=strange).warning("the calendar server sent something strange")
        raise Failed("The calendar server sent something that I can't read.") from strange


def _appointment(event: Any, zone: tzinfo) -> Appointment | None:
    """What an event says; None where it is damaged, which costs no other."""
    try:
        component = event.icalendar_component
        starts = component["DTSTART"].dt
        all_day = not isinstance(starts, datetime)
        ends = component["DTEND"].dt if "DTEND" in component else starts + _length(component, all_day=all_day)
        title = " ".join(str(component.get("SUMMARY", "")).split()) or "an appointment without a name"
        place = " ".join(str(component.get("LOCATION", "")).split())
        if str(component.get("STATUS", "")).upper() == "CANCELLED":
            return None
        begin, end = _local(starts, zone), _local(ends, zone)
        repeats = "RECURRENCE-ID" in component
        id_ = f"{component.get('UID', event.url)} {begin.isoformat()}"
        return Appointment(id_, title, begin, max(begin, end), all_day, place, repeats, event)
    except (KeyError, ValueError, TypeError, AttributeError) as damaged:
        logger.warning(f"an appointment is left out, it cannot be read: {damaged!r}")
        return None


def _length(component: Any, *, all_day: bool) -> timedelta:
    if "DURATION" in component:
        found: timedelta = component["DURATION"].dt
        return found
    return timedelta(days=1) if all_day else timedelta(0)


def _local(moment: date, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(), zone)
    return moment.astimezone(zone) if moment.tzinfo is not None else moment.replace(tzinfo=zone)
