"""How Pipecat's aggregator follows the turns that `Hearing` decides.

Pipecat's eager strategies are written for a speech service that predicts the end of a turn and takes its prediction
back; `Hearing` is one, with two differences: a turn may turn out to hold no words, and a client may ask not to be
answered, or not to be interrupted.
"""

from pipecat.frames.frames import EagerTranscriptionFrame, Frame, ProposedUserStartedSpeakingFrame, TranscriptionFrame
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import ExternalUserTurnStartStrategy
from pipecat.turns.user_stop.eager_user_turn_stop_strategy import EagerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from voice.frames import UNANSWERED, TurnDetectionFrame, UserTurnAbandonedFrame

SPECULATION_LIMIT = 5.0
"""Seconds after which a speculation that nothing resolved is withdrawn."""


class HeardTurnStart(ExternalUserTurnStartStrategy):
    """Opens a turn when `Hearing` proposes one."""

    def __init__(self) -> None:
        super().__init__()
        self._interrupts = True

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Open a turn on a proposal; it interrupts unless the client asked it not to."""
        if isinstance(frame, TurnDetectionFrame):
            self._interrupts = frame.interrupt_response
        if isinstance(frame, ProposedUserStartedSpeakingFrame):
            await self.trigger_user_turn_started(enable_interruptions=self._interrupts)
            return ProcessFrameResult.STOP
        return await super().process_frame(frame)


class HeardTurnStop(EagerUserTurnStopStrategy):
    """Closes a turn when `Hearing` does, and keeps what was prepared for the same words."""

    def __init__(self) -> None:
        super().__init__(speculation_timeout=SPECULATION_LIMIT)
        self._answers = True
        self._wanted = True

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Follow the turn through its frames."""
        if isinstance(frame, TurnDetectionFrame):
            self._answers = frame.create_response
        if isinstance(frame, TranscriptionFrame):
            self._wanted = not frame.metadata.get(UNANSWERED)
        if isinstance(frame, UserTurnAbandonedFrame):
            if await self._take_speculation():
                await self.trigger_user_turn_speculation_cancelled()
            await self.trigger_user_turn_finalized()
            return ProcessFrameResult.STOP
        return await super().process_frame(frame)

    async def trigger_user_turn_stopped(self, *, enable_user_speaking_frames: bool | None = None) -> None:
        """Close the turn, and have it answered unless the client wants to ask for that."""
        if self._answers and self._wanted:
            await super().trigger_user_turn_stopped(enable_user_speaking_frames=enable_user_speaking_frames)
        else:
            await self.trigger_user_turn_finalized(confirms_speculation=True)

    async def _speculate(self, frame: EagerTranscriptionFrame) -> None:
        if self._answers:
            await super()._speculate(frame)


def heard_turn_strategies() -> UserTurnStrategies:
    """The strategies for an aggregator behind `Hearing`."""
    return UserTurnStrategies(start=[HeardTurnStart()], stop=[HeardTurnStop()])
