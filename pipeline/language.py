"""The one language-model client: Pipecat's OpenAI service, at any OpenAI-compatible server."""

import asyncio
from typing import Any

from loguru import logger
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError, Timeout
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.adapters.llm.services.open_ai_adapter import OpenAILLMInvocationParams
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    ErrorFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, NotGiven
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.turns.speculation_gate import GatedFrame, SpeculationGate
from pipecat.utils.http import connection_limits

from pipeline.endpoint import Endpoint
from pipeline.latency import TurnClock
from voice.speaking import SPECULATIVE

FIRST_TOKEN_LIMIT = 20.0
"""Seconds for a server's first token; a cold model of a large size takes that long, a dead one for ever."""
ANSWER_LIMIT = 120.0
"""Seconds between two pieces of an answer after which the server counts as dead."""
APOLOGY = "Sorry, my language model is not answering. Please try again in a moment."


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
        endpoint: the server.
        client: shared by all conversations, so that its connections stay open from turn to turn.
        instruction: the stable first part of the prompt.
        clock: takes the times of the answer's words.
    """

    supports_developer_role = False

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client: AsyncOpenAI,
        instruction: str,
        temperature: float,
        max_tokens: int,
        slot: int | None,
        clock: TurnClock,
    ) -> None:
        self._shared_client = client
        self._adapt = endpoint.adapt
        self._offers_tools = False
        self._reading: asyncio.Task[None] | None = None
        super().__init__(
            settings=OpenAILLMService.Settings(
                model=endpoint.model,
                system_instruction=instruction,
                temperature=temperature,
                max_tokens=max_tokens,
                extra={} if slot is None else {"extra_body": {"id_slot": slot}},
            ),
            retry_timeout_secs=FIRST_TOKEN_LIMIT,
            retry_on_timeout=True,
        )
        self._speculation_gate = UnheldSpeculation(name=f"{self}::UnheldSpeculation")
        self._clock = clock
        self.add_event_handler("on_error", self._apologise)

    def create_client(self, *_: object, **__: object) -> AsyncOpenAI:
        """Take the shared client instead of making one."""
        return self._shared_client

    def build_chat_completion_params(self, params_from_context: OpenAILLMInvocationParams) -> dict[str, Any]:
        """Make the request, in the words of this server."""
        return self._adapt(super().build_chat_completion_params(params_from_context))

    def _sync_registered_tool_handlers(self, tools: ToolsSchema | NotGiven | None) -> None:
        self._offers_tools = isinstance(tools, ToolsSchema)
        super()._sync_registered_tool_handlers(tools)

    def _has_async_tools(self) -> bool:
        # Pipecat explains late results in the prompt as soon as a tool could have one; without tools in the
        # conversation that is 200 words which every first answer would wait for.
        return self._offers_tools and super()._has_async_tools()

    async def warm_up(self, context: LLMContext) -> None:
        """Let the server read the stable part of the prompt before anybody waits for it."""
        try:
            async with asyncio.timeout(FIRST_TOKEN_LIMIT):
                await self.run_inference(context, max_tokens=1)
        except (OpenAIError, TimeoutError) as error:
            logger.debug(f"the prompt could not be warmed: {error}")

    def read_ahead(self, context: LLMContext, text: str) -> None:
        """Let the server read the beginning of a person's turn while they speak; a small processor is slow at it."""
        if self._reading is None or self._reading.done():
            messages: list[LLMContextMessage] = [*context.messages, {"role": "user", "content": text}]
            self._reading = self.create_task(self.warm_up(LLMContext(messages=messages, tools=context.tools)))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; what was being read ahead gives way to it."""
        if isinstance(frame, LLMContextFrame):
            await self._stop_reading()
        await super().process_frame(frame, direction)

    async def cleanup(self) -> None:
        """Stop reading ahead."""
        await self._stop_reading()
        await super().cleanup()

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
            self._clock.mark("first_token")
        await super().push_frame(frame, direction)

    async def _apologise(self, _: OpenAILLMService, error: ErrorFrame) -> None:
        if self._speculation_gate.is_speculating:
            # Withdrawn, so that the turn, once confirmed, is tried again instead of answered by nothing.
            await self.broadcast_frame(EagerEndOfTurnCancelFrame)
            return
        logger.error(f"the language model failed: {error.error}")
        await self.push_frame(TTSSpeakFrame(APOLOGY, append_to_context=False))


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
