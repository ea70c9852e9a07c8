from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web as aio
from hypothesis import given
from hypothesis import strategies as some

from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider, response, status
from tools.news import News, _parsed
from tools.outcomes import Status

KEPT = response("news_bbc")


@dataclass
class Stand:
    server: Provider
    caller: Caller

    async def ask(self, tool: str, **words: str) -> str:
        return await self.caller.ask(tool, **words)


@pytest_asyncio.fixture
async def stand() -> AsyncIterator[Stand]:
    async with provider() as server:
        feeds = [server.service("feeds.bbci.co.uk"), server.service("www.theguardian.com")]
        for feed, path in zip(feeds, ("/news/world/rss.xml", "/world/rss"), strict=True):
            feed.url += path
        yield Stand(server, Caller(News(feeds).tools()))


async def test_headlines_of_all_papers_are_told_in_turn(stand: Stand) -> None:
    said = await stand.ask("get_news")
    first, second = _parsed(KEPT["body"].encode())[0], _parsed(response("news_guardian")["body"].encode())[0]
    assert said.startswith(f"First, from {first.source}: {first.title}. Second, from {second.source}: {second.title}.")


async def test_more_is_told_about_one_of_them(stand: Stand) -> None:
    assert "haven't told you any news" in await stand.ask("more_news", which="second")
    await stand.ask("get_news")
    story = _parsed(response("news_guardian")["body"].encode())[0]
    assert "<" not in story.summary
    said = f"{story.source} writes: {story.summary}"
    assert await stand.ask("more_news", which="the second one") == said
    assert await stand.ask("more_news", which="2") == said
    assert await stand.ask("more_news", which=story.title.split()[0]) == said
    assert (await stand.caller.call("more_news", which="the ninth")).status is Status.INVALID


async def test_news_about_something_is_found(stand: Stand) -> None:
    word = _parsed(KEPT["body"].encode())[-1].title.split()[0]
    assert word in await stand.ask("get_news", about=f"the {word.lower()}s")
    assert await stand.ask("get_news", about="zeppelins") == "I find nothing about zeppelins in the news right now."


async def test_a_paper_that_is_away_costs_no_other(stand: Stand) -> None:
    files = stand.server.answer

    async def one_away(request: aio.Request) -> aio.StreamResponse:
        if request.path == "/world/rss":
            return await status(500)(request)
        stand.server.instead = None
        try:
            return await files(request)
        finally:
            stand.server.instead = one_away

    stand.server.instead = one_away
    said = await stand.ask("get_news")
    assert said.startswith("First, from BBC News")
    assert said.endswith("Some of the papers don't answer right now.")


@pytest.mark.parametrize("body", ["<html><body>Sorry</body></html>", "", "<rss", "not a feed", "\x00\x01"])
async def test_what_is_no_feed_is_told_of(stand: Stand, body: str) -> None:
    stand.server.instead = status(200, text=body)
    assert "sent something that I can't read" in await stand.ask("get_news")


def test_no_feed_reads_a_file_of_ours() -> None:
    body = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>
    <rss version="2.0"><channel><title>T</title><item><title>A &x; B</title></item></channel></rss>"""
    assert all("root:" not in story.title for story in _parsed(body))


def test_entities_within_entities_take_no_memory() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    body = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">{levels}]><rss version="2.0"><channel><title>T</title><item><title>&e8;</title></item></channel></rss>'
    assert all(len(story.title) <= 300 for story in _parsed(body.encode()))


@given(
    some.binary(max_size=300) | some.text(max_size=300).map(lambda text: f'<rss version="2.0">{text}</rss>'.encode())
)
def test_any_bytes_are_stories_or_no_feed(body: bytes) -> None:
    try:
        stories = _parsed(body)
    except ValueError:
        return
    assert all(len(story.summary) <= 700 for story in stories)
