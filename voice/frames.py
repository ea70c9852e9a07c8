"""Frames that a door pushes into a conversation, beyond those that Pipecat brings.

All of them travel downstream from the transport's input, in order with the audio, and no interruption drops
them.
"""

from dataclasses import dataclass, field
from typing import Final

from pipecat.frames.frames import ControlFrame

CONTINUES: Final = "passfel-continues"
"""The key, in a transcript's metadata, that says that it replaces the transcript before it."""

SPOKEN_LANGUAGE: Final = "passfel-spoken-language"
"""The key, in the metadata of the frame that says upstream that somebody has stopped speaking, of the language that was
heard (ISO 639-1): the transcript itself goes down, and doors do not see it."""

UNANSWERED: Final = "passfel-unanswered"
"""The key, in a transcript's metadata, that says that its turn wants no answer."""

WHERE_CALLED: Final = "passfel-where-called"
"""The key, in the metadata of a frame that offers tools, that keeps them from a model that cannot call the house's."""


@dataclass
class SessionInstructionsFrame(ControlFrame):
    """What the client wants the assistant to heed; it comes behind the assistant's own persona.

    An empty string takes earlier instructions back.
    """

    interruptible: bool = field(default=False, init=False)
    instructions: str


@dataclass
class TurnDetectionFrame(ControlFrame):
    """How the conversation is to find out that the caller's turn has begun and ended."""

    interruptible: bool = field(default=False, init=False)
    enabled: bool = True
    """False: turns end by `CommitAudioFrame` alone, and speech interrupts nothing."""
    create_response: bool = True
    """Answer when a turn has ended; otherwise wait for an `LLMRunFrame`."""
    interrupt_response: bool = True
    """Stop speaking when the caller begins to."""
    eagerness: str | None = None
    """`low`, `medium`, `high` or `auto`: how soon a pause is taken for the end; None leaves it as it is."""
    silence: float | None = None
    """Seconds of silence that end a turn; None leaves it to the conversation."""


@dataclass
class CommitAudioFrame(ControlFrame):
    """The caller's turn ends here, whatever turn detection thinks.

    What was heard since the last turn is transcribed and written to the context before any frame behind this
    one is handled, so an `LLMRunFrame` that follows at once answers it.
    """

    interruptible: bool = field(default=False, init=False)


@dataclass
class ClearAudioFrame(ControlFrame):
    """Forget what was heard since the last turn."""

    interruptible: bool = field(default=False, init=False)


@dataclass
class SpeechSpeedFrame(ControlFrame):
    """How fast to speak from the next response on: 1.0 is the voice's own speed, 0.25 to 1.5."""

    interruptible: bool = field(default=False, init=False)
    speed: float = 1.0


@dataclass
class UserTurnAbandonedFrame(ControlFrame):
    """What began as the caller's turn held no words; it ends without a message."""

    interruptible: bool = field(default=False, init=False)
