"""The voices of the house: its own, and others, each of which is loaded when somebody first wants it."""

import asyncio
from collections.abc import Callable, Collection

from loguru import logger

from voice.models import ModelMissing
from voice.piper import PiperEngine, VoiceError


class Voices:
    """Engines by the names of their voices, shared by all conversations.

    Args:
        own: speaks where nobody wants another.
        others: the names of those that may be loaded.
        load: loads one; this blocks, and raises `ModelMissing` and `VoiceError`.
    """

    def __init__(self, own: PiperEngine, others: Collection[str], load: Callable[[str], PiperEngine]) -> None:
        self._own = own
        self._others = frozenset(others)
        self._load = load
        self._loaded: dict[str, PiperEngine] = {}
        self._loading = asyncio.Lock()

    async def named(self, name: str | None) -> PiperEngine:
        """Return a voice, and the house's own where that is not to be had."""
        if name is None or name not in self._others:
            return self._own
        async with self._loading:
            if name not in self._loaded:
                try:
                    self._loaded[name] = await asyncio.to_thread(self._load, name)
                except (ModelMissing, VoiceError) as error:
                    logger.error(f"the house's own voice speaks instead of {name}: {error}")
                    return self._own
            return self._loaded[name]

    def close(self) -> None:
        """Close what was loaded here; the house's own is somebody else's to close."""
        for engine in self._loaded.values():
            engine.close()
