"""Facts and their search, in a real Postgres with pgvector."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from pipeline.caller import Caller
from pipeline.context.embeddings import EmbeddingsDown
from pipeline.context.minilm import MiniLM
from pipeline.context.search import Search
from pipeline.context.vectors import Vectors, index_name
from pipeline.store.database import Database, StoreDown
from pipeline.store.facts import Facts, subject_of
from voice import models

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = Caller("browser", "kitchen", person="Ada")
BOB = Caller("browser", "office", person="Bob")
HALL = Caller("browser", "hall")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def encoder() -> AsyncIterator[MiniLM]:
    encoder = MiniLM(*models.sentence_encoder())
    yield encoder
    await encoder.close()


@pytest_asyncio.fixture(loop_scope="module")
async def facts(database: Database, encoder: MiniLM) -> Facts:
    vectors = Vectors(database, encoder)
    await vectors.prepare()
    return Facts(database, vectors, Search(database, vectors))


async def remember(facts: Facts, content: str, caller: Caller = ADA):
    return await facts.remember(content, caller, conversation="talk", turn="1", said_as=content)


async def found(facts: Facts, about: str, caller: Caller = ADA) -> list[str]:
    return [fact.content for fact in await facts.find(about, caller.person, most=5)]


async def test_a_fact_is_found_by_what_it_means_and_by_its_words(facts) -> None:
    await remember(facts, "my dentist is Doctor Weber")
    await remember(facts, "the bins go out on Tuesday")
    assert (await found(facts, "Who looks after my teeth?"))[0] == "my dentist is Doctor Weber"
    assert (await found(facts, "Weber"))[0] == "my dentist is Doctor Weber"
    assert await found(facts, "What is the capital of Italy?") == []


async def test_everybody_has_their_own_facts_and_those_of_the_household(facts) -> None:
    await remember(facts, "my favourite tea is Earl Grey", ADA)
    await remember(facts, "my favourite tea is mint", BOB)
    await remember(facts, "the tea is in the upper cupboard", HALL)
    assert [fact.content for fact in await facts.known("Ada")] == [
        "my favourite tea is Earl Grey",
        "the tea is in the upper cupboard",
    ]
    assert "my favourite tea is Earl Grey" not in await found(facts, "favourite tea", BOB)
    assert await found(facts, "favourite tea", HALL) == ["the tea is in the upper cupboard"]


async def test_a_name_is_the_same_person_however_it_is_written(facts) -> None:
    await remember(facts, "I like jazz", Caller("browser", "a", person="Cleo"))
    await remember(facts, "I like tea", Caller("browser", "b", person="cleo"))
    assert {fact.content for fact in await facts.known("Cleo")} == {"I like jazz", "I like tea"}


async def test_the_same_is_not_kept_twice(facts) -> None:
    first = await remember(facts, "I like jazz")
    again = await remember(facts, "I like Jazz")
    assert again.known
    assert again.fact.id == first.fact.id
    assert len(await facts.known("Ada")) == 1


async def test_what_has_changed_takes_the_place_of_what_was(facts) -> None:
    await remember(facts, "my dentist is Doctor Weber")
    changed = await remember(facts, "My dentist is Doctor Braun")
    assert changed.replaced is not None
    assert changed.replaced.content == "my dentist is Doctor Weber"
    assert [fact.content for fact in await facts.known("Ada")] == ["My dentist is Doctor Braun"]
    assert await found(facts, "dentist") == ["My dentist is Doctor Braun"]


async def test_what_may_both_be_true_is_both_kept(facts) -> None:
    for content in (
        "I am allergic to nuts",
        "I am a teacher",
        "my daughter is seven",
        "my daughter is allergic to cats",
    ):
        assert (await remember(facts, content)).replaced is None
    assert len(await facts.known("Ada")) == 4


async def test_who_contradicts_what_they_said_is_believed(facts) -> None:
    await remember(facts, "I like mushrooms")
    changed = await remember(facts, "I don't like mushrooms")
    assert changed.replaced is not None
    assert [fact.content for fact in await facts.known("Ada")] == ["I don't like mushrooms"]
    await remember(facts, "I am vegetarian")
    assert not (await remember(facts, "I am not vegetarian")).known


async def test_who_forgets_forgets_what_it_had_replaced_too(facts, database) -> None:
    await remember(facts, "my dentist is Doctor Weber")
    changed = await remember(facts, "my dentist is Doctor Braun")
    assert await facts.forget([changed.fact.id], "Bob") == 0
    assert await facts.forget([changed.fact.id], "Ada") == 2
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT count(*) FROM facts") == 0


async def test_two_at_once_keep_one_truth(facts) -> None:
    await asyncio.gather(*(remember(facts, f"my car is a number {number}") for number in range(8)))
    assert len(await facts.known("Ada")) == 1


async def test_without_a_database_nothing_is_said_to_be_kept(encoder) -> None:
    away = Database("postgresql://nobody@/none?host=/nowhere")
    vectors = Vectors(away, encoder)
    with pytest.raises(StoreDown):
        await remember(Facts(away, vectors, Search(away, vectors)), "I like tea")


@contextlib.asynccontextmanager
async def embedding(vectors: Vectors) -> AsyncIterator[None]:
    running = asyncio.create_task(vectors.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def until_embedded(database: Database, model: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with database.connection(5) as connection:
                left = await connection.fetchval(
                    "SELECT count(*) FROM facts f LEFT JOIN embedding_models m ON m.id = f.model WHERE m.name IS DISTINCT FROM $1",
                    model,
                )
            if not left:
                return
            await asyncio.sleep(0.05)


class Counting:
    """A model of another size: how often each letter is in a text."""

    name = "letters"

    def __init__(self) -> None:
        self.down = False

    async def embed(self, texts):
        if self.down:
            raise EmbeddingsDown("away")
        rows = np.array(
            [[text.lower().count(letter) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts],
            np.float32,
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    async def close(self) -> None:
        pass


async def test_what_could_not_be_embedded_is_found_by_its_words_and_made_up_for(database, encoder) -> None:
    letters = Counting()
    vectors = Vectors(database, letters)
    facts = Facts(database, vectors, Search(database, vectors))
    letters.down = True
    await remember(facts, "the ladder is in the shed")
    assert await found(facts, "ladder") == ["the ladder is in the shed"]
    letters.down = False
    async with embedding(vectors):
        await until_embedded(database, "letters")


async def test_another_model_takes_over_while_search_goes_on(database, encoder, facts) -> None:
    await remember(facts, "my dentist is Doctor Weber")
    vectors = Vectors(database, Counting(), spare=encoder)
    await vectors.prepare()
    changed = Facts(database, vectors, Search(database, vectors))
    async with database.connection(5) as connection:
        before = await connection.fetchval("SELECT id FROM embedding_models WHERE name = $1", encoder.name)
    # Nothing is embedded by the new model yet, and the meaning still finds it.
    assert await found(changed, "Who looks after my teeth?") == ["my dentist is Doctor Weber"]
    async with embedding(vectors):
        await until_embedded(database, "letters")
        async with asyncio.timeout(20), database.connection(10) as connection:
            while await connection.fetchval("SELECT count(*) FROM embedding_models") > 1:
                await asyncio.sleep(0.05)
            names = await connection.fetch("SELECT indexname FROM pg_indexes WHERE tablename = 'facts'")
            number = await connection.fetchval("SELECT id FROM embedding_models")
    indexes = {row["indexname"] for row in names}
    assert index_name("facts", number) in indexes
    assert index_name("facts", before) not in indexes
    assert await found(changed, "Weber") == ["my dentist is Doctor Weber"]


@pytest.mark.parametrize(
    ("content", "subject"),
    [
        ("my dentist is Dr. Weber", "my dentist"),
        ("Anna's birthday is on May 3rd", "anna's birthday"),
        ("my favourite colour is green", "my favourite colour"),
        ("the name of our cat is Momo", "name of our cat"),
        ("I live in Porto", "i live"),
        ("meine Lieblingsfarbe ist grün", "meine lieblingsfarbe"),
        ("mon dentiste est M. Petit", "mon dentiste"),
        ("I like tea", "liking tea"),
        ("I don't like tea anymore", "liking tea"),
        ("Ich mag keine Pilze", "liking pilze"),
        ("I am a teacher", None),
        ("my daughter is seven", None),
    ],
)
async def test_what_there_is_one_of_has_a_subject(content: str, subject: str | None) -> None:
    assert subject_of(content) == subject
