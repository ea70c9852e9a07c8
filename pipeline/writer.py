"""The language model of a written answer: what it is asked, and the pieces in which its answer leaves."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, cast

from openai import APIStatusError, AsyncStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.base_llm import OpenAILLMSettings
from pipecat.utils.errors import ErrorCategory

from pipeline.caller import Caller
from pipeline.orchestrator.admission import Priority, Saturated
from pipeline.orchestrator.completions import NoAnswer
from pipeline.orchestrator.language import LanguageModel

MOST_ROUNDS = 8
"""Times that the model may call the house's tools for one answer; one that calls more goes in circles."""

_FAULTS_OF_THE_REQUEST = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


class Declined(NoAnswer):
    """The model's server does not take this request as it is: it is too long, say."""


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """What somebody wrote, and how it is to be answered."""

    messages: Sequence[LLMContextMessage]
    """The history up to what is to be answered, as OpenAI has it, without system messages."""
    instructions: str = ""
    """What the system messages said; it comes behind the assistant's own persona."""
    functions: Sequence[Mapping[str, Any]] = ()
    """The client's own tools, as OpenAI has them. The model's calls of them are handed to the client."""
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any] | None = None
    """`required` or one function by name: always one of the client's."""
    max_tokens: int | None = None
    """None takes the household's own limit."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of a chat completion, passed on to the model as they are."""
    conversation: str | None = None
    """The client's own name for the conversation, where it has one."""

    def identity(self, caller: Caller) -> str:
        """Tell its conversation from others, by its name or its first message: the same from turn to turn."""
        name = self.conversation or str(self.messages[0] if self.messages else "")
        return hashlib.sha256(f"{caller.device}\n{name}".encode()).hexdigest()[:12]

    @property
    def shows_image(self) -> bool:
        """Whether a message holds an image."""
        return any(
            isinstance(message, dict)
            and isinstance(parts := message.get("content"), list)
            and any(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)
            for message in self.messages
        )


@dataclass(frozen=True, slots=True)
class Text:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class HouseTool:
    """A tool of the house is at work; the answer goes on when it has finished."""

    name: str


@dataclass(frozen=True, slots=True)
class ClientCall:
    """The model calls one of the client's tools."""

    id: str
    name: str
    arguments: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, summed over the model's rounds."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """Those of the prompt that the server had in its cache."""

    def plus(self, more: CompletionUsage) -> "Usage":
        """Add what one round used."""
        cached = more.prompt_tokens_details.cached_tokens if more.prompt_tokens_details else 0
        return Usage(
            self.prompt + more.prompt_tokens, self.completion + more.completion_tokens, self.cached + (cached or 0)
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete. It is the last piece."""

    reason: Literal["stop", "length", "tool_calls"]
    usage: Usage


Written = Text | HouseTool | ClientCall | Finished


class Writer(LanguageModel):
    """The language model of a written answer, which leaves as pieces instead of being spoken.

    Calls of the client's `functions` end the answer: they are handed out, and the client brings their results along
    when it asks again. Calls of the house's tools made beside them are not run, since nobody would bring theirs.

    Args:
        request: what is answered.
        **language: what every language model takes.
    """

    priority = Priority.TYPED
    aloud = False

    def __init__(self, request: WrittenRequest, **language: Any) -> None:
        super().__init__(**language)
        self.pieces: asyncio.Queue[Written | Exception] = asyncio.Queue()
        """The answer as it comes. An exception, or `Finished`, is the last piece."""
        self._client_functions = frozenset(tool["function"]["name"] for tool in request.functions)
        self._for_a_program = bool(request.functions) or "response_format" in request.sampling
        # Before a program's JSON nothing may be said about who answers.
        self._told_who_answers = self._for_a_program
        cast("OpenAILLMSettings", self._settings).extra.update(request.sampling)
        self._usage = Usage()
        self._finish_reason: str | None = None
        self._handed_over = False
        self._rounds = 0
        self._responding = False
        self._running_calls = 0
        self._called = False
        self._asked = False

    async def get_chat_completions(self, context: LLMContext) -> AsyncStream[ChatCompletionChunk]:
        """Ask the model, and note what Pipecat drops of its answer."""
        chunks = await super().get_chat_completions(context)
        return cast("AsyncStream[ChatCompletionChunk]", self._noted(chunks))

    async def _answer_locally(self, context: LLMContext) -> str | None:
        # A program that brings tools of its own, or reads the answer as data, wants the model.
        return None if self._for_a_program else await super()._answer_locally(context)

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Hand the client's calls out, or run the house's."""
        handed_over = [call for call in function_calls if call.function_name in self._client_functions]
        for call in handed_over:
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            self.pieces.put_nowait(ClientCall(call.tool_call_id, call.function_name, arguments))
        if handed_over:
            self._handed_over = True
            return
        self._rounds += 1
        if self._rounds > MOST_ROUNDS:
            self.pieces.put_nowait(NoAnswer(f"the language model called tools {self._rounds} times in a row"))
            return
        for call in function_calls:
            self.pieces.put_nowait(HouseTool(call.function_name))
        self._called = True
        self._running_calls += len(function_calls)
        await super().run_function_calls(function_calls)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Let the pieces out, in the order in which they are pushed."""
        match frame:
            case LLMFullResponseStartFrame():
                self._responding, self._called, self._asked = True, False, False
            case LLMTextFrame() if frame.text:
                self.pieces.put_nowait(Text(frame.text))
            case TTSSpeakFrame(append_to_context=True):
                # The question before an action that matters; what does not belong to the context is for ears only.
                self._asked = True
                self.pieces.put_nowait(Text(frame.text))
                self._settle()
            case FunctionCallResultFrame() if direction is FrameDirection.DOWNSTREAM:
                self._running_calls -= 1
            case ErrorFrame() if frame.category is not ErrorCategory.APPLICATION:
                # An application's error is a tool's, and the model is told of it.
                self.pieces.put_nowait(_failure(frame))
            case LLMFullResponseEndFrame():
                self._responding = False
                self._settle()
        await super().push_frame(frame, direction)

    def _settle(self) -> None:
        """Finish, unless the model is at work, or will be on a tool's result."""
        awaits_model = self._responding or (self._called and not self._asked)
        if not awaits_model and not self._running_calls:
            self.pieces.put_nowait(Finished(self._reason(), self._usage))

    def _reason(self) -> Literal["stop", "length", "tool_calls"]:
        if self._handed_over:
            return "tool_calls"
        return "length" if self._finish_reason == "length" else "stop"

    async def _noted(self, chunks: AsyncStream[ChatCompletionChunk]) -> AsyncGenerator[ChatCompletionChunk]:
        used: CompletionUsage | None = None
        try:
            async for chunk in chunks:
                # Some servers send the usage so far with every chunk.
                used = chunk.usage or used
                if chunk.choices and chunk.choices[0].finish_reason:
                    self._finish_reason = chunk.choices[0].finish_reason
                yield chunk
        finally:
            if used is not None:
                self._usage = self._usage.plus(used)
            await chunks.close()


def _failure(frame: ErrorFrame) -> Exception:
    cause: BaseException | None = frame.exception
    while cause is not None and not isinstance(cause, APIStatusError):
        cause = cause.__cause__
    if cause is not None and cause.status_code in _FAULTS_OF_THE_REQUEST:
        return Declined(str(frame.exception))
    if isinstance(frame.exception, Saturated | NoAnswer):
        return frame.exception
    return NoAnswer(frame.error)
