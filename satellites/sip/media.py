"""A call's sound between its codec's rate and the pipe's, without echo, and never quite silent."""

import contextlib
from typing import Final

import numpy as np
from baresip import AudioNotActive, AudioRestarted, CallAudio

from satellites.sip.echo import Echo
from satellites.sip.wire import RATE
from voice.resampling import StreamResampler

NOISE: Final = 6.0
"""How loud the line is while nobody speaks, in steps of 16-bit sound: -75 dB. Without any, people think it is dead."""
LEAST_AHEAD: Final = 0.02
"""Seconds of sound under which noise is put in: one packet, which delays what is said next by no more."""
MOST_AHEAD: Final = 2.0
"""Seconds of sound that the stack holds."""


class Media:
    """One call's sound. What a hold or a new codec interrupts is lost, and goes on after it."""

    def __init__(self, audio: CallAudio) -> None:
        self._audio = audio
        self._rates = (0, 0)
        self._in = StreamResampler(RATE, RATE)
        self._out = StreamResampler(RATE, RATE)
        self._echo = Echo()
        self._ahead = bytearray()
        self._chance = np.random.default_rng()
        self._noise = np.rint(self._chance.normal(0, NOISE, 3 * RATE)).astype("<i2").tobytes()

    @property
    def codec_rate(self) -> int:
        """Hz of what is heard; 0 until there is sound."""
        return self._rates[0]

    def skip(self) -> None:
        """Drop what has arrived so far."""
        with contextlib.suppress(AudioNotActive, AudioRestarted):
            self._audio.read(1 << 16)

    def hear(self) -> bytes:
        """Take what has arrived since the last time, and keep the line alive."""
        try:
            buffered = self._settle()
            self._note_sent(buffered)
            heard = self._audio.read(1 << 16)
            if buffered < LEAST_AHEAD:
                self._breathe()
        except (AudioNotActive, AudioRestarted):
            return b""
        return self._echo.heard(self._in.resample(heard[: len(heard) // 2 * 2]))

    def play(self, pcm: bytes) -> None:
        """Have something heard after what is already on its way; what does not fit is dropped."""
        try:
            self._settle()
            self._write(pcm)
        except (AudioNotActive, AudioRestarted):
            return

    def flush(self) -> None:
        """Drop what is on its way."""
        try:
            self._note_sent(self._settle())
            self._audio.flush_tx()
            self._ahead.clear()
        except (AudioNotActive, AudioRestarted):
            return

    def _settle(self) -> float:
        """Follow the codec; return how many seconds of sound are on their way."""
        info = self._audio.info()
        rates = (info.rx_sample_rate or self._rates[0], info.tx_sample_rate or self._rates[1])
        if rates != self._rates and all(rates):
            self._rates = rates
            self._in = StreamResampler(rates[0], RATE)
            self._out = StreamResampler(RATE, rates[1])
        if not info.tx_ready:
            raise AudioNotActive("nothing is sent now")
        return float(info.tx_buffered / (2 * info.tx_sample_rate))

    def _write(self, pcm: bytes) -> None:
        self._audio.write(self._out.resample(pcm))
        self._ahead += pcm
        del self._ahead[: max(0, len(self._ahead) - int(MOST_AHEAD * RATE) * 2)]

    def _note_sent(self, buffered: float) -> None:
        """Tell the canceller what has left the buffer since the last time."""
        left = max(0, len(self._ahead) - int(buffered * RATE) * 2)
        self._echo.sent(bytes(self._ahead[:left]))
        del self._ahead[:left]

    def _breathe(self) -> None:
        size = int(LEAST_AHEAD * RATE) * 2
        start = 2 * int(self._chance.integers(0, (len(self._noise) - size) // 2))
        self._write(self._noise[start : start + size])
