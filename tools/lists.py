"""Lists of the household: shopping, to-dos, and whatever else somebody names."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tools.timers import Store, begun
from tools.tool import Context, Effect, Failed, Result, Tool, tool

READ_ALOUD: Final = 10
"""Items that are read out; nobody remembers more."""


class Lists:
    """Keeps lists by their names.

    Args:
        store: keeps them, one entry a list.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lists: dict[str, list[str]] | None = None
        self._loading = asyncio.Lock()

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
        items = (await self._loaded()).setdefault(_plain(list_name), [])
        known = any(each.lower() == item.strip().lower() for each in items)
        if not known:
            items.append(item.strip())
            await self._save()
        said = "is on the {} list already" if known else "is on the {} list"
        return Result(f"{begun(item.strip())} {said.format(_plain(list_name))}.", {"items": list(items)})

    async def remove_from_list(self, context: Context, item: str, list_name: str = "shopping") -> Result:
        """Take something off a list.

        Args:
            item: what to take off it.
            list_name: which list.
        """
        name = _plain(list_name)
        items = (await self._loaded()).get(name, [])
        found = [each for each in items if each.lower() == item.strip().lower()]
        if not found:
            raise Failed(f"{begun(item.strip())} is not on the {name} list.")
        items.remove(found[0])
        await self._save()
        return Result(f"I took {found[0]} off the {name} list.", {"items": list(items)})

    async def read_list(self, context: Context, list_name: str = "shopping") -> Result:
        """Tell what is on a list.

        Args:
            list_name: which list.
        """
        name = _plain(list_name)
        items = (await self._loaded()).get(name, [])
        if not items:
            return Result(f"The {name} list is empty.", {"items": []})
        more = f", and {len(items) - READ_ALOUD} more" if len(items) > READ_ALOUD else ""
        there = "There is" if len(items) == 1 else "There are"
        return Result(f"{there} {_joined(items[:READ_ALOUD], more)} on the {name} list.", {"items": list(items)})

    async def clear_list(self, context: Context, list_name: str = "shopping") -> Result:
        """Empty a list.

        Args:
            list_name: which list.
        """
        name = _plain(list_name)
        (await self._loaded()).pop(name, None)
        await self._save()
        return Result(f"The {name} list is empty now.", {"items": []})

    async def _loaded(self) -> dict[str, list[str]]:
        async with self._loading:
            if self._lists is None:
                self._lists = {entry["name"]: list(entry["items"]) for entry in await self._store.load()}
            return self._lists

    async def _save(self) -> None:
        assert self._lists is not None
        await self._store.save([{"name": name, "items": items} for name, items in self._lists.items()])


def _ask_to_clear(arguments: Mapping[str, Any]) -> str:
    return f"Shall I empty the {_plain(str(arguments['list_name']))} list?"


def _plain(name: str) -> str:
    return name.lower().removeprefix("the ").removeprefix("my ").removesuffix(" list").strip() or "shopping"


def _joined(items: Sequence[str], more: str) -> str:
    if more or len(items) == 1:
        return f"{', '.join(items)}{more}"
    return f"{', '.join(items[:-1])} and {items[-1]}"
