"""What is remembered of a conversation once it is over, with a real Postgres and a real HTTP server as the model."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from pipeline.caller import Caller
from pipeline.context.extraction import Extraction
from pipeline.context.minilm import MiniLM
from pipeline.context.search import Search
from pipeline.context.vectors import Vectors
from pipeline.engines.endpoint import Endpoint
from pipeline.orchestrator.completions import Completions, Engine
from pipeline.store.conversations import Conversations
from pipeline.store.database import Database
from pipeline.store.facts import Facts
from tests.pipeline.misbehaving_server import MisbehavingServer, misbehaving_server, says
from voice import models

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)


@pytest_asyncio.fixture(loop_scope="module")
async def facts(database: Database) -> AsyncIterator[Facts]:
    encoder = MiniLM(*models.sentence_encoder())
    vectors = Vectors(database, encoder)
    await vectors.prepare()
    yield Facts(database, vectors, Search(database, vectors))
    await vectors.close()


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[MisbehavingServer]:
    async with misbehaving_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def completions(server: MisbehavingServer) -> AsyncIterator[Completions]:
    client = AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0, http_client=DefaultAsyncHttpxClient())
    yield Completions(Engine("the model", Endpoint(server.url, "none", "big"), client))
    await client.close()


async def spoken(database: Database, *said: str, conversation: str = "talk", person: str | None = "Ada") -> None:
    async with database.connection(5) as connection:
        for place, content in enumerate(said):
            await connection.execute(
                "INSERT INTO messages VALUES ($1, $2, 'browser', 'kitchen', $3, NULL, 'user', $4, $5)",
                *(uuid4(), conversation, person, content, NOW - timedelta(minutes=10) + timedelta(seconds=place)),
            )


async def known(facts: Facts) -> list[str]:
    return [fact.content for fact in await facts.known("Ada")]


async def test_plain_statements_are_remembered_with_who_said_them_and_where(database, facts, completions) -> None:
    await spoken(database, "What's the time?", "I'm allergic to nuts. Set a timer.", "My dentist is Doctor Weber.")
    small = Extraction(database, facts, completions, model=None)
    assert await small.go_through(NOW) == 1
    assert set(await known(facts)) == {"I'm allergic to nuts", "My dentist is Doctor Weber"}
    async with database.connection(5) as connection:
        row = await connection.fetchrow("SELECT * FROM facts WHERE content LIKE '%nuts%'")
        turn = await connection.fetchval("SELECT id FROM messages WHERE content LIKE '%nuts%'")
    assert (row["person"], row["device"], row["conversation"]) == ("Ada", "kitchen", "talk")
    assert (row["turn"], row["said_as"]) == (str(turn), "I'm allergic to nuts. Set a timer.")


async def test_each_conversation_is_gone_through_once_and_only_when_it_is_over(database, facts, completions) -> None:
    small = Extraction(database, facts, completions, model=None)
    await spoken(database, "I'm allergic to nuts.")
    assert await small.go_through(NOW - timedelta(hours=1)) == 0
    assert await small.go_through(NOW) == 1
    assert await small.go_through(NOW) == 0
    assert len(await known(facts)) == 1


async def test_a_model_finds_more_and_revises_what_has_changed(database, facts, completions, server) -> None:
    old = await facts.remember("we water the plants on Monday", ADA, conversation="a", turn="1", said_as="")
    await spoken(
        database, "From now on we water the plants on Friday, please.", "Mia cannot sleep without her blue blanket."
    )
    answer = [
        {"fact": "we water the plants on Friday", "replaces": old.fact.id},
        {"fact": "Mia cannot sleep without her blue blanket", "replaces": 999},
        {"fact": "the family owns a yacht in Monaco", "replaces": None},
    ]
    server.will(says(f"Here it is: ```json\n{json.dumps(answer)}\n```"))
    assert await Extraction(database, facts, completions, model="big").go_through(NOW) == 1
    assert set(await known(facts)) == {"we water the plants on Friday", "Mia cannot sleep without her blue blanket"}
    asked = server.requests[-1]["messages"][1]["content"]
    assert f"{old.fact.id}: we water the plants on Monday" in asked


@pytest.mark.parametrize("answer", ["I found nothing.", "[", '[{"fact": 3}]', '{"fact": "a"}', "[[[]]]"])
async def test_an_answer_that_is_no_list_is_nothing(database, facts, completions, server, answer: str) -> None:
    await spoken(database, "Mia cannot sleep without her blue blanket.")
    server.will(says(answer))
    await Extraction(database, facts, completions, model="big").go_through(NOW)
    assert await known(facts) == []


async def test_a_secret_is_not_remembered_whatever_a_model_says(database, facts, completions, server) -> None:
    await spoken(database, "The alarm code is 90210 by the way.")
    server.will(says('[{"fact": "the alarm code is 90210", "replaces": null}]'))
    await Extraction(database, facts, completions, model="big").go_through(NOW)
    assert await known(facts) == []


async def test_a_conversation_moves_with_its_person_and_with_nobody_else(database) -> None:
    conversations = Conversations(database, resume=timedelta(minutes=30), keep=timedelta(days=1))
    conversations.note("a", ADA, "user", "Let us plan the party.")
    await conversations.flush()
    conversations.note("a", ADA, "assistant", "Gladly, who comes?")
    phone = Caller("sip", "phone", person="Ada", resumes=True)
    assert await conversations.earlier(phone) == []
    assert [each["content"] for each in await conversations.elsewhere(phone)] == [
        "Let us plan the party.",
        "Gladly, who comes?",
    ]
    assert await conversations.elsewhere(Caller("sip", "phone", person="Bob")) == []
    assert await conversations.elsewhere(Caller("sip", "phone")) == []
    follows = Conversations(database, resume=timedelta(minutes=30), keep=timedelta(days=1), follows=True)
    assert [each["content"] for each in await follows.earlier(phone)] == ["Let us plan the party."]


ADA = Caller("browser", "kitchen", person="Ada", resumes=True)
