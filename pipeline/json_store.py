"""A few records in a file, for what has to outlive the process and needs no database."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import TypeAdapter, ValidationError

_ENTRIES = TypeAdapter(list[dict[str, Any]])


class JsonStore:
    """Keeps a list of JSON objects in a file that only its owner can read. Used from one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = asyncio.Lock()

    async def load(self) -> list[dict[str, Any]]:
        """Read what was saved; nothing where nothing was. A damaged file is set aside, not overwritten."""
        return await asyncio.to_thread(self._read)

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep these instead. When this returns, they survive a crash; a cancelled save may still take effect."""
        text = json.dumps([dict(entry) for entry in entries], ensure_ascii=False, indent=1)
        async with self._writing:
            await asyncio.to_thread(self._write, text)

    def _read(self) -> list[dict[str, Any]]:
        try:
            return _ENTRIES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except ValidationError:
            aside = self._path.with_suffix(".damaged")
            logger.warning(f"{self._path} is damaged and set aside as {aside.name}; what it held is forgotten")
            self._path.replace(aside)
            return []

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
