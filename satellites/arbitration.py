"""Which device answers when several have heard the same wake word: the one that heard it loudest.

`Arbitration` decides and has no clock of its own; `Arbiter` waits for it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 0.12
"""Seconds for which others are waited for; the decision itself must fall within 0.15."""
ECHO: Final = 1.0
"""Seconds after a decision in which another device's wake word counts as the same one, heard late."""


@dataclass(slots=True)
class _Round:
    began: float
    heard: dict[str, float] = field(default_factory=dict)
    answered: bool = False


class Arbitration:
    """Rounds, each of which one device wins. Loudness is in dB; only its order matters."""

    def __init__(self) -> None:
        self._round = _Round(-ECHO - WINDOW)

    def heard(self, device: str, loudness: float, now: float) -> float:
        """Note that a device has heard its wake word; returns when to ask who has won."""
        since = now - self._round.began
        # Who says it once more was not answered, and means it.
        if since >= WINDOW + ECHO or (since >= WINDOW and device in self._round.heard):
            self._round, since = _Round(now), 0.0
        if since < WINDOW:
            self._round.heard[device] = loudness
        return max(now, self._round.began + WINDOW)

    def won(self, device: str) -> bool:
        """Tell whether a device is the one to answer. Of two that go by one name the first to ask is."""
        heard = self._round.heard
        if self._round.answered or device not in heard or max(heard, key=lambda each: heard[each]) != device:
            return False
        self._round.answered = True
        return True


class Arbiter:
    """One for all devices of the house."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arbitration = Arbitration()

    async def wins(self, device: str, loudness: float) -> bool:
        """Tell whether a device that has heard its wake word is the one to answer, within 0.15 s."""
        now = self._clock()
        await asyncio.sleep(self._arbitration.heard(device, loudness, now) - now)
        return self._arbitration.won(device)
