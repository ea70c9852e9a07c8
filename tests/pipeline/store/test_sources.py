"""What each source knows of a question, out of a real Postgres."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from pipeline.caller import Caller, Permission
from pipeline.context.builder import ContextBuilder
from pipeline.context.documents import Document, Paragraph
from pipeline.context.minilm import MiniLM
from pipeline.context.search import Search
from pipeline.context.sources import Contacts, Documents, Remembered, Upcoming
from pipeline.context.vectors import Vectors
from pipeline.store.database import Database
from pipeline.store.facts import Facts
from pipeline.store.library import Library
from voice import models

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUSE = frozenset({Permission.CONVERSE, Permission.PRIVATE})
ADA = Caller("browser", "kitchen", person="Ada", permissions=HOUSE)
BOB = Caller("browser", "kitchen", person="Bob", permissions=HOUSE)
GUEST = Caller("sip", "phone")


class House:
    def __init__(self, database: Database, encoder: MiniLM) -> None:
        self.database = database
        self.vectors = Vectors(database, encoder)
        self.search = Search(database, self.vectors)
        self.facts = Facts(database, self.vectors, self.search)
        self.library = Library(database, language="english")

    async def told(self, question: str, caller: Caller, *, small: bool = False):
        async def timers(_) -> list[str]:
            return ["Pasta timer: due 12:00, in 5 minutes."]

        sources = (
            Remembered(self.search),
            Upcoming(self.database, zone=lambda: UTC, timers=timers),
            Contacts(self.database),
            Documents(self.search),
        )
        return await ContextBuilder(self.search, sources, deadline=None, small=small).gather(question, caller)


@pytest_asyncio.fixture(loop_scope="module")
async def house(database: Database) -> AsyncIterator[House]:
    encoder = MiniLM(*models.sentence_encoder())
    house = House(database, encoder)
    await house.vectors.prepare()
    yield house
    await encoder.close()


async def learn(
    house: House, *paragraphs: tuple[str, str], title: str = "Boiler manual", person: str | None = None
) -> None:
    document = Document(title, [Paragraph(heading, text) for heading, text in paragraphs])
    await house.library.keep(document, title, b"1", person)
    while await house.vectors.embed_batch():
        pass


async def test_a_document_is_named_with_its_heading(house) -> None:
    await learn(house, ("Care", "The water pressure should be 1.5 bar."), ("Faults", "F28 means that there is no gas."))
    knowledge = await house.told("What should the water pressure of the boiler be?", ADA)
    assert 'From the document "Boiler manual, Care": The water pressure should be 1.5 bar.' in knowledge.text
    assert knowledge.quotes
    small = await house.told("What should the water pressure of the boiler be?", ADA, small=True)
    assert small.answer == "Boiler manual says: The water pressure should be 1.5 bar."


async def test_what_has_nothing_to_do_with_a_question_is_not_told(house) -> None:
    await learn(house, ("Care", "The water pressure should be 1.5 bar."))
    await house.facts.remember("my dentist is Doctor Weber", ADA, conversation="a", turn="1", said_as="")
    assert (await house.told("Who wrote Hamlet?", ADA)).text == ""


async def test_private_things_are_told_to_their_person_alone(house) -> None:
    await learn(house, ("", "My doctor says that I have to take the blue pills at noon."), title="Diary", person="Ada")
    await house.facts.remember("my doctor is Doctor Blau", ADA, conversation="a", turn="1", said_as="")
    question = "What did my doctor say about the blue pills?"
    assert "Diary" in (await house.told(question, ADA)).text
    assert "Doctor Blau" in (await house.told("Who is my doctor?", ADA)).text
    for other in (BOB, GUEST):
        assert (await house.told(question, other)).text == ""
        assert (await house.told("Who is my doctor?", other)).text == ""


async def test_events_and_timers_are_told_where_a_question_is_about_time(house) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    async with house.database.connection(5) as connection:
        await connection.execute(
            "INSERT INTO events (calendar, uid, title, starts, ends, place) VALUES ('family', '1', 'Dentist', $1, $2, 'Rua 5')",
            *(soon, soon + timedelta(hours=1)),
        )
        await connection.execute("INSERT INTO tasks (calendar, uid, title) VALUES ('family', '1', 'Tax return')")
    knowledge = await house.told("When is my next appointment?", ADA)
    assert "Dentist at Rua 5." in knowledge.text
    assert "Task: Tax return." in knowledge.text
    assert "Pasta timer" in knowledge.text
    assert "Dentist at Rua 5." in (await house.told("When is my next appointment?", ADA, small=True)).answer
    assert (await house.told("Who wrote Hamlet?", ADA)).text == ""
    assert (await house.told("When is my next appointment?", GUEST)).text == ""


async def test_who_is_named_is_told_of(house) -> None:
    async with house.database.connection(5) as connection:
        await connection.execute(
            "INSERT INTO contacts (book, uid, name, phones, emails) VALUES "
            "('a', '1', 'Anna Weber', '{030 123}', '{anna@example.org}'), ('a', '2', 'Otto Weber', '{}', '{}')"
        )
    knowledge = await house.told("What is Anna Weber's number?", ADA, small=True)
    assert knowledge.answer == "Anna Weber: phone 030 123, e-mail anna@example.org."
    assert "Otto Weber: no number known." in (await house.told("Tell me about Weber", ADA)).text
    assert (await house.told("What is Anna Weber's number?", GUEST)).text == ""
