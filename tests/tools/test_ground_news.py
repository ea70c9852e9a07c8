"""Ground News, whose pages are written here as they are reported to be, with a real Chromium."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider
from tools.ground_news import GroundNews, stories_in
from tools.service import MemoryCache

STORIES = [
    {"title": "Whales return to the bay", "slug": "w", "sourceCount": 34, "leftSrcPercent": 20, "cntrSrcPercent": 50, "rightSrcPercent": 30},
    {"title": "Tax cut is voted on", "sourceCount": 80, "leftSrcPercent": 45, "cntrSrcPercent": 30, "rightSrcPercent": 25},
    {"title": "Without its numbers", "sourceCount": 3},
]  # fmt: skip
OLD = f'<html><script id="__NEXT_DATA__" type="application/json">{json.dumps({"props": {"a": [{"event": each} for each in STORIES]}})}</script></html>'
NEW = f"<html><script>self.__next_f.push({json.dumps([1, '3:I[9]' + chr(10) + '4:' + json.dumps(['$', 'div', None, {'stories': STORIES}]) + chr(10)])})</script></html>"

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium: apt install chromium")


@asynccontextmanager
async def ground(page: str, *, leads_to: str | None = None) -> AsyncIterator[tuple[Provider, Caller]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if leads_to is not None:
            raise web.HTTPFound(leads_to)
        return web.Response(text=page, content_type="text/html")

    async with provider() as served:
        served.instead = answer
        yield served, Caller(GroundNews(served.url.replace("127.0.0.1", "localhost"), cache=MemoryCache()).tools())


@needs_chromium
@pytest.mark.parametrize("page", [OLD, NEW])
async def test_it_is_told_how_left_and_right_report(page: str) -> None:
    async with ground(page) as (served, house):
        said = await house.ask("compare_news")
        assert said == (
            "On Ground News: Tax cut is voted on: 80 sources, 45 percent left, 30 centre, 25 right. "
            "Whales return to the bay: 34 sources, 20 percent left, 50 centre, 30 right."
        )
        assert await house.ask("compare_news", about="the whales") == (
            "On Ground News: Whales return to the bay: 34 sources, 20 percent left, 50 centre, 30 right."
        )
        assert await house.ask("compare_news", about="cheese") == "Ground News has nothing about cheese right now."
        assert served.asked.count("/") == 1, "its page is kept"


@needs_chromium
async def test_a_page_that_reaches_into_the_house_gets_nothing() -> None:
    async with provider() as inside:
        page = f'<html><img src="{inside.url}/camera"><script src="{inside.url}/x.js"></script>{OLD}'
        async with ground(page) as (_, house):
            assert "Tax cut" in await house.ask("compare_news")
        async with ground("", leads_to=f"{inside.url}/camera") as (_, house):
            assert "doesn't answer" in await house.ask("compare_news")
        assert inside.asked == []


@needs_chromium
async def test_another_page_than_expected_is_told_and_not_asked_for_again_at_once() -> None:
    async with ground("<html>Are you human?</html>") as (served, house):
        assert "in another way than I know" in await house.ask("compare_news")
        assert "in a minute" in await house.ask("compare_news")
        assert served.asked.count("/") == 1


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["title", "sourceCount", "leftSrcPercent"]), inner)).map(json.dumps))  # fmt: skip
def test_any_page_is_read_or_left(data: Any) -> None:
    for script in (data, f"self.__next_f.push([1, {json.dumps('1:' + data)}])"):
        assert stories_in(f"<script>{script}</script>") == []
