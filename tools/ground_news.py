"""How left and right report on a story, as Ground News counts it (https://ground.news).

It has no interface for programs: its pages are read with a browser, seldom, and only where a household wants that.
"""

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from loguru import logger
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tools.service import Cache, spoken_age
from tools.tool import Context, Effect, Failed, Result, Tool, tool

FRESH: Final = 1800.0
"""Seconds for which a page counts."""
SECONDS_A_PAGE: Final = 60.0
PAGE_SECONDS: Final = 15.0
LARGEST: Final = 8_000_000
TOLD: Final = 3
DEEPEST: Final = 40
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SCRIPT: Final = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_PUSHED: Final = re.compile(r"self\.__next_f\.push\((\[.*\])\)\s*$", re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_SHORT: Final = frozenset({"the", "a", "an", "of", "in", "on", "and", "about", "news", "to", "for"})


class Story(BaseModel):
    """A story, and the share of those who report on it, in percent."""

    title: str = Field(min_length=1, max_length=400)
    sources: int = Field(validation_alias="sourceCount", ge=1)
    left: float = Field(validation_alias="leftSrcPercent", ge=0, le=100)
    center: float = Field(validation_alias="cntrSrcPercent", ge=0, le=100)
    right: float = Field(validation_alias="rightSrcPercent", ge=0, le=100)


_STORY: Final = TypeAdapter(Story)
_KEPT: Final = TypeAdapter(tuple[float, list[dict[str, Any]]])


class GroundNews:
    """Compares how a story is reported.

    Args:
        url: where its pages are.
        clock: seconds since 1970.
    """

    def __init__(self, url: str, *, cache: Cache, clock: Callable[[], float] = time.time) -> None:
        self._url = url.rstrip("/")
        self._cache = cache
        self._clock = clock
        self._asked = -SECONDS_A_PAGE
        self._asking = asyncio.Lock()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.compare_news, effect=Effect.READ, seconds=PAGE_SECONDS + 5, quotes=True)]

    async def compare_news(self, context: Context, about: str | None = None) -> Result:
        """Tell how much of the left, the centre and the right reports on the stories of the day.

        Args:
            about: what they are to be about; leave it out for the most reported.
        """
        at, stories = await self._stories()
        chosen = [story for story in stories if about is None or _is_about(story, about)][:TOLD]
        if not chosen:
            raise Failed(f"Ground News has nothing about {about} right now.")
        told = " ".join(
            f"{story.title.rstrip('.')}: {story.sources} sources, {story.left:.0f} percent left, "
            f"{story.center:.0f} centre, {story.right:.0f} right."
            for story in chosen
        )
        age = spoken_age(at, self._clock(), from_=3600.0)
        return Result(
            f"{age}{'on ' if age else 'On '}Ground News: {told}", {"stories": [each.model_dump() for each in chosen]}
        )

    async def _stories(self) -> tuple[float, list[Story]]:
        async with self._asking:
            kept = await self._cache.get(self._url)
            if kept is not None:
                at, entries = _KEPT.validate_json(kept)
                return at, [Story.model_construct(**entry) for entry in entries]
            if time.monotonic() - self._asked < SECONDS_A_PAGE:
                raise Failed("I have asked Ground News just now. Please try again in a minute.")
            self._asked = time.monotonic()
            stories = stories_in(await self._page())
            if not stories:
                raise Failed("Ground News shows its stories in another way than I know. Please tell whoever runs me.")
            now = self._clock()
            await self._cache.put(self._url, json.dumps([now, [each.model_dump() for each in stories]]), FRESH)
            return now, stories

    async def _page(self) -> str:
        """Its first page, as a browser sees it."""
        try:
            from playwright.async_api import Error, Request, Route, async_playwright  # noqa: PLC0415 - seldom wanted
        except ImportError:
            raise Failed("Ground News needs a browser: playwright is not installed.") from None
        browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
        if browser is None:
            raise Failed("Ground News needs a browser: there is no Chromium here.")
        host = urlsplit(self._url).netloc
        # Neither its scripts nor a redirect may lead anywhere else, such as into the house.
        alone = f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {urlsplit(self._url).hostname}"

        # Chromium's sandbox does not work for root.
        arguments = [alone, *(["--no-sandbox"] if os.geteuid() == 0 else [])]

        async def guard(route: Route, request: Request) -> None:
            own = urlsplit(request.url).netloc == host and request.resource_type in ("document", "script")
            await (route.continue_() if own else route.abort())

        try:
            async with asyncio.timeout(PAGE_SECONDS), async_playwright() as playwright:
                started = await playwright.chromium.launch(executable_path=browser, args=arguments)
                try:
                    page = await started.new_page()
                    await page.route("**/*", guard)
                    await page.goto(self._url, wait_until="domcontentloaded", timeout=PAGE_SECONDS * 1000)
                    text = await page.content()
                finally:
                    await started.close()
        except (Error, TimeoutError) as error:
            logger.warning(f"Ground News: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            raise Failed("Ground News doesn't answer right now. Please try again in a few minutes.") from error
        return text[:LARGEST]


def stories_in(page: str) -> list[Story]:
    """The stories of a page, the most reported first: from the data that Next.js puts into its scripts."""
    found: dict[str, Story] = {}
    for script in _SCRIPT.finditer(page):
        for data in _data(script[1].strip()):
            for story in _found(data, 0):
                found.setdefault(story.title, story)
    return sorted(found.values(), key=lambda story: -story.sources)


def _data(script: str) -> Iterator[Any]:
    """What a script carries: as JSON, or as what is pushed to the page piece by piece, a line each."""
    try:
        if script.startswith("{"):
            yield json.loads(script)
        elif pushed := _PUSHED.search(script):
            for part in json.loads(pushed[1]):
                for line in part.splitlines() if isinstance(part, str) else ():
                    _, colon, value = line.partition(":")
                    if colon and value[:1] in "[{":
                        yield json.loads(value)
    except (ValueError, RecursionError):
        return


def _found(data: Any, depth: int) -> Iterator[Story]:
    if depth > DEEPEST:
        return
    if isinstance(data, dict):
        if "sourceCount" in data:
            try:
                yield _STORY.validate_python(data)
            except ValidationError:
                logger.debug("a story of Ground News cannot be read")
        for value in data.values():
            yield from _found(value, depth + 1)
    elif isinstance(data, list):
        for value in data:
            yield from _found(value, depth + 1)


def _is_about(story: Story, about: str) -> bool:
    wanted = {word for word in _WORD.findall(about.lower()) if word not in _SHORT}
    return bool(wanted) and wanted <= set(_WORD.findall(story.title.lower()))
