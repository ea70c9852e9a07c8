import numpy as np
import pytest

from satellites.sip.echo import Echo
from satellites.sip.wire import RATE
from tests.spoken import pcm, room_tone, speech

PACKET = RATE // 50 * 2
QUESTION = speech("Stop. What time is it?")


def carried(far: np.ndarray, near: np.ndarray, delay: float, level: float) -> np.ndarray:
    """What is heard of a caller whose line sends back what it hears, so much later."""
    late = np.concatenate([np.zeros(int(delay * RATE)), far])[: len(far)] * level
    sent, came = pcm(far), pcm((late + near).astype(np.float32))
    echo, heard = Echo(), b""
    for start in range(0, len(sent) - PACKET, PACKET):
        echo.sent(sent[start : start + PACKET])
        heard += echo.heard(came[start : start + PACKET])
    return np.frombuffer(heard, "<i2").astype(float) / 32768


def talked_over(level: float, delay: float = 0.2) -> tuple[np.ndarray, np.ndarray, slice, slice]:
    """A caller who speaks while the assistant does: what is sent and heard, where only it speaks, and where both do."""
    far = np.concatenate(
        [room_tone(0.5), speech("The sea is a vast and mysterious place, full of wonders and horrors.")]
    )
    far = np.concatenate(
        [far, speech("It is a place where people can dream, and where dreams can be lost in a storm.")]
    )
    near = room_tone(len(far) / RATE + 1, seed=1)[: len(far)]
    near[5 * RATE : 5 * RATE + len(QUESTION)] += QUESTION
    return far, carried(far, near, delay, level), slice(3 * RATE, 5 * RATE), slice(5 * RATE, 5 * RATE + len(QUESTION))


def loudness(audio: np.ndarray) -> float:
    return 10 * np.log10(np.mean(audio**2) + 1e-12)


@pytest.mark.parametrize("level", [0.05, 0.2])
@pytest.mark.parametrize("delay", [0.04, 0.2, 0.4])
def test_the_own_voice_is_taken_out_and_the_caller_is_not(delay, level):
    far, heard, alone, both = talked_over(level, delay)
    assert loudness(heard[alone]) < loudness(far[alone] * level) - 15
    assert abs(loudness(heard[both]) - loudness(QUESTION)) < 3


def test_a_line_without_an_echo_is_left_as_it_is():
    _, heard, _, both = talked_over(0.0)
    assert np.abs(heard[both] - QUESTION).max() < 0.01


def test_clocks_that_differ_are_survived():
    echo = Echo()
    for _ in range(500):
        echo.sent(bytes(PACKET))
        echo.heard(bytes(PACKET - 40))
    assert len(echo._sent) <= 2 * RATE // 10


@pytest.mark.parametrize("size", [2, 100, 320, 641 * 2])
def test_nothing_is_lost_of_what_comes_in(size):
    echo, heard = Echo(), 0
    for _ in range(100):
        heard += len(echo.heard(bytes(size)))
    assert 100 * size - 320 < heard <= 100 * size
