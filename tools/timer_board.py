"""A timer, an alarm or a reminder, and those that run. No input or output."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from loguru import logger
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from tools.wording import spoken_length

LATE: Final = 60.0
"""Seconds after which a timer that rings says that it is late."""

_THING: Final = re.compile(r"(?:the|a|an|my|our|your|his|her|their)\b", re.IGNORECASE)
"""Begins what is no doing: somebody is reminded to feed the cat, but about the cat."""

Kind = Literal["timer", "alarm", "reminder"]


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is due at a moment."""

    id: str
    kind: Kind
    name: str
    """What it is for; empty where nobody said."""
    due: FiniteFloat
    """Seconds since 1970, so that a restart changes nothing."""
    seconds: FiniteFloat
    """How long it was set for."""
    device: str
    """Where it was set and rings."""
    repeat: str = ""
    """How it comes again, as `tools.recurrence` has it; empty where it does not."""
    zone: str = ""
    """The name of the time zone in which it does."""
    person: str = ""
    """Who set it, where that is known; it rings with them where the device is gone."""

    @property
    def label(self) -> str:
        """How a person calls it: "pasta timer", "10 minute timer", "alarm", "reminder to feed the cat"."""
        if self.kind == "reminder":
            return f"reminder {'about' if _THING.match(self.name) else 'to'} {self.name}"
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

    def __contains__(self, timer: Timer) -> bool:
        """Tell whether it runs, and has not been changed."""
        return self._timers.get(timer.id) == timer

    def add(self, timer: Timer) -> None:
        """Start one, or put a changed one in its place."""
        self._timers[timer.id] = timer

    def remove(self, timer: Timer) -> None:
        """Stop one; one that was changed since goes on."""
        if timer in self:
            del self._timers[timer.id]

    def due(self, now: float) -> list[Timer]:
        """Those that are to ring."""
        return [timer for timer in self.timers if timer.due <= now]

    def find(self, kind: str | None, name: str | None, seconds: float | None) -> list[Timer]:
        """Those that these words mean, the next first."""
        found = [timer for timer in self.timers if kind is None or timer.kind == kind]
        if name:
            wanted = plain_name(name).lower()
            exact = [timer for timer in found if plain_name(timer.name).lower() == wanted]
            # "The eggs" are those of the egg timer.
            part = wanted.removesuffix("s")
            found = exact or [timer for timer in found if part in plain_name(timer.name).lower()]
        if seconds:
            found = [timer for timer in found if abs(timer.seconds - seconds) < 1]
        return found


_TIMER = TypeAdapter(Timer)


def readable(entries: Sequence[Mapping[str, Any]]) -> list[Timer]:
    """The timers that were kept; what cannot be read costs no other."""
    timers = []
    for entry in entries:
        try:
            timers.append(_TIMER.validate_python(dict(entry)))
        except ValidationError as error:
            logger.warning(f"a timer that was kept is left out, it cannot be read: {error.errors()[0]['msg']}")
    return timers


def plain_name(name: str) -> str:
    """A name without what is no part of it: "the pasta timer" is pasta."""
    return " ".join(re.sub(r"\b(the|my|a|an|timer|alarm|reminder)\b", " ", name, flags=re.IGNORECASE).split())
