"""The conversation's items, and what changing them does to the language model's context.

The context belongs to the conversation: other processors write to it, and a message there carries no item's
id. An item is therefore found in it by its role and text, counted from the end where the same words were said
twice.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from satellites.realtime.client_events import ClientItem, FunctionCall, RealtimeFault
from satellites.realtime.outputs import Amend, Message


def new_id(prefix: str) -> str:
    """Return an id that no other object has, such as `item_3f9c…`."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass(slots=True)
class Item:
    """One item of the conversation, as the client sees it, with what is needed to cut it."""

    data: dict[str, Any]
    words: list[tuple[float, str]] = field(default_factory=list)
    """For speech: the milliseconds of audio sent when a word had been spoken, and the text up to there."""
    audio_ms: float = 0.0
    """Milliseconds of audio sent."""
    heard: str | None = None
    """What the client says was heard of it, once it has been truncated."""

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.data["id"])

    @property
    def role(self) -> str | None:
        """`user`, `assistant` or `system` where the item is a message."""
        return self.data.get("role")

    @property
    def text(self) -> str:
        """The words of a message, whether typed or spoken."""
        parts = self.data.get("content", [])
        return " ".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))

    def heard_within(self, milliseconds: float) -> str:
        """Return the words that were wholly heard in the first `milliseconds` of its audio."""
        return next((text for end, text in reversed(self.words) if end <= milliseconds), "")


class Items:
    """The items in their order."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    @property
    def last_id(self) -> str | None:
        """The id of the last item, or None."""
        return next(reversed(self._items), None)

    def get(self, item_id: str) -> Item:
        """Return an item.

        Raises:
            RealtimeFault: there is none with this id.
        """
        if item_id not in self._items:
            raise RealtimeFault(
                f"There is no item '{item_id}' in this conversation.", code="item_not_found", param="item_id"
            )
        return self._items[item_id]

    def before(self, item: Item) -> str | None:
        """Return the id of the item before `item`."""
        order = list(self._items)
        position = order.index(item.id)
        return order[position - 1] if position else None

    def append(self, item: Item) -> str | None:
        """Add an item at the end and return the id of the one before it."""
        previous = self.last_id
        self._items[item.id] = item
        return previous

    def insert(self, item: Item, previous_item_id: str) -> str | None:
        """Add an item behind another, or first for `root`; return the id of the one before it."""
        if previous_item_id == self.last_id:
            return self.append(item)
        rest = list(self._items.items())
        position = 0 if previous_item_id == "root" else list(self._items).index(previous_item_id) + 1
        rest.insert(position, (item.id, item))
        self._items = dict(rest)
        return None if position == 0 else previous_item_id

    def remove(self, item: Item) -> None:
        """Take an item out."""
        del self._items[item.id]

    def repeated_after(self, item: Item) -> int:
        """Count the later messages that say the same."""
        later = list(self)[list(self._items).index(item.id) + 1 :]
        return sum(_same_words(other.text, item.text) and other.role == item.role for other in later)

    def has_call(self, call_id: str) -> bool:
        """Tell whether the conversation holds the function call `call_id`."""
        return any(item.data["type"] == "function_call" and item.data.get("call_id") == call_id for item in self)


def created(source: ClientItem, item_id: str | None) -> Item:
    """Make the item that a client asks for.

    Raises:
        RealtimeFault: it holds something that cannot be understood here.
    """
    data: dict[str, Any] = source.model_dump(exclude_none=True, mode="json")
    data |= {"id": item_id or new_id("item"), "object": "realtime.item", "status": "completed"}
    if data["type"] == "message" and not data["content"]:
        raise RealtimeFault("A message has at least one part.", code="missing_required_parameter", param="item.content")
    for index, part in enumerate(data.get("content", [])):
        _check_part(part, index)
    if isinstance(source, FunctionCall):
        data.setdefault("call_id", new_id("call"))
    return Item(data)


def message_of(item: Item) -> Message:
    """Return the context's message for an item that a client created."""
    data = item.data
    if data["type"] == "function_call":
        function = {"name": data["name"], "arguments": data["arguments"]}
        call = {"id": data["call_id"], "type": "function", "function": function}
        return {"role": "assistant", "tool_calls": [call]}
    if data["type"] == "function_call_output":
        return {"role": "tool", "tool_call_id": data["call_id"], "content": data["output"]}
    return {"role": data["role"], "content": item.text}


def insertion(message: Message, behind: Item | None, repeated: int) -> Amend:
    """Put a message behind an item's, or (None) before the conversation but behind the system's own
    messages."""

    def change(messages: list[Message]) -> list[Message]:
        if behind is None:
            roles = [_role(other) for other in messages]
            leading = (i for i, role in enumerate(roles) if role not in {"system", "developer"})
            position = next(leading, len(messages))
        else:
            found = _find(messages, behind, behind.text, repeated)
            position = len(messages) if found is None else found + 1
        return [*messages[:position], message, *messages[position:]]

    return Amend(change)


def truncation(item: Item, spoken: str, heard: str, repeated: int) -> Amend:
    """Let the context keep only what was heard of what was spoken."""

    def change(messages: list[Message]) -> list[Message]:
        position = _find(messages, item, spoken, repeated)
        if position is None:
            return messages
        if heard:
            return [*messages[:position], {**messages[position], "content": heard}, *messages[position + 1 :]]
        return messages[:position] + messages[position + 1 :]

    return Amend(change)


def deletion(item: Item, repeated: int) -> Amend:
    """Take an item out of the context. A function call and its output go together, as models need both or
    none."""
    call_id = item.data.get("call_id")

    def change(messages: list[Message]) -> list[Message]:
        if call_id is not None:
            return [other for other in messages if call_id not in _call_ids(other)]
        position = _find(messages, item, item.text, repeated)
        return messages if position is None else messages[:position] + messages[position + 1 :]

    return Amend(change)


def late_output(call_id: str, output: str) -> Amend:
    """Write the output of a call that nobody waits for any more to where the context has its place."""

    def change(messages: list[Message]) -> list[Message]:
        return [
            {**other, "content": output} if _role(other) == "tool" and call_id in _call_ids(other) else other
            for other in messages
        ]

    return Amend(change)


def _check_part(part: dict[str, Any], index: int) -> None:
    param = f"item.content.{index}"
    if part.get("type") == "input_image":
        raise RealtimeFault("Pictures are not understood here; send text.", code="unsupported", param=param)
    if part.get("type") == "input_audio" and not part.get("transcript"):
        raise RealtimeFault(
            "Audio within an item is not transcribed: append it by input_audio_buffer.append and commit it, "
            "or send its `transcript` along.",
            code="unsupported",
            param=param,
        )
    part.pop("audio", None)
    if not isinstance(part.get("text") or part.get("transcript"), str):
        raise RealtimeFault("This part has no text.", code="missing_required_parameter", param=f"{param}.text")


def _find(messages: list[Message], item: Item, text: str, repeated: int) -> int | None:
    """Return the index of an item's message, passing over `repeated` later ones with the same words."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if _role(message) == item.role and _same_words(_text(message), text):
            if repeated == 0:
                return position
            repeated -= 1
    return None


def _role(message: object) -> str | None:
    return message.get("role") if isinstance(message, dict) else None


def _text(message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content)


def _same_words(text: str, other: str) -> bool:
    return bool(text.split()) and text.split() == other.split()


def _call_ids(message: object) -> list[str]:
    if not isinstance(message, dict):
        return []
    calls = [call["id"] for call in message.get("tool_calls") or ()]
    return [*calls, message["tool_call_id"]] if "tool_call_id" in message else calls
