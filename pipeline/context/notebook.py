"""What the tools of memory need, out of the household's stores."""

from collections.abc import Sequence

from pipeline.caller import Caller
from pipeline.context.search import Fact, Search
from pipeline.context.secrets import holds_secret
from pipeline.store.database import StoreDown
from pipeline.store.facts import REMEMBER_SECONDS, Facts
from tools.memory import Excerpt, Kept, Note, Unkept
from tools.tool import Context

_MOST_FOUND = 5
_MOST_READ = 4


class StoredNotebook:
    """Keeps what is remembered in Postgres."""

    def __init__(self, facts: Facts, search: Search) -> None:
        self._facts = facts
        self._search = search

    def secret(self, content: str) -> bool:
        """Whether that may not be kept."""
        return holds_secret(content)

    async def remember(self, content: str, context: Context) -> Kept:
        """Keep something; once this returns, it is kept. Raises `Unkept`."""
        who = Caller(door="", device=context.device, person=context.person, room=context.room)
        try:
            done = await self._facts.remember(
                content, who, conversation=context.conversation, turn=context.turn, said_as=content
            )
        except StoreDown as error:
            raise Unkept(str(error)) from error
        return Kept(_note(done.fact), done.known, _note(done.replaced) if done.replaced else None)

    async def known(self, context: Context) -> Sequence[Note]:
        """What is known of who asks and of the household, the latest first. Raises `Unkept`."""
        try:
            return [_note(fact) for fact in await self._facts.known(context.person)]
        except StoreDown as error:
            raise Unkept(str(error)) from error

    async def find(self, about: str, context: Context) -> Sequence[Note]:
        """What is known about something, the closest first. Raises `Unkept`."""
        try:
            found = await self._facts.find(about, context.person, most=_MOST_FOUND)
        except StoreDown as error:
            raise Unkept(str(error)) from error
        return [_note(fact) for fact in found]

    async def forget(self, notes: Sequence[Note], context: Context) -> None:
        """Remove notes, and what they had replaced. Raises `Unkept`."""
        try:
            await self._facts.forget([note.id for note in notes], context.person)
        except StoreDown as error:
            raise Unkept(str(error)) from error

    async def read(self, about: str, context: Context) -> Sequence[Excerpt]:
        """What the documents say about something, the closest first. Raises `Unkept`."""
        try:
            found = await self._search.passages(about, context.person, most=_MOST_READ, seconds=REMEMBER_SECONDS)
        except StoreDown as error:
            raise Unkept(str(error)) from error
        return [Excerpt(each.title, each.heading, each.content) for each in found]


def _note(fact: Fact) -> Note:
    return Note(fact.id, fact.content, fact.person)
