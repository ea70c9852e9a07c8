"""Bad networks, and how late what was said comes out of them."""

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.signals import FRAME, SAMPLE_RATE, Samples, levels

PACKET = 0.02
"""Seconds of sound in a packet."""
BETWEEN = 1.0
"""Seconds of quiet between two utterances, in which what is late arrives."""


@dataclass(frozen=True, slots=True)
class Network:
    """How bad a link is."""

    loss: float
    """The share of packets that never arrive."""
    jitter: float = 0.0
    """Seconds that a packet is held back at most; each waits for a time of its own."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.loss:.0%} lost" + (f", up to {self.jitter * 1000:.0f} ms late" if self.jitter else "")


def lag_of(said: Samples, passed: Samples) -> float:
    """Return where in what was passed on the said begins, in seconds, by its envelope."""
    envelope, other = (np.maximum(levels(samples), -60) + 60 for samples in (said, passed))
    other = np.pad(other, (0, max(0, len(envelope) - len(other))))
    spare = len(other) - len(envelope)
    fits = [float(np.dot(envelope, other[at : at + len(envelope)])) for at in range(spare + 1)]
    return int(np.argmax(fits)) * FRAME / SAMPLE_RATE
