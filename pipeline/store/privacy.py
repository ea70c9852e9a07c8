"""Everything that is kept of a person: handed out to them, or removed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from pipeline.store.database import Database

_SECONDS: Final = 120.0
_VACUUM_SECONDS: Final = 280.0

_EXPORTED: Final[Mapping[str, str]] = {
    "devices": "SELECT name, door, room, first_seen, last_seen FROM devices WHERE person = $1 ORDER BY name",
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


async def export(database: Database, person: str) -> dict[str, Any]:
    """Return everything that is kept of a person, ready for JSON. Raises `StoreDown`."""
    async with (
        database.connection(_SECONDS) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        kept = {
            name: [_plain(row) for row in await connection.fetch(query, person)] for name, query in _EXPORTED.items()
        }
    return {"person": person, "exported": datetime.now(UTC).isoformat(timespec="seconds"), **kept}


async def forget(database: Database, person: str) -> None:
    """Remove everything that is kept of a person, from the tables and from their indexes. Raises `StoreDown`."""
    async with database.connection(_SECONDS) as connection, connection.transaction():
        for statement in _REMOVED:
            await connection.execute(statement, person)
    async with database.connection(_VACUUM_SECONDS) as connection:
        # Until a table is vacuumed, its indexes still hold what was deleted.
        await connection.execute(f"VACUUM {', '.join(_CLEANED)}")


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
