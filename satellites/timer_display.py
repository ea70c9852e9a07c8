"""What a device that shows timers is told of them. It has no clock of its own: sets of timers in, events out.

Such a device counts down, and rings until somebody stops it. The assistant says that a timer is done, and rings it
until it is heard; the device goes on from there, once the conversation is over, unless somebody has answered: a sound
that begins earlier would be heard over the words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tools.timer_board import Timer
from tools.timer_watch import DeviceTimers


class Happened(Enum):
    """What became of a timer."""

    STARTED = auto()
    UPDATED = auto()
    CANCELLED = auto()
    FINISHED = auto()


@dataclass(frozen=True, slots=True)
class TimerEvent:
    """What the device is told of one."""

    happened: Happened
    timer: Timer


class TimerDisplay:
    """One device's; it is kept while the device is away, so that what it shows is put right when it comes back."""

    def __init__(self) -> None:
        self._shown: Mapping[str, Timer] = {}
        self._done: list[Timer] = []
        self._fresh = True
        self._talking = False
        self._answered = False

    def connected(self) -> None:
        """The device has come, or come back, and may have forgotten everything."""
        # What it was to ring is put away like all that has gone since.
        self._shown = {**self._shown, **{timer.id: timer for timer in self._done}}
        self._fresh, self._talking, self._done = True, False, []

    def see(self, there: DeviceTimers) -> Sequence[TimerEvent]:
        """Take what is set now. A device that was away is told of all that runs, and rings nothing belatedly."""
        before, now = self._shown, {timer.id: timer for timer in there.running if timer.kind != "reminder"}
        self._shown = now
        gone = [timer for id_, timer in before.items() if id_ not in now]
        heard = [timer for timer in gone if timer.id in there.heard and not self._fresh]
        events = [TimerEvent(Happened.CANCELLED, timer) for timer in gone if timer not in heard]
        for id_, timer in now.items():
            if self._fresh or id_ not in before:
                events.append(TimerEvent(Happened.STARTED, timer))
            elif timer != before[id_]:
                events.append(TimerEvent(Happened.UPDATED, timer))
        self._fresh = False
        self._done += heard
        return [*_shown(events), *([] if self._talking else self._finish())]

    def begin(self) -> None:
        """A conversation begins."""
        self._talking, self._answered = True, False

    def answer(self) -> None:
        """Somebody has said something in it, so what was announced there was heard by somebody who is there."""
        self._answered = True

    def end(self) -> Sequence[TimerEvent]:
        """The conversation is over."""
        self._talking = False
        return self._finish()

    def _finish(self) -> Sequence[TimerEvent]:
        done, self._done = self._done, []
        happened = Happened.CANCELLED if self._answered else Happened.FINISHED
        return _shown([TimerEvent(happened, timer) for timer in done])


def _shown(events: Sequence[TimerEvent]) -> list[TimerEvent]:
    """An alarm rings, and is not counted down to: for half a day a device would show nothing else."""
    return [each for each in events if each.timer.kind == "timer" or each.happened is Happened.FINISHED]
