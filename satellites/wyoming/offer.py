"""What PASSFEL offers to programs that speak Wyoming, such as Home Assistant."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    Info,
    TtsProgram,
    TtsVoice,
    WakeModel,
    WakeProgram,
)

from pipeline.speech import Speech
from voice.wakeword import KNOWN

_WHISPER: Final = Attribution("OpenAI", "https://github.com/openai/whisper")
_PIPER: Final = Attribution("Open Home Foundation", "https://github.com/OHF-Voice/piper1-gpl")
_WAKE: Final = Attribution("Kevin Ahrendt", "https://github.com/kahrendt/microWakeWord")


def info(speech: Speech, wake_words: Sequence[str]) -> Info:
    """Describe the engines as they are loaded."""
    version = metadata.version("passfel")
    model = AsrModel(speech.model, _WHISPER, True, f"Whisper {speech.model}", version, speech.languages)
    voice = Path(speech.voice).stem
    spoken = TtsVoice(voice, _PIPER, True, f"Piper {voice}", version, [voice.partition("-")[0]])
    words = [
        WakeModel(word, _WAKE, True, word.replace("_", " "), version, ["en"], word.replace("_", " "))
        for word in dict.fromkeys([*(Path(each).stem for each in wake_words), *KNOWN])
    ]
    return Info(
        asr=[
            AsrProgram(
                *("passfel", _WHISPER, True, "PASSFEL: speech to text", version),
                models=[model],
                supports_transcript_streaming=True,
            )
        ],
        tts=[
            TtsProgram(
                *("passfel", _PIPER, True, "PASSFEL: text to speech", version),
                voices=[spoken],
                supports_synthesize_streaming=True,
            )
        ],
        wake=[WakeProgram(*("passfel", _WAKE, True, "PASSFEL: wake words", version), models=words)],
    )
