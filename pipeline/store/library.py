"""The documents of the household, cut into passages."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

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
    passages: int
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
                "SELECT d.id, d.source, d.title, d.person, count(p.id) AS passages, d.learned FROM documents d "
                "LEFT JOIN passages p ON p.document = d.id GROUP BY d.id ORDER BY d.source"
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
            whose = await ensure(connection, person) if person else None
            await connection.execute(
                "DELETE FROM documents WHERE source = $1 AND person IS NOT DISTINCT FROM $2", source, whose
            )
            number = await connection.fetchval(
                "INSERT INTO documents (source, person, title, digest) VALUES ($1, $2, $3, $4) RETURNING id",
                *(source, whose, document.title, digest),
            )
            await connection.executemany(
                "INSERT INTO passages (document, person, position, heading, content, words) "
                "VALUES ($1, $2, $3, $4, $5, to_tsvector($6::text::regconfig, $7 || ' ' || $4 || ' ' || $5))",
                [
                    (number, whose, position, part.heading, part.text, self._language, document.title)
                    for position, part in enumerate(parts)
                ],
            )
        return len(parts)

    async def remove(self, documents: list[int]) -> None:
        """Forget documents by their ids."""
        async with self._database.connection(KEEP_SECONDS) as connection:
            await connection.execute("DELETE FROM documents WHERE id = ANY ($1::bigint[])", documents)


def digest_of(file: Path) -> bytes:
    """What tells a file's content from any other. Blocks; raises `OSError`."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest() + _EDITION
