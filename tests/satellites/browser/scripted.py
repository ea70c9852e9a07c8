"""An assistant that hears with a real voice detector and says what its script holds, over a real pipeline."""

import asyncio
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.transports.base_transport import BaseTransport
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Caller

RATE = 24000
WORD_SECONDS = 0.25

SCRIPT = (
    (
        "What is the weather like today?",
        "It is fifteen degrees and raining, so take an umbrella when you go out.",
    ),
    ("And tomorrow?", "Tomorrow stays dry until the evening, with a light wind from the west."),
    ("Thanks, that will do.", "You are welcome."),
)


class ScriptedAssistant:
    """Answers every turn with the script's next line; remembers who called and whether they left."""

    def __init__(self, script: tuple[tuple[str, str], ...] = SCRIPT, shown: Sequence[Mapping[str, Any]] = ()) -> None:
        """`shown` is told to the page before each answer, as tools that were used are."""
        self.script = script
        self.shown = shown
        self.callers: list[Caller] = []
        self.ended = asyncio.Event()
        self.full: str | None = None

    def check(self) -> None:
        if self.full is not None:
            raise AssistantNotReady(self.full)

    async def converse(self, transport: BaseTransport, caller: Caller) -> None:
        self.callers.append(caller)
        self.ended.clear()
        speech = VADProcessor(vad_analyzer=SileroVADAnalyzer())
        worker = PipelineWorker(
            Pipeline([transport.input(), speech, Actor(iter(self.script), self.shown), transport.output()]),
            params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=RATE),
            idle_timeout_secs=None,
        )

        async def leave(*_: object) -> None:
            await worker.cancel()

        transport.add_event_handler("on_client_disconnected", leave)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        try:
            await runner.run()
        finally:
            self.ended.set()


class Actor(FrameProcessor):
    """Hears that someone speaks or types, and says the next line, one tone a word."""

    def __init__(self, script: Iterator[tuple[str, str]], shown: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self._shown = shown
        self._script = script
        self._line = next(script)
        self._spoken: list[str] = []
        self._answering: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            await self.broadcast_frame(UserStartedSpeakingFrame)
            if self._answering:
                await self._interrupt()
            heard = self._line[0]
            await self.push_frame(InterimTranscriptionFrame(heard[: len(heard) // 2], "", time_now_iso8601()))
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.broadcast_frame(UserStoppedSpeakingFrame)
            await self.push_frame(TranscriptionFrame(self._line[0], "", time_now_iso8601()))
            self._answer()
        elif isinstance(frame, LLMMessagesAppendFrame):
            self._answer()
        elif isinstance(frame, InterruptionFrame):
            await self._stop_answering()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await self._stop_answering()
        await super().cleanup()

    def _answer(self) -> None:
        self._spoken = []
        self._answering = self.create_task(self._say())

    async def _interrupt(self) -> None:
        await self._stop_answering()
        await self.broadcast_interruption()
        await self._report(interrupted=True)

    async def _stop_answering(self) -> None:
        if self._answering:
            task, self._answering = self._answering, None
            await self.cancel_task(task)

    async def _say(self) -> None:
        for message in self._shown:
            await self.push_frame(RTVIServerMessageFrame({"type": "tool", **message}))
        await self.push_frame(TTSStartedFrame())
        for number, word in enumerate(self._line[1].split()):
            text = TTSTextFrame(word, "word")
            text.append_to_context = False
            await self.push_frame(text)
            await self.push_frame(TTSAudioRawFrame(_tone(200 + 40 * (number % 5)), RATE, 1))
            self._spoken.append(word)
            await asyncio.sleep(WORD_SECONDS * 0.9)
        await self.push_frame(TTSStoppedFrame())
        await asyncio.sleep(WORD_SECONDS)
        await self._report(interrupted=False)
        self._answering = None

    async def _report(self, *, interrupted: bool) -> None:
        timings = {
            "vad": 0.21, "transcribed": 0.24, "decided": 0.27, "first_token": 0.33, "first_clause": 0.38,
            "first_audio": 0.43,
        }  # fmt: skip
        turn = {
            "id": str(id(self._line)),
            "heard": self._line[0],
            "answered": " ".join(self._spoken),
            "interrupted": interrupted,
            "timings": timings,
            "speculation": {"used": True, "saved": 0.18, "withdrawn": int(interrupted)},
        }
        await self.push_frame(RTVIServerMessageFrame(data={"type": "turn", "turn": turn}))
        self._line = next(self._script, self._line)


def _tone(hertz: int) -> bytes:
    samples = int(RATE * WORD_SECONDS)
    envelope = (math.sin(math.pi * n / samples) for n in range(samples))
    wave = (math.sin(2 * math.pi * hertz * n / RATE) for n in range(samples))
    return array("h", (int(12000 * e * w) for e, w in zip(envelope, wave, strict=True))).tobytes()
