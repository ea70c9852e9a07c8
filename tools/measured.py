"""What tools measure, for whoever keeps it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of one sensor, now."""

    name: str
    value: float
    unit: str = ""
    room: str | None = None


Keep = Callable[[Sequence[Measured]], Awaitable[None]]
"""Keeps what was measured; it may fail, and then says so to nobody."""
