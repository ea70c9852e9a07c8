import numpy as np
import numpy.typing as npt

from tests.spoken import RATE, room_tone, speech
from voice import models
from voice.vad import WINDOW, SpeechDetector


class Counting(SpeechDetector):
    """Silero's own model, and how often it ran."""

    runs = 0

    def run(
        self, window: npt.NDArray[np.float32], state: npt.NDArray[np.float32]
    ) -> tuple[float, npt.NDArray[np.float32]]:
        self.runs += 1
        return super().run(window, state)


DETECTOR = Counting(models.silero_vad())


def probabilities(*parts: npt.NDArray[np.float32]) -> list[float]:
    audio, stream = np.concatenate(parts), DETECTOR.stream()
    return [stream.probability(audio[at : at + WINDOW]) for at in range(0, len(audio) - WINDOW, WINDOW)]


def test_speech_stands_out_of_the_room() -> None:
    found = probabilities(room_tone(3.0), speech("How many days are in a week?"), room_tone(2.0))
    begins = 3.0 * RATE / WINDOW
    spoken = [at for at, probability in enumerate(found) if probability >= 0.5]
    assert begins - 2 <= spoken[0] <= begins + 6
    assert max(found[-40:]) < 0.1


def test_a_quiet_room_costs_no_model() -> None:
    probabilities(room_tone(1.0))
    before = DETECTOR.runs
    probabilities(room_tone(20.0))
    assert DETECTOR.runs - before < 2 * RATE // WINDOW, "a second or two until the room is known"


def test_speech_is_heard_after_minutes_of_silence() -> None:
    found = probabilities(room_tone(120.0), speech("Stop."), room_tone(0.5))
    assert max(found[int(119.5 * RATE / WINDOW) :]) > 0.8


def test_in_a_room_that_gets_louder_speech_is_still_heard() -> None:
    loud = room_tone(30.0, level=0.005, seed=1)
    found = probabilities(room_tone(5.0), loud, speech("Turn on the lamp.") + loud[: len(speech("Turn on the lamp."))])
    assert max(found[: int(34 * RATE / WINDOW)]) < 0.5
    assert max(found[int(35 * RATE / WINDOW) :]) > 0.8


def test_digital_silence_is_no_trouble() -> None:
    silence = np.zeros(5 * RATE, dtype=np.float32)
    found = probabilities(silence, speech("Hello there."), silence)
    assert max(found[: 4 * RATE // WINDOW]) < 0.1
    assert max(found) > 0.8
