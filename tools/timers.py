"""Timers, alarms and reminders: several at once, with names, kept through a restart."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol
from uuid import uuid4

from loguru import logger

from tools.clock import spoken_time
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

LONGEST: Final = timedelta(days=366)
LATE: Final = 60.0
"""Seconds after which a timer that rings says that it is late."""
RETRY: Final = 5.0
"""Seconds until what could not be rung is rung again."""
_TIME = re.compile(r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>[ap])?\.?m?\.?", re.IGNORECASE)
_QUARTER_TO = re.compile(r"(?:a )?quarter to (.+)")
_NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), start=1)
}
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_NUMBER_WORDS)})\b")
_SPOKEN_TIMES: Final = (
    (r"^noon$", "12:00"), (r"^midnight$", "0:00"), (r" ?o'? ?clock", ""), (r"^half past (\d+)", r"\1:30"),
    (r"^(?:a )?quarter past (\d+)", r"\1:15"), (r" in the morning$", " am"),
    (r" (?:in the (?:afternoon|evening)|at night)$", " pm"), (r"^(\d+) (\d\d)\b", r"\1:\2"),
)  # fmt: skip


class Store(Protocol):
    """Keeps a list of JSON objects."""

    async def load(self) -> list[dict[str, Any]]:
        """Read what was saved."""

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep these instead."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is due at a moment."""

    id: str
    kind: str
    """`timer`, `alarm` or `reminder`."""
    name: str
    """What it is for; empty where nobody said."""
    due: float
    """Seconds since 1970, so that a restart changes nothing."""
    seconds: float
    """How long it was set for."""
    device: str
    """Where it was set and rings."""

    @property
    def label(self) -> str:
        """How a person calls it: "pasta timer", "10 minute timer", "alarm"."""
        if self.name:
            return f"{self.name} {self.kind}"
        return f"{spoken_length(self.seconds, plural=False)} timer" if self.kind == "timer" else self.kind

    def left(self, now: float) -> float:
        """Seconds until it is due; at least 0."""
        return max(0.0, self.due - now)

    def announcement(self, now: float) -> str:
        """What is said when it rings."""
        late = f" It was due {spoken_length(now - self.due)} ago." if now - self.due > LATE else ""
        if self.kind == "reminder":
            return f"A reminder: {self.name}.{late}"
        return f"Your {self.label} is {'done' if self.kind == 'timer' else 'ringing'}.{late}"


class TimerBoard:
    """The timers that run. No input or output."""

    def __init__(self, timers: Sequence[Timer] = ()) -> None:
        self._timers = {timer.id: timer for timer in timers}

    @property
    def timers(self) -> list[Timer]:
        """All of them, the next first."""
        return sorted(self._timers.values(), key=lambda timer: timer.due)

    def add(self, timer: Timer) -> None:
        """Start one, or put a changed one in its place."""
        self._timers[timer.id] = timer

    def remove(self, timer: Timer) -> None:
        """Stop one."""
        self._timers.pop(timer.id, None)

    def due(self, now: float) -> list[Timer]:
        """Those that are to ring."""
        return [timer for timer in self.timers if timer.due <= now]

    def find(self, kind: str | None, name: str | None, seconds: float | None) -> list[Timer]:
        """Those that these words mean, the next first."""
        found = [timer for timer in self.timers if kind is None or timer.kind == kind]
        if name:
            wanted = _plain(name)
            exact = [timer for timer in found if _plain(timer.name) == wanted]
            found = exact or [timer for timer in found if wanted in _plain(timer.name)]
        if seconds:
            found = [timer for timer in found if abs(timer.seconds - seconds) < 1]
        return found


class Timers:
    """Sets timers, and rings them.

    Args:
        store: keeps them.
        on_ring: told of each that is due; where it fails, it is told again.
        now: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        on_ring: Callable[[Timer], Awaitable[None]],
        *,
        now: Callable[[], float] = lambda: datetime.now(UTC).timestamp(),
    ) -> None:
        self._store = store
        self._on_ring = on_ring
        self._now = now
        self._board: TimerBoard | None = None
        self._loading = asyncio.Lock()
        self._changed = asyncio.Event()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.set_timer, effect=Effect.CONTROL),
            tool(self.cancel_timer, effect=Effect.CONTROL),
            tool(self.change_timer, effect=Effect.CONTROL),
            tool(self.timer_status, effect=Effect.READ),
            tool(self.set_alarm, effect=Effect.CONTROL),
            tool(self.set_reminder, effect=Effect.CONTROL),
        ]

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        board = await self._loaded()
        while True:
            self._changed.clear()
            rung = all([await self._ring(timer) for timer in board.due(self._now())])
            upcoming = board.timers
            wait = upcoming[0].left(self._now()) if upcoming and rung else None if rung else RETRY
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

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
        timer = await self._start(context, "timer", name or "", length)
        named = f" for {timer.name}" if timer.name else ""
        return Result(f"{spoken_length(length).capitalize()}{named}, starting now.", self._data(timer))

    async def cancel_timer(
        self,
        context: Context,
        name: str | None = None,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        kind: Literal["timer", "alarm", "reminder"] = "timer",
        all_of_them: bool = False,
    ) -> Result:
        """Stop a timer, an alarm or a reminder.

        Args:
            name: the one with this name.
            hours: hours of its length, where it is known by that.
            minutes: minutes of its length.
            seconds: seconds of its length.
            kind: which of these it is.
            all_of_them: stop every one.
        """
        board = await self._loaded()
        found = board.find(kind, name, _length(hours, minutes, seconds))
        if not found:
            raise Failed(f"There is no such {kind}.")
        if len(found) > 1 and not all_of_them:
            raise Failed(f"Which one? There are the {_joined([timer.label for timer in found])}.")
        for timer in found:
            board.remove(timer)
        await self._save()
        what = f"the {found[0].label}" if len(found) == 1 else f"{len(found)} of them"
        return Result(f"I stopped {what}.", {"stopped": [timer.id for timer in found]})

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
        board = await self._loaded()
        found = board.find("timer", name, None)
        if not found:
            raise Failed("There is no such timer.")
        if len(found) > 1:
            raise Failed(f"Which one? There are the {_joined([timer.label for timer in found])}.")
        added, timer = _length(hours, minutes, seconds), found[0]
        changed = Timer(timer.id, timer.kind, timer.name, timer.due + added, timer.seconds + added, timer.device)
        board.add(changed)
        await self._save()
        left = spoken_length(changed.left(self._now()))
        return Result(f"The {f'{timer.name} ' if timer.name else ''}timer has {left} left now.", self._data(changed))

    async def timer_status(self, context: Context, name: str | None = None, kind: str | None = None) -> Result:
        """Tell how long timers, alarms and reminders have left.

        Args:
            name: the one with this name.
            kind: timer, alarm or reminder.
        """
        found = (await self._loaded()).find(kind, name, None)
        if not found:
            return Result(f"There is no {kind or 'timer'} running.", {"timers": []})
        told = [self._told(timer, context) for timer in found]
        return Result(f"{begun(_joined(told))}.", {"timers": [self._data(timer) for timer in found]})

    async def set_alarm(self, context: Context, time: str, name: str | None = None) -> Result:
        """Set an alarm for a time of day.

        Args:
            time: when, such as 07:30 or 7 am; the next time that it is so late.
            name: what it is for.
        """
        due = self._next(time, context)
        timer = await self._start(context, "alarm", name or "", due.timestamp() - self._now())
        return Result(f"The alarm is set for {self._when(timer, context)}.", self._data(timer))

    async def set_reminder(self, context: Context, text: str, time: str | None = None, minutes: float = 0) -> Result:
        """Remind somebody of something.

        Args:
            text: of what, such as call the plumber.
            time: when, such as 18:00 or 6 pm.
            minutes: or in how many minutes.
        """
        if time is None and minutes <= 0:
            raise TryAgain("A reminder needs a time of day, or the minutes until then.")
        wait = minutes * 60 if time is None else self._next(time, context).timestamp() - self._now()
        timer = await self._start(context, "reminder", text, wait)
        return Result(f"I'll remind you {self._when(timer, context)}: {text}.", self._data(timer))

    async def _ring(self, timer: Timer) -> bool:
        board = await self._loaded()
        try:
            await self._on_ring(timer)
        except Exception as error:  # noqa: BLE001 - the others still have to ring
            logger.error(f"the {timer.kind} {timer.id} could not be rung and is tried again: {error!r}")
            return False
        board.remove(timer)
        await self._save()
        return True

    async def _start(self, context: Context, kind: str, name: str, seconds: float) -> Timer:
        if seconds > LONGEST.total_seconds():
            raise Failed("Sorry, I can't set anything more than a year ahead.")
        board = await self._loaded()
        timer = Timer(uuid4().hex[:8], kind, name.strip(), self._now() + seconds, seconds, context.device)
        board.add(timer)
        await self._save()
        return timer

    async def _loaded(self) -> TimerBoard:
        async with self._loading:
            if self._board is None:
                entries = await self._store.load()
                self._board = TimerBoard([Timer(**entry) for entry in entries])
            return self._board

    async def _save(self) -> None:
        assert self._board is not None
        self._changed.set()
        await self._store.save([asdict(timer) for timer in self._board.timers])

    def _next(self, time: str, context: Context) -> datetime:
        """The next moment at which a clock on the wall here shows this time."""
        now = datetime.fromtimestamp(self._now(), context.zone)
        hour, minute = _time_of_day(time)
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return then if then > now else (then + timedelta(days=1)).replace(hour=hour, minute=minute)

    def _when(self, timer: Timer, context: Context) -> str:
        now, due = (datetime.fromtimestamp(moment, context.zone) for moment in (self._now(), timer.due))
        days = (due.date() - now.date()).days
        day = {0: "", 1: " tomorrow"}.get(days, f" on {due:%A}, {due:%B} {due.day}")
        return f"{spoken_time(due)}{day}" if timer.kind == "alarm" else f"at {spoken_time(due)}{day}"

    def _told(self, timer: Timer, context: Context) -> str:
        if timer.kind == "timer":
            return f"the {timer.label} has {spoken_length(timer.left(self._now()))} left"
        what = f"to {timer.name}" if timer.kind == "reminder" else ""
        return f"the {timer.kind} {what} is set for {self._when(timer, context)}".replace("  ", " ")

    def _data(self, timer: Timer) -> dict[str, Any]:
        return asdict(timer) | {"left": round(timer.left(self._now()))}


def begun(sentence: str) -> str:
    """A sentence with a capital at its beginning, and no other letter changed."""
    return sentence[:1].upper() + sentence[1:]


def spoken_length(seconds: float, *, plural: bool = True) -> str:
    """A length of time as it is said: "1 hour and 5 minutes", or "5 minute" before a noun."""
    whole = max(0, round(seconds))
    # Nobody wants the seconds of an hour.
    if whole >= 3600:
        whole = round(whole / 60) * 60
    sizes = (("day", whole // 86400), ("hour", whole % 86400 // 3600), ("minute", whole % 3600 // 60))
    parts = [*sizes, ("second", whole % 60)]
    said = [f"{count} {unit}{'s' if plural and count != 1 else ''}" for unit, count in parts if count]
    return _joined(said) if said else "0 seconds"


def _time_of_day(time: str) -> tuple[int, int]:
    said = _NUMBER_WORD.sub(lambda word: str(_NUMBER_WORDS[word[0]]), time.strip().lower())
    for words, digits in _SPOKEN_TIMES:
        said = re.sub(words, digits, said)
    if quarter := _QUARTER_TO.fullmatch(said):
        hour, _ = _time_of_day(quarter[1])
        return (hour - 1) % 24, 45
    match = _TIME.fullmatch(said)
    if match is None:
        raise TryAgain(f"{time!r} is no time of day: give it as 18:30 or 6:30 pm.")
    hour, minute, half = int(match["hour"]), int(match["minute"] or 0), (match["half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59:
        raise TryAgain(f"{time!r} is no time of day: give it as 18:30 or 6:30 pm.")
    return hour, minute


def _length(hours: float, minutes: float, seconds: float) -> float:
    return hours * 3600 + minutes * 60 + seconds


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _plain(name: str) -> str:
    return re.sub(r"\b(the|my|a|an|timer|alarm|reminder)\b", "", name.lower()).strip()
