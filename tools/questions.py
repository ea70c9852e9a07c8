"""Questions about the world: Wikipedia, Wikidata, DuckDuckGo's instant answers and arXiv, with the source named."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import feedparser
from pydantic import BaseModel, TypeAdapter

from tools.service import NotThere, Service
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

FRESH: Final = 24 * 3600.0
STALE: Final = 30 * 24 * 3600.0
LONGEST: Final = 420
"""Characters of an answer; nobody listens to more."""
MOST_PAPERS: Final = 3
SECONDS: Final = 15.0

_FACTS: Final = {
    "height": "P2048", "born": "P569", "birthday": "P569", "date of birth": "P569", "died": "P570",
    "birthplace": "P19", "place of birth": "P19", "population": "P1082", "capital": "P36", "area": "P2046",
    "author": "P50", "director": "P57", "spouse": "P26", "elevation": "P2044", "founded": "P571", "founder": "P112",
    "currency": "P38", "official language": "P37", "length": "P2043", "mass": "P2067", "head of state": "P35",
    "head of government": "P6", "mayor": "P6", "chief executive": "P169", "composer": "P86", "inventor": "P61",
}  # fmt: skip
_TOLD: Final = {
    "born": "was born on", "birthday": "was born on", "date of birth": "was born on", "died": "died on",
    "founded": "was founded on", "birthplace": "was born in", "place of birth": "was born in",
}  # fmt: skip
_OR_ELSE: Final = {"P2048": "P2044"}
"""A mountain has no height but an elevation."""
_UNITS: Final = {"height": "meters", "elevation": "meters", "area": "square kilometers", "length": "meters"}
_DATE = re.compile(r"(-?\d{1,6})-(\d\d)-(\d\d)T")


class _Hit(BaseModel):
    title: str


class _Hits(BaseModel):
    search: list[_Hit]


class _Search(BaseModel):
    query: _Hits


class _Summary(BaseModel):
    title: str
    extract: str = ""
    type: str = "standard"


class _Entity(BaseModel):
    id: str
    label: str = ""


class _Entities(BaseModel):
    search: list[_Entity] = []


class _Instant(BaseModel):
    Answer: Any = ""
    AbstractText: str = ""
    AbstractSource: str = ""


class _Rows(BaseModel):
    bindings: list[dict[str, dict[str, str]]]


class _Results(BaseModel):
    results: _Rows


_SEARCH, _SUMMARY, _ENTITIES = TypeAdapter(_Search), TypeAdapter(_Summary), TypeAdapter(_Entities)
_INSTANT, _RESULTS = TypeAdapter(_Instant), TypeAdapter(_Results)

_QUERY: Final = """\
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX wdt: <http://www.wikidata.org/prop/direct/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?value ?label WHERE {
  wd:%s wdt:%s ?value .
  OPTIONAL { ?value rdfs:label ?label FILTER(LANG(?label) = "en") }
} LIMIT 5"""


class Questions:
    """Looks things up.

    Args:
        wikipedia: such as https://en.wikipedia.org.
        wikidata: https://www.wikidata.org, which knows what things are called.
        facts: the SPARQL endpoint of its facts.
        instant: DuckDuckGo's instant answers.
        papers: arXiv, which bears one question in three seconds.
    """

    def __init__(
        self, *, wikipedia: Service, wikidata: Service, facts: Service, instant: Service, papers: Service
    ) -> None:
        self._wikipedia = wikipedia
        self._wikidata = wikidata
        self._facts = facts
        self._instant = instant
        self._papers = papers

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        read = Effect.READ
        return [
            tool(self.look_up, effect=read, quotes=True, seconds=SECONDS),
            tool(self.get_fact, effect=read, quotes=True, seconds=SECONDS),
            tool(self.find_papers, effect=read, quotes=True, seconds=SECONDS),
        ]

    async def look_up(self, context: Context, about: str) -> Result:
        """Tell what an encyclopedia says about a person, a place or a thing.

        Args:
            about: its name, such as Ada Lovelace.
        """
        words = " ".join(about.split()).strip(" .?")
        if not words:
            raise TryAgain("What is to be looked up? Give a name.")
        problem: Failed | None = None
        try:
            if (found := await self._encyclopedia(words)) is not None:
                return found
        except Failed as error:
            problem = error
        try:
            if (found := await self._answer(words)) is not None:
                return found
        except Failed as error:
            problem = problem or error
        raise problem or Failed(f"Sorry, I find nothing about {words}.")

    async def get_fact(self, context: Context, about: str, fact: str) -> Result:
        """Tell one fact about a person, a place or a thing, such as its population or when somebody was born.

        Args:
            about: its name, such as Mount Everest.
            fact: which: height, born, died, birthplace, population, capital, area, author, director, spouse,
                elevation, founded, founder, currency, official language, length, mass, head of state,
                head of government, mayor, chief executive, composer or inventor.
        """
        name = fact.strip().lower().replace("_", " ")
        if name not in _FACTS:
            raise TryAgain(f"{fact!r} is no fact that I know. There are: {', '.join(_FACTS)}.")
        params = {"action": "wbsearchentities", "search": about, "language": "en", "format": "json", "limit": 1}
        entities = (await self._wikidata.json(_ENTITIES, "/w/api.php", params, fresh=FRESH, stale=STALE)).value.search
        if not entities or not re.fullmatch(r"Q\d+", entities[0].id):
            raise Failed(f"Sorry, I find nothing called {about}.")
        known = _FACTS[name]
        values = await self._values(entities[0].id, known)
        if not values and known in _OR_ELSE:
            values = await self._values(entities[0].id, _OR_ELSE[known])
        if not values:
            raise Failed(f"Sorry, Wikidata doesn't know that about {entities[0].label or about}.")
        label = entities[0].label or about
        listed = values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"
        unit = f" {_UNITS[name]}" if name in _UNITS else ""
        told = f"{label} {_TOLD[name]} {listed}" if name in _TOLD else f"The {name} of {label} is {listed}{unit}"
        return Result(f"{told}, according to Wikidata.", {"about": label, "fact": name, "values": values})

    async def _values(self, thing: str, known: str) -> list[str]:
        query = {"query": _QUERY % (thing, known), "format": "json"}
        rows = (await self._facts.json(_RESULTS, "", query, fresh=FRESH, stale=STALE)).value.results.bindings
        return list(dict.fromkeys(_value(row) for row in rows))

    async def find_papers(self, context: Context, about: str) -> Result:
        """Tell the latest scientific papers about something, from arXiv.

        Args:
            about: the subject.
        """
        words = [word for word in re.findall(r"\w+", about) if len(word) > 1][:8]
        if not words:
            raise TryAgain("What are the papers to be about? Give a subject.")
        query = {
            "search_query": " AND ".join(f"all:{word}" for word in words),
            "max_results": MOST_PAPERS,
            "sortBy": "submittedDate",
        }
        titles = (await self._papers.get(_titles, "/api/query", query, fresh=FRESH, stale=STALE)).value
        if not titles:
            raise Failed(f"Sorry, arXiv has no papers about {about}.")
        listed = "; ".join(titles)
        return Result(f"The latest on arXiv: {listed}.", {"papers": titles})

    async def _encyclopedia(self, words: str) -> Result | None:
        params = {"action": "query", "list": "search", "srsearch": words, "srlimit": 3, "format": "json"}
        hits = (await self._wikipedia.json(_SEARCH, "/w/api.php", params, fresh=FRESH, stale=STALE)).value.query.search
        for hit in hits:
            path = f"/api/rest_v1/page/summary/{quote(hit.title.replace(' ', '_'), safe='')}"
            try:
                summary = (await self._wikipedia.json(_SUMMARY, path, fresh=FRESH, stale=STALE)).value
            except NotThere:
                continue
            if summary.type != "disambiguation" and summary.extract:
                said = f"According to Wikipedia, {_shortened(summary.extract)}"
                return Result(said, {"title": summary.title, "source": "Wikipedia"})
        return None

    async def _answer(self, words: str) -> Result | None:
        params = {"q": words, "format": "json", "no_html": 1, "skip_disambig": 1}
        found = (await self._instant.json(_INSTANT, "/", params, fresh=FRESH, stale=STALE)).value
        text = found.Answer if isinstance(found.Answer, str) and found.Answer else found.AbstractText
        if not text:
            return None
        source = found.AbstractSource or "DuckDuckGo"
        return Result(f"According to {source}, {_shortened(text)}", {"source": source})


def _titles(body: bytes) -> list[str]:
    feed = feedparser.parse(body, response_headers={"content-type": "application/atom+xml"})
    if not feed.get("version"):
        raise ValueError("it is no feed")
    return [" ".join(str(entry.get("title", "")).split()) for entry in feed.entries[:MOST_PAPERS] if entry.get("title")]


def _shortened(text: str) -> str:
    """The first sentences, without what stands in brackets, which nobody says."""
    said = text
    while (shorter := re.sub(r"\s*[(\[][^()\[\]]*[)\]]", "", said)) != said:
        said = shorter
    said = " ".join(said.split())
    if len(said) <= LONGEST:
        return said
    end = max(said.rfind(mark, 0, LONGEST) for mark in (". ", "! ", "? "))
    return said[: end + 1] if end > 40 else f"{said[:LONGEST].rpartition(' ')[0]} and so on."


def _value(row: dict[str, dict[str, str]]) -> str:
    if "label" in row:
        return row["label"]["value"]
    value = row["value"]["value"]
    if date := _DATE.match(value.lstrip("+")):
        try:
            day = datetime(int(date[1]), int(date[2]), int(date[3]))  # noqa: DTZ001 - a day, wherever that was
        except ValueError:
            return date[1]
        return f"{day:%B} {day.day}, {day.year}"
    try:
        number = float(value)
    except ValueError:
        return value.rpartition("/")[2]
    return f"{number:,.0f}" if number == int(number) else f"{number:,g}"
