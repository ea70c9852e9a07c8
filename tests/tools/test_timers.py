import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import Caller, MemoryStore
from tools.outcomes import Status
from tools.timer_board import Timer, TimerBoard
from tools.timers import Timers
from tools.wording import spoken_length

HERE = ZoneInfo("Europe/Lisbon")
NOON = datetime(2026, 3, 28, 12, 0, tzinfo=HERE).timestamp()


class House:
    """Timers under a clock of their own."""

    def __init__(self, store: MemoryStore | None = None, *, look_again: float = 10.0) -> None:
        self.now = NOON
        self.rung: list[str] = []
        self.broken = False
        self.store = store or MemoryStore()
        self.timers = Timers(self.store, self.ring, now=lambda: self.now, look_again=look_again)
        caller = Caller(self.timers.tools())
        self.call, self.ask = caller.call, caller.ask

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.timers.run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def ring(self, timer: Timer) -> None:
        if self.broken:
            raise ConnectionError("the loudspeaker is away")
        self.rung.append(timer.announcement(self.now))


def timer(name: str = "", seconds: float = 600, kind: str = "timer") -> Timer:
    return Timer(f"{name}{seconds}{kind}", kind, name, NOON + seconds, seconds, "kitchen")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"), (90, "1 minute and 30 seconds"), (600, "10 minutes"), (3600, "1 hour"),
        (3905, "1 hour and 5 minutes"), (86400 * 2 + 3600, "2 days and 1 hour"), (0.2, "0 seconds"),
    ],
)  # fmt: skip
def test_lengths_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken_length(seconds) == said


async def test_a_timer_is_set_and_asked_for() -> None:
    house = House()
    assert await house.ask("set_timer", minutes=10, name="pasta") == "10 minutes for pasta, starting now."
    house.now += 240
    assert await house.ask("timer_status") == "The pasta timer has 6 minutes left."
    assert await house.ask("timer_status", name="the pasta timer") == "The pasta timer has 6 minutes left."


async def test_a_timer_without_a_length_is_asked_for_one() -> None:
    assert (await House().call("set_timer")).status is Status.INVALID


async def test_of_several_the_one_that_is_meant_is_stopped() -> None:
    house = House()
    for minutes, name in ((10, "pasta"), (5, None), (20, "tea")):
        await house.call("set_timer", minutes=minutes, name=name)
    which = await house.call("cancel_timer")
    assert which.status is Status.FAILED
    assert which.say == "Which one? There are the 5 minute timer, pasta timer and tea timer."
    assert await house.ask("cancel_timer", minutes=5) == "I stopped the 5 minute timer."
    assert await house.ask("cancel_timer", name="tea") == "I stopped the tea timer."
    assert await house.ask("cancel_timer") == "I stopped the pasta timer."
    assert (await house.call("cancel_timer")).status is Status.FAILED


async def test_all_are_stopped_at_once_but_no_alarm() -> None:
    house = House()
    await house.call("set_timer", minutes=1)
    await house.call("set_timer", minutes=2)
    await house.call("set_alarm", time="7 am")
    assert await house.ask("cancel_timer", all_of_them=True) == "I stopped both timers."
    assert await house.ask("timer_status") == "The alarm is set for 7:00 AM tomorrow."
    assert await house.ask("cancel_timer", kind="alarm") == "I stopped the alarm for 7:00 AM tomorrow."


async def test_a_timer_is_made_longer_and_shorter() -> None:
    house = House()
    await house.call("set_timer", minutes=10)
    assert await house.ask("change_timer", minutes=5) == "The timer has 15 minutes left now."
    assert await house.ask("change_timer", minutes=-3) == "The timer has 12 minutes left now."


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("7", "7:00 AM tomorrow"), ("13:30", "1:30 PM"), ("1:30 pm", "1:30 PM"), ("noon", "12:00 PM tomorrow"),
        ("half past seven", "7:30 AM tomorrow"), ("quarter to six in the evening", "5:45 PM"),
        ("quarter past 8", "8:15 AM tomorrow"), ("eleven o'clock at night", "11:00 PM"), ("6 30 pm", "6:30 PM"),
    ],
)  # fmt: skip
async def test_an_alarm_rings_the_next_time_that_it_is_so_late(said: str, due: str) -> None:
    assert await House().ask("set_alarm", time=said) == f"The alarm is set for {due}."


async def test_an_alarm_stays_at_its_time_of_day_when_the_clocks_change() -> None:
    house = House()
    outcome = await house.call("set_alarm", time="07:00")
    assert outcome.data["due"] == datetime(2026, 3, 29, 7, 0, tzinfo=HERE).timestamp()
    assert outcome.data["due"] - NOON == 18 * 3600, "that night is an hour shorter"


@pytest.mark.parametrize("said", ["25:00", "soon", "7:99", ""])
async def test_what_is_no_time_of_day_is_refused(said: str) -> None:
    assert (await House().call("set_alarm", time=said)).status is Status.INVALID


async def test_a_reminder_that_is_soon_is_told_by_how_long_it_takes() -> None:
    said = await House().ask("set_reminder", text="take the cake out", minutes=20)
    assert said == "I'll remind you in 20 minutes: take the cake out."


async def test_a_reminder_says_of_what() -> None:
    house = House()
    said = await house.ask("set_reminder", text="call the plumber", time="18:00")
    assert said == "I'll remind you at 6:00 PM: call the plumber."
    house.now = datetime(2026, 3, 28, 18, 0, tzinfo=HERE).timestamp()
    async with house.running():
        await _until(lambda: house.rung)
    assert house.rung == ["A reminder: call the plumber."]


async def test_what_is_due_rings_once_and_is_gone() -> None:
    house = House()
    async with house.running():
        await house.call("set_timer", seconds=30)
        await asyncio.sleep(0.01)
        assert not house.rung
        house.now += 30
        await house.call("set_timer", minutes=5)
        await _until(lambda: house.rung)
    assert house.rung == ["Your 30 second timer is done."]
    assert await house.ask("timer_status") == "The 5 minute timer has 5 minutes left."


async def test_a_timer_survives_a_restart_and_says_that_it_is_late() -> None:
    store = MemoryStore()
    await House(store).call("set_timer", minutes=10, name="pasta")
    house = House(store)
    house.now += 900
    async with house.running():
        await _until(lambda: house.rung)
    assert house.rung == ["Your pasta timer is done. It was due 5 minutes ago."]
    assert store.entries == []


async def test_what_could_not_be_rung_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.timers.RETRY", 0.01)
    house = House()
    house.broken = True
    await house.call("set_timer", seconds=5)
    house.now += 5
    async with house.running():
        await asyncio.sleep(0.05)
        assert len(house.store.entries) == 1
        house.broken = False
        await _until(lambda: house.rung)


async def test_a_clock_that_was_set_is_noticed() -> None:
    house = House(look_again=0.01)
    await house.call("set_timer", minutes=10)
    async with house.running():
        await asyncio.sleep(0.03)
        assert not house.rung
        house.now += 600
        await _until(lambda: house.rung)


async def test_a_timer_that_is_made_longer_while_it_rings_goes_on() -> None:
    house = House()
    heard, said = asyncio.Event(), asyncio.Event()

    async def ring(timer: Timer) -> None:
        heard.set()
        await said.wait()
        await house.ring(timer)

    house.timers = Timers(house.store, ring, now=lambda: house.now)
    caller = Caller(house.timers.tools())
    await caller.call("set_timer", minutes=10, name="pasta")
    house.now += 600
    async with house.running():
        await heard.wait()
        assert await caller.ask("timer_status") == "The pasta timer is due."
        assert await caller.ask("change_timer", minutes=5) == "The pasta timer has 5 minutes left now."
        await asyncio.sleep(0)
        said.set()
        await asyncio.sleep(0.02)
    assert not house.rung
    assert [entry["due"] for entry in house.store.entries] == [house.now + 300]


async def test_a_timer_that_is_stopped_while_it_rings_is_quiet() -> None:
    house = House()
    ended = asyncio.Event()

    async def ring(_: Timer) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house.timers = Timers(house.store, ring, now=lambda: house.now)
    caller = Caller(house.timers.tools())
    await caller.call("set_timer", minutes=10, name="pasta")
    house.now += 600
    async with house.running():
        await asyncio.sleep(0.01)
        assert await caller.ask("cancel_timer") == "I stopped the pasta timer."
        await asyncio.wait_for(ended.wait(), 2)
    assert house.store.entries == []


async def test_one_that_nobody_hears_holds_up_no_other() -> None:
    house = House()

    async def ring(timer: Timer) -> None:
        if timer.name == "pasta":
            await asyncio.Event().wait()
        await house.ring(timer)

    house.timers = Timers(house.store, ring, now=lambda: house.now)
    call = Caller(house.timers.tools()).call
    await call("set_timer", minutes=10, name="pasta")
    await call("set_timer", minutes=11, name="tea")
    house.now += 700
    async with house.running():
        await _until(lambda: house.rung)
    assert house.rung == ["Your tea timer is done."]
    assert [entry["name"] for entry in house.store.entries] == ["pasta"]


class Loudspeaker:
    """Sounds for a while, and is known to have been understood before it ends."""

    def __init__(self) -> None:
        self.understood: list[str] = []
        self.ended: list[str] = []
        self.sounding: list[asyncio.Task[None]] = []
        self.powered = True

    async def ring(self, timer: Timer) -> None:
        understood = asyncio.Event()
        if not self.powered:
            await understood.wait()
        self.sounding.append(asyncio.create_task(self._sound(timer.name, understood)))
        await understood.wait()

    async def _sound(self, name: str, understood: asyncio.Event) -> None:
        await _moments(3)
        self.understood.append(name)
        understood.set()
        await _moments(30)
        self.ended.append(name)


async def _moments(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class SlowDisk(MemoryStore):
    """Takes a moment to write, and writes all or nothing."""

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        await _moments(2)
        await super().save(entries)
        await _moments(1)


@given(st.lists(st.integers(0, 60), max_size=8), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_killed_at_any_point_no_timer_is_lost_and_none_sounds_twice(kills: list[int], dues: list[int]) -> None:
    asyncio.run(_killed(kills, dues))


async def _killed(kills: list[int], dues: list[int]) -> None:
    store, speaker = SlowDisk(), Loudspeaker()
    setting = House(store)
    for number, minutes in enumerate(dues):
        await setting.call("set_timer", minutes=minutes, name=f"n{number}")
    for moments in [*kills, 300]:
        await _lived(store, speaker, moments)
    assert set(speaker.understood) == {f"n{number}" for number in range(len(dues))}
    assert len(speaker.ended) == len(set(speaker.ended))
    assert store.entries == []


async def _lived(store: MemoryStore, speaker: Loudspeaker, moments: int) -> None:
    timers = Timers(store, speaker.ring, now=lambda: NOON + 300)
    running = asyncio.create_task(timers.run())
    speaker.powered = True
    await _moments(moments)
    speaker.powered = False
    killed = [running, *speaker.sounding]
    for task in killed:
        task.cancel()
    await asyncio.gather(*killed, return_exceptions=True)


async def test_a_timer_cannot_be_made_shorter_than_nothing_or_longer_than_a_year() -> None:
    house = House()
    await house.call("set_timer", minutes=10)
    assert await house.ask("change_timer", minutes=-10) == "The 10 minute timer has only 10 minutes left."
    assert (await house.call("change_timer", hours=24 * 366)).status is Status.FAILED
    assert (await house.call("change_timer")).status is Status.INVALID
    assert await house.ask("timer_status") == "The 10 minute timer has 10 minutes left."


async def test_of_several_that_are_alike_the_next_is_stopped() -> None:
    house = House()
    await house.call("set_timer", minutes=5)
    house.now += 60
    await house.call("set_timer", minutes=5)
    assert await house.ask("cancel_timer", minutes=5) == "I stopped the 5 minute timer. Another one goes on."
    assert await house.ask("timer_status") == "The 5 minute timer has 5 minutes left."


async def test_of_several_alarms_the_one_of_that_time_is_stopped() -> None:
    house = House()
    for time in ("6 am", "7 am"):
        await house.call("set_alarm", time=time)
    which = await house.ask("cancel_timer", kind="alarm")
    assert which == "Which one? There are the alarm for 6:00 AM tomorrow and alarm for 7:00 AM tomorrow."
    assert await house.ask("cancel_timer", kind="alarm", time="7") == "I stopped the alarm for 7:00 AM tomorrow."
    assert await house.ask("timer_status") == "The alarm is set for 6:00 AM tomorrow."


async def test_a_name_is_kept_without_what_is_no_part_of_it() -> None:
    house = House()
    assert await house.ask("set_timer", minutes=5, name="Anna's timer") == "5 minutes for Anna's, starting now."
    assert await house.ask("set_timer", minutes=9, name="the timer") == "9 minutes, starting now."
    assert await house.ask("cancel_timer", name="the anna's timer") == "I stopped the Anna's timer."


class Disk(MemoryStore):
    """A store that can be full."""

    full = False

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        await super().save(entries)


async def test_a_timer_that_cannot_be_kept_is_not_said_to_run() -> None:
    disk = Disk()
    house = House(disk)
    disk.full = True
    assert await house.ask("set_timer", minutes=5) == "Sorry, I can't write that down right now."
    assert await house.ask("timer_status") == "There is no timer running."


async def test_a_full_disk_stops_no_timer_and_rings_none_twice() -> None:
    disk = Disk()
    house = House(disk, look_again=0.01)
    for seconds in (10, 20):
        await house.call("set_timer", seconds=seconds)
    disk.full = True
    async with house.running():
        house.now += 10
        await _until(lambda: house.rung)
        house.now += 10
        await _until(lambda: len(house.rung) == 2)
    assert house.rung == ["Your 10 second timer is done.", "Your 20 second timer is done."]


async def test_a_timer_that_cannot_be_read_costs_no_other() -> None:
    store = MemoryStore()
    await House(store).call("set_timer", minutes=10)
    damaged: list[dict[str, Any]] = [{"id": "a"}, {**store.entries[0], "id": "b", "due": float("nan")}]
    house = House(MemoryStore([*damaged, *store.entries]))
    async with house.running():
        assert await house.ask("timer_status") == "The 10 minute timer has 10 minutes left."


async def test_a_reminder_needs_words_and_a_moment() -> None:
    house = House()
    assert (await house.call("set_reminder", text=" ", minutes=5)).status is Status.INVALID
    assert (await house.call("set_reminder", text="feed the cat")).status is Status.INVALID
    await house.call("set_reminder", text="feed the cat", minutes=5)
    assert await house.ask("timer_status") == "The reminder to feed the cat is set for 12:05 PM."
    assert await house.ask("cancel_timer", kind="reminder", name="cat") == "I stopped the reminder to feed the cat."


@given(st.lists(st.floats(0, 1e6), max_size=20), st.floats(0, 1e6))
def test_a_board_gives_out_what_is_due_and_nothing_else(lengths: list[float], passed: float) -> None:
    board = TimerBoard([timer(str(number), length) for number, length in enumerate(lengths)])
    due = board.due(NOON + passed)
    assert all(each.due <= NOON + passed for each in due)
    for each in due:
        board.remove(each)
    assert all(each.due > NOON + passed for each in board.timers)
    assert len(due) + len(board.timers) == len(lengths)


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.integers(1, 4), st.sampled_from(["set", "stop", "change"])), max_size=30))  # fmt: skip
def test_a_board_holds_what_was_set_changed_and_not_stopped(steps: list[tuple[str, int, str]]) -> None:
    board, expected = TimerBoard(), dict[str, Timer]()
    for name, minutes, step in steps:
        set_here = timer(name, minutes * 60)
        if step == "set":
            board.add(set_here)
            expected[set_here.id] = set_here
        elif found := board.find("timer", f"the {name} timer", minutes * 60):
            assert found == [expected[set_here.id]]
            if step == "stop":
                board.remove(found[0])
                del expected[set_here.id]
            else:
                expected[set_here.id] = replace(found[0], due=found[0].due + 7)
                board.add(expected[set_here.id])
                board.remove(found[0])  # what it was is gone already
        else:
            assert set_here.id not in expected
    assert board.timers == sorted(expected.values(), key=lambda each: each.due)
    for name in "pqr":
        assert {each.id for each in board.find(None, name, None)} == {key for key in expected if key[0] == name}
    assert all(each.left(NOON) == each.due - NOON for each in board.timers)


async def _until(condition: object) -> None:
    async with asyncio.timeout(2):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_several_alarms_are_told_in_one_sentence() -> None:
    house = House()
    await house.ask("set_alarm", time="7", day="monday", repeat="weekly")
    await house.ask("set_alarm", time="6:30", day="tomorrow")
    assert (
        await house.ask("timer_status", kind="alarm")
        == "There are 2 alarms set: 6:30 AM tomorrow and 7:00 AM on Monday, every Monday."
    )
    assert await house.ask("timer_status", day="tomorrow") == "The alarm is set for 6:30 AM tomorrow."


async def test_who_asks_how_long_it_takes_hears_of_no_alarm_but_programs_do() -> None:
    house = House()
    await house.ask("set_alarm", time="7")
    assert (await house.ask("timer_status")).startswith("The alarm is set for 7:00 AM")
    await house.ask("set_timer", minutes=5)
    outcome = await house.call("timer_status")
    assert outcome.say == "The 5 minute timer has 5 minutes left."
    assert [each["kind"] for each in outcome.data["timers"]] == ["timer", "alarm"]


async def test_that_there_is_none_is_told_of_what_was_meant() -> None:
    house = House()
    assert await house.ask("cancel_timer") == "There is no timer running."
    assert await house.ask("cancel_timer", kind="alarm") == "There is no alarm set."
    assert await house.ask("cancel_timer", name="tea") == "There is no such timer."


@pytest.mark.parametrize(
    ("time", "day", "when"),
    [
        ("5", "tomorrow", "5:00 PM tomorrow"), ("8", "tomorrow", "8:00 AM tomorrow"), ("5 am", "tomorrow", "5:00 AM tomorrow"),
        ("05:00", "tomorrow", "5:00 AM tomorrow"), ("3", None, "3:00 PM"), ("17:00", "tomorrow", "5:00 PM tomorrow"),
    ],
)  # fmt: skip
async def test_nobody_is_reminded_in_the_night_who_did_not_say_so(time: str, day: str | None, when: str) -> None:
    said = await House().ask("set_reminder", text="call Ana", time=time, **({"day": day} if day else {}))
    assert said == f"I'll remind you at {when}: call Ana."


async def test_the_eggs_are_those_of_the_egg_timer() -> None:
    house = House()
    await house.ask("set_timer", minutes=6, name="egg")
    assert await house.ask("cancel_timer", name="the eggs") == "I stopped the egg timer."
