import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.tools.calling import ALL, Caller, MemoryStore, context
from tools.lists import READ_ALOUD, Lists
from tools.outcomes import Status


async def test_what_was_put_on_a_list_is_read_back() -> None:
    caller = Caller(Lists(MemoryStore()).tools())
    assert await caller.ask("add_to_list", item="milk") == "Milk is on the shopping list."
    await caller.call("add_to_list", item="eggs", list_name="my shopping list")
    assert await caller.ask("read_list") == "There are milk and eggs on the shopping list."
    assert await caller.ask("read_list", list_name="to-do") == "The to-do list is empty."


async def test_nothing_is_on_a_list_twice() -> None:
    caller = Caller(Lists(MemoryStore()).tools())
    await caller.call("add_to_list", item="milk")
    assert await caller.ask("add_to_list", item="Milk") == "Milk is on the shopping list already."
    assert (await caller.call("read_list")).data["items"] == ["milk"]


async def test_nothing_is_no_item() -> None:
    assert (await Caller(Lists(MemoryStore()).tools()).call("add_to_list", item=" ")).status is Status.INVALID


class FullDisk(MemoryStore):
    async def save(self, entries: object) -> None:
        raise OSError(28, "No space left on device")


async def test_what_cannot_be_written_down_is_not_said_to_be_on_the_list() -> None:
    caller = Caller(Lists(FullDisk()).tools())
    added = await caller.call("add_to_list", item="milk")
    assert (added.status, added.say) == (Status.FAILED, "Sorry, I can't write that down right now.")
    assert (await caller.call("read_list")).data["items"] == []


async def test_a_list_that_cannot_be_read_costs_no_other() -> None:
    store = MemoryStore([{"name": "to-do"}, {"name": "shopping", "items": ["milk"]}])
    assert await Caller(Lists(store).tools()).ask("read_list") == "There is milk on the shopping list."


async def test_several_things_at_once_are_all_on_the_list() -> None:
    lists = Lists(SlowStore())
    await asyncio.gather(*(lists.add_to_list(context(), item) for item in ("milk", "eggs", "bread")))
    assert sorted((await lists.read_list(context())).data["items"]) == ["bread", "eggs", "milk"]


class SlowStore(MemoryStore):
    async def load(self) -> list[dict[str, Any]]:
        await asyncio.sleep(0.01)
        return self.entries

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        await asyncio.sleep(0.01)
        await super().save(entries)


async def test_a_list_survives_a_restart() -> None:
    store = MemoryStore()
    await Caller(Lists(store).tools()).call("add_to_list", item="milk")
    assert await Caller(Lists(store).tools()).ask("read_list") == "There is milk on the shopping list."


async def test_only_what_is_there_can_be_taken_off() -> None:
    caller = Caller(Lists(MemoryStore()).tools())
    await caller.call("add_to_list", item="milk")
    assert (await caller.call("remove_from_list", item="bread")).status is Status.FAILED
    assert await caller.ask("remove_from_list", item="MILK") == "I took milk off the shopping list."
    assert await caller.ask("read_list") == "The shopping list is empty."


async def test_a_long_list_is_not_read_to_its_end() -> None:
    caller = Caller(Lists(MemoryStore()).tools())
    for number in range(READ_ALOUD + 3):
        await caller.call("add_to_list", item=f"thing {number}")
    assert "and 3 more" in await caller.ask("read_list")


async def test_a_list_is_emptied_only_after_a_yes() -> None:
    caller = Caller(Lists(MemoryStore()).tools())
    await caller.call("add_to_list", item="milk")
    asked = await caller.executor.call("clear_list", {}, context("a"), allowed=ALL)
    assert (asked.status, asked.say) == (Status.UNCONFIRMED, "Shall I empty the shopping list?")
    assert (await caller.call("read_list")).data["items"] == ["milk"]
    await caller.executor.confirm("talk", context("b"), yes=True)
    assert (await caller.call("read_list")).data["items"] == []


async def test_several_things_are_told_in_one_sentence() -> None:
    lists = Caller(Lists(MemoryStore()).tools())
    told = await lists.ask("add_to_list", item="milk", others=["socks", "milk", "oat milk"])
    assert told == "Milk, socks and oat milk are on the shopping list."
    assert await lists.ask("remove_from_list", item="the socks", others=["butter"]) == (
        "I took socks off the shopping list. Butter was not on it."
    )
    assert await lists.ask("read_list") == "There are milk and oat milk on the shopping list."


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("eggs", "Yes, a dozen eggs are on the shopping list."),
        ("the milk", "Yes, milk is on the shopping list."),
        ("bread", "No, bread is not on the shopping list."),
        ("ilk", "No, ilk is not on the shopping list."),
    ],
)
async def test_whether_something_is_on_a_list_is_told(item: str, told: str) -> None:
    lists = Caller(Lists(MemoryStore()).tools())
    await lists.ask("add_to_list", item="milk", others=["a dozen eggs"])
    assert await lists.ask("find_on_list", item=item) == told
