"""The house's ears and voice alone, for programs that hold a conversation of their own, such as Home Assistant."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from pipeline.settings import Settings
from voice.clauses import ClauseSplitter
from voice.piper import PiperEngine
from voice.resampling import StreamResampler
from voice.speakable import speakable
from voice.vad import WINDOW, SpeechDetector
from voice.whisper import SAMPLE_RATE, Audio, Transcript, WhisperEngine

SPEECH: Final = 0.5
"""From which probability on Silero calls a window speech."""


class Speech:
    """The engines that all conversations share.

    Args:
        whisper: shared.
        piper: shared.
        detector: shared; keeps silence from Whisper, which would hear words in it.
        settings: name the models, and how fast the voice speaks.
    """

    def __init__(
        self, whisper: WhisperEngine, piper: PiperEngine, detector: SpeechDetector, settings: Settings
    ) -> None:
        self._whisper = whisper
        self._detector = detector
        self._piper = piper
        self._speed = settings.speaking.speed
        self.model = settings.hearing.model
        """The name of what hears."""
        self.voice = settings.speaking.voice
        """The name of what speaks."""

    @property
    def languages(self) -> list[str]:
        """ISO 639-1 codes of what can be understood."""
        return sorted(self._whisper.languages)

    async def hear(self, audio: Audio, *, language: str | None = None) -> Transcript:
        """Write down one utterance.

        If the caller is cancelled, what is at work ends in its thread and is thrown away.

        Args:
            audio: shape (samples,), float32 in -1 to 1, 16 kHz.
            language: one of `languages`; anything else is the house's.

        Raises:
            WhisperError: if the engine has been closed.
        """
        if not await asyncio.to_thread(self._holds_speech, audio):
            return Transcript("", language or "en", -math.inf, 1.0, len(audio) / SAMPLE_RATE)
        return await self._whisper.transcribe(audio, language=self._known(language))

    async def holds_speech(self, audio: Audio) -> bool:
        """Tell whether anybody speaks in this: float32, 16 kHz, some tenths of a second or more."""
        return await asyncio.to_thread(self._holds_speech, audio)

    async def overhear(self, audio: Audio, *, language: str | None = None) -> Transcript | None:
        """Write down the beginning of an utterance; None where nothing was said or others wait."""
        if not await asyncio.to_thread(self._holds_speech, audio):
            return None
        return await self._whisper.transcribe_if_idle(audio, language=self._known(language))

    async def speak(self, text: str, *, rate: int) -> AsyncGenerator[bytes]:
        """Speak a text of any length: 16-bit mono PCM at `rate` Hz, each piece computed when it is asked for.

        Raises:
            VoiceError: if the voice fails, or has been closed.
        """
        splitter = ClauseSplitter()
        clauses = [*splitter.feed(text), splitter.flush() or ""]
        resampler = StreamResampler(self._piper.sample_rate, rate, quality="MQ")
        for clause in clauses:
            if not clause.strip():
                continue
            speech = self._piper.synthesize(speakable(clause.strip()), speed=self._speed)
            async with aclosing(speech) as chunks:
                async for chunk in chunks:
                    if audio := resampler.resample(chunk.audio):
                        yield audio
        if audio := resampler.resample(b"", last=True):
            yield audio

    def _holds_speech(self, audio: Audio) -> bool:
        stream = self._detector.stream()
        windows = (audio[start : start + WINDOW] for start in range(0, len(audio) - WINDOW + 1, WINDOW))
        return any(stream.probability(window) >= SPEECH for window in windows)

    def _known(self, language: str | None) -> str | None:
        code = (language or "").replace("_", "-").partition("-")[0].lower()
        return code if code in self._whisper.languages else None
