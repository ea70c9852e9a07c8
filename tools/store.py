"""Where tools keep a few records of their own."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Store(Protocol):
    """Keeps a list of JSON objects. What cannot be read or written raises `OSError`."""

    async def load(self) -> list[dict[str, Any]]:
        """Read what was saved."""

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep these instead."""
