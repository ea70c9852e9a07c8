"""The calendar of the household: what is on it, what is put on it, and what is told before it begins."""

import asyncio
import re
import time as clock
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final, Literal, Protocol

from loguru import logger

from tools.agenda import Appointment, found, free, told, told_free, told_one
from tools.clock import spoken_time, time_of_day
from tools.days import Span, day_at, span, spoken_day
from tools.store import Store
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun

LOOK_SECONDS: Final = 300.0
"""Between two looks at what comes next."""
SOON: Final = timedelta(days=3)
FAR: Final = timedelta(days=400)
LONGEST_TITLE: Final = 200
MOST_REMINDED: Final = 200

_ARTICLE: Final = re.compile(r"^(?:an?|the|my|our) (?=\w)", re.IGNORECASE)
_HALF: Final = re.compile(r"\d ?[ap]\.?m|morning|noon|night", re.IGNORECASE)

Repeat = Literal["daily", "weekly", "monthly", "yearly"]


class Incomplete(Failed):
    """Some calendars did not answer."""

    def __init__(self, appointments: list[Appointment], silent: str) -> None:
        """Keep what the others have, and what those are called."""
        self.appointments = appointments
        self.silent = silent
        super().__init__(f"{begun(silent)} doesn't answer right now. Please try again in a few minutes.")


class Source(Protocol):
    """A calendar server. Everything in it raises `Failed`."""

    async def between(self, starts: datetime, ends: datetime) -> list[Appointment]:
        """The appointments of a time, the next first."""

    async def add(
        self, title: str, starts: datetime, ends: datetime, *, all_day: bool, place: str, repeat: str | None
    ) -> None:
        """Write an appointment down."""

    async def move(self, appointment: Appointment, starts: datetime, ends: datetime) -> None:
        """Move an appointment; of one that repeats only this time."""

    async def remove(self, appointment: Appointment) -> None:
        """Remove an appointment; of one that repeats only this time."""


class Calendar:
    """Answers what is asked about a calendar, and changes it.

    Args:
        reminded: keeps what was told of already, so that nothing is told twice.
        announce: says something to whoever can hear it.
        before: how long before it begins an appointment is told of; None never does.
        now: seconds since 1970.
    """

    def __init__(
        self,
        source: Source,
        *,
        zone: Callable[[], tzinfo],
        reminded: Store | None = None,
        announce: Callable[[str], Awaitable[None]] | None = None,
        before: timedelta | None = None,
        now: Callable[[], float] = clock.time,
    ) -> None:
        self._source = source
        self._zone = zone
        self._reminded = reminded
        self._announce = announce
        self._before = before
        self._seconds = now
        self._next: list[Appointment] = []

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        private = Effect.PRIVATE
        return [
            tool(self.list_events, effect=private, quotes=True),
            tool(self.find_event, effect=private, quotes=True),
            tool(self.free_time, effect=private),
            tool(self.add_event, effect=Effect.CONTROL),
            tool(self.move_event, effect=Effect.CONTROL),
            tool(self.delete_event, effect=Effect.SECURE, question=_ask_to_delete),
        ]

    async def list_events(self, context: Context, when: str | None = None) -> Result:
        """Tell what is on the calendar.

        Args:
            when: today, tomorrow, a weekday, this week or a date; next for the next one.
        """
        now = self._now()
        if when is None:
            left = [each for each in (await self._in(span("today", now)))[0] if each.ends > now]
            when = "today" if left else "next"
        if when.strip().lower() == "next":
            events, silent = await self._known(now, now + FAR)
            coming = [each for each in events if each.starts >= now][:1]
            said = "There is nothing on the calendar."
            if coming:
                said = f"The next one, {coming[0].title}, {told_one(coming[0], now)}."
            return Result(said + silent, {"events": [each.data for each in coming]})
        days = span(when, now)
        events, silent = await self._in(days)
        return Result(told(events, days, now) + silent, {"events": [each.data for each in events]})

    async def find_event(self, context: Context, about: str) -> Result:
        """Tell when and where an appointment is.

        Args:
            about: words of its title, such as dentist.
        """
        event = await self._one(about, None)
        return Result(f"{begun(event.title)} {told_one(event, self._now())}.", {"events": [event.data]})

    async def free_time(
        self, context: Context, when: str = "today", time: str | None = None, minutes: int = 60
    ) -> Result:
        """Tell when nothing is on the calendar, or whether a moment is free.

        Args:
            when: today, tomorrow, a weekday or a date.
            time: a time of day, where one is asked about.
            minutes: how long it has to be free.
        """
        now = self._now()
        days = span(when, now)
        events, silent = await self._in(days)
        if time is not None:
            starts = datetime.combine(days.first, _by_day(time), now.tzinfo)
            ends = starts + timedelta(minutes=max(minutes, 1))
            taken = [each for each in events if each.starts < ends and each.ends > starts and not each.all_day]
            at = f"{days.name} at {spoken_time(starts)}"
            if not taken:
                return Result(f"Yes, you are free {at}.{silent}", {"free": True})
            until = f" until {spoken_time(taken[0].ends)}"
            return Result(f"No, {at} there is {taken[0].title}{until}.", {"free": False, "events": [taken[0].data]})
        gaps = free(events, days.first, timedelta(minutes=max(minutes, 15)), now)
        return Result(told_free(gaps, days.name) + silent, {"free": [[str(start), str(end)] for start, end in gaps]})

    async def add_event(
        self,
        context: Context,
        title: str,
        when: str,
        time: str | None = None,
        minutes: int = 60,
        place: str | None = None,
        repeat: Repeat | None = None,
    ) -> Result:
        """Put an appointment on the calendar.

        Args:
            title: what it is.
            when: today, tomorrow, a weekday or a date.
            time: a time of day, such as 15:30; leave it out for all day.
            minutes: how long it takes.
            place: where it is.
            repeat: how often it comes again.
        """
        name = begun(_ARTICLE.sub("", " ".join(title.split())))[:LONGEST_TITLE]
        if not name:
            raise TryAgain("What is the appointment? Give it a title.")
        if not 1 <= minutes <= 7 * 24 * 60:
            raise TryAgain("How long does it take? Give from 1 minute to a week.")
        now = self._now()
        days = span(when, now)
        starts = (
            day_at(when, _by_day(time), now) if time else datetime.combine(days.first, datetime.min.time(), now.tzinfo)
        )
        ends = (
            starts + timedelta(minutes=minutes) if time else starts + timedelta(days=(days.last - days.first).days + 1)
        )
        if (ends if time is None else starts) < now:
            raise Failed("That has passed already. Please say another day or time.")
        others = [each for each in (await self._known(starts, ends))[0] if not each.all_day] if time else []
        await self._source.add(name, starts, ends, all_day=time is None, place=place or "", repeat=repeat)
        self._next = []
        event = Appointment("", name, starts, ends, time is None, place or "", repeat is not None)
        again = {
            "daily": " every day",
            "weekly": f" every {starts:%A}",
            "monthly": " every month",
            "yearly": " every year",
        }
        said = (
            f"I put {name} on the calendar: it {told_one(event, now)}{f', and then{again[repeat]}' if repeat else ''}."
        )
        clash = f" There is also {others[0].title} at {spoken_time(others[0].starts)}." if others else ""
        return Result(said + clash, {"events": [event.data]})

    async def move_event(
        self, context: Context, title: str, when: str | None = None, time: str | None = None, on: str | None = None
    ) -> Result:
        """Move an appointment to another day or time.

        Args:
            title: words of its title.
            when: the new day, where that changes.
            time: the new time of day, where that changes.
            on: the day when it is now, where several have such a title.
        """
        if when is None and time is None:
            raise TryAgain("Where is it to be moved? Give a day or a time.")
        event, now = await self._one(title, on), self._now()
        at = _by_day(time) if time else event.starts.time()
        if event.all_day and time is not None:
            raise Failed(f"{begun(event.title)} is for the whole day. I can only move it to another day.")
        starts = day_at(when, at, now) if when else datetime.combine(event.starts.date(), at, now.tzinfo)
        # The same length on the wall, also where the clocks change in between.
        ends = (
            starts.replace(tzinfo=None) + (event.ends.replace(tzinfo=None) - event.starts.replace(tzinfo=None))
        ).replace(tzinfo=now.tzinfo)
        if starts < now and not event.all_day:
            raise Failed("That has passed already. Please say another day or time.")
        await self._source.move(event, starts, ends)
        self._next = []
        moved = Appointment(event.id, event.title, starts, ends, event.all_day, event.place, event.repeats)
        return Result(f"{begun(event.title)} {told_one(moved, now)} now.", {"events": [moved.data]})

    async def delete_event(self, context: Context, title: str, on: str | None = None) -> Result:
        """Take an appointment off the calendar.

        Args:
            title: words of its title.
            on: the day when it is, where several have such a title.
        """
        event = await self._one(title, on)
        await self._source.remove(event)
        self._next = []
        others = " The other times stay." if event.repeats else ""
        day = spoken_day(event.starts.date(), self._now().date())
        return Result(f"I took {event.title} {day} off the calendar.{others}", {"events": [event.data]})

    async def upcoming(self, zone: tzinfo) -> list[str]:
        """What comes next, in sentences, as it was last seen."""
        now = datetime.fromtimestamp(self._seconds(), zone)
        return [f"Calendar: {each.title} {told_one(each, now)}." for each in self._next if each.ends > now]

    async def run(self) -> None:
        """Look at what comes next and tell of it in time, until cancelled."""
        while True:
            try:
                await self.look()
            except (Failed, OSError) as error:
                logger.debug(f"the calendar is looked at later: {error}")
            await asyncio.sleep(self._until_next())

    async def look(self) -> None:
        """See what comes next, and tell of what is about to begin. Raises `Failed`, `OSError`."""
        now = self._now()
        self._next, _ = await self._known(now, now + SOON)
        if self._announce is None or self._before is None or self._reminded is None:
            return
        known = await self._reminded.load()
        done = {str(entry.get("id")) for entry in known}
        for event in self._next:
            if event.all_day or event.id in done or not now < event.starts <= now + self._before:
                continue
            # Noted first: better not told of, for once, than told of after each start of the assistant.
            known = [*known, {"id": event.id}][-MOST_REMINDED:]
            await self._reminded.save(known)
            minutes = max(1, round((event.starts - now).total_seconds() / 60))
            where = f", at {event.place}" if event.place else ""
            await self._announce(f"In {minutes} minute{'s' if minutes != 1 else ''}: {event.title}{where}.")

    def _until_next(self) -> float:
        """Seconds until something has to be told of, or until the next look."""
        if self._before is None:
            return LOOK_SECONDS
        now, before = self._now(), self._before
        waits = [(each.starts - before - now).total_seconds() for each in self._next if not each.all_day]
        return min([LOOK_SECONDS, *(max(1.0, wait) for wait in waits if wait > 0)])

    async def _in(self, days: Span) -> tuple[list[Appointment], str]:
        zone = self._zone()
        starts = datetime.combine(days.first, days.begins, zone)
        ends = datetime.combine(days.last, days.ends, zone) + timedelta(seconds=1)
        return await self._known(starts, ends)

    async def _known(self, starts: datetime, ends: datetime) -> tuple[list[Appointment], str]:
        """The appointments of a time, and what has to be said where some calendars do not answer. Raises `Failed`."""
        try:
            return await self._source.between(starts, ends), ""
        except Incomplete as incomplete:
            return incomplete.appointments, f" But {incomplete.silent} doesn't answer right now."

    async def _one(self, words: str, on: str | None) -> Appointment:
        """The appointment that is meant, the next of those that repeat. Raises `Failed` where it is unclear."""
        now = self._now()
        events, silent = await (self._in(span(on, now)) if on else self._known(now, now + FAR))
        fitting = found(events, words)
        if not fitting:
            when = f" {span(on, now).name}" if on else ""
            raise Failed(f"I find nothing called {words.strip()} on the calendar{when}.{silent}")
        titles = list(dict.fromkeys(each.title for each in fitting))
        if len(titles) > 1:
            raise Failed(f"Which one? There are {', '.join(titles[:-1])} and {titles[-1]}.")
        return fitting[0]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), self._zone())


def _by_day(said: str) -> time:
    """A time of day; at three, people meet in the afternoon."""
    at = time_of_day(said)
    early = 1 <= at.hour <= 6 and not _HALF.search(said)
    return at.replace(hour=at.hour + 12) if early and not said.strip().startswith("0") else at


def _ask_to_delete(arguments: Mapping[str, Any]) -> str:
    when = f" {arguments['on']}" if arguments.get("on") else ""
    return f"Shall I really take {arguments['title']}{when} off the calendar?"
