from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.speech import Speech
from voice import models
from voice.piper import PiperEngine
from voice.vad import SpeechDetector
from voice.whisper import WhisperEngine


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speech]:
    """The engines themselves, the small Whisper."""
    folder: Path = tmp_path_factory.mktemp("engines")
    settings = Settings(data_dir=folder, hearing={"model": "tiny.en"})
    whisper = WhisperEngine(models.whisper_model("tiny.en", folder))
    piper = PiperEngine(models.piper_voice(settings.speaking.voice, folder), cache_dir=folder / "cache")
    yield Speech(whisper, piper, SpeechDetector(models.silero_vad()), settings)
    piper.close()
    whisper.close()
