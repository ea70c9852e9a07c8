"""The documents of the household, cut into passages."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from pipeline.context.calendars import Agenda
from pipeline.context.chunking import passages
from pipeline.context.documents import Document
from pipeline.store.database import Database
from pipeline.store.people import ensure

KEEP_SECONDS: Final = 120.0

_SECONDS = 10.0
# Changes where documents come to be read or cut otherwise, so that they are read again.
_EDITION = b"1"


@dataclass(frozen=True, slots=True)
class Learned:
    """A document that is known."""

    id: int
    source: str
    """Where it was read from."""
    title: str
    person: str | None
    """Whose it is; None is the household's."""
    parts: int
    """Passages, events, tasks and contacts."""
    learned: datetime


class Library:
    """Keeps documents. What it raises where the database does not answer is `StoreDown`.

    Args:
        language: of the words, as Postgres names it.
    """

    def __init__(self, database: Database, *, language: str) -> None:
        self._database = database
        self._language = language

    async def documents(self) -> list[Learned]:
        """All documents, by where they were read from."""
        async with self._database.connection(_SECONDS) as connection:
            rows = await connection.fetch(
                "SELECT d.id, d.source, d.title, d.person, (SELECT count(*) FROM passages WHERE document = d.id) "
                "+ (SELECT count(*) FROM events WHERE document = d.id) "
                "+ (SELECT count(*) FROM tasks WHERE document = d.id) "
                "+ (SELECT count(*) FROM contacts WHERE document = d.id) AS parts, d.learned "
                "FROM documents d ORDER BY d.source"
            )
        return [Learned(*row.values()) for row in rows]

    async def knows(self, source: str, digest: bytes, person: str | None) -> bool:
        """Whether this very content is known from there."""
        async with self._database.connection(_SECONDS) as connection:
            known: bytes | None = await connection.fetchval(
                "SELECT digest FROM documents WHERE source = $1 AND person IS NOT DISTINCT FROM $2", source, person
            )
        return known == digest

    async def keep(self, document: Document, source: str, digest: bytes, person: str | None) -> int:
        """Keep a document in place of what was read from there before; return its passages.

        They are found by their words at once, and by what they mean once they are embedded.
        """
        parts = passages(document.paragraphs)
        async with self._database.connection(KEEP_SECONDS) as connection, connection.transaction():
            number, whose = await _begin(connection, document.title, source, digest, person)
            await connection.executemany(
                "INSERT INTO passages (document, person, position, heading, content, words) "
                "VALUES ($1, $2, $3, $4, $5, to_tsvector($6::text::regconfig, $7 || ' ' || $4 || ' ' || $5))",
                [
                    (number, whose, position, part.heading, part.text, self._language, document.title)
                    for position, part in enumerate(parts)
                ],
            )
        return len(parts)

    async def keep_agenda(self, agenda: Agenda, source: str, digest: bytes, person: str | None) -> int:
        """Keep events, tasks and contacts in place of what was read from there before; return how many those are."""
        async with self._database.connection(KEEP_SECONDS) as connection, connection.transaction():
            number, whose = await _begin(connection, agenda.title, source, digest, person)
            await connection.executemany(
                "INSERT INTO events (document, calendar, person, uid, title, starts, ends, all_day, place) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                [
                    (number, source, whose, each.uid, each.title, each.starts, each.ends, each.all_day, each.place)
                    for each in agenda.events
                ],
            )
            await connection.executemany(
                "INSERT INTO tasks (document, calendar, person, uid, title, due, done) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                [(number, source, whose, each.uid, each.title, each.due, each.done) for each in agenda.tasks],
            )
            await connection.executemany(
                "INSERT INTO contacts (document, book, person, uid, name, phones, emails, note) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                [
                    (number, source, whose, each.uid, each.name, list(each.phones), list(each.emails), each.note)
                    for each in agenda.contacts
                ],
            )
        return len(agenda.events) + len(agenda.tasks) + len(agenda.contacts)

    async def remove(self, documents: list[int]) -> None:
        """Forget documents by their ids."""
        async with self._database.connection(KEEP_SECONDS) as connection:
            await connection.execute("DELETE FROM documents WHERE id = ANY ($1::bigint[])", documents)


async def _begin(
    connection: asyncpg.Connection, title: str, source: str, digest: bytes, person: str | None
) -> tuple[int, str | None]:
    """Put a document in place of the one from there before; return its id, and whose it is."""
    whose = await ensure(connection, person) if person else None
    await connection.execute(
        "DELETE FROM documents WHERE source = $1 AND person IS NOT DISTINCT FROM $2", source, whose
    )
    number: int = await connection.fetchval(
        "INSERT INTO documents (source, person, title, digest) VALUES ($1, $2, $3, $4) RETURNING id",
        *(source, whose, title, digest),
    )
    return number, whose


def digest_of(file: Path) -> bytes:
    """What tells a file's content from any other. Blocks; raises `OSError`."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest() + _EDITION
