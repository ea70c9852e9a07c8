"""Lists of the household: shopping, to-dos, and whatever else somebody names."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from loguru import logger
from pydantic import BaseModel, ValidationError

from tools.store import Store
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun

READ_ALOUD: Final = 10
"""Items that are read out; nobody remembers more."""

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
            tool(self.read_list, effect=Effect.READ),
            tool(self.clear_list, effect=Effect.CONTROL, question=_ask_to_clear),
        ]

    async def add_to_list(self, context: Context, item: str, list_name: str = "shopping") -> Result:
        """Put something on a list.

        Args:
            item: what to put on it.
            list_name: which list: shopping, to-do or another.
        """
        name, wanted = _plain(list_name), item.strip()
        if not wanted:
            raise TryAgain("What is to go on the list? Give an item.")
        async with self._changing:
            items = await self._items(name)
            known = any(each.lower() == wanted.lower() for each in items)
            if not known:
                items = [*items, wanted]
                await self._keep(name, items)
        said = "is on the {} list already" if known else "is on the {} list"
        return Result(f"{begun(wanted)} {said.format(name)}.", {"items": items})

    async def remove_from_list(self, context: Context, item: str, list_name: str = "shopping") -> Result:
        """Take something off a list.

        Args:
            item: what to take off it.
            list_name: which list.
        """
        name, wanted = _plain(list_name), item.strip().lower()
        async with self._changing:
            items = await self._items(name)
            found = [each for each in items if each.lower() == wanted]
            if not found:
                raise Failed(f"{begun(item.strip())} is not on the {name} list.")
            left = [each for each in items if each not in found]
            await self._keep(name, left)
        return Result(f"I took {found[0]} off the {name} list.", {"items": left})

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


def _joined(items: Sequence[str], more: str) -> str:
    if more or len(items) == 1:
        return f"{', '.join(items)}{more}"
    return f"{', '.join(items[:-1])} and {items[-1]}"
