"""To-dos and notes in Joplin, by its Data API (https://joplinapp.org/help/api/references/rest_api)."""

import math
import re
import time as clock
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from tools.clock import spoken_time, time_of_day
from tools.days import span, spoken_day
from tools.service import NotThere, Service, Unwell
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun, joined

NOTEBOOK: Final = "PASSFEL"
READ_ALOUD: Final = 8
SPOKEN_WORDS: Final = 60
"""Of a note; who wants more reads it."""
MOST_PAGES: Final = 50
MORNING: Final = "9:00"
"""When a to-do is due for which somebody named only a day."""
LONGEST_TITLE: Final = 200
_MARKUP: Final = re.compile(r"[#>*_`~]+|\[([^\]]*)\]\([^)]*\)|^\s*[-+]\s+(?:\[[ x]\]\s*)?", re.MULTILINE)
T = TypeVar("T")
_SHORT: Final = frozenset({"the", "a", "an", "my", "our", "note", "notes", "about", "on", "of", "for"})


class Entry(BaseModel):
    """A note, a to-do or a notebook. Times are milliseconds since 1970, 0 where there is none."""

    id: str
    title: str = ""
    is_todo: int = 0
    todo_completed: int = 0
    todo_due: int = 0
    updated_time: int = 0

    @property
    def name(self) -> str:
        """Its title as it is said."""
        return " ".join(self.title.split()) or "one without a title"


class _Page(BaseModel):
    items: list[Entry] = []
    has_more: bool = False


class _Body(BaseModel):
    body: str = ""


_PAGE: Final = TypeAdapter(_Page)
_BODY: Final = TypeAdapter(_Body)
_ENTRY: Final = TypeAdapter(Entry)


class Joplin:
    """Asks one Joplin.

    Args:
        token: the one that it shows under Web Clipper.
        notebook: where what is new goes; it is made where there is none of that name.
        now: seconds since 1970.
    """

    def __init__(
        self, service: Service, token: str, *, notebook: str = NOTEBOOK, now: Callable[[], float] = clock.time
    ) -> None:
        self._service = service
        self._token = token
        self._notebook = notebook
        self._now = now

    async def entries(self) -> list[Entry]:
        """All notes and to-dos, what was changed last first. Raises `Failed`."""
        # Its search learns of new notes only minutes later, so all are listed.
        fields = "id,title,is_todo,todo_completed,todo_due,updated_time"
        return await self._listed("/notes", {"fields": fields, "order_by": "updated_time", "order_dir": "DESC"})

    async def todos(self) -> list[Entry]:
        """What is still to be done: what is due first, then what was written down first. Raises `Failed`."""
        left = [entry for entry in await self.entries() if entry.is_todo and not entry.todo_completed]
        return sorted(left, key=lambda entry: (entry.todo_due or math.inf, entry.updated_time))

    async def body(self, entry: Entry) -> str:
        """The text of a note. Raises `Failed`."""
        return self._read(_BODY, await self._asked("GET", f"/notes/{entry.id}", {"fields": "body"})).body

    async def write(self, title: str, body: str = "", *, todo: bool = False, due: float = 0.0) -> None:
        """Write a note or a to-do; `due` in seconds since 1970. Raises `Failed`."""
        parent = await self._folder()
        note = {
            "title": title,
            "body": body,
            "is_todo": int(todo),
            "todo_due": round(due * 1000),
            "parent_id": parent,
        }
        await self._asked("POST", "/notes", json=note, attempts=1)

    async def complete(self, entry: Entry) -> None:
        """Mark a to-do as done. Raises `Failed`."""
        await self._asked("PUT", f"/notes/{entry.id}", json={"todo_completed": round(self._now() * 1000)})

    # As a list of the household:

    async def items(self) -> list[str]:
        """What is still to be done. Raises `Failed`."""
        return [entry.name for entry in await self.todos()]

    async def add(self, item: str) -> None:
        """Write a to-do. Raises `Failed`."""
        await self.write(item, todo=True)

    async def remove(self, items: Sequence[str]) -> None:
        """Mark to-dos as done. Raises `Failed`."""
        for entry in await self.todos():
            if entry.name in items:
                await self.complete(entry)

    async def _folder(self) -> str:
        for folder in await self._listed("/folders", {"fields": "id,title"}):
            if folder.title == self._notebook:
                return folder.id
        made = await self._asked("POST", "/folders", json={"title": self._notebook}, attempts=1)
        return self._read(_ENTRY, made).id

    async def _listed(self, path: str, params: dict[str, str]) -> list[Entry]:
        found: list[Entry] = []
        for number in range(1, MOST_PAGES + 1):
            page = self._read(_PAGE, await self._asked("GET", path, {**params, "limit": "100", "page": str(number)}))
            found += page.items
            if not page.has_more:
                break
        return found

    async def _asked(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        json: object = None,
        *,
        attempts: int = 3,
    ) -> bytes:
        try:
            asked = {**(params or {}), "token": self._token}
            return (await self._service.request(method, path, params=asked, json=json, attempts=attempts)).body
        except NotThere as refused:
            raise Failed("Joplin doesn't have that any more.") from refused

    def _read(self, form: TypeAdapter[T], body: bytes) -> T:
        try:
            return form.validate_json(body)
        except ValidationError as strange:
            raise Unwell("Joplin sent something that I can't read. Please try again later.") from strange


class Notes:
    """Reads notes and to-dos, and writes them.

    Args:
        zone: tells the household's.
        now: seconds since 1970.
    """

    def __init__(self, joplin: Joplin, *, zone: Callable[[], tzinfo], now: Callable[[], float] = clock.time) -> None:
        self._joplin = joplin
        self._zone = zone
        self._now = now

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.read_todos, effect=Effect.PRIVATE, quotes=True),
            tool(self.add_todo, effect=Effect.CONTROL),
            tool(self.finish_todo, effect=Effect.CONTROL),
            tool(self.find_note, effect=Effect.PRIVATE, quotes=True),
            tool(self.add_note, effect=Effect.CONTROL),
        ]

    async def read_todos(self, context: Context, when: str | None = None) -> Result:
        """Tell what is still to be done.

        Args:
            when: what is due until then: today, tomorrow, this week or a date; all of it without one.
        """
        todos, until = await self._joplin.todos(), ""
        if when is not None:
            days = span(when, self._local(self._now()))
            todos = [each for each in todos if each.todo_due and self._local_due(each).date() <= days.last]
            until = f" by the end of {days.name}" if days.first != days.last else f" {days.name}"
        if not todos:
            return Result(f"There is nothing to do{until}.", {"todos": []})
        told = [self._told(each) for each in todos[:READ_ALOUD]]
        more = f" There are {len(todos) - READ_ALOUD} more." if len(todos) > READ_ALOUD else ""
        return Result(f"To do{until}: {joined(told)}.{more}", {"todos": [each.model_dump() for each in todos]})

    async def add_todo(self, context: Context, text: str, when: str | None = None, time: str | None = None) -> Result:
        """Write down something to do.

        Args:
            text: what.
            when: the day when it is due.
            time: the time of day when it is due.
        """
        title = _one_line(text)
        due = 0.0
        if when or time:
            now = self._local(self._now())
            day = span(when or "today", now).first
            due = datetime.combine(day, time_of_day(time or MORNING), now.tzinfo).timestamp()
            if due < self._now() and (time or day < now.date()):
                raise Failed("That has passed already. Please say another day or time.")
        await self._joplin.write(title, todo=True, due=due)
        said = f", due {self._spoken(due)}" if due else ""
        return Result(f"{begun(title)} is on the to-do list{said}.", {"title": title, "due": due})

    async def finish_todo(self, context: Context, title: str) -> Result:
        """Mark something to do as done.

        Args:
            title: words of it.
        """
        entry = _one(await self._joplin.todos(), title, "to do")
        await self._joplin.complete(entry)
        return Result(f"{begun(entry.name)} is done.", {"title": entry.name})

    async def find_note(self, context: Context, about: str) -> Result:
        """Read a note.

        Args:
            about: words of its title.
        """
        entry = _one([each for each in await self._joplin.entries() if not each.is_todo], about, "in the notes")
        text = " ".join(_MARKUP.sub(r"\1", await self._joplin.body(entry)).split())
        words = text.split()
        said = " ".join(words[:SPOKEN_WORDS]) + (" … It goes on." if len(words) > SPOKEN_WORDS else "")
        return Result(f"{begun(entry.name)}: {said or 'the note is empty.'}", {"title": entry.name, "text": text})

    async def add_note(self, context: Context, text: str, title: str | None = None) -> Result:
        """Write a note.

        Args:
            text: what it says.
            title: what it is called; without one its first words.
        """
        body = text.strip()
        if not body:
            raise TryAgain("What is the note to say? Give it a text.")
        name = _one_line(title) if title and title.strip() else " ".join(body.split()[:6])
        await self._joplin.write(begun(name), body)
        return Result(f"I wrote it down as {begun(name)}.", {"title": name})

    def _local(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, self._zone())

    def _local_due(self, entry: Entry) -> datetime:
        return self._local(entry.todo_due / 1000)

    def _told(self, entry: Entry) -> str:
        if not entry.todo_due:
            return entry.name
        late = entry.todo_due / 1000 < self._now()
        return f"{entry.name}, {'which was due' if late else 'due'} {self._spoken(entry.todo_due / 1000)}"

    def _spoken(self, due: float) -> str:
        moment = self._local(due)
        return f"{spoken_day(moment.date(), self._local(self._now()).date())} at {spoken_time(moment)}"


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")[:LONGEST_TITLE]
    if not line:
        raise TryAgain("What is it? Give it a text.")
    return line


def _one(entries: Sequence[Entry], words: str, where: str) -> Entry:
    """The entry that is meant. Raises `Failed` where none or several are."""
    wanted = {word for word in _plain(words) if word not in _SHORT} or set(_plain(words))
    exact = [each for each in entries if _plain(each.name) == _plain(words)]
    found = exact or [each for each in entries if wanted and wanted <= set(_plain(each.name))]
    if not found:
        raise Failed(f"I find nothing called {words.strip()} {where}.")
    names = list(dict.fromkeys(each.name for each in found))
    if len(names) > 1:
        rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise Failed(f"Which one? There are {joined(names[:4])}{rest}.")
    return found[0]


def _plain(words: str) -> list[str]:
    return ["".join(filter(str.isalnum, word)) for word in words.lower().replace("'s", "").split()]
