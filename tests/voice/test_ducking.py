import numpy as np

from voice.ducking import DUCKED_GAIN, Ducker

RATE = 24_000


def tone(seconds: float = 0.1) -> bytes:
    return np.full(int(RATE * seconds), 10_000, dtype=np.int16).tobytes()


async def filtered(ducker: Ducker, seconds: float = 0.1) -> np.ndarray:
    return np.frombuffer(await ducker.filter(tone(seconds)), dtype=np.int16)


async def test_an_undisturbed_voice_passes_untouched() -> None:
    ducker = Ducker()
    await ducker.start(RATE)
    assert await ducker.filter(tone()) == tone()


async def test_the_voice_goes_down_without_a_click_and_comes_back() -> None:
    ducker = Ducker()
    await ducker.start(RATE)
    ducker.duck()
    down = await filtered(ducker)
    assert abs(down[-1] - 10_000 * DUCKED_GAIN) < 10
    assert np.abs(np.diff(down.astype(int))).max() < 100
    assert abs(int((await filtered(ducker))[0]) - int(down[-1])) <= 1
    ducker.unduck()
    up = await filtered(ducker)
    assert np.abs(np.diff(up.astype(int))).max() < 100
    assert await ducker.filter(tone()) == tone()


async def test_turning_back_half_way_does_not_click() -> None:
    ducker = Ducker()
    await ducker.start(RATE)
    ducker.duck()
    first = await filtered(ducker, 0.01)
    ducker.unduck()
    second = await filtered(ducker, 0.05)
    assert abs(int(second[0]) - int(first[-1])) < 100


async def test_nothing_more_is_heard_of_an_answer_that_was_broken_off() -> None:
    ducker = Ducker()
    await ducker.start(RATE)
    ducker.cut()
    assert await ducker.filter(tone()) == b""
    ducker.resume()
    assert await ducker.filter(tone()) == tone()
