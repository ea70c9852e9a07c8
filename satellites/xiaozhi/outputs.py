"""What the protocol asks its surroundings to do."""

from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import Frame


@dataclass(frozen=True, slots=True)
class Send:
    """Send the device a message."""

    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SendSound:
    """Send the device a packet of Opus."""

    data: bytes
    """The binary message that it is in."""
    packet: bytes
    milliseconds: int
    """The time on it."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """The device has said hello."""

    tools: bool
    """It brings some."""
    leaves_echo: bool = False
    """Its echo is to be cancelled here."""


@dataclass(frozen=True, slots=True)
class Hear:
    """A packet of Opus from the microphone.

    One that is not for the conversation came before it: it holds the wake word.
    """

    packet: bytes
    conversation: bool = True
    playing: int = 0
    """The time of the packet that it plays, where it tells; 0 for none."""


@dataclass(frozen=True, slots=True)
class Woken:
    """The device has heard its wake word, as others may have."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a conversation."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Push a frame into the conversation."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody holds the device's button down, or has let go of it."""

    held: bool


@dataclass(frozen=True, slots=True)
class Listening:
    """The device listens from now on."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Break the answer off."""


@dataclass(frozen=True, slots=True)
class FromTools:
    """A message of the device's tools."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    """The device did something that the protocol does not have."""

    problem: str


@dataclass(frozen=True, slots=True)
class Close:
    """Hang up, with a code of RFC 6455."""

    code: int
    reason: str


Output = (
    Send | SendSound | Greeted | Hear | Woken | Begin | Tell | Hold | Listening | Interrupt | FromTools | Wrong | Close
)
