"""One caller's conversation: a Pipecat pipeline over any door's transport."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from loguru import logger
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pipecat.frames.frames import EndFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame
from pipecat.services.llm_service import FunctionCallHandler
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipeline.caller import Caller, Capability
from pipeline.context.builder import ContextBuilder
from pipeline.context.turn import TurnKnowledge
from pipeline.engines.endpoint import Endpoint
from pipeline.intents.local_answers import LocalAnswers, Loudness
from pipeline.intents.matching import LocalIntents
from pipeline.latency import LatencyLog, TurnClock
from pipeline.openings import Openings
from pipeline.orchestrator.completions import Completions
from pipeline.orchestrator.house_functions import HouseFunctions
from pipeline.orchestrator.language import LanguageModel
from pipeline.orchestrator.prompt import Prompt
from pipeline.orchestrator.prompt_keeper import PromptKeeper
from pipeline.orchestrator.speech_gate import SpeechGate
from pipeline.settings import Settings
from pipeline.store.conversations import Note, forget
from pipeline.toolbox import Toolbox
from tools.cancellation import heed_cancellation
from tools.outcomes import Outcome
from voice.ducking import Ducker
from voice.endpointing import SmartTurn
from voice.hearing import HeardTurn, Hearing
from voice.own_words import OwnWords
from voice.piper import PiperEngine
from voice.speaking import Speaking
from voice.strategies import heard_turn_strategies
from voice.vad import SpeechDetector
from voice.voices import Voices
from voice.whisper import WhisperEngine

INPUT_RATE = 16_000
OUTPUT_RATE = 24_000


@dataclass(frozen=True, slots=True)
class Engines:
    """What all conversations of the process share."""

    whisper: WhisperEngine
    smart_turn: SmartTurn
    detector: SpeechDetector
    piper: PiperEngine
    voices: Voices
    endpoint: Endpoint
    client: AsyncOpenAI
    completions: Completions
    intents: LocalIntents
    toolbox: Toolbox
    own_replies: MutableSequence[str] | None = None
    """What was answered without a model that is too small to see it; None where it sees everything."""
    context: ContextBuilder | None = None
    """Knows what the household's memory knows; None where there is none."""


class Conversation:
    """Listens, thinks and speaks for one caller until the caller or the house ends it."""

    def __init__(
        self,
        transport: BaseTransport,
        caller: Caller,
        *,
        engines: Engines,
        settings: Settings,
        latency: LatencyLog,
        slot: int | None = None,
        call_tool: FunctionCallHandler | None = None,
        loudness: Loudness | None = None,
        earlier: Sequence[ChatCompletionMessageParam] = (),
        note: Note = forget,
        elsewhere: Callable[[], Awaitable[Sequence[ChatCompletionMessageParam]]] | None = None,
    ) -> None:
        """Make it for `caller`.

        Args:
            loudness: how loud the caller's device is; where it has no volume of its own, the voice is made quieter.
            earlier: what was said before it.
            note: told what is said in it.
            elsewhere: tells what was said with the same person at another device.
        """
        self.id = uuid4().hex[:12]
        self.caller = caller
        self._note = note
        self._said = time.monotonic()
        self._spoken = ""
        """What the person said last, which a client may ask to have answered by itself."""
        self._clock = TurnClock(latency, conversation=self.id, door=caller.door, device=caller.device)
        prompt = Prompt(settings.household, small=engines.endpoint.needs_examples)
        self._ducker = Ducker()
        self._openings = Openings()
        knowledge = TurnKnowledge(engines.context, caller) if engines.context is not None else None
        self._functions = HouseFunctions(
            engines.toolbox.executor,
            caller,
            conversation=self.id,
            clock=self._clock,
            household=settings.household,
            knowledge=knowledge,
        )
        self._context = LLMContext(
            messages=[*prompt.opening(), *earlier], tools=self._functions.schema(engines.endpoint)
        )
        self._llm = LanguageModel(
            engines.endpoint,
            client=engines.client,
            completions=engines.completions,
            conversation=self.id,
            local=LocalAnswers(
                engines.intents,
                engines.toolbox.executor,
                caller=caller,
                loudness=loudness or self._ducker,
                context=self._functions.context,
                elsewhere=elsewhere,
                spoken_from=len(prompt.opening()),
                small=engines.endpoint.needs_examples,
            ),
            knowledge=knowledge,
            own_replies=engines.own_replies,
            announce=self._openings.say,
            instruction=prompt.instruction(caller),
            temperature=settings.language.temperature,
            max_tokens=settings.language.max_tokens,
            slot=slot,
            clock=self._clock,
            language=settings.hearing.language,
        )
        self._executor = engines.toolbox.executor
        self._shown: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._worker = self._make_worker(transport, engines, settings, prompt, call_tool)

    @property
    def idle(self) -> float:
        """Seconds since anybody has said anything."""
        return time.monotonic() - self._said

    @property
    def volume(self) -> float:
        """How loud the assistant speaks, 0 to 1."""
        return self._ducker.volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._ducker.volume = volume

    async def end(self) -> None:
        """End it in order; `run` returns then."""
        await self._worker.queue_frame(EndFrame())

    async def run(self) -> None:
        """Hold the conversation; return when it has ended. Cancellation ends it at once and closes the transport."""
        logger.info(f"conversation {self.id} with {self.caller.device} through {self.caller.door} begins")
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._llm.warm_up(self._context)), tasks.create_task(self._show())]
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(self._worker)
            with self._executor.watched(self.id, self._used):
                await runner.run()
            for task in beside:
                task.cancel()
        logger.info(f"conversation {self.id} has ended")
        # Pipecat's runner ends tidily on cancellation and keeps it to itself.
        heed_cancellation()

    def announce(self, text: str, heard: asyncio.Future[bool] | None = None) -> None:
        """Say something that nobody has just asked for, when nobody speaks; `heard` is told what became of it."""
        self._openings.say(text, heard)

    def unsaid(self) -> list[str]:
        """Take back what was announced and not said, once the conversation has ended."""
        return self._openings.unsaid()

    def _make_worker(
        self,
        transport: BaseTransport,
        engines: Engines,
        settings: Settings,
        prompt: Prompt,
        call_tool: FunctionCallHandler | None,
    ) -> PipelineWorker:
        caller, clock, ducker = self.caller, self._clock, self._ducker
        output = transport.output()
        # Every door's voice can be ducked, without each having to think of it.
        assert isinstance(output, BaseOutputTransport)
        output._params.audio_out_filter = ducker
        hearing = self._make_ears(engines, settings)
        self._functions.register(self._llm, engines.endpoint)
        if call_tool is not None:
            self._llm.register_function(None, call_tool, cancel_on_interruption=False)
        speaking = Speaking(
            engine=engines.piper,
            speed=caller.speed or settings.speaking.speed,
            on_clause=lambda: clock.mark("first_clause"),
        )
        gate = SpeechGate(clock=clock, ducker=ducker)
        aggregators = LLMContextAggregatorPair(
            self._context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=heard_turn_strategies(), empty_user_turn=None, audio_idle_timeout=0
            ),
        )
        aggregators.assistant().add_event_handler("on_assistant_turn_stopped", self._answered)
        return PipelineWorker(
            Pipeline(
                [
                    transport.input(),
                    hearing,
                    self._make_keeper(engines, settings, prompt),
                    aggregators.user(),
                    self._llm,
                    self._openings,
                    speaking,
                    gate,
                    output,
                    OwnWords(hearing.note_assistant_said),
                    aggregators.assistant(),
                ]
            ),
            params=PipelineParams(
                audio_in_sample_rate=INPUT_RATE, audio_out_sample_rate=OUTPUT_RATE, enable_usage_metrics=True
            ),
            enable_rtvi=caller.can(Capability.SHOW),
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            conversation_id=self.id,
        )

    def _make_ears(self, engines: Engines, settings: Settings) -> Hearing:
        return Hearing(
            whisper=engines.whisper,
            smart_turn=engines.smart_turn,
            detector=engines.detector,
            ducker=self._ducker,
            on_turn=self._heard,
            on_language=self._llm.spoken_in if settings.hearing.language == "auto" else lambda _: None,
            on_pause=engines.completions.expect_voice,
            is_command=lambda text: bool(engines.intents.match_all(text)),
            on_partial=lambda text: self._llm.read_ahead(self._context, text),
            user_id=self.caller.person or "",
        )

    def _make_keeper(self, engines: Engines, settings: Settings, prompt: Prompt) -> PromptKeeper:
        return PromptKeeper(
            context=self._context,
            budget=engines.endpoint.context - settings.language.max_tokens,
            caller=self.caller,
            prompt=prompt,
            on_typed=self._typed,
            tools=self._functions.schema(engines.endpoint),
        )

    async def _heard(self, turn: HeardTurn) -> None:
        logger.debug(f"conversation {self.id} heard: {turn.text}")
        self._said = time.monotonic()
        self._clock.heard(turn)
        self._spoken = turn.text
        self._note(self.id, self.caller, "user", turn.text)

    def _typed(self, text: str) -> None:
        self._said = time.monotonic()
        self._clock.typed(text)
        if text and text != self._spoken:
            self._note(self.id, self.caller, "user", text)

    def _used(self, tool: str, outcome: Outcome | None) -> None:
        """Have the caller see that a tool is at work, and what came of it."""
        if not self.caller.can(Capability.SHOW):
            return
        status = "running" if outcome is None else outcome.status.value
        data = dict(outcome.data) if outcome is not None else {}
        self._shown.put_nowait({"type": "tool", "tool": tool, "status": status, "data": data})

    async def _show(self) -> None:
        while True:
            await self._worker.queue_frame(RTVIServerMessageFrame(await self._shown.get()))

    async def _answered(self, _: LLMAssistantAggregator, message: AssistantTurnStoppedMessage) -> None:
        self._said = time.monotonic()
        if message.content:
            self._note(self.id, self.caller, "assistant", message.content)
        record = self._clock.answered(message.content or "", interrupted=message.interrupted)
        if record is not None and self.caller.can(Capability.SHOW):
            self._shown.put_nowait({"type": "turn", "turn": record.as_dict()})
