"""Keeps the prompt of one conversation true: instructions of the client, the time, and its length."""

import time
from collections.abc import Callable, Sequence

from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EagerTranscriptionFrame,
    Frame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
    ProposedUserStartedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.processors.aggregators.llm_context import NOT_GIVEN, LLMContext, NotGiven
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import LLMSettings

from pipeline.caller import Caller
from pipeline.orchestrator.digest import digest
from pipeline.orchestrator.prompt import CLOCK_STALE, Prompt, trim
from voice.frames import CONTINUES, WHERE_CALLED, SessionInstructionsFrame


class PromptKeeper(FrameProcessor):
    """Stands before the aggregator that shares its `context`.

    Args:
        budget: tokens that the context may fill.
        tools: the house's, which stay in front of those that a client brings.
        on_typed: told of text that the model is asked to answer without anybody having spoken.
    """

    def __init__(
        self,
        *,
        context: LLMContext,
        budget: int,
        caller: Caller,
        prompt: Prompt,
        on_typed: Callable[[str], None],
        tools: ToolsSchema | NotGiven = NOT_GIVEN,
    ) -> None:
        super().__init__()
        self._context = context
        self._caller = caller
        self._prompt = prompt
        self._budget = budget
        self._opening = len(context.messages)
        self._on_typed = on_typed
        self._tools = list(tools.standard_tools) if isinstance(tools, ToolsSchema) else []
        self._told_time = time.monotonic()
        self._retracted = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """See to the prompt before the turn that needs it."""
        await super().process_frame(frame, direction)
        match frame:
            case ProposedUserStartedSpeakingFrame():
                self._retracted = False
                self._prepare()
            case EagerTranscriptionFrame() | TranscriptionFrame() if frame.metadata.get(CONTINUES):
                self._retract()
            case LLMRunFrame():
                self._prepare()
                self._on_typed(self._last_text())
            case LLMMessagesAppendFrame(run_llm=True):
                self._prepare()
                self._on_typed(_text_of(frame.messages))
            case LLMSetToolsFrame() if frame.metadata.get(WHERE_CALLED) and not self._tools:
                return
            case LLMSetToolsFrame(tools=ToolsSchema() as brought) if self._tools:
                frame = LLMSetToolsFrame(ToolsSchema([*self._tools, *brought.standard_tools]))
            case SessionInstructionsFrame():
                system = self._prompt.instruction(self._caller, frame.instructions)
                delta = LLMSettings(system_instruction=system)
                await self.push_frame(LLMUpdateSettingsFrame(delta=delta))
        await self.push_frame(frame, direction)

    def _prepare(self) -> None:
        if time.monotonic() - self._told_time > CLOCK_STALE:
            self._told_time = time.monotonic()
            self._context.add_message({"role": "developer", "content": self._prompt.clock_note(self._caller)})
        if forgotten := trim(self._context, self._budget, keep=self._opening, digest=digest):
            logger.debug(f"{forgotten} messages no longer fit into the model's context and were summed up")

    def _retract(self) -> None:
        """Take back the last turn and what was answered: the person went on, and the whole of it comes again."""
        if self._retracted:
            return
        self._retracted = True
        messages = self._context.messages
        for index in range(len(messages) - 1, -1, -1):
            message = messages[index]
            if isinstance(message, dict) and message.get("role") == "user":
                self._context.set_messages(messages[:index])
                return

    def _last_text(self) -> str:
        return _text_of(self._context.messages[-1:])


def _text_of(messages: Sequence[object]) -> str:
    texts = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [part["text"] for part in content if isinstance(part, dict) and "text" in part]
    return " ".join(texts)
