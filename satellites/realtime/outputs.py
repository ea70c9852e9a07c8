"""What the protocol asks its surroundings to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import Frame

ServerEvent = dict[str, Any]
"""One event of the Realtime API, ready for JSON."""

Message = dict[str, Any]
"""One message of the language model's context, as OpenAI's chat completions take it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to the client."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Hear:
    """The client's microphone, as it came: decode and resample it and let the conversation hear it."""

    audio: bytes
    encoding: str
    """`audio/pcm` (16-bit little-endian, 24 kHz), `audio/pcmu` or `audio/pcma` (8 kHz), or a packet of `audio/opus`."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Push a frame into the conversation from its start."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Amend:
    """Change the context, behind everything said so far."""

    change: Callable[[list[Message]], list[Message]]


@dataclass(frozen=True, slots=True)
class Run:
    """Let the model answer, once every result handed to it has reached the context."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the response in flight."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The client's result of a function call that the model waits for."""

    call_id: str
    output: str


Output = Send | Hear | Tell | Amend | Run | Interrupt | Answer
