"""Everything that is kept of a person: handed out to them, or removed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from pipeline.json_store import JsonStore
from pipeline.store.database import Database
from tools.wording import same_name

_SECONDS: Final = 120.0
_VACUUM_SECONDS: Final = 280.0

_EXPORTED: Final[Mapping[str, str]] = {
    "devices": "SELECT name, door, room, title, speed, voice, quiet, first_seen, last_seen FROM devices "
    "WHERE person = $1 ORDER BY name",
    "facts": "SELECT content, said, said_as, device, replaced_by IS NOT NULL AS replaced FROM facts "
    "WHERE person = $1 ORDER BY said",
    "messages": "SELECT conversation, door, device, room, role, content, said FROM messages WHERE person = $1 "
    "ORDER BY said",
    "documents": "SELECT source, title, learned, (SELECT string_agg(content, E'\\n\\n' ORDER BY position) "
    "FROM passages WHERE document = documents.id) AS content FROM documents WHERE person = $1 ORDER BY source",
    "events": "SELECT calendar, title, starts, ends, all_day, place FROM events WHERE person = $1 ORDER BY starts",
    "tasks": "SELECT calendar, title, due, done FROM tasks WHERE person = $1 ORDER BY due",
    "contacts": "SELECT book, name, phones, emails, note FROM contacts WHERE person = $1 ORDER BY name",
}
# Facts, documents with their passages, events, tasks and contacts go with their person.
_REMOVED: Final = ("DELETE FROM messages WHERE person = $1", "DELETE FROM people WHERE name = $1")
_CLEANED: Final = ("messages", "facts", "documents", "passages", "events", "tasks", "contacts", "devices", "people")


_FILES: Final[Mapping[str, tuple[str, str]]] = {
    "timers": ("timers.json", "person"),
    "telephone_messages": ("messages.json", "to"),
}
"""What lies in the household's own files: in which, and the field that says whose it is."""


async def export(database: Database, household: Path, person: str) -> dict[str, Any]:
    """Return everything that is kept of a person, ready for JSON. Raises `StoreDown` and `OSError`."""
    async with (
        database.connection(_SECONDS) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        kept = {
            name: [_plain(row) for row in await connection.fetch(query, person)] for name, query in _EXPORTED.items()
        }
    kept |= await in_files(household, person)
    return {"person": person, "exported": datetime.now(UTC).isoformat(timespec="seconds"), **kept}


async def in_files(household: Path, person: str) -> dict[str, list[dict[str, Any]]]:
    """Return what lies of a person in the household's own files. Raises `OSError`."""
    return {
        name: [entry for entry in await JsonStore(household / file).load() if same_name(entry.get(whose), person)]
        for name, (file, whose) in _FILES.items()
    }


async def forget(database: Database, household: Path, person: str) -> None:
    """Remove everything that is kept of a person: from the household's files, the tables, and their indexes.

    A running assistant has the files in hand, and would write them anew. Raises `StoreDown` and `OSError`.
    """
    for file, whose in _FILES.values():
        store = JsonStore(household / file)
        entries = await store.load()
        others = [entry for entry in entries if not same_name(entry.get(whose), person)]
        if len(others) < len(entries):
            await store.save(others)
    async with database.connection(_SECONDS) as connection, connection.transaction():
        for statement in _REMOVED:
            await connection.execute(statement, person)
    async with database.connection(_VACUUM_SECONDS) as connection:
        # Until a table is vacuumed, its indexes still hold what was deleted.
        await connection.execute(f"VACUUM {', '.join(_CLEANED)}")


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
