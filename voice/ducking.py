"""Lowering the assistant's voice while somebody may be interrupting it, and ending it once somebody has."""

from typing import Final

import numpy as np
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.frames.frames import FilterControlFrame

DUCKED_GAIN: Final = 0.1
"""-20 dB: plainly stepping back, and still there when it was only a cough."""
RAMP_SECONDS: Final = 0.03


class Ducker(BaseAudioFilter):
    """An output filter that fades the voice down and up again.

    It works on audio as it leaves for the caller, behind all queues, so that it takes effect at once; Pipecat's
    `VolumeGainFrame` waits its turn behind the speech that is already queued.
    """

    def __init__(self) -> None:
        self.volume = 1.0
        """What the caller asked for, 0 to 1."""
        self._sample_rate = 24_000
        self._gain = 1.0
        self._ducked = self._cut = False

    @property
    def ducked(self) -> bool:
        """Whether the voice is lowered, or on its way down."""
        return self._ducked

    def duck(self) -> None:
        """Lower the voice."""
        self._ducked = True

    def unduck(self) -> None:
        """Bring the voice back."""
        self._ducked = False

    def cut(self) -> None:
        """Let nothing more of an answer out that was broken off.

        Pipecat still plays the piece that it holds, and takes it for speech that nobody ends.
        """
        self._cut = True

    def resume(self) -> None:
        """Let out the answer that begins."""
        self._cut = False

    async def start(self, sample_rate: int) -> None:
        """Take the sample rate of the output, in Hz."""
        self._sample_rate = sample_rate

    async def stop(self) -> None:
        """Nothing is held."""

    async def process_frame(self, frame: FilterControlFrame) -> None:
        """Control frames come in line with the audio, too late to duck by."""

    async def filter(self, audio: bytes) -> bytes:
        """Apply the gain to 16-bit PCM, moving towards the wanted one without a click."""
        if self._cut:
            return b""
        wanted = self.volume * (DUCKED_GAIN if self._ducked else 1.0)
        if self._gain == wanted == 1.0:
            return audio
        samples = np.frombuffer(audio, dtype=np.int16).astype(np.float32)
        step = 1.0 / max(1, int(RAMP_SECONDS * self._sample_rate))
        distance = wanted - self._gain
        ramp = self._gain + np.sign(distance) * np.minimum(np.arange(1, len(samples) + 1) * step, abs(distance))
        if len(samples):
            self._gain = float(ramp[-1])
        return bytes((samples * ramp).astype(np.int16).tobytes())
