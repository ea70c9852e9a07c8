from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider, response, status
from tests.tools.sparql import sparql
from tools.questions import Questions, _shortened
from tools.service import MemoryCache, Service
from tools.web import Web


@pytest.fixture(scope="module")
def wikidata(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sparql(tmp_path_factory.mktemp("facts")) as url:
        yield url


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as serving:
        yield serving


def asker(server: Provider, facts: Service | None = None) -> Caller:
    def service(name: str) -> Service:
        return server.service(name)

    questions = Questions(
        wikipedia=service("Wikipedia"),
        wikidata=service("Wikidata"),
        facts=facts or service("Wikidata"),
        instant=service("DuckDuckGo"),
        papers=service("arXiv"),
    )
    return Caller(questions.tools())


async def test_an_encyclopedia_is_read_out_without_what_stands_in_brackets(server: Provider) -> None:
    said = await asker(server).ask("look_up", about="Ada Lovelace")
    assert said.startswith("According to Wikipedia, Augusta Ada King, Countess of Lovelace, also known")
    assert said.endswith(".")
    assert response("wikipedia_summary")["body"]["extract"][:20] in said


async def test_where_the_encyclopedia_has_nothing_somebody_else_is_asked(server: Provider) -> None:
    assert (
        await asker(server).ask("look_up", about="Valencia oranges")
        == "According to Wikipedia, The Valencia orange is a sweet orange."
    )
    assert await asker(server).ask("look_up", about="Xyzzy") == "Sorry, I find nothing about Xyzzy."


async def test_facts_come_from_a_real_sparql_server(server: Provider, wikidata: str) -> None:
    client = Web([wikidata])
    try:
        caller = asker(server, Service("Wikidata", wikidata, client, cache=MemoryCache()))
        assert (
            await caller.ask("get_fact", about="Mount Everest", fact="elevation")
            == "The elevation of Mount Everest is 8,848.86 meters, according to Wikidata."
        )
        assert "is 8,848.86 meters" in await caller.ask("get_fact", about="Mount Everest", fact="height")
        assert (
            await caller.ask("get_fact", about="Mount Everest", fact="founded")
            == "Mount Everest was founded on May 29, 1953, according to Wikidata."
        )
        assert "Ana and Eva" in await caller.ask("get_fact", about="Mount Everest", fact="director")
        assert (
            await caller.ask("get_fact", about="Mount Everest", fact="mayor")
            == "Sorry, Wikidata doesn't know that about Mount Everest."
        )
    finally:
        await client.close()


async def test_what_is_not_a_fact_is_told_to_the_model(server: Provider) -> None:
    assert "There are: height" in await asker(server).ask("get_fact", about="Mount Everest", fact="smell")
    assert (
        await asker(server).ask("get_fact", about="Nowhere at all", fact="height")
        == "Sorry, I find nothing called Nowhere at all."
    )


async def test_papers_are_told_by_their_titles(server: Provider) -> None:
    said = await asker(server).ask("find_papers", about="graph networks")
    assert said == "The latest on arXiv: Graph Networks that Listen; Deep Graphs."


async def test_a_service_that_is_away_is_told(server: Provider) -> None:
    server.instead = status(500)
    assert "Wikipedia has trouble right now" in await asker(server).ask("look_up", about="Ada Lovelace")


@pytest.mark.parametrize("text", ["", "a" * 2000, "(((", "One. " * 300, "x (y [z] w) v."])
def test_any_text_is_short_enough_to_be_heard(text: Any) -> None:
    assert len(_shortened(text)) <= 440
