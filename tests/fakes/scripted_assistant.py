"""An assistant with a real Pipecat conversation whose ears, mind and voice follow a script."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallFromLLM, FunctionCallHandler, LLMService
from pipecat.services.settings import LLMSettings
from pipecat.transcriptions.language import Language
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from pipeline.caller import Caller
from pipeline.intents.local_answers import Loudness
from tools.timer_board import TimerBoard
from tools.timer_watch import DeviceTimers, TimerWatch
from voice.ducking import Ducker
from voice.frames import SPOKEN_LANGUAGE, CommitAudioFrame, TurnDetectionFrame

WORD_SECONDS = 0.1
SAMPLE_RATE = 24_000
AMPLITUDE = 8000


@dataclass(frozen=True)
class Call:
    """The model calls a function."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    call_id: str = "call_1"


@dataclass
class Script:
    """What is understood, in order, and what is answered."""

    heard: deque[str] = field(default_factory=deque)
    replies: deque[str | Call] = field(default_factory=deque)
    language: Language | None = None
    """In which it is understood."""


class Ears(FrameProcessor):
    """Loud is speech; 200 ms of quiet end a turn, of which the script says what it was."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.audio = bytearray()
        self._script = script
        self._speaking = False
        self._quiet = 0.0
        self._automatic = True
        self._answers = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and not isinstance(frame, InputAudioRawFrame):
            self.frames.append(frame)
        if isinstance(frame, TurnDetectionFrame):
            self._automatic = frame.enabled
            self._answers = frame.create_response and not frame.enabled
        if isinstance(frame, InputAudioRawFrame):
            self.audio += frame.audio
            if self._automatic:
                await self._listen(frame)
            return
        if isinstance(frame, CommitAudioFrame):
            text = self._script.heard.popleft()
            await self.push_frame(LLMMessagesAppendFrame([{"role": "user", "content": text}], run_llm=self._answers))
            await self.push_frame(LLMContextUserTurnFrame(text, time_now_iso8601()), FrameDirection.UPSTREAM)
        await self.push_frame(frame, direction)

    async def _listen(self, frame: InputAudioRawFrame) -> None:
        loud = np.abs(np.frombuffer(frame.audio, dtype="<i2")).max(initial=0) > 1000
        self._quiet = 0.0 if loud else self._quiet + frame.num_frames / frame.sample_rate
        if loud and not self._speaking:
            self._speaking = True
            await self.push_frame(ProposedUserStartedSpeakingFrame())
        elif self._speaking and self._quiet >= 0.2:
            self._speaking = False
            text = self._script.heard.popleft()
            language = self._script.language
            frame = TranscriptionFrame(text, "caller", time_now_iso8601(), language=language, finalized=True)
            await self.push_frame(frame)
            if language is not None:
                stopped = VADUserStoppedSpeakingFrame(stop_secs=0.2)
                stopped.metadata[SPOKEN_LANGUAGE] = language.value
                await self.push_frame(stopped, FrameDirection.UPSTREAM)
            await self.push_frame(ProposedUserStoppedSpeakingFrame())


class Mind(LLMService):
    """Answers from the script, calling functions as a real service does."""

    def __init__(self, script: Script) -> None:
        unset = {item.name: None for item in fields(LLMSettings) if item.name != "extra"}
        super().__init__(settings=LLMSettings(**{**unset, "model": "script"}))
        self.contexts: list[list[Any]] = []
        self._script = script

    def can_generate_metrics(self) -> bool:
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, context: LLMContext) -> None:
        self.contexts.append([dict(message) for message in context.messages])
        reply = self._script.replies.popleft()
        await self.push_frame(LLMFullResponseStartFrame())
        if isinstance(reply, str):
            for word in reply.split():
                await self.push_frame(LLMTextFrame(f"{word} "))
        else:
            call = FunctionCallFromLLM(reply.name, reply.call_id, reply.arguments, context)
            await self.run_function_calls([call])
        usage = LLMTokenUsage(prompt_tokens=20, completion_tokens=5, total_tokens=25)
        await self.start_llm_usage_metrics(usage)
        await self.push_frame(LLMFullResponseEndFrame())


class Voice(FrameProcessor):
    """Speaks each word as a tenth of a second of a square wave, and tells of it behind its audio.

    Args:
        ducker: the way out.
    """

    def __init__(self, ducker: Ducker) -> None:
        super().__init__()
        self._ducker = ducker
        self._words: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case LLMTextFrame() if frame.skip_tts:
                written = AggregatedTextFrame(frame.text.strip(), "sentence")
                written.skip_tts = True
                await self.push_frame(written)
            case LLMTextFrame():
                self._words.append(frame.text.strip())
            case LLMFullResponseEndFrame():
                await self._speak(self._words)
                await self.push_frame(frame)
            case TTSSpeakFrame():
                await self._speak(frame.text.split())
            case InterruptionFrame():
                self._words = []
                self._ducker.cut()
                await self.push_frame(frame, direction)
            case _:
                await self.push_frame(frame, direction)

    async def _speak(self, words: list[str]) -> None:
        self._words = []
        if not words:
            return
        sentence = AggregatedTextFrame(" ".join(words), "sentence")
        sentence.append_to_context = False
        await self.push_frame(sentence)
        self._ducker.resume()
        await self.push_frame(TTSStartedFrame())
        # A kilohertz, which every device's rate can carry.
        high = np.arange(int(WORD_SECONDS * SAMPLE_RATE)) // (SAMPLE_RATE // 2000) % 2 == 0
        samples = np.where(high, AMPLITUDE, -AMPLITUDE).astype("<i2")
        for word in words:
            await self.push_frame(TTSAudioRawFrame(samples.tobytes(), SAMPLE_RATE, 1))
            await self.push_frame(TTSTextFrame(word, "word"))
        await self.push_frame(TTSStoppedFrame())


class ScriptedAssistant:
    """Stands in for `pipeline.assistant.Assistant`; keeps what tests look at."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.callers: list[Caller] = []
        self.ended = asyncio.Event()
        self.started = asyncio.Event()
        self.conversations = 0
        self.board = TimerBoard()
        self.timers = TimerWatch(self._board)

    def timers_at(self, device: str) -> AsyncGenerator[DeviceTimers]:
        return self.timers.at(device)

    async def _board(self) -> TimerBoard:
        return self.board

    def check(self) -> None:
        """Always ready for one more."""

    async def converse(
        self,
        transport: BaseTransport,
        caller: Caller,
        *,
        call_tool: FunctionCallHandler | None = None,
        loudness: Loudness | None = None,
    ) -> None:
        self.loudness = loudness
        self.callers.append(caller)
        self.conversations += 1
        self.context = LLMContext([{"role": "system", "content": "persona"}])
        self.ears, self.mind = Ears(self.script), Mind(self.script)
        if call_tool is not None:
            self.mind.register_function(None, call_tool)
        user, assistant = LLMContextAggregatorPair(
            self.context,
            user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies()),
        )
        output, ducker = transport.output(), Ducker()
        assert isinstance(output, BaseOutputTransport)
        output._params.audio_out_filter = ducker
        pipeline = Pipeline([transport.input(), self.ears, user, self.mind, Voice(ducker), output, assistant])
        self.worker = PipelineWorker(
            pipeline,
            params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self.started.set()
        try:
            await runner.run()
        finally:
            self.conversations -= 1
            self.ended.set()
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            # As the real one: Pipecat's runner keeps it to itself.
            raise asyncio.CancelledError

    async def push(self, *frames: Frame) -> None:
        """Push frames into the conversation from outside, such as a timer's announcement."""
        await self.worker.queue_frames(list(frames))
