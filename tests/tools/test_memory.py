from collections.abc import Sequence
from datetime import UTC

import pytest

from tools.executor import Executor
from tools.memory import Excerpt, Kept, Memory, Note, Unkept, said_back
from tools.outcomes import Status
from tools.tool import Context, Effect

ADA = Context("talk", "turn", "kitchen", "Ada", "kitchen", UTC)
ALL = tuple(Effect)


class Notebook:
    """Keeps notes in a list; finds those that share a word."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.down = False

    def secret(self, content: str) -> bool:
        return "PIN" in content

    async def remember(self, content: str, context: Context) -> Kept:
        self._up()
        for note in self.notes:
            if note.content == content:
                return Kept(note, known=True)
        before = next((note for note in self.notes if note.content.split()[:3] == content.split()[:3]), None)
        note = Note(len(self.notes), content, context.person)
        self.notes.append(note)
        return Kept(note, replaced=before)

    async def known(self, context: Context) -> Sequence[Note]:
        self._up()
        return [note for note in reversed(self.notes) if note.person in (None, context.person)]

    async def find(self, about: str, context: Context) -> Sequence[Note]:
        return [note for note in await self.known(context) if set(about.split()) & set(note.content.split())]

    async def forget(self, notes: Sequence[Note], context: Context) -> None:
        self.notes = [note for note in self.notes if note not in notes]

    async def read(self, about: str, context: Context) -> Sequence[Excerpt]:
        return [Excerpt("Boiler manual", "Care", "Bleed it twice a year. Use the key.")] if "boiler" in about else []

    def _up(self) -> None:
        if self.down:
            raise Unkept


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def executor(notebook) -> Executor:
    return Executor(Memory(notebook).tools())


async def said(executor: Executor, name: str, turn: str = "turn", **arguments) -> str:
    context = Context("talk", turn, "kitchen", "Ada", "kitchen", UTC)
    outcome = await executor.call(name, arguments, context, allowed=ALL)
    if outcome.status is Status.UNCONFIRMED:
        confirmed = await executor.confirm("talk", context, yes=True)
        assert confirmed is not None
        return f"{outcome.say} {confirmed.say}"
    return outcome.say


async def test_what_is_remembered_is_told_back_to_the_person(executor) -> None:
    assert (
        await said(executor, "remember", fact="my dentist is Dr. Weber.")
        == "I'll remember that your dentist is Dr. Weber."
    )
    assert await said(executor, "recall") == "Your dentist is Dr. Weber."
    assert await said(executor, "recall", about="dentist") == "Your dentist is Dr. Weber."
    assert await said(executor, "recall", about="cats") == "I don't know anything about cats."


async def test_what_is_known_and_what_has_changed_is_said_so(executor) -> None:
    await said(executor, "remember", fact="my dentist is Weber")
    assert (await said(executor, "remember", turn="2", fact="my dentist is Weber")).startswith("I know that already")
    assert (
        await said(executor, "remember", turn="3", fact="my dentist is Braun")
        == "All right, your dentist is Braun now. I'll remember that."
    )


async def test_that_means_what_was_remembered_or_told_last(executor, notebook) -> None:
    await said(executor, "remember", fact="I like tea")
    await said(executor, "remember", turn="2", fact="I like jazz")
    assert (
        await said(executor, "forget", turn="3") == "Shall I forget what you told me last? I forgot that you like jazz."
    )
    assert [note.content for note in notebook.notes] == ["I like tea"]
    assert "don't know what to forget" in await said(executor, "forget", turn="4")


async def test_everything_is_what_belongs_to_who_speaks(executor, notebook) -> None:
    notebook.notes = [
        Note(1, "the bins go out on Tuesday", None),
        Note(2, "I like tea", "Ada"),
        Note(3, "I sing", "Bob"),
    ]
    assert "everything" in await said(executor, "forget", everything=True)
    assert [note.id for note in notebook.notes] == [1, 3]


async def test_a_secret_is_declined_and_not_kept(executor, notebook) -> None:
    assert "secrets" in await said(executor, "remember", fact="my PIN is 4711")
    assert not notebook.notes


async def test_nothing_is_acknowledged_that_is_not_kept(executor, notebook) -> None:
    notebook.down = True
    assert await said(executor, "remember", fact="I like tea") == "Sorry, I can't write that down right now."
    assert await said(executor, "recall") == "Sorry, I can't look that up right now."


async def test_documents_are_named_with_what_they_say(executor) -> None:
    assert await said(executor, "search_documents", query="boiler") == "Boiler manual says: Bleed it twice a year."
    assert "nothing" in await said(executor, "search_documents", query="roof")


async def test_too_much_is_not_remembered(executor) -> None:
    assert "too long" in await said(executor, "remember", fact="la " * 400)


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ("my wife's name is Anna", "your wife's name is Anna"),
        ("I'm allergic to nuts", "you're allergic to nuts"),
        ("Mine is the Volvo", "yours is the Volvo"),
        ("we live in Mystic", "we live in Mystic"),
    ],
)
def test_what_somebody_says_of_themselves_is_turned_round(fact: str, told: str) -> None:
    assert said_back(fact) == told
