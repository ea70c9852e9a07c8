"""What the page and the owner see and say of the household, with a real Postgres."""

import tarfile
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from pipeline.caller import Caller
from pipeline.settings import Settings
from pipeline.store.conversations import Conversations
from pipeline.store.people import People
from satellites import household
from satellites.access import OWNER
from tests.pipeline.store.conftest import database, folder, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROWSER = "browser-0123456789abcdef"


class House:
    """The routes for an owner or for somebody else."""

    def __init__(self, stores: object, settings: Settings) -> None:
        self.stores = stores
        self._app = FastAPI()
        household.mount(self._app, self, settings)

    def client(self, *, owner: bool) -> httpx.AsyncClient:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._app({**scope, OWNER: owner}, receive, send)

        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest_asyncio.fixture(loop_scope="module")
async def house(database, tmp_path) -> AsyncIterator[House]:  # noqa: F811
    stores = SimpleNamespace(
        database=database,
        people=People(database),
        conversations=Conversations(database, resume=timedelta(minutes=30), keep=timedelta(days=90)),
    )
    (tmp_path / "household").mkdir()
    yield House(stores, Settings(data_dir=tmp_path))


async def test_what_is_said_of_a_device_is_so_at_its_next_conversation(house: House) -> None:
    people = house.stores.people
    await people.known(Caller("browser", BROWSER))
    async with house.client(owner=False) as client:
        said = {"room": "kitchen", "speed": 1.5, "title": "The tablet", "quiet": "22:00-07:00"}
        assert (await client.patch(f"/v1/devices/{BROWSER}", json=said)).status_code == 200
        assert (await client.get(f"/v1/devices/{BROWSER}")).json()["room"] == "kitchen"
    caller = await people.known(Caller("browser", BROWSER))
    assert (caller.room, caller.speed, caller.title, caller.quiet) == ("kitchen", 1.5, "The tablet", "22:00-07:00")


async def test_whose_a_device_is_only_an_owner_says(house: House) -> None:
    people = house.stores.people
    for device in (BROWSER, "kitchen"):
        await people.known(Caller("browser", device))
    async with house.client(owner=False) as client:
        assert (await client.patch(f"/v1/devices/{BROWSER}", json={"person": "Ada"})).status_code == 403
        assert (await client.patch("/v1/devices/kitchen", json={"room": "hall"})).status_code == 403
        assert (await client.get("/v1/devices/kitchen")).status_code == 403
        assert "devices" not in (await client.get("/v1/devices")).json()
    async with house.client(owner=True) as client:
        assert (await client.patch("/v1/devices/kitchen", json={"person": "Ada"})).status_code == 200
        found = (await client.get("/v1/devices")).json()
    assert found["people"] == ["Ada"]
    assert {each["name"]: each["person"] for each in found["devices"]} == {BROWSER: None, "kitchen": "Ada"}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"speed": 9}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"quiet": "at night"}, "quiet"),
        ({"voice": "nobody"}, "voice"),
        ({"room": "x" * 65}, "room"),
        ({"room": "a\nb"}, "room"),
        ({"name": "other"}, "name"),
        (["room"], "object"),
        ("x" * 5000, "fewer words"),
    ],
)
async def test_what_cannot_be_said_of_a_device_is_told(house: House, said: object, problem: str) -> None:
    await house.stores.people.known(Caller("browser", BROWSER))
    async with house.client(owner=True) as client:
        answer = await client.patch(f"/v1/devices/{BROWSER}", json=said)
        assert answer.status_code == 400
        assert problem in answer.json()["error"]["message"]
        unknown = await client.patch("/v1/devices/nobody", json={"room": "hall"})
        assert "there is no device nobody" in unknown.json()["error"]["message"]


async def test_a_browser_reads_its_own_conversations_again(house: House) -> None:
    conversations, there = house.stores.conversations, Caller("browser", BROWSER, resumes=True)
    for number in (1, 2):
        conversations.note(str(number), there, "user", f"Question {number}")
        conversations.note(str(number), there, "assistant", f"Answer {number}")
    conversations.note("3", Caller("browser", "kitchen"), "user", "Something private")
    await conversations.flush()
    async with house.client(owner=True) as client:
        told = (await client.get("/v1/conversations", params={"device": BROWSER})).json()
        assert [each["id"] for each in told] == ["2", "1"]
        assert [(role, words) for role, words, _ in told[0]["messages"]] == [
            ("user", "Question 2"),
            ("assistant", "Answer 2"),
        ]
        earlier = {"device": BROWSER, "before": told[0]["messages"][0][2]}
        assert [each["id"] for each in (await client.get("/v1/conversations", params=earlier)).json()] == ["1"]
        assert (await client.get("/v1/conversations", params={"device": "kitchen"})).status_code == 403
        wrong = {"device": BROWSER, "before": "1e300"}
        assert (await client.get("/v1/conversations", params=wrong)).status_code == 400


async def test_an_owner_takes_a_backup_home(house: House) -> None:
    await house.stores.people.known(Caller("browser", BROWSER))
    async with house.client(owner=True) as client:
        answer = await client.get("/v1/backup")
    assert answer.headers["content-disposition"].endswith('.tar.gz"')
    with tarfile.open(fileobj=BytesIO(answer.content)) as archive:
        assert "manifest.json" in archive.getnames()


async def test_without_a_database_it_is_said_so(house: House, tmp_path) -> None:
    nothing = House(None, Settings(data_dir=tmp_path))
    async with nothing.client(owner=True) as client:
        for path in ("/v1/devices", f"/v1/conversations?device={BROWSER}", "/v1/backup"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "no database" in answer.json()["error"]["message"]
