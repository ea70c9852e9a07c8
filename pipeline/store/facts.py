"""What the household wants remembered: whose it is, when it was said, and what it has replaced."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.caller import Caller
from pipeline.context.search import Fact, Search
from pipeline.context.vectors import Vectors
from pipeline.store.database import Database
from pipeline.store.people import ensure

REMEMBER_SECONDS: Final = 3.0
"""What somebody who wants something remembered waits for it."""

_MOST_TOLD = 100
# What there is one of: another value takes the place of the one before.
_SINGLE = (
    r"name|birthday|address|age|weight|height|size|job|phone number|number|e-?mail(?: address)?|anniversary|car|doctor|"
    r"dentist|teacher|boss|geburtstag|adresse|alter|gewicht|größe|beruf|telefonnummer|hochzeitstag|auto|arzt|ärztin|"
    r"zahnarzt|"
    r"zahnärztin|nom|anniversaire|âge|poids|taille|métier|numéro|voiture|médecin|dentiste|nombre|cumpleaños|dirección|edad|"
    r"peso|trabajo|coche|médico"
)
_SUBJECT = re.compile(
    rf"^(?:the |der |die |das |le |la |l'|el )?(?P<subject>[^,;:]{{0,50}}?(?:\b(?:{_SINGLE})|"
    r"\b(?:favou?rite|lieblings)[\w -]*?|\bpréférée?|\bfavorit[oa])(?:\s+(?:of|von|de|du|del)\s+[\w' -]{2,40}?)?)"
    r"\s+(?:is|are|ist|sind|est|sont|es|son)\b",
    re.IGNORECASE,
)
_HOME = re.compile(
    r"^(?P<subject>[\w' ]{1,40}?\s(?:lives?|works?|wohnt?e?|arbeitet?e?|habite|travaille|vive|vivo|trabaja|trabajo))\s+"
    r"(?:in|at|for|bei|als|à|chez|en|de)\b",
    re.IGNORECASE,
)
_LIKING = re.compile(
    r"^(?:i|we) (?:really |absolutely |no longer |don't |do not |can't |cannot )*"
    r"(?:like|love|hate|dislike|stand|eat|drink|enjoy) (?P<subject>[\w' -]{2,60}?)(?: any ?more| at all)?$|"
    r"^ich (?:mag|liebe|hasse|esse|trinke) (?:kein(?:e|en)? |nicht )?(?P<german>[\w' -]{2,60}?)(?: nicht(?: mehr)?)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What came of something that was to be remembered."""

    fact: Fact
    known: bool = False
    """It was known already."""
    replaced: Fact | None = None
    """What was true until now."""


class Facts:
    """Remembers, revises and forgets. What it raises where the database does not answer is `StoreDown`."""

    def __init__(self, database: Database, vectors: Vectors, search: Search) -> None:
        self._database = database
        self._vectors = vectors
        self._search = search

    async def remember(
        self,
        content: str,
        caller: Caller,
        *,
        conversation: str,
        turn: str,
        said_as: str,
        replaces: int | None = None,
    ) -> Remembered:
        """Keep `content`; when this returns, it survives a crash.

        Args:
            turn: the turn in which it was said.
            said_as: the words of the turn in which it was said.
            replaces: a fact of the same person that is true no more.
        """
        subject = subject_of(content)
        point = (await self._vectors.points([content]))[0]
        async with self._database.connection(REMEMBER_SECONDS) as connection, connection.transaction():
            person = await ensure(connection, caller.person) if caller.person else None
            # Two who say the same at once take turns.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"facts of {person}")
            same = await connection.fetchrow(
                "SELECT id, person, content, said FROM facts WHERE replaced_by IS NULL "
                "AND person IS NOT DISTINCT FROM $1 AND strip(to_tsvector('simple', content)) = "
                "strip(to_tsvector('simple', $2)) LIMIT 1",
                *(person, content),
            )
            if same is not None:
                await connection.execute("UPDATE facts SET confirmed = now() WHERE id = $1", same["id"])
                return Remembered(Fact(same["id"], same["person"], same["content"], same["said"]), known=True)
            old = await connection.fetch(
                "SELECT id, person, content, said FROM facts WHERE replaced_by IS NULL "
                "AND person IS NOT DISTINCT FROM $1 AND (id = $2 OR subject = $3)",
                *(person, replaces, subject),
            )
            new = await connection.fetchrow(
                "INSERT INTO facts (person, content, subject, conversation, turn, device, said_as, words, model, "
                "embedding) VALUES ($1, $2, $3, $4, $5, $6, $7, to_tsvector($8::text::regconfig, $2), $9, "
                "$10::text::halfvec) RETURNING id, said",
                *(person, content, subject, conversation, turn, caller.device, said_as, self._search.language),
                *((point.model.id, point.literal) if point else (None, None)),
            )
            for row in old:
                await connection.execute("UPDATE facts SET replaced_by = $2 WHERE id = $1", row["id"], new["id"])
        replaced = Fact(old[0]["id"], old[0]["person"], old[0]["content"], old[0]["said"]) if old else None
        return Remembered(Fact(new["id"], person, content, new["said"]), replaced=replaced)

    async def known(self, person: str | None) -> list[Fact]:
        """What is known of a person and of the household, the latest first."""
        async with self._database.connection(REMEMBER_SECONDS) as connection:
            rows = await connection.fetch(
                "SELECT id, person, content, said FROM facts WHERE replaced_by IS NULL "
                "AND (person IS NULL OR person = $1) ORDER BY person NULLS LAST, confirmed DESC LIMIT $2",
                *(person, _MOST_TOLD),
            )
        return [Fact(row["id"], row["person"], row["content"], row["said"]) for row in rows]

    async def find(self, about: str, person: str | None, *, most: int) -> list[Fact]:
        """What is known about something."""
        return await self._search.facts(about, person, most=most, seconds=REMEMBER_SECONDS)

    async def forget(self, facts: Sequence[int], person: str | None) -> int:
        """Remove facts by their ids, and what they had replaced; return how many were removed."""
        async with self._database.connection(REMEMBER_SECONDS) as connection:
            done: str = await connection.execute(
                "WITH RECURSIVE gone AS (SELECT id FROM facts WHERE id = ANY ($1::bigint[]) "
                "AND (person IS NULL OR person = $2) "
                "UNION SELECT f.id FROM facts f JOIN gone ON f.replaced_by = gone.id) "
                "DELETE FROM facts WHERE id IN (SELECT id FROM gone)",
                *(list(facts), person),
            )
        return int(done.rpartition(" ")[2])


def subject_of(content: str) -> str | None:
    """What a fact is about, where another fact about the same would replace it; None where both may be true.

    "My dentist is Dr. Weber" is about "my dentist"; "I am a teacher" leaves room for being a mother too, and liking tea
    for liking coffee, but not for disliking tea.
    """
    if liking := _LIKING.match(content.strip()):
        return f"liking {(liking['subject'] or liking['german']).lower()}"
    found = _SUBJECT.match(content.strip()) or _HOME.match(content.strip())
    return found["subject"].lower() if found else None
