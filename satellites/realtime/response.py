"""One response on its way to the client: its output items and the events that tell of them."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from satellites.realtime.items import Item, Items, new_id
from satellites.realtime.session_config import Config

Emit = Callable[..., None]
"""Send an event: its type, and its fields by name."""


@dataclass(slots=True)
class Usage:
    """Tokens that the language model used, summed over its runs."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def as_event(self) -> dict[str, Any]:
        """Return the usage of a `response.done`; all tokens are text, since speech is made from text here."""
        return {
            "total_tokens": self.prompt + self.completion,
            "input_tokens": self.prompt,
            "output_tokens": self.completion,
            "input_token_details": {
                "text_tokens": self.prompt,
                "audio_tokens": 0,
                "cached_tokens": self.cached,
            },
            "output_token_details": {"text_tokens": self.completion, "audio_tokens": 0},
        }


class Response:
    """The response in flight.

    It is over when the model has finished, nothing is left to be spoken, and no tool of the server's own is
    at work on whose result the model will speak again.
    """

    def __init__(
        self,
        emit: Emit,
        items: Items,
        config: Config,
        conversation_id: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.id = new_id("resp")
        self.config = config
        self.overrides = False
        """Its configuration is its own, and the session's is to be restored behind it."""
        self.cancelling = False
        """The client has asked to stop it."""
        self.failed = False
        """The model or the voice reported an error."""
        self.begun = False
        """The model or the voice has begun; a client's request is in flight before that."""
        self.running = False
        """The model is writing."""
        self.speaking = False
        """The voice is speaking."""
        self.tool_calls: set[str] = set()
        """Calls that the model made and that have neither finished nor been handed to the client."""
        self.continues = False
        """A tool of the server has finished, and the model will go on."""
        self.handed_over = False
        """The client has been given a function call, which ends the response."""
        self._emit = emit
        self._items = items
        self._conversation_id = conversation_id
        self._metadata = metadata
        self._output: list[dict[str, Any]] = []
        self._item: Item | None = None
        self._index = 0
        self._audible = config["output_modalities"] == ["audio"]
        emit("response.created", response=self._as_event("in_progress", None, None))

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        waiting = (self.tool_calls or self.continues) and not self.handed_over
        return self.begun and not (self.running or self.speaking or waiting)

    @property
    def item(self) -> Item | None:
        """The message that is being spoken or written."""
        return self._item

    def audio(self, encoded: str, milliseconds: float) -> None:
        """Send a piece of speech, as base64 of the session's output format."""
        item = self._message()
        item.audio_ms += milliseconds
        self._emit("response.output_audio.delta", **self._place(item), delta=encoded)

    def words(self, text: str, *, spaced: bool) -> None:
        """Send words just spoken (or, for a response in text, just written); `spaced`: `text` brings its
        spaces."""
        item = self._message()
        part = item.data["content"][0]
        kind = "transcript" if self._audible else "text"
        if part[kind] and not spaced:
            text = f" {text}"
        part[kind] += text
        item.words.append((item.audio_ms, part[kind]))
        name = "response.output_audio_transcript.delta" if self._audible else "response.output_text.delta"
        self._emit(name, **self._place(item), delta=text)

    def function_call(self, call_id: str, name: str, arguments: str) -> None:
        """Hand a function call to the client."""
        self.finish_item()
        self.handed_over = True
        self.tool_calls.discard(call_id)
        data = {"object": "realtime.item", "type": "function_call", "status": "in_progress", "name": name}
        item = Item({"id": new_id("item"), **data, "call_id": call_id, "arguments": ""})
        self._add(item)
        place = {"response_id": self.id, "output_index": self._index, "item_id": item.id, "call_id": call_id}
        self._emit("response.function_call_arguments.delta", **place, delta=arguments)
        self._emit("response.function_call_arguments.done", **place, name=name, arguments=arguments)
        item.data |= {"status": "completed", "arguments": arguments}
        self._finish(item)

    def finish_item(self, status: str = "completed") -> Item | None:
        """Close the message in flight, if there is one, and return it."""
        item, self._item = self._item, None
        if item is None:
            return None
        place, part = self._place(item), item.data["content"][0]
        if self._audible:
            self._emit("response.output_audio.done", **place)
            self._emit("response.output_audio_transcript.done", **place, transcript=part["transcript"])
            done = {"type": "audio", "transcript": part["transcript"]}
        else:
            self._emit("response.output_text.done", **place, text=part["text"])
            done = {"type": "text", "text": part["text"]}
        self._emit("response.content_part.done", **place, part=done)
        item.data["status"] = status
        self._finish(item)
        return item

    def finish(self, status: str, reason: str | None, usage: Usage | None) -> None:
        """Send `response.done`; the message in flight must be finished."""
        details: dict[str, Any] | None = None
        if status == "cancelled":
            details = {"type": status, "reason": reason}
        elif status == "failed":
            message = "The assistant could not answer; the server's log says why."
            details = {
                "type": status,
                "error": {"type": "server_error", "code": "failed", "message": message},
            }
        self._emit("response.done", response=self._as_event(status, details, usage))

    def _message(self) -> Item:
        if self._item is None:
            kind = "output_audio" if self._audible else "output_text"
            data = {
                "object": "realtime.item",
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
            }
            self._item = Item({"id": new_id("item"), **data, "content": []})
            self._add(self._item)
            part = {"type": "audio", "transcript": ""} if self._audible else {"type": "text", "text": ""}
            self._item.data["content"] = [{**part, "type": kind}]
            self._emit("response.content_part.added", **self._place(self._item), part=part)
        return self._item

    def _place(self, item: Item) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": item.id, "output_index": self._index, "content_index": 0}

    def _add(self, item: Item) -> None:
        previous = self._items.append(item)
        self._emit(
            "response.output_item.added",
            response_id=self.id,
            output_index=self._index,
            item=deepcopy(item.data),
        )
        self._emit("conversation.item.added", previous_item_id=previous, item=deepcopy(item.data))

    def _finish(self, item: Item) -> None:
        data = deepcopy(item.data)
        self._emit("response.output_item.done", response_id=self.id, output_index=self._index, item=data)
        self._emit("conversation.item.done", previous_item_id=self._items.before(item), item=data)
        self._output.append(data)
        self._index += 1

    def _as_event(self, status: str, details: dict[str, Any] | None, usage: Usage | None) -> dict[str, Any]:
        output = self.config["audio"]["output"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": list(self._output),
            "conversation_id": self._conversation_id,
            "output_modalities": self.config["output_modalities"],
            "max_output_tokens": self.config["max_output_tokens"],
            "audio": {"output": {"format": output["format"], "voice": voice_name(output["voice"])}},
            "usage": usage.as_event() if usage else None,
            "metadata": self._metadata,
        }


def voice_name(voice: str | dict[str, str]) -> str:
    """Return a voice's name; a client may give it as an object with an `id`."""
    return voice["id"] if isinstance(voice, dict) else voice
