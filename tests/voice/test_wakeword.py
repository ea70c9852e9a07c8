import json
import shutil
from pathlib import Path

import numpy as np
import pymicro_wakeword
import pytest

from tests.spoken import RATE, pcm, room_tone, speech
from voice.wakeword import KNOWN, WakeWords, WakeWordUnknown, Woken, loudness

SAID = {"okay_nabu": "Okay nabu.", "hey_jarvis": "Hey Jarvis.", "hey_mycroft": "Hey Mycroft.", "alexa": "Alexa."}


def listen(words: WakeWords, *parts: np.ndarray, piece: int = 1024) -> list[Woken]:
    audio = pcm(np.concatenate(parts))
    heard = [words.hear(audio[at : at + piece]) for at in range(0, len(audio), piece)]
    return [woken for woken in heard if woken is not None]


@pytest.mark.parametrize("word", KNOWN)
def test_a_wake_word_is_heard_once_and_no_other(word: str) -> None:
    said = speech(SAID[word])
    (woken,) = listen(WakeWords(KNOWN), room_tone(1.5), said, room_tone(2.0))
    assert woken.word == word
    assert 1.5 < woken.at < 1.5 + len(said) / RATE + 0.3


def test_it_does_not_matter_in_which_pieces_sound_arrives() -> None:
    parts = [room_tone(1.5), speech(SAID["okay_nabu"]), room_tone(1.0)]
    found = [listen(WakeWords(), *parts, piece=piece)[0] for piece in (2, 320, 4096, 1 << 20)]
    assert len({(woken.word, woken.at) for woken in found}) == 1


def test_it_is_heard_again_when_it_is_said_again() -> None:
    said = speech(SAID["okay_nabu"])
    words = WakeWords()
    assert len(listen(words, room_tone(1.5), said, room_tone(1.5), said, room_tone(1.0))) == 2
    words.reset()
    (woken,) = listen(words, room_tone(1.5), said, room_tone(1.0))
    assert woken.at < 1.5 + len(said) / RATE + 0.3


def test_other_speech_wakes_nothing() -> None:
    sentences = ["What time is it?", "Okay, now we can go.", "Hey Marvin, come here.", "A lecture about the navy."]
    assert not listen(WakeWords(KNOWN), room_tone(1.5), *(speech(each) for each in sentences), room_tone(1.0))


def test_who_is_nearer_hears_it_louder() -> None:
    said = speech(SAID["okay_nabu"])
    near, far = (listen(WakeWords(), room_tone(1.5), said * gain, room_tone(1.0))[0].loudness for gain in (1.0, 0.25))
    assert near - far == pytest.approx(12.0, abs=1.5)


def test_the_loudness_of_a_tone_is_its_level() -> None:
    tone = np.sin(np.arange(RATE) / 5) * 0.5
    assert loudness(pcm(tone)) == pytest.approx(-9.0, abs=0.2)
    assert loudness(b"") == loudness(bytes(3200)) == -100


def test_a_wake_word_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(WakeWordUnknown, match="no wake word computer: use okay_nabu"):
        WakeWords(["computer"])
    file = tmp_path / "broken.json"
    for text in ("{}", "[]", "{", json.dumps({"model": "broken.tflite"})):
        file.write_text(text)
        with pytest.raises(WakeWordUnknown, match=r"broken\.json is damaged"):
            WakeWords([str(file)])
    (tmp_path / "broken.tflite").write_bytes(bytes(100))
    with pytest.raises(WakeWordUnknown, match=r"broken\.tflite is no TensorFlow Lite model"):
        WakeWords([str(file)])


def test_a_model_of_ones_own_is_used(tmp_path) -> None:
    package = Path(pymicro_wakeword.__file__).parent / "models"
    for name in ("hey_jarvis.json", "hey_jarvis.tflite"):
        shutil.copy(package / name, tmp_path)
    (woken,) = listen(
        WakeWords([str(tmp_path / "hey_jarvis.json")]), room_tone(1.5), speech(SAID["hey_jarvis"]), room_tone(1.0)
    )
    assert woken.word == "hey_jarvis"
