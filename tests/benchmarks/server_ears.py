"""The server's turn-taking with its own Silero, smart turn and Whisper, under a clock that is made of sound.

It does what `voice.hearing.Hearing` does with the models' answers, only that these come at once and are handed on when
they would have come. So a minute of sound takes seconds, and every run is the same.
"""

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.signals import Samples
from voice.commands import Command, PredictEnd, Transcribe
from voice.endpointing import SmartTurn
from voice.turns import TurnTaker
from voice.vad import WINDOW, SpeechDetector, loudness
from voice.whisper import Transcript, WhisperEngine

TRANSCRIPTION = 0.35
PREDICTION = 0.05
"""Seconds that Whisper and smart turn are taken to need, however long they need here."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a model makes of a stretch of sound."""

    due: float
    request: int
    result: Transcript | float
    final: bool


class ServerEars:
    """Hears one caller."""

    def __init__(self, whisper: WhisperEngine, smart_turn: SmartTurn, detector: SpeechDetector) -> None:
        self.taker = TurnTaker()
        self._whisper = whisper
        self._smart_turn = smart_turn
        self._speech = detector.stream()
        self._audio: list[Samples] = []
        self._pending = b""
        self._answers: list[_Answer] = []
        self._idle_from = 0.0

    async def speaks(self, speaking: bool, now: float) -> None:
        """Note that the assistant's voice has begun or ended."""
        await self._ask(self.taker.assistant_speaks(speaking=speaking), now)

    async def hear(self, pcm: bytes, now: float) -> list[Command]:
        """Take what has arrived until a moment, in seconds; return what has been decided by then."""
        self._pending += pcm
        decided = []
        while len(self._pending) >= 2 * WINDOW:
            window, self._pending = self._pending[: 2 * WINDOW], self._pending[2 * WINDOW :]
            samples = np.frombuffer(window, "<i2").astype(np.float32) / np.float32(32768)
            self._audio.append(samples)
            decided += await self._ask(self.taker.window(self._speech.probability(samples), loudness(samples)), now)
        for answer in [each for each in self._answers if each.due <= now]:
            self._answers.remove(answer)
            if isinstance(answer.result, Transcript):
                decided += await self._ask(self.taker.transcribed(answer.request, answer.result), now)
            else:
                decided += await self._ask(self.taker.predicted(answer.request, answer.result), now)
        return decided

    async def _ask(self, commands: list[Command], now: float) -> list[Command]:
        """Ask the models; return the other commands."""
        for command in commands:
            if isinstance(command, PredictEnd):
                probability = self._smart_turn.probability(self._span(command))
                self._answers.append(_Answer(now + PREDICTION, command.request, probability, final=False))
            elif isinstance(command, Transcribe) and (command.final or self._idle_from <= now):
                self._idle_from = max(now, self._idle_from) + TRANSCRIPTION
                transcript = await self._whisper.transcribe(self._span(command))
                if command.final:
                    self._answers = [each for each in self._answers if not each.final]
                self._answers.append(_Answer(self._idle_from, command.request, transcript, command.final))
        return [each for each in commands if not isinstance(each, Transcribe | PredictEnd)]

    def _span(self, command: Transcribe | PredictEnd) -> Samples:
        return np.concatenate(self._audio[command.start : command.end])
