"""What people want remembered: kept, told, and forgotten again; and what stands in the documents of the house."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

TOLD: Final = 8
"""Facts that are told aloud; nobody listens to more."""
LONGEST: Final = 500
"""Characters of something that is to be remembered."""

_YOURS: Final[Mapping[str, str]] = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "i'm": "you're", "i've": "you've",
    "i'll": "you'll", "i'd": "you'd", "am": "are",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


class Unkept(Exception):  # noqa: N818 - reads as what is the matter
    """The store does not answer."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is remembered."""

    id: int
    content: str
    person: str | None
    """Whose it is; None is the household's."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of something that was to be remembered."""

    note: Note
    known: bool = False
    replaced: Note | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Words of a document."""

    title: str
    heading: str
    content: str


class Notebook(Protocol):
    """Keeps what is remembered. Everything in it raises `Unkept` where that is impossible now."""

    def secret(self, content: str) -> bool:
        """Whether that may not be kept: a password, a code."""

    async def remember(self, content: str, context: Context) -> Kept:
        """Keep something; once this returns, it is kept."""

    async def known(self, context: Context) -> Sequence[Note]:
        """What is known of who asks and of the household, the latest first."""

    async def find(self, about: str, context: Context) -> Sequence[Note]:
        """What is known about something, the closest first."""

    async def forget(self, notes: Sequence[Note], context: Context) -> None:
        """Remove notes, and what they had replaced."""

    async def read(self, about: str, context: Context) -> Sequence[Excerpt]:
        """What the documents say about something, the closest first."""


class Memory:
    """Remembers for people.

    Args:
        notebook: where it is kept.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._last: dict[str, Note] = {}

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.remember, effect=Effect.CONTROL),
            tool(self.recall, effect=Effect.PRIVATE),
            tool(self.forget, effect=Effect.CONTROL, question=_ask_to_forget),
            tool(self.search_documents, effect=Effect.PRIVATE, quotes=True),
        ]

    async def remember(self, context: Context, fact: str) -> Result:
        """Keep something that a person wants remembered, for good.

        Args:
            fact: what to remember, in the person's own words, such as my dentist is Dr. Weber.
        """
        content = " ".join(fact.split()).rstrip(".!")
        if not content:
            raise TryAgain("What is to be remembered? Give a fact.")
        if len(content) > LONGEST:
            raise Failed("That is too long for me to remember. Please say it in a sentence or two.")
        if self._notebook.secret(content):
            raise Failed("I don't keep secrets such as passwords, PINs and codes.")
        try:
            kept = await self._notebook.remember(content, context)
        except Unkept:
            raise Failed("Sorry, I can't write that down right now.") from None
        self._note_last(context, kept.note)
        data: dict[str, Any] = {"fact": kept.note.content}
        if kept.known:
            return Result(f"I know that already: {said_back(kept.note.content)}.", data)
        if kept.replaced is not None:
            data["before"] = kept.replaced.content
            return Result(f"All right, {said_back(content)} now. I'll remember that.", data)
        return Result(f"I'll remember that {said_back(content)}.", data)

    async def recall(self, context: Context, about: str | None = None) -> Result:
        """Tell what is remembered about the person and the household.

        Args:
            about: what to tell about; everything where that is left out.
        """
        try:
            if about:
                notes = await self._notebook.find(about, context)
            else:
                notes = await self._notebook.known(context)
        except Unkept:
            raise Failed("Sorry, I can't look that up right now.") from None
        told = [note.content for note in notes]
        if not told:
            said = f"I don't know anything about {said_back(about)}." if about else "You haven't told me anything yet."
            return Result(said, {"items": []})
        self._note_last(context, notes[0])
        more = f" And {len(told) - TOLD} more." if len(told) > TOLD else ""
        return Result("".join(f"{_begun(said_back(each))}. " for each in told[:TOLD]).strip() + more, {"items": told})

    async def forget(self, context: Context, about: str | None = None, everything: bool = False) -> Result:
        """Remove something from what is remembered.

        Args:
            about: what to forget; what was remembered or told last where that is left out.
            everything: forget all that is known about the person who speaks.
        """
        try:
            notes = await self._meant(context, about, everything=everything)
            await self._notebook.forget(notes, context)
        except Unkept:
            raise Failed("Sorry, I can't do that right now.") from None
        self._last.pop(context.conversation, None)
        forgotten = [note.content for note in notes]
        said = f"I forgot that {said_back(forgotten[0])}." if len(notes) == 1 else f"I forgot {len(notes)} things."
        return Result(said, {"items": forgotten})

    async def search_documents(self, context: Context, query: str) -> Result:
        """Look something up in the documents that the household has given to the assistant.

        Args:
            query: what to look for, in a few words.
        """
        if not query.strip():
            raise TryAgain("What is to be looked up? Give a query.")
        try:
            found = await self._notebook.read(query, context)
        except Unkept:
            raise Failed("Sorry, I can't look that up right now.") from None
        if not found:
            return Result("The documents say nothing about that.", {"found": []})
        excerpts = [{"document": each.title, "heading": each.heading, "text": each.content} for each in found]
        return Result(f"{found[0].title} says: {_short(found[0].content)}", {"found": excerpts})

    async def _meant(self, context: Context, about: str | None, *, everything: bool) -> list[Note]:
        if everything:
            # What belongs to nobody is the household's, and goes only when somebody names it.
            own = [note for note in await self._notebook.known(context) if note.person == context.person]
            if not own:
                raise Failed("You haven't told me anything yet.")
            return own
        if not about:
            last = self._last.get(context.conversation)
            if last is None:
                raise Failed("I don't know what to forget. Tell me what it is about.")
            return [last]
        found = await self._notebook.find(about, context)
        if not found:
            raise Failed(f"I don't know anything about {said_back(about)}.")
        return [found[0]]

    def _note_last(self, context: Context, note: Note) -> None:
        self._last.pop(context.conversation, None)
        self._last[context.conversation] = note
        while len(self._last) > _MOST_LAST:
            del self._last[next(iter(self._last))]


_MOST_LAST = 256


def said_back(fact: str) -> str:
    """What somebody said of themselves, as one says it to them: "my dentist" is "your dentist"."""
    return _WORD.sub(lambda word: _YOURS.get(word[0].lower(), word[0]), fact)


def _ask_to_forget(arguments: Mapping[str, Any]) -> str:
    if arguments["everything"]:
        return "Shall I forget everything that you have told me?"
    about = arguments["about"]
    return f"Shall I forget that: {said_back(about)}?" if about else "Shall I forget what you told me last?"


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _short(text: str) -> str:
    first = re.match(r".{0,240}?[.!?](?=\s|$)", text, re.DOTALL)
    return " ".join((first[0] if first else text[:240]).split())
