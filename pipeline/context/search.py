"""Finds texts by what they mean and by their words, and joins both by reciprocal rank.

Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009. Only texts that have to do with the question count:
those close enough to it, or with enough of its rare words.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pipeline.context.vectors import Point, Vectors
from pipeline.store.database import Database

CLOSE: Final = 0.42
"""Cosine similarity from which a text has to do with a question, as MiniLM places them."""
CLOSE_WITH_WORDS: Final = 0.22
"""The same for a text that shares its rarer words with the question."""
COMMON: Final = 0.01
"""Part of all passages that a word may be in; what is more common tells nothing, and would be slow to look up."""

_FUSION = 60
_CANDIDATES = 20
_LANGUAGES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "eu": "basque",
    "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_PASSAGES = (
    "SELECT p.id, p.heading, p.content, d.title, d.source, p.position, p.document, found.near, found.rank "
    "FROM ({found}) AS found JOIN passages p ON p.id = found.id JOIN documents d ON d.id = p.document"
)
_FACTS = (
    "SELECT f.id, f.content, f.person, f.said, found.near, found.rank "
    "FROM ({found}) AS found JOIN facts f ON f.id = found.id"
)
_SCOPE = {"passages": "", "facts": "AND replaced_by IS NULL"}


@dataclass(frozen=True, slots=True)
class Passage:
    """Part of a document."""

    id: int
    document: int
    title: str
    source: str
    heading: str
    content: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that somebody wanted remembered, or said about themselves."""

    id: int
    person: str | None
    """Whose it is; None is the household's."""
    content: str
    said: datetime
    similarity: float | None = None


def word_language(code: str) -> str:
    """Postgres's name of a language's words; `simple`, which takes words as they are, where it has none."""
    return _LANGUAGES.get(code, "english" if code == "auto" else "simple")


class Search:
    """Looks through facts and passages that one person may know.

    Args:
        language: ISO 639-1, of the texts; or `auto`.
    """

    def __init__(self, database: Database, vectors: Vectors, *, language: str = "en") -> None:
        self._database = database
        self._vectors = vectors
        self.language = word_language(language)
        self._common: list[str] = []

    async def passages(
        self, question: str, person: str | None, *, most: int, seconds: float, points: Sequence[Point] | None = None
    ) -> list[Passage]:
        """Find passages, the best first. Raises `StoreDown`."""
        rows = await self._find("passages", _PASSAGES, question, person, seconds, points)
        return [
            Passage(row["id"], row["document"], row["title"], row["source"], row["heading"], row["content"], near)
            for row, near in rows[:most]
        ]

    async def facts(
        self, question: str, person: str | None, *, most: int, seconds: float, points: Sequence[Point] | None = None
    ) -> list[Fact]:
        """Find facts that are true now, the best first. Raises `StoreDown`."""
        rows = await self._find("facts", _FACTS, question, person, seconds, points)
        return [Fact(row["id"], row["person"], row["content"], row["said"], near) for row, near in rows[:most]]

    async def points(self, question: str) -> list[Point]:
        """Place a question, to look through several tables with it."""
        return await self._vectors.question(question)

    async def refresh(self) -> None:
        """Learn which words are too common to be looked up, from Postgres's statistics. Raises `StoreDown`."""
        async with self._database.connection(5.0) as connection:
            rows = await connection.fetch(
                "SELECT word, share FROM pg_stats, LATERAL unnest(most_common_elems::text::text[], "
                "most_common_elem_freqs) AS common (word, share) WHERE schemaname = current_schema() "
                "AND tablename = 'passages' AND attname = 'words' AND share > $1",
                COMMON,
            )
            many = await connection.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'passages'::regclass")
        # In a small library even its most common word is quickly looked up.
        self._common = [row["word"] for row in rows] if many > _CANDIDATES / COMMON else []

    async def _find(
        self,
        table: str,
        statement: str,
        question: str,
        person: str | None,
        seconds: float,
        points: Sequence[Point] | None,
    ) -> list[tuple[Any, float | None]]:
        placed = await self._vectors.question(question) if points is None else points
        async with asyncio.TaskGroup() as tasks:
            by_words = tasks.create_task(self._by_words(table, statement, question, person, seconds, placed))
            by_place = [tasks.create_task(self._by_place(table, statement, point, person, seconds)) for point in placed]
        lists = [by_words.result(), *(task.result() for task in by_place)]
        scores: dict[int, float] = {}
        rows: dict[int, Any] = {}
        similarity: dict[int, float] = {}
        worded = {row["id"] for row in lists[0]}
        for ranked in lists:
            for rank, row in enumerate(ranked):
                scores[row["id"]] = scores.get(row["id"], 0.0) + 1 / (_FUSION + rank)
                rows[row["id"]] = row
                if row["near"] is not None:
                    similarity[row["id"]] = float(row["near"])
        best = sorted(scores, key=lambda each: scores[each], reverse=True)
        return [
            (rows[each], similarity.get(each))
            for each in best
            if similarity.get(each, CLOSE) >= (CLOSE_WITH_WORDS if each in worded else CLOSE)
        ]

    async def _by_place(
        self, table: str, statement: str, point: Point, person: str | None, seconds: float
    ) -> list[Any]:
        size, model = point.model.dimensions, point.model.id
        # In a query of its own, the point is read once and not for each row.
        distance = f"embedding::halfvec({size}) <=> (SELECT $1::text::halfvec({size}))"
        found = (
            f"SELECT id, 1 - ({distance}) AS near, 0 AS rank FROM {table} WHERE model = {model} {_SCOPE[table]} "
            f"AND (person IS NULL OR person = $2) ORDER BY {distance} LIMIT {_CANDIDATES}"
        )
        return await self._rows(statement.format(found=found) + " ORDER BY near DESC", seconds, point.literal, person)

    async def _by_words(
        self, table: str, statement: str, question: str, person: str | None, seconds: float, points: Sequence[Point]
    ) -> list[Any]:
        async with self._database.connection(seconds) as connection:
            words = await connection.fetchval(
                "SELECT string_agg(quote_literal(lexeme), ' | ') FROM unnest(to_tsvector($1::text::regconfig, $2)) "
                "WHERE lexeme <> ALL ($3::text[])",
                *(self.language, question, self._common if table == "passages" else []),
            )
            if not words:
                return []
            near = "NULL::float8"
            arguments: list[Any] = [words, person]
            if points:
                size = points[0].model.dimensions
                distance = f"embedding::halfvec({size}) <=> (SELECT $3::text::halfvec({size}))"
                near = f"CASE WHEN model = {points[0].model.id} THEN 1 - ({distance}) END"
                arguments.append(points[0].literal)
            ranked = (
                f"SELECT id, model, embedding, ts_rank(words, $1::text::tsquery, 1) AS rank FROM {table} "
                f"WHERE words @@ $1::text::tsquery {_SCOPE[table]} AND (person IS NULL OR person = $2) "
                f"ORDER BY rank DESC LIMIT {_CANDIDATES}"
            )
            found = f"SELECT id, {near} AS near, rank FROM ({ranked}) AS ranked"
            rows: list[Any] = await connection.fetch(statement.format(found=found) + " ORDER BY rank DESC", *arguments)
            return rows

    async def _rows(self, statement: str, seconds: float, *arguments: object) -> list[Any]:
        async with self._database.connection(seconds) as connection:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows
