import asyncio
import time

from pipecat.frames.frames import TTSSpeakFrame
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from satellites.timer_display import Happened, TimerEvent
from satellites.wyoming.timers import timer_event
from tests.satellites.wyoming.test_satellite import Assistant, dialled
from tools.timer_board import Timer

EGGS = Timer("eggs", "timer", "eggs", 1000.0, 3905.0, "wyoming:kitchen")


def test_a_timer_that_starts_says_what_was_asked_for_and_what_is_left() -> None:
    assert timer_event(TimerEvent(Happened.STARTED, EGGS), 900.0) == TimerStarted("eggs", 100, "eggs", 1, 5, 5)
    assert timer_event(TimerEvent(Happened.UPDATED, EGGS), 900.0) == TimerUpdated("eggs", True, 100)
    assert timer_event(TimerEvent(Happened.CANCELLED, EGGS), 900.0) == TimerCancelled("eggs")
    assert timer_event(TimerEvent(Happened.FINISHED, EGGS), 1000.0) == TimerFinished("eggs")


async def test_a_satellite_shows_and_rings_its_timers() -> None:
    assistant = Assistant()
    timer = Timer("eggs", "timer", "", time.time() + 300, 300.0, "wyoming:kitchen")
    async with dialled(assistant) as (peer, _):
        await peer.until("run-satellite")
        assistant.board.add(timer)
        assistant.timers.changed()
        started = TimerStarted.from_event(await peer.until("timer-started"))
        assert (started.id, started.start_minutes) == ("eggs", 5)
        assistant.wake()
        async with asyncio.timeout(20):
            await assistant.started.wait()
        await assistant.push(TTSSpeakFrame("Your timer is done."))
        await peer.until("audio-stop")
        assistant.timers.heard(timer)
        assistant.board.remove(timer)
        assistant.timers.changed()
        await peer.until("timer-finished")
        assert assistant.ended.is_set(), "it rings behind the words"


async def test_a_satellite_is_told_of_a_timer_that_was_stopped() -> None:
    assistant = Assistant()
    timer = Timer("eggs", "timer", "", time.time() + 300, 300.0, "wyoming:kitchen")
    assistant.board.add(timer)
    async with dialled(assistant) as (peer, _):
        await peer.until("timer-started")
        assistant.board.remove(timer)
        assistant.timers.changed()
        await peer.until("timer-cancelled")
