"""How long a device that was woken goes on listening, so that a further question needs no new wake word.

It has no clock of its own: frames and moments in, a moment out.
"""

from typing import Final

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

from voice.overlap import only_stops

FIRST_WORDS: Final = 8.0
"""Seconds in which somebody who woke a device begins to speak."""
ANSWER: Final = 60.0
"""Seconds in which an answer begins, however slow the model or a tool; after them nobody waits any more."""


class Attention:
    """Follows one conversation.

    Args:
        follow_up: seconds after an answer in which a further question may begin.
        now: when the device was woken, in seconds.
    """

    def __init__(self, follow_up: float, now: float) -> None:
        self._follow_up = follow_up
        self._ends: float | None = now + FIRST_WORDS
        self._listening = False
        self._held = False
        self._speaking = False
        self._asked = False
        self._at_work: set[str] = set()

    @property
    def ends(self) -> float | None:
        """When nobody is listened to any more, as long as nothing happens; None while somebody speaks."""
        return self._ends

    @property
    def answering(self) -> bool:
        """Whether an answer is spoken or still to come, a tool at work for it included."""
        return self._speaking or self._asked or bool(self._at_work)

    def listen(self, now: float) -> None:
        """Begin to wait anew for a further question: the device listens only from now on."""
        if self._ends is not None:
            self._ends = max(self._ends, now + self._follow_up)

    def hold(self, *, held: bool, now: float) -> None:
        """Note that somebody holds a button down to speak, or has let go of it."""
        self._held = held
        self._reckon(now)

    def see(self, frame: Frame, now: float) -> None:
        """Follow what happens in the conversation."""
        match frame:
            case UserStartedSpeakingFrame():
                self._listening = True
            case UserStoppedSpeakingFrame():
                self._listening = False
            case LLMContextUserTurnFrame():
                # A bare "stop" over the assistant's voice is not answered.
                self._asked = not only_stops(frame.text)
            case BotStartedSpeakingFrame():
                self._speaking, self._asked = True, False
            case BotStoppedSpeakingFrame() | InterruptionFrame():
                self._speaking = False
            case LLMFullResponseEndFrame():
                self._asked = False
            case FunctionCallsStartedFrame():
                self._at_work |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._at_work.discard(frame.tool_call_id)
                self._asked = not self._at_work
            case _:
                return
        self._reckon(now)

    def _reckon(self, now: float) -> None:
        if self._listening or self._speaking or self._held:
            self._ends = None
        else:
            self._ends = now + (ANSWER if self._asked or self._at_work else self._follow_up)
