"""The messages of a device, read and checked.

Source: `docs/websocket.md` of https://github.com/78/xiaozhi-esp32. Fields that are not used here pass.
"""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

MAX_MESSAGE = 64 * 1024
"""Bytes: the firmware itself sends no more. Its longest message, a page of tools, has 8,000."""


class BadMessage(ValueError):  # noqa: N818 - reads as what is the matter
    """A message cannot be understood; the text says what is wrong with it."""


class Mode(StrEnum):
    """How a device listens."""

    AUTO = "auto"
    """It stops listening while it speaks; the house finds out when a turn is over."""
    MANUAL = "manual"
    """Somebody holds a button down."""
    REALTIME = "realtime"
    """It listens while it speaks, and cancels its own echo or has the house do it."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AudioParams(_Message):
    """What a device says of the sound that it sends."""

    format: str = "opus"
    sample_rate: int = 16_000
    channels: int = 1
    frame_duration: int = 60


class Features(_Message):
    """What a device can do."""

    mcp: bool = False
    """It brings tools of its own."""
    aec: bool = False
    """It leaves its echo to the house."""


class Hello(_Message):
    """The first message of a device."""

    type: Literal["hello"]
    version: int = 1
    transport: str = "websocket"
    features: Features = Features()
    audio_params: AudioParams = AudioParams()


class Listen(_Message):
    """It begins or ends to listen, or has heard its wake word."""

    type: Literal["listen"]
    state: Literal["start", "stop", "detect"]
    mode: Mode | None = None
    text: Annotated[str, Field(max_length=4000)] = ""


class Abort(_Message):
    """It wants to hear no more of the answer."""

    type: Literal["abort"]
    reason: str = ""


class Mcp(_Message):
    """A message of the Model Context Protocol: JSON-RPC 2.0."""

    type: Literal["mcp"]
    payload: dict[str, Any]


Message = Hello | Listen | Abort | Mcp
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
_KINDS = ("hello", "listen", "abort", "mcp")


def read(text: str) -> Message | None:
    """Read a message; None for a kind that nothing is done about, such as `iot` of older firmware.

    Raises:
        BadMessage: it cannot be understood.
    """
    try:
        data = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()  # half of a surrogate pair breaks whatever stores it
    except (ValueError, RecursionError):
        raise BadMessage("this is not JSON") from None
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        raise BadMessage("a message is a JSON object with a type")
    if kind not in _KINDS:
        return None
    try:
        return _MESSAGE.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadMessage(f"{where}: {first['msg']}") from None
