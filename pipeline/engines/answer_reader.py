"""The answer to a chat completion request, put together from a stream that may hold anything.

Nothing here fails, whatever a server sends: what is not as OpenAI's API says is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

# What another try could change, or what says nothing about the request.
_NO_VERDICT = {
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """A tool call, put together again."""

    name: str = ""
    arguments: str = ""
    pieces: int = 0
    """In how many pieces the arguments came."""


@dataclass(slots=True)
class Answer:
    """What of an answer came in time."""

    status: int = 0
    text: str = ""
    thought: str = ""
    calls: dict[int, Call] = field(default_factory=dict)
    finish: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the model said anything."""
        return bool(self.text or self.thought or self.calls or self.finish)

    @property
    def refused(self) -> bool:
        """Whether the server understood the request and does not do such things."""
        return self.status >= HTTPStatus.BAD_REQUEST and self.status not in _NO_VERDICT

    @property
    def thinking(self) -> str:
        """What the model thought, whether the server kept it apart or not."""
        before, closing, _ = self.text.partition("</think>")
        return (self.thought or (before.replace("<think>", "") if closing or "<think>" in before else "")).strip()

    @property
    def begins_inside(self) -> bool:
        """Whether the model thought aloud and only the end of it is marked."""
        return not self.thought and "</think>" in self.text and "<think>" not in self.text.partition("</think>")[0]

    @property
    def prompt_tokens(self) -> int | None:
        """The length of the prompt, if told."""
        return number(self.usage.get("prompt_tokens"))

    @property
    def cached_tokens(self) -> int | None:
        """How much of the prompt was not computed again, if told."""
        return number(at(self.usage, "prompt_tokens_details", "cached_tokens"))

    def add(self, event: object) -> None:
        """Take a chunk of the stream."""
        if usage := at(event, "usage"):
            self.usage = usage if isinstance(usage, Mapping) else {}
        if finish := at(event, "choices", 0, "finish_reason"):
            self.finish = str(finish)
        delta = at(event, "choices", 0, "delta")
        self.text += text(at(delta, "content"))
        self.thought += text(at(delta, "reasoning_content")) or text(at(delta, "reasoning"))
        pieces = at(delta, "tool_calls")
        for piece in pieces if isinstance(pieces, list) else []:
            call = self.calls.setdefault(number(at(piece, "index")) or 0, Call())
            call.name += text(at(piece, "function", "name"))
            if arguments := text(at(piece, "function", "arguments")):
                call.arguments += arguments
                call.pieces += 1


def at(value: object, *path: str | int) -> Any:
    """Follow `path` into parsed JSON; None wherever it is not as it should be."""
    for key in path:
        if isinstance(key, str):
            value = value.get(key) if isinstance(value, Mapping) else None
        else:
            value = value[key] if isinstance(value, list) and len(value) > key else None
    return value


def text(value: object) -> str:
    """The value if it is text, else none."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
