"""Lists of the household: shopping, to-dos, and whatever else somebody names."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from loguru import logger
from pydantic import BaseModel, ValidationError

from tools.store import Store
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun, joined

READ_ALOUD: Final = 10
"""Items that are read out; nobody remembers more."""

WORDS_OF_A_THING: Final = 4
"""Words up to which an item is a thing, and may be many; "call the plumbers" is one of all the same."""
_ARTICLES: Final = re.compile(r"^(?:the|some|any|more|a|an|our|my) ")
_ONE: Final = frozenset({"hummus", "asparagus", "gas", "molasses"})
TODO: Final = "to-do"
_TODO_NAMES: Final = re.compile(r"to[- ]?do'?s?|tasks?")


class _Entry(BaseModel):
    """A list as it is kept."""

    name: str
    items: list[str]


class Elsewhere(Protocol):
    """A list that a program of the household keeps. Everything in it raises `Failed`."""

    async def items(self) -> list[str]:
        """What is on it."""

    async def add(self, item: str) -> None:
        """Put something on it."""

    async def remove(self, items: Sequence[str]) -> None:
        """Take things off it."""


class Lists:
    """Keeps lists by their names.

    Args:
        store: keeps them, one entry a list.
        todos: keeps the to-do list instead.
    """

    def __init__(self, store: Store, todos: Elsewhere | None = None) -> None:
        self._store = store
        self._todos = todos
        self._lists: dict[str, list[str]] | None = None
        self._changing = asyncio.Lock()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.add_to_list, effect=Effect.CONTROL),
            tool(self.remove_from_list, effect=Effect.CONTROL),
            tool(self.find_on_list, effect=Effect.READ),
            tool(self.read_list, effect=Effect.READ),
            tool(self.name_lists, effect=Effect.READ),
            tool(self.clear_list, effect=Effect.CONTROL, question=_ask_to_clear),
        ]

    async def add_to_list(
        self, context: Context, item: str, list_name: str = "shopping", others: Sequence[str] = ()
    ) -> Result:
        """Put something on a list.

        Args:
            item: what to put on it.
            list_name: which list: shopping, to-do or another.
            others: what else to put on it.
        """
        name, wanted = _plain(list_name), [each.strip() for each in (item, *others) if each.strip()]
        if not wanted:
            raise TryAgain("What is to go on the list? Give an item.")
        added: list[str] = []
        known: list[str] = []
        async with self._changing:
            items = await self._items(name)
            for each in wanted:
                if _bare(each) in map(_bare, items):
                    known.append(each)
                elif _bare(each) not in map(_bare, added):
                    added.append(each)
            if added:
                items = [*items, *added]
                await self._keep(name, items)
        told = [f"{begun(joined(added))} {_are(added)} on the {name} list."] if added else []
        if known:
            told.append(f"{begun(joined(known))} {_are(known)} on {'it' if added else f'the {name} list'} already.")
        return Result(" ".join(told), {"items": items, "added": added, "known": known})

    async def remove_from_list(
        self, context: Context, item: str, list_name: str = "shopping", others: Sequence[str] = ()
    ) -> Result:
        """Take something off a list.

        Args:
            item: what to take off it.
            list_name: which list.
            others: what else to take off it.
        """
        name, wanted = _plain(list_name), [each.strip() for each in (item, *others) if each.strip()]
        async with self._changing:
            items = await self._items(name)
            found = {each: _find(each, items) for each in wanted}
            gone = [there for there in found.values() if there]
            missing = [each for each, there in found.items() if there is None]
            if not gone:
                raise Failed(f"{begun(joined(missing))} {_are(missing)} not on the {name} list.")
            left = [each for each in items if each not in gone]
            await self._keep(name, left)
        told = f"I took {joined(gone)} off the {name} list."
        if missing:
            told += f" {begun(joined(missing))} {'was' if len(missing) == 1 else 'were'} not on it."
        return Result(told, {"items": left, "removed": gone, "missing": missing})

    async def find_on_list(self, context: Context, item: str, list_name: str = "shopping") -> Result:
        """Tell whether something is on a list.

        Args:
            item: what is looked for.
            list_name: which list.
        """
        name, wanted = _plain(list_name), item.strip()
        there = _find(wanted, await self._items(name))
        if there is None:
            return Result(f"No, {wanted} {_are([wanted])} not on the {name} list.", {"found": None})
        return Result(f"Yes, {there} {_are([there])} on the {name} list.", {"found": there})

    async def read_list(self, context: Context, list_name: str = "shopping") -> Result:
        """Tell what is on a list.

        Args:
            list_name: which list.
        """
        name = _plain(list_name)
        items = await self._items(name)
        if not items:
            return Result(f"The {name} list is empty.", {"items": []})
        more = f", and {len(items) - READ_ALOUD} more" if len(items) > READ_ALOUD else ""
        there = "There is" if len(items) == 1 else "There are"
        return Result(f"{there} {_joined(items[:READ_ALOUD], more)} on the {name} list.", {"items": items})

    async def name_lists(self, context: Context) -> Result:
        """Tell which lists there are."""
        names = sorted(name for name, items in (await self._loaded()).items() if items)
        if TODO not in names and self._todos is not None and await self._todos.items():
            names.append(TODO)
        if not names:
            return Result("There is nothing on any list.", {"lists": []})
        there = "There is" if len(names) == 1 else "There are"
        return Result(f"{there} {joined([f'the {name} list' for name in names])}.", {"lists": names})

    async def clear_list(self, context: Context, list_name: str = "shopping") -> Result:
        """Empty a list.

        Args:
            list_name: which list.
        """
        name = _plain(list_name)
        async with self._changing:
            await self._keep(name, [])
        return Result(f"The {name} list is empty now.", {"items": []})

    async def _loaded(self) -> dict[str, list[str]]:
        if self._lists is None:
            lists = dict(_readable(await self._store.load()))
            # Whoever came first has them already, and may have changed them.
            self._lists = lists if self._lists is None else self._lists
        return self._lists

    async def _items(self, name: str) -> list[str]:
        if name == TODO and self._todos is not None:
            return await self._todos.items()
        return (await self._loaded()).get(name, [])

    async def _keep(self, name: str, items: list[str]) -> None:
        """Put `items` on a list in place of what was there, once that is saved. Raises `Failed` where it cannot be."""
        if name == TODO and self._todos is not None:
            before = await self._todos.items()
            await self._todos.remove([item for item in before if item not in items])
            for item in items:
                if item not in before:
                    await self._todos.add(item)
            return
        changed = {**await self._loaded(), name: items}
        try:
            await self._store.save([{"name": name, "items": items} for name, items in changed.items() if items])
        except OSError as error:
            logger.error(f"lists cannot be saved: {error}")
            raise Failed("Sorry, I can't write that down right now.") from error
        self._lists = changed


def _readable(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    for entry in entries:
        try:
            kept = _Entry.model_validate(dict(entry))
        except ValidationError as error:
            logger.warning(f"a list that was kept is left out, it cannot be read: {error.errors()[0]['msg']}")
        else:
            yield kept.name, kept.items


def _ask_to_clear(arguments: Mapping[str, Any]) -> str:
    return f"Shall I empty the {_plain(str(arguments['list_name']))} list?"


def _plain(name: str) -> str:
    plain = name.lower().removeprefix("the ").removeprefix("my ").removesuffix(" list").strip() or "shopping"
    return TODO if _TODO_NAMES.fullmatch(plain) else plain


def _find(wanted: str, items: Sequence[str]) -> str | None:
    """What is meant by these words of what is on a list: "the eggs" may be "a dozen eggs" there."""
    names = [_bare(each) for each in items]
    said = _bare(wanted)
    if said in names:
        return items[names.index(said)]
    ending = [each for each, name in zip(items, names, strict=True) if name.endswith(f" {said}")]
    return ending[0] if len(ending) == 1 else None


def _bare(item: str) -> str:
    return _ARTICLES.sub("", item.lower().strip())


def _are(items: Sequence[str]) -> str:
    """The verb of what is named: "socks are", "a dozen eggs are", "milk is"."""
    last = items[-1].lower().partition(" of ")[0].split()[-1]
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in _ONE
    return "are" if len(items) > 1 or (plural and len(items[-1].split()) <= WORDS_OF_A_THING) else "is"


def _joined(items: Sequence[str], more: str) -> str:
    if more or len(items) == 1:
        return f"{', '.join(items)}{more}"
    return f"{', '.join(items[:-1])} and {items[-1]}"
