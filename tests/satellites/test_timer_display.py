from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from satellites.timer_display import Happened, TimerDisplay, TimerEvent
from tools.timer_board import Timer
from tools.timer_watch import DeviceTimers

TIMERS = [Timer(f"t{n}", kind, "", 1000.0 + n, 60.0, "kitchen") for n, kind in enumerate(("timer", "timer", "alarm"))]
PASTA = TIMERS[0]
REMINDER = replace(PASTA, id="r", kind="reminder", name="feed the cat")


def there(*running: Timer, heard: tuple[Timer, ...] = ()) -> DeviceTimers:
    return DeviceTimers(running, frozenset(timer.id for timer in heard))


def happened(events) -> list[Happened]:
    return [event.happened for event in events]


def test_a_timer_is_told_of_when_it_starts_is_changed_and_is_stopped() -> None:
    display = TimerDisplay()
    longer = replace(PASTA, due=2000.0)
    assert display.see(there(PASTA)) == [TimerEvent(Happened.STARTED, PASTA)]
    assert display.see(there(longer)) == [TimerEvent(Happened.UPDATED, longer)]
    assert display.see(there()) == [TimerEvent(Happened.CANCELLED, longer)]


def test_the_device_rings_on_once_the_words_were_said_and_nobody_answered() -> None:
    display = TimerDisplay()
    display.see(there(PASTA))
    display.begin()
    assert display.see(there(heard=(PASTA,))) == []
    assert display.end() == [TimerEvent(Happened.FINISHED, PASTA)]


def test_a_timer_that_somebody_answered_does_not_ring_on() -> None:
    display = TimerDisplay()
    display.see(there(PASTA))
    display.begin()
    display.see(there(heard=(PASTA,)))
    display.answer()
    assert display.end() == [TimerEvent(Happened.CANCELLED, PASTA)]


def test_who_spoke_in_an_earlier_conversation_has_answered_nothing_now() -> None:
    display = TimerDisplay()
    display.see(there(PASTA))
    display.begin()
    display.answer()
    display.end()
    display.begin()
    display.see(there(heard=(PASTA,)))
    assert happened(display.end()) == [Happened.FINISHED]


def test_a_device_that_comes_back_is_told_what_runs_and_what_is_gone_and_rings_nothing_belatedly() -> None:
    display = TimerDisplay()
    display.see(there(PASTA, TIMERS[1]))
    display.connected()
    assert display.see(there(TIMERS[1], heard=(PASTA,))) == [
        TimerEvent(Happened.CANCELLED, PASTA),
        TimerEvent(Happened.STARTED, TIMERS[1]),
    ]


def test_what_a_device_was_to_ring_when_it_left_is_put_away_when_it_is_back() -> None:
    display = TimerDisplay()
    display.see(there(PASTA))
    display.begin()
    display.see(there(heard=(PASTA,)))
    display.connected()
    assert display.see(there(heard=(PASTA,))) == [TimerEvent(Happened.CANCELLED, PASTA)]


@pytest.mark.parametrize("timer", [TIMERS[2], REMINDER])
def test_only_timers_are_counted_down_to(timer: Timer) -> None:
    display = TimerDisplay()
    assert display.see(there(timer)) == []
    assert display.see(there()) == []


def test_an_alarm_rings() -> None:
    display = TimerDisplay()
    display.see(there(TIMERS[2]))
    assert display.see(there(heard=(TIMERS[2],))) == [TimerEvent(Happened.FINISHED, TIMERS[2])]


class Kitchen:
    """The household's timers and the device that shows them, which remembers what it was told."""

    def __init__(self) -> None:
        self.display = TimerDisplay()
        self.running: dict[str, Timer] = {}
        self.heard: set[str] = set()
        self.shown: dict[str, Timer] = {}
        self.rung: list[str] = []
        self.talking = False
        self._count = 0

    def add(self, which: int) -> None:
        self._count += 1
        self.running[f"t{self._count}"] = replace(TIMERS[which], id=f"t{self._count}")

    def change(self, which: int) -> None:
        for timer in list(self.running.values())[which : which + 1]:
            self.running[timer.id] = replace(timer, due=timer.due + 60)

    def stop(self, which: int) -> None:
        for id_ in list(self.running)[which : which + 1]:
            del self.running[id_]

    def hear(self, which: int) -> None:
        self.heard |= set(list(self.running)[which : which + 1])
        self.stop(which)

    def begin(self, _: int) -> None:
        self.talking = True
        self.display.begin()

    def answer(self, _: int) -> None:
        if self.talking:
            self.display.answer()

    def end(self, _: int) -> None:
        if self.talking:
            self.talking = False
            self.take(self.display.end())

    def connect(self, _: int) -> None:
        self.talking = False
        self.display.connected()

    def look(self) -> None:
        self.take(self.display.see(DeviceTimers(tuple(self.running.values()), frozenset(self.heard))))

    def take(self, events: Sequence[TimerEvent]) -> None:
        for event in events:
            match event.happened:
                case Happened.STARTED:
                    self.shown[event.timer.id] = event.timer
                case Happened.UPDATED:
                    assert event.timer.id in self.shown
                    self.shown[event.timer.id] = event.timer
                case Happened.CANCELLED:
                    del self.shown[event.timer.id]
                case Happened.FINISHED:
                    self.shown.pop(event.timer.id, None)
                    self.rung.append(event.timer.id)


STEPS = some.tuples(
    some.sampled_from(["add", "change", "stop", "hear", "begin", "answer", "end", "connect"]), some.integers(0, 2)
)


@given(some.lists(STEPS, max_size=40))
def test_the_device_shows_what_runs_whatever_happens_and_rings_once_and_only_what_was_heard(steps) -> None:
    kitchen = Kitchen()
    for step, which in steps:
        getattr(kitchen, step)(which)
        kitchen.look()
        runs = {id_: timer for id_, timer in kitchen.running.items() if timer.kind == "timer"}
        waits = {id_ for id_ in kitchen.shown if id_ in kitchen.heard} if kitchen.talking else set()
        assert {id_: timer for id_, timer in kitchen.shown.items() if id_ not in waits} == runs
    assert set(kitchen.rung) <= kitchen.heard
    assert len(set(kitchen.rung)) == len(kitchen.rung)
