"""Where knowledge for a turn comes from: what was remembered, what stands in documents, what is about to happen."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

import asyncpg

from pipeline.context.builder import Question, Section, within
from pipeline.context.excerpts import best_sentences
from pipeline.context.search import Fact, Passage, Search
from pipeline.store.database import Database
from tools.memory import said_back

ANSWERS: Final = 0.5
"""Cosine similarity from which a text is taken for the answer, where the model cannot tell."""
SOON: Final = timedelta(days=7)
"""How far ahead events and tasks are told of."""

_MOST_FACTS, _MOST_PASSAGES, _MOST_UPCOMING, _MOST_CONTACTS, _MOST_TOLD = 6, 4, 8, 3, 3
_CERTAIN = 0.98
_NAME = re.compile(r"[^\W\d_]{3,}")
_ABOUT_CONTACTS = re.compile(
    r"\b(?:number|phone|e-?mail|mail|call|reach|contact|nummer|telefon\w*|handy\w*|anrufen|erreiche?n?|numéro|téléphone|"
    r"appeler|joindre|número|teléfono|correo|llamar)\b",
    re.IGNORECASE,
)
_ABOUT_EVENTS = re.compile(
    r"\b(?:calendar|appointments?|events?|meetings?|plans?|schedule|agenda|coming up|kalender|termine?|verabredung\w*|"
    r"rendez-vous|citas?|calendario)\b",
    re.IGNORECASE,
)
_ABOUT_TIME = re.compile(
    r"\b(?:today|tomorrow|tonight|week(?:end)?|month|calendar|appointments?|events?|meetings?|plans?|schedule|agenda|busy|free|"
    r"tasks?|to-?dos?|due|birthday|when|next|coming up|timers?|alarms?|remind\w*|"
    r"heute|morgen|übermorgen|woche|monat|kalender|termine?|verabredung\w*|aufgaben?|geburtstag|wann|nächste\w*|wecker|"
    r"aujourd'hui|demain|semaine|mois|agenda|rendez-vous|tâches?|anniversaire|quand|prochaine?|réveils?|"
    r"hoy|mañana|semana|mes|calendario|citas?|tareas?|cumpleaños|cuándo|próxim[oa]|alarmas?|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|"
    r"lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo)\b",
    re.IGNORECASE,
)


class Remembered:
    """What somebody wanted remembered, and what was learned about people."""

    name = "memories"

    def __init__(self, search: Search) -> None:
        self._search = search

    async def gather(self, question: Question) -> Section:
        """Return what has to do with the question."""
        person, points = question.caller.person, await question.points()
        found = await self._search.facts(
            question.text, person, most=_MOST_FACTS, seconds=question.seconds, points=points
        )
        lines = within([_fact(fact, person) for fact in found], question.budget.facts)
        if (similarity := _closest(found)) < ANSWERS:
            return Section(lines)
        told = said_back(found[0].content)
        return Section(lines, answer=f"{told[:1].upper()}{told[1:]}.", similarity=similarity)


class Documents:
    """What stands in the household's documents."""

    name = "documents"

    def __init__(self, search: Search) -> None:
        self._search = search

    async def gather(self, question: Question) -> Section:
        """Return the passages that have to do with the question."""
        person, points = question.caller.person, await question.points()
        found = await self._search.passages(
            question.text, person, most=_MOST_PASSAGES, seconds=question.seconds, points=points
        )
        lines = within([_passage(passage) for passage in found], question.budget.passages)
        if (similarity := _closest(found)) < ANSWERS:
            return Section(lines, quotes=bool(found))
        told = f"{found[0].title} says: {best_sentences(found[0].content, question.text)}"
        return Section(lines, quotes=True, answer=told, similarity=similarity)


class Contacts:
    """People in the household's address books, where a question names them."""

    name = "contacts"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def gather(self, question: Question) -> Section:
        """Return who is named."""
        words = [word.lower() for word in _NAME.findall(question.text)]
        if not words:
            return Section()
        async with self._database.connection(question.seconds) as connection:
            rows = await connection.fetch(
                "SELECT name, phones, emails, note FROM contacts, LATERAL (SELECT count(*) AS named "
                "FROM unnest(string_to_array(lower(name), ' ')) AS part WHERE part = ANY ($1::text[])) AS shared "
                "WHERE named > 0 AND (person IS NULL OR person = $2) ORDER BY named DESC, name LIMIT $3",
                *(words, question.caller.person, _MOST_CONTACTS),
            )
        told = [_contact(row) for row in rows]
        asked = bool(told) and _ABOUT_CONTACTS.search(question.text) is not None
        return Section(
            within(told, question.budget.facts),
            quotes=bool(told),
            answer=told[0] if asked else "",
            similarity=_CERTAIN if asked else 0.0,
        )


class Upcoming:
    """Timers that run, events and tasks of the next days; told where a question has to do with time.

    Args:
        timers: tells what is set, in sentences.
    """

    name = "upcoming"

    def __init__(
        self, database: Database, *, zone: Callable[[], tzinfo], timers: Callable[[tzinfo], Awaitable[Sequence[str]]]
    ) -> None:
        self._database = database
        self._zone = zone
        self._timers = timers

    async def gather(self, question: Question) -> Section:
        """Return what is about to happen, the next first."""
        if not _ABOUT_TIME.search(question.text):
            return Section()
        zone, person = self._zone(), question.caller.person
        now = datetime.now(zone)
        async with self._database.connection(question.seconds) as connection:
            events = await connection.fetch(
                "SELECT title, starts, ends, all_day, place FROM events WHERE ends > $1 AND starts < $2 "
                "AND (person IS NULL OR person = $3) ORDER BY starts LIMIT $4",
                *(now, now + SOON, person, _MOST_UPCOMING),
            )
            tasks = await connection.fetch(
                "SELECT title, due FROM tasks WHERE done IS NULL AND (due IS NULL OR due < $1) "
                "AND (person IS NULL OR person = $2) ORDER BY due NULLS LAST LIMIT $3",
                *(now + SOON, person, _MOST_UPCOMING),
            )
        appointments = [f"{_when(row['starts'].astimezone(zone), row['all_day'])}: {_titled(row)}." for row in events]
        lines = [f"Calendar: {each}" for each in appointments]
        lines += [f"Task: {row['title']}{_due(row['due'], zone)}." for row in tasks]
        lines += await self._timers(zone)
        asked = bool(appointments) and _ABOUT_EVENTS.search(question.text) is not None
        return Section(
            within(lines, question.budget.upcoming),
            quotes=bool(events or tasks),
            answer=" ".join(appointments[:_MOST_TOLD]) if asked else "",
            similarity=_CERTAIN if asked else 0.0,
        )


def _closest(found: Sequence[Fact | Passage]) -> float:
    """How close the best of what was found is to the question."""
    return (found[0].similarity or 0.0) if found else 0.0


def _fact(fact: Fact, person: str | None) -> str:
    who = "Somebody in the house" if fact.person is None else "The person" if fact.person == person else fact.person
    return f'{who} said on {fact.said.day} {fact.said:%B %Y}: "{fact.content}."'


def _contact(row: asyncpg.Record) -> str:
    known = [*(f"phone {phone}" for phone in row["phones"]), *(f"e-mail {email}" for email in row["emails"])]
    told = f"{row['name']}: {', '.join(known) or 'no number known'}."
    return f"{told} {row['note']}" if row["note"] else told


def _passage(passage: Passage) -> str:
    where = f"{passage.title}, {passage.heading}" if passage.heading else passage.title
    return f'From the document "{where}": {" ".join(passage.content.split())}'


def _when(moment: datetime, all_day: bool) -> str:
    day = f"{moment:%A}, {moment.day} {moment:%B}"
    return day if all_day else f"{day}, {moment:%H:%M}"


def _titled(row: asyncpg.Record) -> str:
    return f"{row['title']} at {row['place']}" if row["place"] else str(row["title"])


def _due(due: datetime | None, zone: tzinfo) -> str:
    return f", due {_when(due.astimezone(zone), True)}" if due else ""
