import numpy as np
import pytest
from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, InterruptionFrame

from tests.benchmarks.false_interruptions import Satellite, Tried, hum, table
from tests.benchmarks.signals import SAMPLE_RATE


async def test_an_answer_that_is_interrupted_was_broken_off() -> None:
    satellite = Satellite()
    await satellite.follow(BotStartedSpeakingFrame())
    await satellite.follow(InterruptionFrame())
    await satellite.follow(BotStoppedSpeakingFrame())
    assert satellite.broken_off
    assert satellite.over.is_set()


@pytest.mark.parametrize("frames", [[InterruptionFrame(), BotStartedSpeakingFrame()], [BotStartedSpeakingFrame()]])
async def test_an_answer_that_ends_by_itself_was_not(frames: list) -> None:
    satellite = Satellite()
    for frame in [*frames, BotStoppedSpeakingFrame(), InterruptionFrame()]:
        await satellite.follow(frame)
    assert not satellite.broken_off


def test_a_hum_is_low() -> None:
    spectrum = np.abs(np.fft.rfft(hum(0.5, 120)))
    assert np.fft.rfftfreq(SAMPLE_RATE // 2, 1 / SAMPLE_RATE)[spectrum.argmax()] == pytest.approx(112, abs=10)


def test_the_table_tells_what_broke_off_and_what_was_missed() -> None:
    shown = table(
        [
            Tried("kitchen", None, stopped=True, after=None, heard="the matcha"),
            Tried("kitchen", None, stopped=False, after=None, heard=""),
            Tried("kitchen", "order-01", stopped=True, after=0.5, heard="a coffee"),
            Tried("kitchen", "order-02", stopped=False, after=None, heard=""),
        ]
    )
    assert "| kitchen | 1 of 2 | “the matcha” | 1 of 2 | 1 of 2 | 0.5 |" in shown
