"""The answers of OpenAI's chat completions API: whole, or as the chunks of a stream."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from pipeline.writer import ClientCall, Finished, HouseTool, Text, Usage, Written
from satellites.chat import MODEL

DONE: Final = b"data: [DONE]\n\n"


class Completion:
    """One chat completion, built from the pieces of a written answer."""

    def __init__(self, *, includes_usage: bool = False) -> None:
        """With `includes_usage`, the stream tells it in a chunk of its own at the end."""
        self._id = f"chatcmpl-{uuid4().hex}"
        self._created = int(time.time())
        self._includes_usage = includes_usage
        self._text: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._end: Finished | None = None

    def add(self, piece: Written) -> None:
        """Take the next piece."""
        match piece:
            case Text(text):
                self._text.append(text)
            case ClientCall(id=call_id, name=name, arguments=arguments):
                function = {"name": name, "arguments": arguments}
                self._calls.append({"id": call_id, "type": "function", "function": function})
            case Finished():
                self._end = piece

    def whole(self) -> dict[str, Any]:
        """The `chat.completion`, once the last piece has been added."""
        assert self._end is not None
        content = "".join(self._text)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if self._calls:
            message |= {"content": content or None, "tool_calls": self._calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._end.reason}
        return self._framed("chat.completion", [choice], usage=_usage(self._end.usage))

    def opening(self) -> bytes:
        """The first event of the stream."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def event(self, piece: Written) -> bytes:
        """The events of a stream that tell of `piece`.

        A tool of the house is told in a comment, which keeps the connection alive and which clients pass over.
        """
        self.add(piece)
        match piece:
            case Text(text):
                return self._chunk({"content": text})
            case ClientCall():
                index = len(self._calls) - 1
                return self._chunk({"tool_calls": [{"index": index, **self._calls[index]}]})
            case HouseTool(name):
                return f": tool {name}\n\n".encode()
            case Finished(reason, usage):
                last = self._chunk({}, reason)
                if self._includes_usage:
                    last += event(self._framed("chat.completion.chunk", [], usage=_usage(usage)))
                return last + DONE

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self._includes_usage else {}
        return event(self._framed("chat.completion.chunk", [choice], **usage))

    def _framed(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": MODEL,
            "choices": choices,
            **more,
        }


def event(data: Mapping[str, Any]) -> bytes:
    """A server-sent event (WHATWG HTML, 9.2) that carries `data` as JSON."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def error(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def model(created: int) -> dict[str, Any]:
    """The one model that `/v1/models` lists."""
    return {"id": MODEL, "object": "model", "created": created, "owned_by": MODEL}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }
