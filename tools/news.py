"""News from feeds (RSS and Atom): headlines, what is told about something, and more on one of them."""

import asyncio
import calendar
import html
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import feedparser
from bs4 import BeautifulSoup
from loguru import logger

from tools.service import Known, NotThere, Service, Unwell, spoken_age
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

FRESH: Final = 600.0
"""Seconds; papers do not write faster."""
STALE: Final = 24 * 3600.0
TOLD: Final = 4
"""Headlines that are told at once."""
LONGEST: Final = 600
"""Characters of more about one of them."""
MOST_STORIES: Final = 60
MOST_REMEMBERED: Final = 256
"""Conversations whose last headlines are known."""
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_WORD = re.compile(r"\w+")
_SHORT: Final = frozenset({"the", "a", "an", "of", "in", "on", "and", "about", "news", "to", "for", "is", "what"})


@dataclass(frozen=True, slots=True)
class Story:
    """What a paper has written."""

    title: str
    summary: str
    source: str
    at: float
    """Seconds since 1970; 0 where nobody says."""


class News:
    """Reads feeds.

    Args:
        feeds: a service for each, in the order in which they are asked.
        clock: seconds since 1970.
    """

    def __init__(self, feeds: Sequence[Service], *, clock: Callable[[], float] = time.time) -> None:
        self._feeds = feeds
        self._clock = clock
        self._told: OrderedDict[str, list[Story]] = OrderedDict()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.get_news, effect=Effect.READ, quotes=True),
            tool(self.more_news, effect=Effect.READ, quotes=True),
        ]

    async def get_news(self, context: Context, about: str | None = None) -> Result:
        """Tell the latest headlines, or those about something.

        Args:
            about: what they are to be about; leave it out for all.
        """
        known, problems = await self._stories()
        if not known:
            raise problems[0] if problems else Failed("There is no news in the feeds right now.")
        stories = _about(known, about) if about else _mixed(known)
        if not stories:
            raise Failed(f"I find nothing about {about} in the news right now.")
        chosen = stories[:TOLD]
        self._note(context.conversation, stories)
        oldest = min(each.at for each in known)
        age = spoken_age(oldest, self._clock(), from_=3600.0)
        listed = " ".join(f"{ordinal.capitalize()}, from {story.value.source}: {_sentence(story.value.title)}"
                          for ordinal, story in zip(_ORDINALS, chosen, strict=False))  # fmt: skip
        away = "" if not problems else " Some of the papers don't answer right now."
        said = f"{age}{listed}" if not age else f"{age}this was the news. {listed}"
        data = [{"title": each.value.title, "source": each.value.source} for each in chosen]
        return Result(f"{said}{away}", {"stories": data})

    async def more_news(self, context: Context, which: str) -> Result:
        """Tell more about one of the headlines that were just told.

        Args:
            which: its place, such as second or 2, or words of it.
        """
        told = self._told.get(context.conversation)
        if not told:
            raise Failed("I haven't told you any news yet. Ask me for the news first.")
        story = _chosen(told, which)
        if story is None:
            raise TryAgain(f"None of the headlines is meant by {which!r}: say its number.")
        if not story.summary or story.summary == story.title:
            raise Failed(f"{story.source} says no more than that: {_sentence(story.title)}")
        return Result(f"{story.source} writes: {story.summary}", {"title": story.title, "source": story.source})

    async def _stories(self) -> tuple[list[Known[Story]], list[Unwell]]:
        results = await asyncio.gather(*(self._read(feed) for feed in self._feeds))
        stories = [story for found, _ in results for story in found]
        return stories, [problem for _, problem in results if problem is not None]

    async def _read(self, feed: Service) -> tuple[list[Known[Story]], Unwell | None]:
        try:
            known = await feed.get(_parsed, "", fresh=FRESH, stale=STALE)
        except NotThere as missing:
            logger.warning(f"{feed.name} is no longer at {feed.url}: {missing}")
            return [], Unwell(f"The feed of {feed.name} is no longer there. Its address has to be checked.")
        except Unwell as problem:
            return [], problem
        return [Known(story, known.at) for story in known.value], None

    def _note(self, conversation: str, stories: Sequence[Known[Story]]) -> None:
        self._told.pop(conversation, None)
        self._told[conversation] = [each.value for each in stories]
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)


def _parsed(body: bytes) -> list[Story]:
    """The stories of a feed, the latest first. Raises `ValueError` for what is none."""
    # Without a base it resolves no relative addresses, and it fetches nothing by itself.
    feed = feedparser.parse(body, response_headers={"content-type": "application/xml"}, sanitize_html=False)
    if not feed.get("version"):
        raise ValueError("it is no feed")
    source = _plain(feed.feed.get("title", "")).partition(" - ")[0].partition(" | ")[0] or "a paper"
    stories = [_story(entry, source) for entry in feed.entries[:MOST_STORIES]]
    return sorted((each for each in stories if each.title), key=lambda story: story.at, reverse=True)


def _story(entry: Mapping[str, Any], source: str) -> Story:
    moment = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        at = float(calendar.timegm(moment)) if moment else 0.0
    except (OverflowError, ValueError, TypeError):
        at = 0.0
    summary = _plain(entry.get("summary", "") or "")
    return Story(_plain(entry.get("title", ""))[:300], _shortened(summary), source, at)


def _plain(text: object) -> str:
    """Text without markup."""
    said = str(text or "")
    if "<" in said:
        said = BeautifulSoup(said, "html.parser").get_text(" ")
    return " ".join(html.unescape(said).split())


def _shortened(text: str) -> str:
    """As many whole sentences as somebody listens to."""
    if len(text) <= LONGEST:
        return text
    end = max(text.rfind(mark, 0, LONGEST) for mark in (". ", "! ", "? "))
    return text[: end + 1] if end > 0 else f"{text[:LONGEST].rpartition(' ')[0]} and so on."


def _mixed(stories: Sequence[Known[Story]]) -> list[Known[Story]]:
    """The latest of each paper in turn: one that writes much does not crowd the others out."""
    papers: dict[str, list[Known[Story]]] = {}
    for story in stories:
        papers.setdefault(story.value.source, []).append(story)
    longest = max((len(each) for each in papers.values()), default=0)
    return [each[place] for place in range(longest) for each in papers.values() if place < len(each)]


def _about(stories: Sequence[Known[Story]], about: str) -> list[Known[Story]]:
    wanted = _words(about)
    scored = [(len(wanted & _words(f"{each.value.title} {each.value.summary}")), each) for each in stories]
    best = max((score for score, _ in scored), default=0)
    return [each for score, each in scored if score and score == best]


def _chosen(told: Sequence[Story], which: str) -> Story | None:
    said = which.lower().strip(" .?")
    for place, ordinal in enumerate(_ORDINALS):
        if ordinal in said.split() or re.search(rf"\b{place + 1}(?:st|nd|rd|th)?\b", said):
            return told[place] if place < len(told) else None
    if "last" in said.split():
        return told[min(TOLD, len(told)) - 1]
    wanted = _words(said)
    scored = sorted(((len(wanted & _words(story.title)), -place) for place, story in enumerate(told)), reverse=True)
    return told[-scored[0][1]] if wanted and scored and scored[0][0] else None


def _words(text: str) -> set[str]:
    return {word.removesuffix("s") for word in _WORD.findall(text.lower()) if word not in _SHORT}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
