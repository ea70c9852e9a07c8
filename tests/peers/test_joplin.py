"""A real Joplin keeps the to-dos and notes of the household."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from tests.peers import joplin_server
from tests.peers.joplin_server import TOKEN, joplin
from tests.tools.calling import Caller, MemoryStore
from tools.joplin import Joplin, Notes
from tools.lists import Lists
from tools.service import MemoryCache, Service
from tools.web import Web

ZONE = ZoneInfo("Europe/Lisbon")
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE).timestamp()

pytestmark = [
    pytest.mark.skipif(not joplin_server.ready() and not os.environ.get("CI"), reason="no Joplin: make test-joplin"),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass
class Desk:
    url: str
    notes: Caller
    lists: Caller

    async def stored(self) -> dict[str, dict]:
        params = {"token": TOKEN, "fields": "title,body,is_todo,todo_completed,todo_due"}
        async with httpx.AsyncClient() as http:
            items = (await http.get(f"{self.url}/notes", params=params)).json()["items"]
        return {item["title"]: item for item in items}


@asynccontextmanager
async def desk(url: str, token: str = TOKEN) -> AsyncIterator[Desk]:
    web = Web([url])
    tool = Joplin(Service("Joplin", url, web, cache=MemoryCache(), requests=300), token, now=lambda: MONDAY)
    notes = Notes(tool, zone=lambda: ZONE, now=lambda: MONDAY)
    try:
        yield Desk(url, Caller(notes.tools()), Caller(Lists(MemoryStore(), tool).tools()))
    finally:
        await web.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with joplin(tmp_path_factory.mktemp("joplin")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def here(server: str) -> AsyncIterator[Desk]:
    async with httpx.AsyncClient() as http:
        for item in (await http.get(f"{server}/notes", params={"token": TOKEN})).json()["items"]:
            await http.delete(f"{server}/notes/{item['id']}", params={"token": TOKEN, "permanent": "1"})
    async with desk(server) as made:
        yield made


async def test_something_to_do_is_written_down_told_and_done(here: Desk) -> None:
    assert await here.notes.ask("read_todos") == "There is nothing to do."
    assert await here.notes.ask("add_todo", text="call the plumber.") == "Call the plumber is on the to-do list."
    said = await here.notes.ask("add_todo", text="pay the rent", when="friday")
    assert said == "Pay the rent is on the to-do list, due on Friday at 9:00 AM."
    told = await here.notes.ask("read_todos")
    assert told == "To do: pay the rent, due on Friday at 9:00 AM and call the plumber."
    assert await here.notes.ask("read_todos", when="this week") == (
        "To do by the end of this week: pay the rent, due on Friday at 9:00 AM."
    )
    assert await here.notes.ask("finish_todo", title="the plumber") == "Call the plumber is done."
    stored = await here.stored()
    assert stored["call the plumber"]["todo_completed"] == MONDAY * 1000
    assert stored["pay the rent"]["todo_due"] == datetime(2026, 11, 27, 9, 0, tzinfo=ZONE).timestamp() * 1000
    assert "plumber" not in await here.notes.ask("read_todos")


@pytest.mark.parametrize("name", ["to-do", "todo", "my to do list", "task"])
async def test_the_to_do_list_is_the_one_in_joplin(here: Desk, name: str) -> None:
    assert (
        await here.lists.ask("add_to_list", item="wash the car", list_name=name) == "Wash the car is on the to-do list."
    )
    assert "already" in await here.lists.ask("add_to_list", item="Wash the car", list_name=name)
    assert (await here.stored())["wash the car"]["is_todo"] == 1
    assert await here.lists.ask("read_list", list_name=name) == "There is wash the car on the to-do list."
    assert await here.lists.ask("remove_from_list", item="wash the car", list_name=name) == (
        "I took wash the car off the to-do list."
    )
    assert (await here.stored())["wash the car"]["todo_completed"] > 0
    await here.lists.call("add_to_list", item="milk")
    assert "milk" not in await here.stored()


async def test_a_note_is_written_and_read_without_its_markup(here: Desk) -> None:
    said = await here.notes.ask(
        "add_note", title="guest wifi", text="# Wifi\n\n- Name: *Harbour*\n- Code: [seven](http://x) gulls"
    )
    assert said == "I wrote it down as Guest wifi."
    assert await here.notes.ask("find_note", about="my note about the wifi") == (
        "Guest wifi: Wifi Name: Harbour Code: seven gulls"
    )
    await here.notes.call("add_note", text="The boiler was serviced in March, and again in June")
    assert "in March" in await here.notes.ask("find_note", about="boiler")
    await here.notes.call("add_note", title="old wifi", text="gone")
    assert await here.notes.ask("find_note", about="wifi") == "Which one? There are Old wifi and Guest wifi."
    assert await here.notes.ask("find_note", about="taxes") == "I find nothing called taxes in the notes."


async def test_more_notes_than_a_page_holds_are_all_found(here: Desk) -> None:
    async with httpx.AsyncClient() as http:
        for number in range(130):
            body = {"title": f"number {number}", "body": "x"}
            (await http.post(f"{here.url}/notes", params={"token": TOKEN}, json=body)).raise_for_status()
    assert await here.notes.ask("find_note", about="number 0") == "Number 0: x"
    assert await here.notes.ask("find_note", about="number 129") == "Number 129: x"


async def test_a_wrong_token_and_a_joplin_that_is_off_are_told(server: str) -> None:
    async with desk(server, "wrong") as other:
        assert "doesn't let me in" in await other.notes.ask("read_todos")
        assert "doesn't let me in" in await other.lists.ask("read_list", list_name="to-do")
    async with desk("http://127.0.0.1:1") as away:
        assert await away.notes.ask("read_todos") == (
            "Joplin doesn't answer right now. Please try again in a few minutes."
        )
