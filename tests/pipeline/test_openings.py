import asyncio
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerEndOfTurnCancelFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipeline import openings
from pipeline.openings import QUIET, Floor, Openings

STARTS = (UserStartedSpeakingFrame, LLMFullResponseStartFrame, BotStartedSpeakingFrame)
STOPS = (UserStoppedSpeakingFrame, LLMFullResponseEndFrame, BotStoppedSpeakingFrame)


def test_the_floor_is_free_before_anybody_spoke():
    assert Floor().opens_in(100.0) == 0.0


@pytest.mark.parametrize(("start", "stop"), list(zip(STARTS, STOPS, strict=True)))
def test_nothing_is_said_while_somebody_has_the_floor_nor_directly_after(start, stop):
    floor = Floor()
    floor.see(start(), 10.0)
    assert floor.opens_in(60.0) is None
    floor.see(stop(), 70.0)
    assert floor.opens_in(70.0) == pytest.approx(QUIET)
    assert floor.opens_in(71.0 + QUIET) == 0.0


@pytest.mark.parametrize("end", [InterruptionFrame, EagerEndOfTurnCancelFrame])
def test_an_answer_that_is_withdrawn_leaves_the_floor(end):
    floor = Floor()
    floor.see(LLMFullResponseStartFrame(), 1.0)
    floor.see(end(), 2.0)
    assert floor.opens_in(3.0 + QUIET) == 0.0


@given(st.lists(st.tuples(st.sampled_from([*STARTS, *STOPS]), st.floats(0, 5)), max_size=30))
def test_once_all_have_stopped_the_floor_opens(events):
    floor, now = Floor(), 0.0
    for kind, later in events:
        now += later
        floor.see(kind(), now)
    for kind in STOPS:
        floor.see(kind(), now)
    assert floor.opens_in(now) == pytest.approx(QUIET)


def test_other_frames_say_nothing_of_the_floor():
    assert not Floor().see(LLMTextFrame("word"), 1.0)


class Ear(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSSpeakFrame):
            self.heard.put_nowait(frame.text)
        await self.push_frame(frame, direction)


class Talk:
    def __init__(self) -> None:
        self.openings, self.ear = Openings(), Ear()
        self.worker = PipelineWorker(
            Pipeline([self.openings, self.ear]), enable_rtvi=False, enable_turn_tracking=False, idle_timeout_secs=None
        )

    async def __aenter__(self) -> Self:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self._running = asyncio.create_task(runner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.cancel()
        await self._running

    async def heard(self) -> str:
        async with asyncio.timeout(10):
            return await self.ear.heard.get()


async def test_an_announcement_is_said_at_once_where_nobody_speaks():
    async with Talk() as talk:
        talk.openings.say("The tea is ready.")
        assert await talk.heard() == "The tea is ready."
        await talk.worker.queue_frames([BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()])
        await asyncio.sleep(0.2)
    assert talk.openings.unsaid() == []


async def test_announcements_wait_for_who_speaks_and_come_in_their_order():
    async with Talk() as talk:
        await talk.worker.queue_frame(UserStartedSpeakingFrame())
        await asyncio.sleep(0.2)
        talk.openings.say("One.")
        talk.openings.say("Two.")
        await asyncio.sleep(QUIET + 0.2)
        assert talk.ear.heard.empty()
        await talk.worker.queue_frame(UserStoppedSpeakingFrame())
        assert [await talk.heard(), await talk.heard()] == ["One.", "Two."]


async def test_who_never_stops_speaking_hears_it_all_the_same(monkeypatch):
    monkeypatch.setattr(openings, "LONGEST_WAIT", 0.3)
    async with Talk() as talk:
        await talk.worker.queue_frame(UserStartedSpeakingFrame())
        await asyncio.sleep(0.1)
        talk.openings.say("The alarm rings.")
        assert await talk.heard() == "The alarm rings."


async def test_what_was_broken_off_before_anybody_could_understand_it_is_said_again():
    async with Talk() as talk:
        talk.openings.say("The tea is ready.")
        assert await talk.heard() == "The tea is ready."
        await talk.worker.queue_frames([BotStartedSpeakingFrame(), InterruptionFrame(), BotStoppedSpeakingFrame()])
        assert await talk.heard() == "The tea is ready."


async def test_what_was_heard_to_its_end_is_not_said_again():
    async with Talk() as talk:
        talk.openings.say("The tea is ready.")
        assert await talk.heard() == "The tea is ready."
        await talk.worker.queue_frames([BotStartedSpeakingFrame(), BotStoppedSpeakingFrame(), InterruptionFrame()])
        talk.openings.say("The next one.")
        assert await talk.heard() == "The next one."


async def test_what_could_not_be_said_before_the_end_is_handed_back():
    async with Talk() as talk:
        await talk.worker.queue_frame(UserStartedSpeakingFrame())
        await asyncio.sleep(0.1)
        talk.openings.say("The wash is done.")
    assert talk.openings.unsaid() == ["The wash is done."]
    assert talk.openings.unsaid() == []


async def test_who_announced_learns_that_it_was_heard_before_it_has_ended(monkeypatch):
    monkeypatch.setattr(openings, "TOO_SOON", 0.05)
    heard = asyncio.get_running_loop().create_future()
    async with Talk() as talk:
        talk.openings.say("The tea is ready.", heard)
        assert await talk.heard() == "The tea is ready."
        assert not heard.done()
        await talk.worker.queue_frame(BotStartedSpeakingFrame())
        assert await asyncio.wait_for(heard, 2) is True


async def test_who_announced_learns_that_nobody_could_hear_it():
    heard = asyncio.get_running_loop().create_future()
    async with Talk() as talk:
        await talk.worker.queue_frame(UserStartedSpeakingFrame())
        await asyncio.sleep(0.1)
        talk.openings.say("The wash is done.", heard)
    assert talk.openings.unsaid() == []
    assert await heard is False
