"""How timers, alarms and reminders are told. No input or output."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from tools.clock import spoken_time
from tools.days import spoken_day
from tools.recurrence import SPOKEN
from tools.timer_board import Timer
from tools.wording import begun, joined, spoken_length

SOON: Final = 3600.0
"""Seconds up to which a reminder is told by how long it takes rather than by the clock."""
_THERE: Final = {"timer": "running", "alarm": "set", "reminder": "set"}


class TimerWords:
    """The words for timers at one moment.

    Args:
        now: seconds since 1970.
        zone: the household's time zone.
    """

    def __init__(self, now: float, zone: tzinfo) -> None:
        self._now = now
        self._zone = zone

    def when(self, timer: Timer) -> str:
        """When it is due: "7:00 AM tomorrow", "6:00 PM on Friday"."""
        now, due = (datetime.fromtimestamp(round(moment), self._zone) for moment in (self._now, timer.due))
        day = spoken_day(due.date(), now.date())
        return spoken_time(due) if day == "today" else f"{spoken_time(due)} {day}"

    def again(self, timer: Timer) -> str:
        """How it comes again, with what leads to it; empty where it does not."""
        return f", and then {self._repetition(timer)}" if timer.repeat else ""

    def called(self, timer: Timer) -> str:
        """What tells it from others; an alarm has only its time."""
        return f"{timer.label} for {self.when(timer)}" if timer.kind == "alarm" else timer.label

    def told(self, timers: Sequence[Timer], kind: str | None) -> str:
        """How all of them are, in one sentence; that there is none where there are none."""
        if not timers:
            return f"There is no {kind or 'timer'} {_THERE[kind or 'timer']}."
        if len(timers) > 1 and all(timer.kind == "alarm" and not timer.name for timer in timers):
            return f"There are {len(timers)} alarms set: {joined([self._alarm(timer) for timer in timers])}."
        return f"{begun(joined([self._one(timer) for timer in timers]))}."

    def stopped(self, timers: Sequence[Timer]) -> str:
        """That they were stopped."""
        if len(timers) == 1:
            return f"I stopped the {self.called(timers[0])}."
        number = "both" if len(timers) == 2 else f"all {len(timers)}"
        return f"I stopped {number} {timers[0].kind}s."

    def none(self, kind: str, *, described: bool) -> str:
        """That there is none, or none such."""
        return f"There is no such {kind}." if described else f"There is no {kind} {_THERE[kind]}."

    def _one(self, timer: Timer) -> str:
        if timer.due <= self._now:
            return f"the {timer.label} is due"
        if timer.kind == "timer":
            return f"the {timer.label} has {spoken_length(timer.left(self._now))} left"
        return f"the {timer.label} is set for {self.when(timer)}{self.again(timer)}"

    def _alarm(self, timer: Timer) -> str:
        return self.when(timer) + (f", {self._repetition(timer)}" if timer.repeat else "")

    def _repetition(self, timer: Timer) -> str:
        if timer.repeat == "weekly":
            return f"every {datetime.fromtimestamp(timer.due, self._zone):%A}"
        return SPOKEN[timer.repeat]
