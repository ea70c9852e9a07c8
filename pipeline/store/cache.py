"""Answers of servers outside, kept in Redis for all processes of the household, and in this one where Redis is away."""

from typing import Final

from pipeline.store.shared import Shared
from tools.service import MemoryCache

LONGEST: Final = 30 * 24 * 3600.0


class SharedCache:
    """A `tools.service.Cache`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._own = MemoryCache()

    async def get(self, key: str) -> str | None:
        """What is kept."""
        return await self._own.get(key) or await self._shared.cached(key)

    async def put(self, key: str, text: str, seconds: float) -> None:
        """Keep a text for so long."""
        await self._own.put(key, text, seconds)
        await self._shared.cache(key, text, min(seconds, LONGEST))
