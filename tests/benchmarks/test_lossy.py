import asyncio

import numpy as np
import pytest

from tests.benchmarks.accuracy import Heard
from tests.benchmarks.lossy import CLEAN, TELEPHONE, Arrived, table
from tests.benchmarks.lossy_telephone import OPUS, PCMU, over
from tests.benchmarks.networks import PACKET, Network, lag_of
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Span, levels
from tests.benchmarks.webrtc import SENT_RATE, Microphone


@pytest.fixture
def said() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, level, SAMPLE_RATE // 4) for level in (0.1, 0.01, 0.2, 0.05)])


def test_the_lag_is_where_the_utterance_begins_in_what_was_passed_on(said: np.ndarray) -> None:
    passed = np.concatenate([np.full(round(0.14 * SAMPLE_RATE), 1e-4), said, np.full(SAMPLE_RATE, 1e-4)])
    assert lag_of(said, passed) == pytest.approx(0.14, abs=0.011)


def test_an_utterance_of_which_much_was_lost_has_a_lag_too(said: np.ndarray) -> None:
    assert lag_of(said, said[: SAMPLE_RATE // 2]) == 0


async def test_a_microphone_tells_when_all_was_sent() -> None:
    microphone = Microphone()
    loud = np.full(round(3.5 * PACKET * SENT_RATE), 0.5, np.float32)
    speaking = asyncio.ensure_future(microphone.speak(loud))
    await asyncio.sleep(0)
    frames = [await microphone.recv() for _ in range(4)]
    await asyncio.wait_for(speaking, 10)
    assert sum(np.abs(frame.to_ndarray()).max() > 0 for frame in frames) == 4
    assert np.abs((await microphone.recv()).to_ndarray()).max() == 0


def test_the_table_counts_words_and_slot_values_apart() -> None:
    sentence = Heard("a", "what time", 0.1, 1, 4, 0, 0)
    order = Heard("b", "a latte", 0.1, 0, 0, 1, 3)
    shown = table(
        [Arrived(CLEAN, [sentence, order], [0, 0]), Arrived(Network(0.05).name, [sentence, order], [0.1, 0.2])]
    )
    assert "| 5% lost | 1 of 4 | 1 of 3 | 150 |" in shown


def test_each_door_has_a_table_of_its_own() -> None:
    sentence = Heard("a", "what time", 0.1, 1, 4, 0, 0)
    shown = table([Arrived(CLEAN, [sentence], [0]), Arrived("PCMU, 0% lost", [sentence], [0.1], TELEPHONE)])
    first, second = shown.split(TELEPHONE)
    assert "PCMU" not in first
    assert "| PCMU, 0% lost | 1 of 4 |" in second


async def test_what_is_spoken_into_a_call_arrives() -> None:
    loud = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    recording = Recording("noise", loud, Span(0, 1))
    good, bad = await asyncio.gather(
        over(Network(0), (recording,), OPUS), over(Network(0.5), (recording,), PCMU, port_range=1)
    )
    ((clean, lag),), ((holed, _),) = good, bad
    assert 0 <= lag < 0.5
    assert (levels(clean) > -40).sum() > 0.95 * len(levels(loud))
    assert (levels(holed) > -40).sum() < (levels(clean) > -40).sum()
