"""A few records in a file, for what has to outlive the process and needs no database."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from loguru import logger
from pydantic import TypeAdapter, ValidationError

from pipeline.private_file import write_private

_ENTRIES = TypeAdapter(list[dict[str, Any]])


class JsonStore:
    """Keeps a list of JSON objects in a file that only its owner can read. Used from one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saves = 0
        self._written = 0
        # A thread goes on when its caller is cancelled, so what keeps writers apart is held by the thread.
        self._writing = Lock()

    async def load(self) -> list[dict[str, Any]]:
        """Read what was saved; nothing where nothing was. A damaged file is set aside, not overwritten.

        Raises:
            OSError: the file cannot be read.
        """
        return await asyncio.to_thread(self._read)

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep these instead. When this returns, they survive a crash; a cancelled save may still take effect.

        Raises:
            OSError: they could not be written; what was kept before is still there.
        """
        text = json.dumps([dict(entry) for entry in entries], ensure_ascii=False, indent=1).encode()
        self._saves += 1
        await asyncio.to_thread(self._write, text, self._saves)

    def _read(self) -> list[dict[str, Any]]:
        try:
            return _ENTRIES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except ValidationError:
            aside = self._path.with_name(f"{self._path.stem}.{time.time_ns()}.damaged")
            self._path.replace(aside)
            logger.warning(f"{self._path} is damaged and set aside as {aside.name}; what it held is forgotten")
            return []

    def _write(self, text: bytes, number: int) -> None:
        with self._writing:
            if number < self._written:
                return
            write_private(self._path, text)
            self._written = number
