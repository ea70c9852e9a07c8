"""Who wants to see a device's timers: what is set there now, and whenever that changes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from loguru import logger

from tools.timer_board import Timer, TimerBoard

REMEMBERED: Final = 100
"""Of what has rung, so many are known; a watcher learns of each at once."""
RETRY: Final = 5.0
"""Seconds until timers that could not be read are read again."""


@dataclass(frozen=True, slots=True)
class DeviceTimers:
    """What is set at a device."""

    running: tuple[Timer, ...] = ()
    """The next first, those included that ring and were not heard yet."""
    heard: frozenset[str] = frozenset()
    """The ids of those that have rung and were heard; what is gone without that was stopped."""


class TimerWatch:
    """Lets others see what is on the board.

    Args:
        board: gives it. Raises `OSError` where it cannot be read.
    """

    def __init__(self, board: Callable[[], Awaitable[TimerBoard]]) -> None:
        self._board = board
        self._heard: deque[Timer] = deque(maxlen=REMEMBERED)
        self._watchers: set[asyncio.Event] = set()

    def heard(self, timer: Timer) -> None:
        """Note that one has rung and was heard, before it is taken off the board."""
        self._heard.append(timer)

    def changed(self) -> None:
        """The board is another one now."""
        for watcher in self._watchers:
            watcher.set()

    async def at(self, device: str) -> AsyncGenerator[DeviceTimers]:
        """What is set at a device, again after each change. Whoever reads slowly sees the last of several changes."""
        changed, before = asyncio.Event(), None
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                try:
                    there = await self._there(device)
                except OSError as error:
                    logger.error(f"timers cannot be read, which is tried again: {error}")
                    await asyncio.sleep(RETRY)
                    continue
                if there != before:
                    yield there
                before = there
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    async def _there(self, device: str) -> DeviceTimers:
        running = tuple(timer for timer in (await self._board()).timers if timer.device == device)
        return DeviceTimers(running, frozenset(timer.id for timer in self._heard if timer.device == device))
