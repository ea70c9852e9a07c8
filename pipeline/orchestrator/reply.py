"""What a model says, chunk by chunk: thoughts are taken out, loops and endless text are cut, calls are put together.

No input or output. Every chunk that leaves holds one thing: some text, one complete tool call, or the end.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)

from pipeline.orchestrator.guard import Kind, ModelMisbehaved
from pipeline.orchestrator.reasoning import ThinkFilter

CHARACTERS_A_TOKEN = 8
"""No language's text has more on average, so longer text means that the server does not count."""
LONGEST_ANSWER = 40_000
"""Characters where the request sets no limit."""
LOOP_REPEATS = 5
"""A refrain comes back four times in a row."""
LOOP_CHARACTERS = 120
"""So that laughter and counting are no loop; ten times the shortest of sentences."""

_LOOP_WINDOW = 2_000
_LOOP_STEP = 16
_LOOP_SEED = 12
_PAGES = ("<!doctype html", "<html")


class TextWatch:
    """Looks at an answer's text as it comes. Raises `ModelMisbehaved` for a web page, a loop, or too much of it."""

    def __init__(self, longest: int = LONGEST_ANSWER, *, pages: bool = False) -> None:
        """Allow `longest` characters, and with `pages` an answer that is a web page."""
        self._longest = longest
        self._length = 0
        self._opening: str | None = None if pages else ""
        self._tail = ""
        self._unseen = 0

    def count(self, characters: int) -> None:
        """Count what is not part of the text."""
        self._length += characters
        if self._length > self._longest:
            raise ModelMisbehaved(Kind.ENDLESS, f"{self._length} characters, ending with: {self._tail[-100:]}")

    def feed(self, text: str) -> str:
        """Take the next piece and return what may be said of it now; the first letters wait until they are no page."""
        self.count(len(text))
        if self._opening is not None:
            text = self._opening + text
            start = text.lstrip().lower()
            if start.startswith(_PAGES):
                raise ModelMisbehaved(Kind.HTML, text)
            if any(page.startswith(start) for page in _PAGES):
                self._opening = text
                return ""
            self._opening = None
        self._tail = (self._tail + text)[-_LOOP_WINDOW:]
        self._unseen += len(text)
        if self._unseen >= _LOOP_STEP:
            self._unseen = 0
            if (loop := repeated(self._tail)) is not None:
                raise ModelMisbehaved(Kind.LOOP, f"over and over: {loop}")
        return text

    def close(self) -> str:
        """Return what waited."""
        text, self._opening = self._opening or "", None
        return text


def repeated(text: str) -> str | None:
    """Return the words that `text` ends with over and over, or None."""
    seed = text[-_LOOP_SEED:]
    before = text.rfind(seed, 0, len(text) - 1)
    if before < 0:
        return None
    period = len(text) - len(seed) - before
    times = max(LOOP_REPEATS, -(-LOOP_CHARACTERS // period))
    unit = text[-period:]
    return unit if text.endswith(unit * times) else None


class Calls:
    """Puts tool calls together from the pieces in which they are streamed."""

    def __init__(self) -> None:
        self._parts: list[tuple[object, str, str, list[str]]] = []

    def __len__(self) -> int:
        return len(self._parts)

    def feed(self, pieces: Sequence[ChoiceDeltaToolCall]) -> int:
        """Take the pieces of one chunk and return how many characters they hold."""
        length = 0
        for piece in pieces:
            function = getattr(piece, "function", None)
            name, arguments = getattr(function, "name", None), getattr(function, "arguments", None)
            # Some servers send an object where OpenAI sends the text of one.
            text = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
            length += len(text)
            self._add(getattr(piece, "index", None), getattr(piece, "id", None), name, text)
        return length

    def complete(self, finish_reason: str | None) -> list[ChoiceDeltaToolCall]:
        """Return the calls, numbered from 0 and each with an identifier of its own.

        Raises:
            ModelMisbehaved: where one has no name or its arguments are no JSON object.
        """
        calls: list[ChoiceDeltaToolCall] = []
        seen: set[str] = set()
        for _, identifier, name, pieces in self._parts:
            text = "".join(pieces).strip() or "{}"
            if not name:
                raise ModelMisbehaved(Kind.BROKEN_CALL, f"no name, arguments {text}")
            try:
                arguments = json.loads(text)
            except ValueError as error:
                cut = " (the answer's longest length was reached)" if finish_reason == "length" else ""
                raise ModelMisbehaved(Kind.BROKEN_CALL, f"{name}: {error}{cut}: {text}") from None
            if not isinstance(arguments, dict):
                raise ModelMisbehaved(Kind.BROKEN_CALL, f"{name}: the arguments are no JSON object: {text}")
            unique = identifier if identifier and identifier not in seen else f"call_{uuid4().hex[:24]}"
            seen.add(unique)
            function = ChoiceDeltaToolCallFunction(name=name, arguments=text)
            calls.append(ChoiceDeltaToolCall(index=len(calls), id=unique, function=function, type="function"))
        return calls

    def _add(self, index: object, identifier: object, name: object, arguments: str) -> None:
        identifier = identifier if isinstance(identifier, str) else ""
        name = name if isinstance(name, str) else ""
        at = next((at for at in range(len(self._parts) - 1, -1, -1) if self._parts[at][0] == index), None)
        # Servers that number all calls alike, or none, begin the next one with its name.
        if at is not None and name and (index is None or identifier not in ("", self._parts[at][1])):
            at = None
        if at is None:
            self._parts.append((index, identifier, name, [arguments]))
            return
        number, first_identifier, first_name, pieces = self._parts[at]
        # A server that repeats the whole name with every piece would double it.
        whole = first_name if name == first_name else first_name + name
        self._parts[at] = (number, first_identifier or identifier, whole, [*pieces, arguments])


class Reply:
    """One answer of a model.

    Tool calls leave at the end only: Pipecat runs them then anyway, and one that leaves earlier could be made again by
    whoever answers in this model's stead.
    """

    def __init__(
        self, thoughts: ThinkFilter, watch: TextWatch, join: Callable[[str], str] = str, left: Callable[[], str] = str
    ) -> None:
        """Pass all text through `join`, and at the end what is `left` there."""
        self.finished = False
        """Whether the model said that it had finished."""
        self.speaking = False
        """Whether any text or call has come, be it whole or not."""
        self._thoughts = thoughts
        self._watch = watch
        self._join = join
        self._left = left
        self._calls = Calls()
        self._said = False

    def feed(self, chunk: ChatCompletionChunk) -> list[ChatCompletionChunk]:
        """Take the next chunk and return what may leave. Raises `ModelMisbehaved`."""
        choices = getattr(chunk, "choices", None)
        if not choices or not isinstance(choices, list):
            return [chunk.model_copy(update={"choices": []})] if isinstance(chunk.usage, CompletionUsage) else []
        choice = choices[0]
        delta, reason = getattr(choice, "delta", None), getattr(choice, "finish_reason", None)
        text = self._heard(delta)
        if pieces := getattr(delta, "tool_calls", None):
            self._watch.count(self._calls.feed(pieces))
            self.speaking = True
        leaving = [_text(chunk, text)] if text else []
        if reason and not self.finished:
            leaving += self._finish(chunk, reason)
        if leaving and isinstance(chunk.usage, CompletionUsage):
            leaving[-1].usage = chunk.usage
        return leaving

    def close(self) -> None:
        """Check that the stream has not ended too early. Raises `ModelMisbehaved`."""
        if not self.finished:
            kind = Kind.CLOSED if self.speaking else Kind.EMPTY
            raise ModelMisbehaved(kind, "the stream ended before the answer")

    def _heard(self, delta: ChoiceDelta | None) -> str:
        content = getattr(delta, "content", None)
        for name in ("reasoning_content", "reasoning"):
            if isinstance(thought := getattr(delta, name, None), str) and thought:
                self._thoughts.parsed()
                self._watch.count(len(thought))
        if not isinstance(content, str) or not content:
            return ""
        text = self._thoughts.feed(content)
        self._watch.count(len(content) - len(text))
        return self._passed(text)

    def _passed(self, text: str) -> str:
        text = self._join(self._watch.feed(text)) if text else ""
        if text.strip():
            self._said = self.speaking = True
        return text

    def _finish(self, chunk: ChatCompletionChunk, reason: str) -> list[ChatCompletionChunk]:
        rest = self._passed(self._thoughts.close(complete=reason != "length"))
        rest += self._join(self._watch.close()) + self._left()
        self._said = self._said or bool(rest.strip())
        calls = self._calls.complete(reason)
        if not self._said and not calls:
            raise ModelMisbehaved(Kind.EMPTY, f"it finished for the reason {reason!r}")
        self.finished = True
        leaving = [_text(chunk, rest)] if rest else []
        leaving += [_chunk(chunk, ChoiceDelta(tool_calls=[call])) for call in calls]
        return [*leaving, ended(chunk, "tool_calls" if calls else reason)]


def ended(chunk: ChatCompletionChunk, reason: Any) -> ChatCompletionChunk:
    """The last chunk of the answer that `chunk` belongs to."""
    return _chunk(chunk, ChoiceDelta(), reason)


def _text(chunk: ChatCompletionChunk, text: str) -> ChatCompletionChunk:
    return _chunk(chunk, ChoiceDelta(content=text))


def _chunk(chunk: ChatCompletionChunk, delta: ChoiceDelta, reason: Any = None) -> ChatCompletionChunk:
    choice = Choice.model_construct(index=0, delta=delta, finish_reason=reason, logprobs=None)
    return chunk.model_copy(update={"choices": [choice], "usage": None})
