"""Who called which tool, when, and what came of it: a line of JSON each, in a file that only its owner reads.

Arguments are not written down: they may hold what is private, or a secret.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from loguru import logger

from pipeline.private_file import OWNER_ONLY, write_private
from tools.outcomes import Outcome, Status
from tools.tool import Context

NAME: Final = "calls.log"
LARGEST: Final = 5_000_000
"""Bytes, after which a new file is begun; one older one is kept."""


class _Handler(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name
        logger.warning("a call cannot be written down: is the disk full?")


@dataclass(frozen=True, slots=True)
class Last:
    """How a tool fared lately."""

    called: datetime
    status: str
    worked: datetime | None
    """When it last did what it was asked."""


class Audit:
    """Writes calls down.

    Args:
        folder: where the file is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, context: Context, outcome: Outcome, seconds: float) -> None:
        """Write a call down. A full disk costs no call."""
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "tool": outcome.tool[:60],
            "status": outcome.status.value,
            "seconds": round(seconds, 3),
            "device": context.device,
            "person": context.person,
            "conversation": context.conversation,
            "turn": context.turn,
        }
        try:
            self._write(json.dumps(entry, ensure_ascii=False))
        except OSError as error:
            logger.warning(f"a call cannot be written down: {error}")

    def _write(self, line: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        handler = _Handler(self._folder / NAME, maxBytes=LARGEST, backupCount=1, encoding="utf-8")
        try:
            handler.emit(logging.makeLogRecord({"msg": line}))
        finally:
            # Held open, it would be written to after somebody has restored or removed it.
            handler.close()


def last_calls(folder: Path) -> dict[str, Last]:
    """How each tool fared lately, by its name. This blocks."""
    found: dict[str, Last] = {}
    for entry in _entries(folder):
        at = datetime.fromisoformat(entry["at"])
        before = found.get(entry["tool"])
        worked = at if entry["status"] == Status.DONE.value else before.worked if before else None
        found[entry["tool"]] = Last(at, entry["status"], worked)
    return found


def forget_calls(folder: Path, person: str) -> None:
    """Remove a person's calls. This blocks. Raises `OSError`."""
    for file in _files(folder):
        kept = [line for line in _lines(file) if (entry := _entry(line)) is None or entry.get("person") != person]
        write_private(file, "".join(kept).encode())


def _files(folder: Path) -> list[Path]:
    return [file for file in (folder / f"{NAME}.1", folder / NAME) if file.is_file()]


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    for file in _files(folder):
        for line in _lines(file):
            if (entry := _entry(line)) is not None:
                yield entry


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        datetime.fromisoformat(entry["at"])
        return dict(entry) if isinstance(entry["tool"], str) and isinstance(entry["status"], str) else None
    except (ValueError, TypeError, KeyError):
        return None
