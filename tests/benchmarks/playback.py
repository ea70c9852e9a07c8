"""What a person hears of the audio that arrives: a loudspeaker without I/O.

Playback of a chunk starts when it arrives, or when the audio queued before it has ended, whichever is later.
A server may therefore send faster than real time; what is still queued when the playback is flushed was never
heard. All times are seconds of one monotonic clock.
"""

from dataclasses import dataclass, field

import numpy as np

from tests.benchmarks.signals import Samples

AUDIBLE = 0.01
"""Amplitude of full scale (-40 dBFS) from which a sample counts as heard."""
WINDOW = 0.05
"""Seconds over which a level is taken."""
DUCKED = 6.0
"""dB by which the answer must have become quieter."""


@dataclass(frozen=True, slots=True)
class Played:
    """A chunk and the moment its first sample is played."""

    start: float
    samples: Samples
    rate: int

    @property
    def end(self) -> float:
        """The moment after its last sample."""
        return self.start + len(self.samples) / self.rate


@dataclass
class Playback:
    """Everything that one end of a conversation played."""

    chunks: list[Played] = field(default_factory=list)
    flushed: float = 0.0
    """Seconds of audio that arrived and were thrown away before they were played."""

    @property
    def end(self) -> float:
        """When the queue runs dry, or minus infinity before the first chunk."""
        return self.chunks[-1].end if self.chunks else float("-inf")

    def arrive(self, at: float, samples: Samples, rate: int) -> None:
        """Queue a chunk of `samples` at `rate` Hz that arrived `at` this moment."""
        self.chunks.append(Played(max(at, self.end), samples, rate))

    def flush(self, at: float) -> None:
        """Stop at once: drop what had not been played `at` this moment."""
        kept: list[Played] = []
        for chunk in self.chunks:
            heard = chunk.samples[: max(round((at - chunk.start) * chunk.rate), 0)]
            if len(heard):
                kept.append(Played(chunk.start, heard, chunk.rate))
            self.flushed += (len(chunk.samples) - len(heard)) / chunk.rate
        self.chunks = kept

    def first_audible(self, after: float) -> float | None:
        """Return when the first sample louder than `AUDIBLE` is played after a moment, or None."""
        for chunk in self.chunks:
            if chunk.end <= after:
                continue
            skipped = max(round((after - chunk.start) * chunk.rate), 0)
            loud = np.flatnonzero(np.abs(chunk.samples[skipped:]) > AUDIBLE)
            if len(loud):
                return chunk.start + (skipped + int(loud[0])) / chunk.rate
        return None

    def last_audible(self, before: float = float("inf")) -> float | None:
        """Return when the last sample louder than `AUDIBLE` is played before a moment, or None."""
        for chunk in reversed(self.chunks):
            if chunk.start >= before:
                continue
            count = min((before - chunk.start) * chunk.rate, len(chunk.samples))
            loud = np.flatnonzero(np.abs(chunk.samples[: round(count)]) > AUDIBLE)
            if len(loud):
                return chunk.start + (int(loud[-1]) + 1) / chunk.rate
        return None

    def longest_silence(self, start: float, end: float) -> float:
        """Return the longest time in seconds without an audible sample between two moments."""
        window = round((end - start) / WINDOW)
        loud = [self._amplitude(start + n * WINDOW, WINDOW) > AUDIBLE for n in range(window)]
        longest = silent = 0
        for heard in loud:
            silent = 0 if heard else silent + 1
            longest = max(longest, silent)
        return longest * WINDOW

    def level(self, at: float, seconds: float = WINDOW) -> float:
        """Return the level in dBFS of what is played from `at` on; -120 is silence."""
        total = sum(
            float(np.sum(part.astype(np.float64) ** 2)) / rate for part, rate in self._between(at, at + seconds)
        )
        return float(10 * np.log10(total / seconds + 1e-12))

    def ducked(self, after: float, until: float, reference: float = 2.0) -> float | None:
        """Return the moment after which the answer stays `DUCKED` dB under its own level until `until`.

        Its own level is the median over the audible windows of the `reference` seconds before `after`. None
        if it was silent in that time or is as loud as ever at the end.
        """
        before = [self.level(after - reference + n * WINDOW) for n in range(round(reference / WINDOW))]
        speaking = [level for level in before if level > 20 * np.log10(AUDIBLE)]
        if not speaking:
            return None
        limit = float(np.median(speaking)) - DUCKED
        moments = after + WINDOW * np.arange(round((until - after) / WINDOW))
        loud = [float(moment) for moment in moments if self.level(float(moment)) > limit]
        quiet_from = loud[-1] + WINDOW if loud else after
        return quiet_from if quiet_from < until - WINDOW else None

    def sampled(self, start: float, count: int, rate: int) -> Samples:
        """Return `count` samples at `rate` Hz of what is played from `start` on, silent where nothing is."""
        moments = start + np.arange(count) / rate
        heard = np.zeros(count, np.float32)
        for chunk in self.chunks:
            if chunk.end <= moments[0] or chunk.start > moments[-1]:
                continue
            inside = (moments >= chunk.start) & (moments < chunk.end)
            position = (moments[inside] - chunk.start) * chunk.rate
            heard[inside] = np.interp(position, np.arange(len(chunk.samples)), chunk.samples)
        return heard

    def _amplitude(self, at: float, seconds: float) -> float:
        return max(
            (float(np.max(np.abs(part))) for part, _ in self._between(at, at + seconds) if len(part)),
            default=0.0,
        )

    def _between(self, start: float, end: float) -> list[tuple[Samples, int]]:
        parts = []
        for chunk in self.chunks:
            if chunk.end <= start or chunk.start >= end:
                continue
            first = max(round((start - chunk.start) * chunk.rate), 0)
            last = max(round((end - chunk.start) * chunk.rate), 0)
            parts.append((chunk.samples[first:last], chunk.rate))
        return parts
