"""What the house has to say without having been asked: where it is said, and what waits until somebody can hear it."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from loguru import logger

from pipeline.caller import Caller, Capability
from tools.timers import Timer

MOST_WAITING: Final = 20
"""Announcements kept for the next conversation where none is open."""


class Reachable(Protocol):
    """A conversation in which something can be said."""

    caller: Caller

    def announce(self, text: str) -> None:
        """Say `text` when nobody speaks."""

    def unsaid(self) -> list[str]:
        """Take back what was announced and not said, once the conversation has ended."""


class Announcements:
    """Knows which conversations are open. Used from one event loop."""

    def __init__(self) -> None:
        self._open: list[Reachable] = []
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)

    @contextmanager
    def reach(self, conversation: Reachable) -> Iterator[None]:
        """Say what comes in `conversation` too, while the context lasts."""
        self._open.append(conversation)
        try:
            yield
        finally:
            self._open.remove(conversation)
            self._waiting.extend(conversation.unsaid())

    def waiting(self) -> list[str]:
        """Take what nobody could hear so far."""
        texts = list(self._waiting)
        self._waiting.clear()
        return texts

    async def ring(self, timer: Timer) -> None:
        """Say that a timer is due: at the device that set it, else wherever somebody can hear it."""
        await self.say(timer.announcement(time.time()), device=timer.device)

    async def say(self, text: str, *, device: str) -> None:
        """Say `text` at a device, else in every conversation that is open, else at the beginning of the next one."""
        audible = [one for one in self._open if one.caller.can(Capability.SPEAK)]
        there = [one for one in audible if one.caller.device == device]
        if not audible:
            logger.info("nobody can hear an announcement now; it waits for the next conversation")
            self._waiting.append(text)
        for conversation in there or audible:
            conversation.announce(text)
