"""Watches the memory of the machine and of this process's control group, and has others give up what can be."""

import asyncio
import ctypes
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from pipeline.budget import host
from pipeline.budget.shedding import Reading, Shed, Shedding, pressure

INTERVAL = 1.0
"""Seconds between two readings; a process that loads a model takes about a gigabyte in that time."""

_GIB = 1 << 30
_NOTHING_READ = Reading(1, 1)


class MemoryWatch:
    """Reads how memory stands and tells `on_change` what to give up."""

    def __init__(self, on_change: Callable[[Shed], Awaitable[None]], *, root: Path = Path("/")) -> None:
        """`root` is where `proc` and `sys` lie."""
        self._on_change = on_change
        self._root = root
        self._shedding = Shedding()
        self._reading = _NOTHING_READ

    @property
    def step(self) -> Shed:
        """What is given up now."""
        return self._shedding.step

    def state(self) -> Mapping[str, Any]:
        """Tell how memory stands, in GiB and percent, ready for JSON."""
        reading = self._reading
        return {
            "free": round(reading.free / _GIB, 2),
            "limit": round(reading.limit / _GIB, 2),
            "waited": reading.some,
            "shed": self.step.described,
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Read once, and act."""
        self._reading = await asyncio.to_thread(_read, self._root)
        before = self._shedding.step
        step = self._shedding.read(self._reading, time.monotonic())
        if step is before:
            return
        free, limit = self._reading.free / _GIB, self._reading.limit / _GIB
        if step > before:
            logger.warning(f"memory runs short, {free:.2f} GiB of {limit:.1f} are free: given up is {step.described}")
        else:
            logger.info(f"memory has come back, {free:.2f} GiB of {limit:.1f} are free: given up is {step.described}")
        await self._on_change(step)
        if step >= Shed.IDLE > before:
            await asyncio.to_thread(_give_back)


def _read(root: Path) -> Reading:
    room = host.tightest(root)
    try:
        some, full = pressure((root / "proc/pressure/memory").read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        some, full = 0.0, 0.0
    return Reading(room.limit, room.free, some, full)


def _give_back() -> None:
    """Return what is freed but still held: glibc keeps it for the next allocation."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        logger.debug("this C library gives nothing back when asked")
