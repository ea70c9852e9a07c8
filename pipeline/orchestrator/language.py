"""The one language-model client: Pipecat's OpenAI service, at any OpenAI-compatible server."""

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableSequence, Sequence
from typing import Any, ClassVar, Final, TypeVar, cast

from loguru import logger
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient, Timeout
from openai.types.chat import ChatCompletionChunk
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, NotGiven
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.turns.speculation_gate import GatedFrame, SpeculationGate
from pipecat.utils.http import connection_limits

from pipeline.context.turn import TurnKnowledge
from pipeline.engines.endpoint import Endpoint
from pipeline.intents.local_answers import LocalAnswers, NotOnSpeculation
from pipeline.latency import TurnClock
from pipeline.orchestrator.admission import Saturated
from pipeline.orchestrator.answer import Answer
from pipeline.orchestrator.completions import Completions, NoAnswer, Priority, Request
from pipeline.orchestrator.own_words import own_words
from pipeline.orchestrator.prompt import PERSONA
from pipeline.orchestrator.reasoning import wants_reasoning
from voice.speaking import SPECULATIVE

ANSWER_LIMIT: Final = 120.0
"""Seconds between two pieces of an answer after which the connection counts as dead."""
WITHHELD: Final = "This is private, and you may not see it."
SLOW: Final = 1.0
"""Seconds that a tool takes before its caller is told that it does."""
SILENCE: Final = 5.0
"""Seconds after its last words in which nobody needs to hear that the assistant is at work."""

Done = TypeVar("Done")


class UnheldSpeculation(SpeculationGate):
    """Knows whether the inference in flight is speculative, and lets its words pass: the `SpeechGate` holds them."""

    def process(self, frame: Frame, direction: FrameDirection) -> list[GatedFrame]:
        """Follow the turn; emit every frame at once."""
        super().process(frame, direction)
        self._buffer.reset()
        return [(frame, direction)]

    def _begin(self) -> list[GatedFrame]:
        return []


class LanguageModel(OpenAILLMService):
    """Answers a conversation.

    Args:
        endpoint: the household's own server.
        client: the way there, shared by all conversations, so that its connections stay open from turn to turn.
        completions: who answers, also where the own server cannot.
        conversation: whose turns these are.
        local: answers what needs no model.
        knowledge: adds to a turn what the household's memory knows about it.
        own_replies: what was answered without the model, where that is so small that it would go on in the same words.
        announce: says at the next opening what somebody asked for before they went on to something else.
        language: ISO 639-1, of what is said.
        instruction: the stable first part of the prompt.
        clock: takes the times of the answer's words.
    """

    supports_developer_role = False
    priority: ClassVar[Priority] = Priority.VOICE
    aloud: ClassVar[bool] = True
    """Whether somebody listens, and wonders what a silence means."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client: AsyncOpenAI,
        completions: Completions,
        conversation: str,
        instruction: str,
        temperature: float,
        max_tokens: int,
        slot: int | None,
        clock: TurnClock,
        local: LocalAnswers | None = None,
        knowledge: TurnKnowledge | None = None,
        own_replies: MutableSequence[str] | None = None,
        announce: Callable[[str], None] | None = None,
        language: str = "en",
    ) -> None:
        self._shared_client = client
        self._endpoint = endpoint
        self._completions = completions
        self._conversation = conversation
        self._local = local
        self._knowledge = knowledge
        self._announce = announce
        self._spoken_language = language
        self._answer: Answer | None = None
        self._own_replies = own_replies
        self._told_who_answers = False
        self._unread: LLMContext | None = None
        self._offers_tools = False
        self._reading: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[str | None]] = set()
        self._spoke = -math.inf
        self._turn_over = asyncio.Event()
        super().__init__(
            settings=OpenAILLMService.Settings(
                model=endpoint.model,
                system_instruction=instruction,
                temperature=temperature,
                max_tokens=max_tokens,
                extra={} if slot is None else {"extra_body": {"id_slot": slot}},
            ),
        )
        self._speculation_gate = UnheldSpeculation(name=f"{self}::UnheldSpeculation")
        self._clock = clock
        self.add_event_handler("on_error", self._apologise)

    def spoken_in(self, language: str) -> None:
        """Answer without the model, and of ourselves, in the language that was heard."""
        self._spoken_language = language
        if self._local is not None:
            self._local.language = language

    def create_client(self, *_: object, **__: object) -> AsyncOpenAI:
        """Take the shared client instead of making one."""
        return self._shared_client

    async def get_chat_completions(self, context: LLMContext) -> AsyncStream[ChatCompletionChunk]:
        """Ask who can answer."""
        plain = await self._request(context)
        request = plain
        if self._knowledge is not None:
            request = {**plain, "messages": await self._knowledge.joined(plain["messages"])}
        self._answer = self._completions.stream(
            request,
            priority=Priority.SPECULATION if self._speculation_gate.is_speculating else self.priority,
            private=True,
            conversation=self._conversation,
            reasoning=self._reasons_about(context),
            # Outside the house nothing of the household's memory is seen.
            redact=lambda _: self._redacted(plain),
            on_wait=self._say_that_it_takes_a_while,
        )
        return cast("AsyncStream[ChatCompletionChunk]", self._answer)

    async def _request(self, context: LLMContext) -> Request:
        if self._own_replies:
            context = _without(context, set(self._own_replies))
        parameters = await self.get_llm_adapter().get_llm_invocation_params(
            context,
            system_instruction=cast("Any", self._settings).system_instruction,
            convert_developer_to_user=True,
        )
        return self.build_chat_completion_params(parameters)

    def _sync_registered_tool_handlers(self, tools: ToolsSchema | NotGiven | None) -> None:
        self._offers_tools = isinstance(tools, ToolsSchema)
        super()._sync_registered_tool_handlers(tools)

    def _has_async_tools(self) -> bool:
        # Pipecat explains late results in the prompt as soon as a tool could have one; without tools in the
        # conversation that is 200 words which every first answer would wait for.
        return self._offers_tools and super()._has_async_tools()

    async def warm_up(self, context: LLMContext) -> None:
        """Let the server read the beginning of the prompt before anybody waits for it."""
        # What Pipecat adds to the instruction depends on the tools, and must be there from the first time.
        self._sync_registered_tool_handlers(context.tools)
        await self._completions.warm(await self._request(context), conversation=self._conversation)

    def read_ahead(self, context: LLMContext, text: str = "") -> None:
        """Let the server read the beginning of a person's turn while they speak; a small processor is slow at it."""
        if text and self._knowledge is not None:
            self._knowledge.prepare(text)
        if self._reading is None or self._reading.done():
            spoken: list[LLMContextMessage] = [{"role": "user", "content": text}] if text else []
            messages = [*context.messages, *spoken]
            self._reading = self.create_task(self.warm_up(LLMContext(messages=messages, tools=context.tools)))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; what was being read ahead gives way to it."""
        if isinstance(frame, LLMContextFrame):
            await self._stop_reading()
        elif isinstance(frame, UserStartedSpeakingFrame) and self._unread is not None:
            # What was answered without the model is news to it.
            self.read_ahead(self._unread)
            self._unread = None
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._spoke = -math.inf
            if self._answer is not None:
                self._answer.promote()
        await super().process_frame(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame):
            self._turn_over.set()

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Run what the model calls, once the turn that it answers is known to be over."""
        await self._confirmed()
        await super().run_function_calls(function_calls)

    async def _process_context(self, context: LLMContext) -> None:
        try:
            reply = await self._answer_locally(context)
        except NotOnSpeculation:
            await self._confirmed()
            reply = await self._answer_locally(context)
        if reply is None and self._knowledge is not None:
            reply = await self._knowledge.answer(context.messages) or None
        if reply is None:
            if self.aloud and self._reasons_about(context):
                await self._push_llm_text(own_words(self._spoken_language).thinking)
            await self._ask(context)
        else:
            if self._own_replies is None:
                self._unread = context
            else:
                self._own_replies.append(reply)
            if reply:
                await self._push_llm_text(reply)

    async def _ask(self, context: LLMContext) -> None:
        guessing = self._speculation_gate.is_speculating
        try:
            await super()._process_context(context)
        except (Saturated, NoAnswer) as error:
            if not guessing or (isinstance(error, NoAnswer) and error.spoken):
                await self._confirmed()
                raise
            # Only a guess has failed: the turn itself is still to be answered, with the right of a voice.
            await self._confirmed()
            await super()._process_context(context)

    async def _confirmed(self) -> None:
        """Wait until the turn is known to be over; where it is not, whoever waits is cancelled.

        Pipecat withdraws the speculation instead, but a withdrawal that meets the confirmation on its way leaves the
        turn without an answer.
        """
        while self._speculation_gate.is_speculating:
            self._turn_over.clear()
            await self._turn_over.wait()

    async def _answer_locally(self, context: LLMContext) -> str | None:
        if self._local is None:
            return None
        speculative = self._speculation_gate.is_speculating
        # Not Pipecat's kind of task, which keeps its exceptions to itself.
        answering = asyncio.create_task(self._local.answer(context, speculative=speculative), name="local answer")
        try:
            return await self.patiently(asyncio.shield(answering))
        except asyncio.CancelledError:
            if self._announce is None or self._speculation_gate.is_speculating:
                answering.cancel()
                await asyncio.wait({answering})
            else:
                # Somebody went on before a slow tool was done; what they asked for is still theirs.
                self._late.add(answering)
                answering.add_done_callback(self._tell_late)
            raise

    def _tell_late(self, answering: asyncio.Task[str | None]) -> None:
        self._late.discard(answering)
        if answering.cancelled() or self._announce is None:
            return
        if error := answering.exception():
            logger.error(f"a late answer failed: {error!r}")
        elif answer := answering.result():
            self._announce(answer)

    async def patiently(self, work: Awaitable[Done]) -> Done:
        """Wait for a tool, and say so where it takes longer than `SLOW` seconds and nothing was said just now."""
        waiting = asyncio.get_running_loop().call_later(SLOW, self._say_that_a_tool_works)
        try:
            return await work
        finally:
            waiting.cancel()

    async def _push_llm_text(self, text: str) -> None:
        answer = self._answer
        if answer is not None and answer.why is not None and not self._told_who_answers:
            self._told_who_answers = True
            await super()._push_llm_text(own_words(self._spoken_language).instead[answer.why])
        await super()._push_llm_text(text)

    def _reasons_about(self, context: LLMContext) -> bool:
        last = context.messages[-1] if context.messages else None
        if not self._endpoint.reasons or not isinstance(last, dict) or last.get("role") != "user":
            return False
        content = last.get("content")
        return isinstance(content, str) and wants_reasoning(content, self._spoken_language)

    def _redacted(self, request: Request) -> Request:
        """What a service outside the house may see: what people say, but not where they are or what tools told."""
        messages = []
        for message in request["messages"]:
            if message["role"] == "system":
                messages.append({**message, "content": PERSONA})
            elif message["role"] == "tool":
                messages.append({**message, "content": WITHHELD})
            else:
                messages.append(message)
        return {**request, "messages": messages}

    def _say_that_it_takes_a_while(self) -> None:
        self._fill(own_words(self._spoken_language).moment)

    def _say_that_a_tool_works(self) -> None:
        self._fill(own_words(self._spoken_language).looking)

    def _fill(self, words: str) -> None:
        now = asyncio.get_running_loop().time()
        if self.aloud and now - self._spoke > SILENCE and not self._speculation_gate.is_speculating:
            self._spoke = now
            self.create_task(self.push_frame(TTSSpeakFrame(words, append_to_context=False)), "filler")

    async def cleanup(self) -> None:
        """Stop reading ahead, and wait for no late answer."""
        await self._stop_reading()
        if self._knowledge is not None:
            await self._knowledge.close()
        await super().cleanup()
        late = list(self._late)
        for answering in late:
            answering.cancel()
        if late:
            await asyncio.wait(late)

    async def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None and not reading.done():
            await self.cancel_task(reading)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Mark the beginning of a speculative answer, for the voice and the gate behind it."""
        if isinstance(frame, LLMFullResponseStartFrame):
            self._clock.response_began()
            frame.metadata[SPECULATIVE] = self._speculation_gate.is_speculating
        elif isinstance(frame, LLMTextFrame):
            self._spoke = asyncio.get_running_loop().time()
            self._clock.mark("first_token")
        await super().push_frame(frame, direction)

    async def _apologise(self, _: OpenAILLMService, error: ErrorFrame) -> None:
        logger.error(f"the language model failed: {error.error}")
        await self.push_frame(TTSSpeakFrame(self._apology(error.exception), append_to_context=False))

    def _apology(self, error: BaseException | None) -> str:
        words = own_words(self._spoken_language)
        if isinstance(error, Saturated):
            return words.busy
        return words.broken_off if isinstance(error, NoAnswer) and error.spoken else words.apology


def _without(context: LLMContext, replies: set[str]) -> LLMContext:
    """The conversation less what was answered without the model: a very small one would go on in the same words."""
    messages: list[LLMContextMessage] = []
    for message in context.messages:
        if isinstance(message, dict) and message.get("role") == "assistant" and message.get("content") in replies:
            while messages and isinstance(messages[-1], dict) and messages[-1].get("role") == "user":
                messages.pop()
        else:
            messages.append(message)
    return LLMContext(messages, context.tools, context.tool_choice)


def language_client(endpoint: Endpoint) -> AsyncOpenAI:
    """The client through which all conversations ask `endpoint`. It does not retry: a voice that waits is worse."""
    local = endpoint.url.startswith("http:")
    # llama.cpp drops a kept connection now and then; on the own machine a new one costs nothing.
    limits = connection_limits(max_keepalive_connections=0 if local else 20, keepalive_expiry=300)
    return AsyncOpenAI(
        api_key=endpoint.api_key,
        base_url=endpoint.url,
        max_retries=0,
        timeout=Timeout(ANSWER_LIMIT, connect=3.0),
        http_client=DefaultAsyncHttpxClient(limits=limits, trust_env=not local),
    )
