"""Timers, alarms and reminders: several at once, with names, kept through a restart."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as clock_time
from functools import partial
from typing import Any, Final
from uuid import uuid4

from loguru import logger

from tools.clock import either_half, next_time, spoken_time, time_of_day
from tools.days import day_at, span
from tools.recurrence import Repeat, fits, next_due, zone_called
from tools.store import Store
from tools.timer_board import Kind, Timer, TimerBoard, plain_name, readable
from tools.timer_watch import TimerWatch
from tools.timer_words import SOON, TimerWords
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun, joined, spoken_length

LONGEST: Final = timedelta(days=366).total_seconds()
RETRY: Final = 5.0
"""Seconds until what could not be rung is rung again."""
LOOK_AGAIN: Final = 10.0
"""Seconds between two looks at the clock: it may be set, or go on while the machine sleeps."""

SNOOZE: Final = 10.0
"""Minutes."""
SNOOZE_WITHIN: Final = 600.0
"""Seconds after ringing in which something can be put off."""
AWAKE: Final = 7
"""The hour before which nobody is reminded who did not say that they mean the morning."""
MORNING: Final = "9:00"
"""When people are reminded who named only a day."""


class Timers:
    """Sets timers, and rings them.

    A timer is kept until somebody has heard it. So none is lost where the process is killed, and what was heard is
    gone before its sound has ended.

    Args:
        store: keeps them.
        on_ring: told of each that is due, and returns once somebody has heard it; where it fails, it is told again.
        now: seconds since 1970.
        look_again: seconds between two looks at the clock.
    """

    def __init__(
        self,
        store: Store,
        on_ring: Callable[[Timer], Awaitable[None]],
        *,
        now: Callable[[], float] = lambda: datetime.now(UTC).timestamp(),
        look_again: float = LOOK_AGAIN,
    ) -> None:
        self._store = store
        self._on_ring = on_ring
        self._now = now
        self._look_again = look_again
        self._board: TimerBoard | None = None
        self._loading = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._rung: dict[str, tuple[Timer, float]] = {}
        self._ringing: dict[Timer, asyncio.Task[None]] = {}
        self.watch = TimerWatch(self._loaded)
        """Lets others see them."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.set_timer, effect=Effect.CONTROL),
            tool(self.cancel_timer, effect=Effect.CONTROL),
            tool(self.change_timer, effect=Effect.CONTROL),
            tool(self.timer_status, effect=Effect.READ),
            tool(self.set_alarm, effect=Effect.CONTROL),
            tool(self.set_reminder, effect=Effect.CONTROL),
            tool(self.snooze, effect=Effect.CONTROL),
        ]

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                wait: float | None = RETRY
                try:
                    board = await self._loaded()
                    self._ring_due(board, tasks)
                    wait = self._until_next(board)
                except OSError as error:
                    logger.error(f"timers cannot be read, which is tried again: {error}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._changed.wait()

    async def set_timer(
        self, context: Context, hours: float = 0, minutes: float = 0, seconds: float = 0, name: str | None = None
    ) -> Result:
        """Start a timer.

        Args:
            hours: hours of its length.
            minutes: minutes of its length.
            seconds: seconds of its length.
            name: what it is for, such as pasta.
        """
        length = _length(hours, minutes, seconds)
        if length <= 0:
            raise TryAgain("A timer needs a length: give hours, minutes or seconds.")
        timer = await self._start(context, "timer", plain_name(name or ""), length)
        named = f" for {timer.name}" if timer.name else ""
        return Result(f"{spoken_length(length)}{named}, starting now.", self._data(timer, context))

    async def cancel_timer(
        self,
        context: Context,
        name: str | None = None,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        kind: Kind = "timer",
        time: str | None = None,
        all_of_them: bool = False,
    ) -> Result:
        """Stop a timer, an alarm or a reminder.

        Args:
            name: the one with this name.
            hours: hours of its length, where it is known by that.
            minutes: minutes of its length.
            seconds: seconds of its length.
            kind: which of these it is.
            time: the time of day that it is set for, where it is known by that.
            all_of_them: stop every one.
        """
        length = _length(hours, minutes, seconds)
        found = (await self._loaded()).find(kind, name, length)
        if time:
            wanted = time_of_day(time)
            found = [timer for timer in found if self._local(timer.due, context).time().replace(second=0) == wanted]
        described = bool(name or time or length)
        stopped = found if found and all_of_them else [self._one(found, kind, context, described=described)]
        await self._change(gone=stopped)
        others = " Another one goes on." if len(found) > len(stopped) else ""
        said = self._words(context).stopped(stopped)
        return Result(said + others, {"stopped": [timer.id for timer in stopped]})

    async def change_timer(
        self, context: Context, hours: float = 0, minutes: float = 0, seconds: float = 0, name: str | None = None
    ) -> Result:
        """Make a timer longer, or shorter with negative numbers.

        Args:
            hours: hours to add.
            minutes: minutes to add.
            seconds: seconds to add.
            name: the one with this name.
        """
        added = _length(hours, minutes, seconds)
        if not added:
            raise TryAgain("How much is to be added? Give hours, minutes or seconds, negative ones to make it shorter.")
        timer = self._one((await self._loaded()).find("timer", name, None), "timer", context, described=bool(name))
        # One that rings just now gets the whole of what is added.
        left = timer.left(self._now()) + added
        if left <= 0:
            raise Failed(f"The {timer.label} has only {spoken_length(timer.left(self._now()))} left.")
        _refuse_beyond_a_year(left)
        changed = replace(timer, due=self._now() + left, seconds=timer.seconds + added)
        await self._change(new=[changed])
        named = f"{timer.name} " if timer.name else ""
        return Result(f"The {named}timer has {spoken_length(left)} left now.", self._data(changed, context))

    async def timer_status(
        self, context: Context, name: str | None = None, kind: Kind | None = None, day: str | None = None
    ) -> Result:
        """Tell how long timers, alarms and reminders have left.

        Args:
            name: the one with this name.
            kind: timer, alarm or reminder.
            day: only those of this day, such as tomorrow.
        """
        found = (await self._loaded()).find(kind, name, None)
        if day is not None:
            days = span(day, self._local(self._now(), context))
            found = [each for each in found if days.first <= self._local(each.due, context).date() <= days.last]
        told = found
        if kind is None and name is None and day is None:
            # Who asks how long it takes means no alarm, unless there is nothing else.
            told = [timer for timer in found if timer.kind == "timer"] or found
        data = {"timers": [self._data(each, context) for each in found], "told": [each.id for each in told]}
        return Result(self._words(context).told(told, kind), data)

    async def set_alarm(
        self, context: Context, time: str, name: str | None = None, day: str | None = None, repeat: Repeat | None = None
    ) -> Result:
        """Set an alarm for a time of day.

        Args:
            time: when, such as 07:30 or 7 am; the next time that it is so late.
            name: what it is for.
            day: the day, such as tomorrow or friday, where it is not the next time.
            repeat: how it comes again.
        """
        due = self._due(time, day, repeat, context)
        timer = await self._start(context, "alarm", plain_name(name or ""), due - self._now(), repeat)
        words = self._words(context)
        return Result(f"The alarm is set for {words.when(timer)}{words.again(timer)}.", self._data(timer, context))

    async def set_reminder(
        self,
        context: Context,
        text: str,
        time: str | None = None,
        minutes: float = 0,
        day: str | None = None,
        repeat: Repeat | None = None,
    ) -> Result:
        """Remind somebody of something.

        Args:
            text: of what, such as call the plumber.
            time: when, such as 18:00 or 6 pm.
            minutes: or in how many minutes.
            day: the day, such as tomorrow or friday, where it is not the next time.
            repeat: how it comes again.
        """
        what = text.strip().rstrip(".")
        if not what:
            raise TryAgain("What is the reminder about? Give it a text.")
        if not time and not day and minutes <= 0:
            raise TryAgain("A reminder needs a time of day, or the minutes until then.")
        seconds = minutes * 60
        if time or day:
            # Who names a day alone wants to be told in the morning.
            seconds = self._due(time or MORNING, day, repeat, context, awake=True) - self._now()
        timer = await self._start(context, "reminder", what, seconds, repeat)
        words = self._words(context)
        soon = not (time or day) and seconds < SOON
        when = f"in {spoken_length(seconds)}" if soon else f"at {words.when(timer)}"
        return Result(f"I'll remind you {when}{words.again(timer)}: {what}.", self._data(timer, context))

    async def snooze(self, context: Context, minutes: float = SNOOZE) -> Result:
        """Have what rang last here ring again a little later.

        Args:
            minutes: in how many minutes.
        """
        rung = self._rung.get(context.device)
        if rung is None or self._now() - rung[1] > SNOOZE_WITHIN:
            raise Failed("Nothing has rung here in the last minutes.")
        if minutes <= 0:
            raise TryAgain("In how many minutes? Give a number above zero.")
        last = rung[0]
        again = replace(
            last,
            id=uuid4().hex[:8],
            due=self._now() + minutes * 60,
            seconds=minutes * 60,
            device=context.device,
            repeat="",
            person=context.person or "",
        )
        _refuse_beyond_a_year(minutes * 60)
        await self._change(new=[again])
        del self._rung[context.device]
        return Result(f"All right, again in {spoken_length(minutes * 60)}.", self._data(again, context))

    async def told(self, zone: tzinfo) -> list[str]:
        """What is set, a sentence each, the next first. Raises `OSError`."""
        now = self._now()
        return [
            f"{begun(timer.label)}: due {spoken_time(datetime.fromtimestamp(round(timer.due), zone))}, "
            f"in {spoken_length(timer.left(now))}."
            for timer in (await self._loaded()).timers
        ]

    def _ring_due(self, board: TimerBoard, tasks: asyncio.TaskGroup) -> None:
        """Begin to ring what is due, and end what was stopped or changed while it rings."""
        for timer, ringing in self._ringing.items():
            if timer not in board:
                ringing.cancel()
        for timer in board.due(self._now()):
            if timer not in self._ringing:
                ringing = self._ringing[timer] = tasks.create_task(self._ring(timer), name=f"ring {timer.id}")
                ringing.add_done_callback(partial(self._rings_no_more, timer))

    def _rings_no_more(self, timer: Timer, _: asyncio.Task[None]) -> None:
        del self._ringing[timer]
        self._changed.set()

    def _until_next(self, board: TimerBoard) -> float | None:
        """Seconds until the next look, None where nothing is left to ring."""
        left = [timer.left(self._now()) for timer in board.timers if timer not in self._ringing]
        return min(left[0], self._look_again) if left else None

    async def _ring(self, timer: Timer) -> None:
        while True:
            try:
                await self._on_ring(timer)
                break
            except Exception as error:  # noqa: BLE001 - the others still have to ring
                logger.error(f"the {timer.kind} {timer.id} could not be rung and is tried again: {error!r}")
                await asyncio.sleep(RETRY)
        self._rung[timer.device] = (timer, self._now())
        self.watch.heard(timer)
        try:
            await self._change(gone=[timer], new=self._again(timer))
        except Failed:
            # It has rung, whatever is written: it must not ring every few seconds.
            (await self._loaded()).remove(timer)
            self.watch.changed()

    def _again(self, timer: Timer) -> list[Timer]:
        """The next one of one that comes again."""
        if not timer.repeat:
            return []
        due = next_due(timer.due, timer.repeat, zone_called(timer.zone), self._now())
        return [replace(timer, id=uuid4().hex[:8], due=due)]

    async def _start(
        self, context: Context, kind: Kind, name: str, seconds: float, repeat: Repeat | None = None
    ) -> Timer:
        _refuse_beyond_a_year(seconds)
        id_, due, zone = uuid4().hex[:8], self._now() + seconds, str(context.zone) if repeat else ""
        timer = Timer(id_, kind, name, due, seconds, context.device, repeat or "", zone, context.person or "")
        await self._change(new=[timer])
        return timer

    async def _change(self, *, gone: Sequence[Timer] = (), new: Sequence[Timer] = ()) -> None:
        """Take timers off the board and put others on it, once that is saved. Raises `Failed` where it cannot be."""
        async with self._changing:
            changed = TimerBoard((await self._loaded()).timers)
            for timer in gone:
                changed.remove(timer)
            for timer in new:
                changed.add(timer)
            try:
                await self._store.save([asdict(timer) for timer in changed.timers])
            except OSError as error:
                logger.error(f"timers cannot be saved: {error}")
                raise Failed("Sorry, I can't write that down right now.") from error
            self._board = changed
            self._changed.set()
            self.watch.changed()

    async def _loaded(self) -> TimerBoard:
        async with self._loading:
            if self._board is None:
                self._board = TimerBoard(readable(await self._store.load()))
            return self._board

    def _one(self, found: Sequence[Timer], kind: Kind, context: Context, *, described: bool) -> Timer:
        """The one that is meant: of several that nobody could tell apart, the next. Raises `Failed` otherwise."""
        if not found:
            raise Failed(self._words(context).none(kind, described=described))
        called = [self._words(context).called(timer) for timer in found]
        if len(set(called)) > 1:
            raise Failed(f"Which one? There are the {joined(called)}.")
        return found[0]

    def _due(
        self, time: str, day: str | None, repeat: Repeat | None, context: Context, *, awake: bool = False
    ) -> float:
        """When a time of day is meant, in seconds since 1970. Raises `Failed` where that has passed.

        Args:
            awake: whether somebody wants to be up then: nobody is to be reminded at three in the night.
        """
        wanted, now = time_of_day(time), self._now()
        if awake and either_half(time):
            wanted = self._waking(wanted, day, context)
        if day is None:
            due = next_time(wanted, now, context.zone)
            return due if fits(due, repeat, context.zone) else next_due(due, repeat or "", context.zone, now)
        due = day_at(day, wanted, self._local(now, context)).timestamp()
        if due <= now:
            raise Failed("That has passed already. Please say another day or time.")
        return due

    def _waking(self, wanted: clock_time, day: str | None, context: Context) -> clock_time:
        """The half of the day that is meant by who names none: the next one, or else the one when people are up."""
        later = wanted.replace(hour=(wanted.hour + 12) % 24)
        if day is not None:
            return later if 1 <= wanted.hour < AWAKE else wanted
        soonest = min((wanted, later), key=lambda each: next_time(each, self._now(), context.zone))
        return later if soonest.hour < AWAKE <= later.hour else soonest

    def _local(self, moment: float, context: Context) -> datetime:
        return datetime.fromtimestamp(round(moment), context.zone)

    def _words(self, context: Context) -> TimerWords:
        return TimerWords(self._now(), context.zone)

    def _data(self, timer: Timer, context: Context) -> dict[str, Any]:
        at = self._local(timer.due, context).isoformat(timespec="minutes")
        return asdict(timer) | {"left": round(timer.left(self._now())), "at": at}


def _refuse_beyond_a_year(seconds: float) -> None:
    if seconds > LONGEST:
        raise Failed("Sorry, I can't set anything more than a year ahead.")


def _length(hours: float, minutes: float, seconds: float) -> float:
    return hours * 3600 + minutes * 60 + seconds
