"""Holds a speculative answer, spoken but unheard, until its turn is confirmed.

Pipecat holds the model's words and lets the voice begin when the turn is confirmed. Here the gate stands behind the
voice, so that on confirmation the first sound is already there.
"""

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.speculation_gate import SpeculationGate

from pipeline.latency import TurnClock
from voice.ducking import Ducker
from voice.speaking import SPECULATIVE


class SpeechGate(FrameProcessor):
    """Pipecat's speculation gate, between the voice and the caller.

    Args:
        clock: takes the times of the answer's sound.
        ducker: the way out, which is shut between an interruption and the next speech.
    """

    def __init__(self, *, clock: TurnClock, ducker: Ducker) -> None:
        super().__init__()
        self._gate = SpeculationGate(name=f"{self}::SpeculationGate")
        self._clock = clock
        self._ducker = ducker

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hold, release or discard, as the gate says."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMFullResponseStartFrame):
            self._gate.begin_speculation(bool(frame.metadata.get(SPECULATIVE)))
        elif isinstance(frame, TTSAudioRawFrame):
            self._clock.mark("audio_ready")
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._clock.mark("first_audio")
        elif isinstance(frame, InterruptionFrame):
            self._ducker.cut()
        for released, way in self._gate.process(frame, direction):
            if isinstance(released, TTSStartedFrame):
                self._ducker.resume()
            await self.push_frame(released, way)
