import numpy as np
import pytest

from satellites.pi.ears import Ears, Heard
from tests.acoustics import AcousticPath, Acoustics
from tests.spoken import RATE, pcm, room_tone, speech
from voice import models
from voice.vad import SpeechDetector
from voice.wakeword import WakeWords

DETECTOR = SpeechDetector(models.silero_vad())
ROOMS = [
    Acoustics(0.1, 0.02),
    Acoustics(0.25, 0.1, drift=100),
    Acoustics(0.2, 0.2, drift=-100),
    Acoustics(0.25, 0.1, drift=100, drive=5.0),
]
STORY = "The wind was strong, and the sea was high, and nobody on the ship had slept for three days and three nights."


def echo_of(played: np.ndarray, seconds: float = 0.08, gain: float = 0.5) -> np.ndarray:
    """What a room makes of a loudspeaker: later, quieter, and a little smeared."""
    delayed = np.concatenate([np.zeros(int(seconds * RATE), np.float32), played])[: len(played)]
    smeared = np.convolve(delayed, [0.7, 0.2, 0.0, 0.1, -0.05])[: len(played)]
    return np.asarray(smeared * gain, np.float32)


def listen(near: np.ndarray, far: np.ndarray, step: int = 640) -> list[Heard]:
    ears = Ears(WakeWords(), DETECTOR)
    mic, speaker = pcm(near), pcm(far)
    return [
        heard for at in range(0, len(mic), step) for heard in ears.hear(mic[at : at + step], speaker[at : at + step])
    ]


def test_all_that_is_heard_comes_out_in_windows() -> None:
    heard = listen(room_tone(2.0), np.zeros(2 * RATE))
    assert all(len(each.pcm) == 1024 for each in heard)
    assert len(heard) == 2 * RATE // 512
    assert not any(each.speech for each in heard)


@pytest.mark.parametrize("step", [320, 644, 20_000])
def test_a_wake_word_and_speech_are_marked_whatever_the_pieces(step: int) -> None:
    near = np.concatenate([room_tone(1.5), speech("Okay nabu."), room_tone(0.2), speech("What time is it?")])
    heard = listen(near, np.zeros_like(near), step)
    assert [each.woken.word for each in heard if each.woken] == ["okay_nabu"]
    assert any(each.speech for each in heard)
    assert not any(each.speech for each in heard[:40])


def test_the_satellites_own_voice_is_not_heard() -> None:
    far = np.concatenate([np.zeros(RATE, np.float32), speech(STORY), speech(STORY), speech("Okay nabu.")])
    near = echo_of(far) + room_tone(len(far) / RATE)[: len(far)]
    heard = listen(near, far)
    assert not [each for each in heard if each.woken]
    # The canceller has learnt the room after a second or two.
    later = heard[4 * RATE // 512 :]
    left = np.frombuffer(b"".join(each.pcm for each in later), "<i2").astype(float).std()
    assert left < 0.1 * (near[4 * RATE :] * 32767).std()


def test_the_wake_word_is_heard_over_the_satellites_own_voice() -> None:
    far = np.concatenate([np.zeros(RATE, np.float32), speech(STORY), speech(STORY)])
    near = echo_of(far) + room_tone(len(far) / RATE)[: len(far)]
    said, at = speech("Okay nabu."), 7 * RATE
    near[at : at + len(said)] += said
    assert len([each for each in listen(near, far) if each.woken]) == 1


def told(acoustics: Acoustics) -> tuple[np.ndarray, np.ndarray]:
    """What is played for 13 s, and what of it comes back in a simulated room."""
    far = np.concatenate([np.zeros(RATE, np.float32), speech(STORY), speech(STORY)])
    path = AcousticPath(acoustics)
    echo = np.concatenate([path.carry(far[start : start + 320]) for start in range(0, len(far), 320)])
    return far, echo + room_tone(len(far) / RATE + 1)[: len(far)]


@pytest.mark.parametrize("acoustics", ROOMS)
def test_in_a_simulated_room_it_is_deaf_to_itself(acoustics: Acoustics) -> None:
    far, near = told(acoustics)
    later = listen(near, far)[3 * RATE // 512 :]
    left = np.frombuffer(b"".join(each.pcm for each in later), "<i2").astype(float) / 32768
    assert 20 * np.log10(near[3 * RATE :].std() / left.std()) > 25, "dB of echo return loss enhancement"
    assert not any(each.speech for each in later)


@pytest.mark.parametrize("acoustics", ROOMS)
def test_in_a_simulated_room_somebody_who_is_as_loud_as_it_is_noticed_at_once(acoustics: Acoustics) -> None:
    far, near = told(acoustics)
    said, at = speech("What time is it?"), 7 * RATE
    near[at : at + len(said)] += said * (near[at:].std() / said.std())
    noticed = [each.speech for each in listen(near, far)[at // 512 : (at + len(said)) // 512]]
    assert any(noticed[: RATE // 2 // 512])
