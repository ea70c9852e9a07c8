"""The Whisper engine with a real model."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.spoken import room_tone, speech
from voice import models
from voice.hypothesis import is_invented, words_of
from voice.whisper import LONGEST_WINDOW, SAMPLE_RATE, WhisperEngine, WhisperError, divide

STORY = (
    "In the morning I went to the market to buy some bread and a few apples.",
    "On the way home I met my neighbor, who told me about her new garden.",
    "She grows tomatoes and beans, and last week she planted a small tree.",
    "Then the rain began, so we stood under the roof of the old station.",
    "When I came home the window was open and the floor was wet.",
    "I dried it with a towel and made a large pot of soup for everybody.",
    "In the evening my brother came by and we played cards until ten.",
    "It was a good day, and I slept very well that night.",
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WhisperEngine]:
    engine = WhisperEngine(models.whisper_model("base", tmp_path_factory.mktemp("data")), threads=2)
    yield engine
    engine.close()


@pytest.mark.parametrize(
    "sentence", ["What time is it?", "Switch off the kitchen light.", "Please add milk and bread to the shopping list."]
)
async def test_short_speech_is_understood_without_padding_to_thirty_seconds(
    engine: WhisperEngine, sentence: str
) -> None:
    transcript = await engine.transcribe(np.concatenate([room_tone(0.3), speech(sentence), room_tone(0.1)]))
    assert words_of(transcript.text) == words_of(sentence)
    assert not transcript.doubtful


@pytest.mark.parametrize("behind", [0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
async def test_a_short_question_is_heard_to_its_end_however_much_silence_is_around_it(
    engine: WhisperEngine, behind: float
) -> None:
    for before in (0.0, 0.1, 0.2, 0.3):
        sound = np.concatenate([room_tone(before), speech("What time is it?"), room_tone(behind)])
        assert words_of((await engine.transcribe(sound)).text) == ["what", "time", "is", "it"]


@pytest.mark.parametrize("level", [0.0, 0.0005, 0.01, 0.1])
async def test_silence_and_noise_hold_no_words_to_act_on(engine: WhisperEngine, level: float) -> None:
    transcript = await engine.transcribe(room_tone(1.2, level))
    assert transcript.doubtful or is_invented(transcript.text)


async def test_audio_too_short_for_a_word_is_empty(engine: WhisperEngine) -> None:
    assert (await engine.transcribe(np.zeros(100, dtype=np.float32))).text == ""


async def test_speech_longer_than_whispers_window_is_heard_to_its_end(engine: WhisperEngine) -> None:
    audio = np.concatenate([part for sentence in STORY for part in (speech(sentence), room_tone(0.5))])
    assert len(audio) / SAMPLE_RATE > LONGEST_WINDOW
    text = (await engine.transcribe(audio)).text.lower()
    for word in ("market", "bread", "neighbor", "garden", "rain", "window", "soup", "evening"):
        assert word in text


async def test_a_partial_transcript_gives_way_to_a_final_one(engine: WhisperEngine) -> None:
    audio = speech("What time is it?")
    final = asyncio.create_task(engine.transcribe(audio))
    await asyncio.sleep(0)
    assert await engine.transcribe_if_idle(audio) is None
    assert words_of((await final).text) == words_of("what time is it")
    assert await engine.transcribe_if_idle(audio) is not None


async def test_a_cancelled_transcription_leaves_the_engine_usable(engine: WhisperEngine) -> None:
    audio = speech("Please add milk and bread to the shopping list.")
    tasks = [asyncio.create_task(engine.transcribe(audio)) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert words_of((await engine.transcribe(speech("Switch off the kitchen light."))).text) == words_of(
        "switch off the kitchen light"
    )


async def test_the_language_is_detected(shared_audio: Path, tmp_path: Path) -> None:
    import soundfile

    audio, rate = soundfile.read(shared_audio / "german-earth-moon.wav", dtype="float32")
    assert rate == SAMPLE_RATE
    engine = WhisperEngine(models.whisper_model("base", tmp_path), language=None, threads=2)
    try:
        transcript = await engine.transcribe(audio)
    finally:
        engine.close()
    assert transcript.language == "de"
    assert "erde" in transcript.text.lower()


async def test_what_waits_for_an_engine_that_is_closed_is_told_so(tmp_path: Path) -> None:
    engine = WhisperEngine(models.whisper_model("tiny.en", tmp_path), threads=2)
    audio = room_tone(5.0, 0.1)
    waiting = [asyncio.create_task(engine.transcribe(audio)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(engine.close)
    engine.close()
    async with asyncio.timeout(10):
        *_, last = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(last, WhisperError)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(WhisperError, match=r"model\.bin"):
        WhisperEngine(tmp_path)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    source = models.whisper_model("tiny.en", tmp_path)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for file in source.iterdir():
        if file.name != "model.bin":
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.bin").write_bytes(b"not a model")
    with pytest.raises(WhisperError, match="damaged"):
        WhisperEngine(folder)


def test_a_language_that_the_model_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(WhisperError, match=r"hearing\.language"):
        WhisperEngine(models.whisper_model("tiny.en", tmp_path), language="de")


def test_long_audio_is_divided_where_it_is_quiet() -> None:
    audio = np.ones(SAMPLE_RATE * 60, dtype=np.float32)
    audio[SAMPLE_RATE * 22 : SAMPLE_RATE * 23] = 0
    pieces = divide(audio)
    assert sum(map(len, pieces)) == len(audio)
    assert all(len(piece) <= LONGEST_WINDOW * SAMPLE_RATE for piece in pieces)
    assert 22 < len(pieces[0]) / SAMPLE_RATE < 23
