"""The way out of a conversation, between an interruption and the next answer."""

from pipecat.frames.frames import Frame, InterruptionFrame, TTSStartedFrame
from pipecat.tests.utils import SleepFrame, run_test

from pipeline.latency import LatencyLog, TurnClock
from pipeline.orchestrator.speech_gate import SpeechGate
from voice.ducking import Ducker

SOUND = bytes(960)


async def let_out_after(*frames: Frame) -> bytes:
    ducker = Ducker()
    clock = TurnClock(LatencyLog(), conversation="c", door="d", device="e")
    gate = SpeechGate(clock=clock, ducker=ducker)
    await run_test(gate, frames_to_send=list(frames))
    return await ducker.filter(SOUND)


async def test_what_the_output_still_holds_of_a_broken_off_answer_is_not_heard_as_another_one() -> None:
    assert await let_out_after(TTSStartedFrame(), SleepFrame(), InterruptionFrame()) == b""


async def test_the_next_answer_is_heard() -> None:
    assert await let_out_after(InterruptionFrame(), SleepFrame(), TTSStartedFrame()) == SOUND
