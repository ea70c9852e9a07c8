"""Devices come in with a code and go out, at an application behind the gate."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from pipeline.json_store import JsonStore
from satellites.access import COOKIE, MAX_FAILURES, Access
from satellites.gate import Gate
from satellites.pairing import door
from satellites.pairing.codes import MOST_GUESSES, SECONDS
from satellites.pairing.door import OPEN, Pairing
from satellites.pairing.page import device_name
from satellites.pairing.paired import Paired
from satellites.pairing.waiting import Waiting

HERE, ELSEWHERE = ("127.0.0.1", 50000), ("192.168.1.30", 50000)
HTML = {"accept": "text/html"}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    app: FastAPI
    clock: Clock
    paired: Paired
    waiting: Waiting

    def client(self, address: tuple[str, int]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=address)
        return httpx.AsyncClient(transport=transport, base_url="https://localhost:7443")

    async def code(self, *, owner: bool = False) -> str:
        async with self.client(HERE) as trusted:
            return (await trusted.post("/v1/pairing", params={"owner": owner})).json()["code"]


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    app, clock = FastAPI(), Clock()
    paired = Paired(JsonStore(tmp_path / "paired.json"))

    @app.get("/")
    async def page() -> str:
        return "the page"

    @app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            pass

    authority = tmp_path / "authority.pem"
    authority.write_text("the house's")
    pairing = Pairing(paired, lambda: ["https://192.168.1.5:7443"], authority, clock)
    door.mount(app, pairing)
    app.add_middleware(Gate, access=Access(None, paired, clock=clock), pairing=pairing)
    yield House(app, clock, paired, pairing.waiting)


async def test_an_unpaired_device_sees_the_pairing_page_and_nothing_else(house: House) -> None:
    async with house.client(ELSEWHERE) as stranger:
        answer = await stranger.get("/", headers={**HTML, "user-agent": PHONE})
        assert answer.status_code == 401
        assert "Pair this device" in answer.text
        assert "Safari on iPhone" in answer.text
        for path in ("/", "/v1/paired", "/v1/turns", "/page/page.js", "/nothing"):
            assert (await stranger.get(path)).status_code == 401
        assert (await stranger.post("/v1/pairing")).status_code == 401
        assert (await stranger.get("/pairing/pair.css")).headers["content-type"].startswith("text/css")
        assert (await stranger.get("/authority.crt")).headers["content-type"] == "application/x-x509-ca-cert"
        assert {"/pairing/pair.css", "/authority.crt"} < OPEN


async def test_a_code_lets_a_device_in_for_good(house: House) -> None:
    async with house.client(ELSEWHERE) as phone:
        answer = await phone.post("/login", data={"code": await house.code(), "name": "Ana's phone"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Secure"} <= {part.strip() for part in cookie.split(";")}
        assert (await phone.get("/")).json() == "the page"
        assert [each.name for each in house.paired.devices()] == ["Ana's phone"]
        shown = (await phone.post("/v1/pairing", headers={"origin": "https://localhost:7443"})).json()
        assert shown["link"] == f"https://192.168.1.5:7443/?code={shown['code'].replace(' ', '')}"
        assert shown["picture"].startswith("<svg")


async def test_only_an_owner_sees_who_is_in_and_lets_another_owner_in(house: House) -> None:
    same_site = {"origin": "https://localhost:7443"}
    async with house.client(ELSEWHERE) as tablet, house.client(("192.168.1.40", 1)) as phone:
        await tablet.post("/login", data={"code": await house.code()})
        await phone.post("/login", data={"code": await house.code(owner=True)})
        (first, second) = (await phone.get("/v1/paired")).json()
        assert (first["owner"], second["owner"]) == (True, False)
        for path in ("/admin", "/v1/overview", "/v1/paired", "/v1/backup", "/v1/engine", "/v1/turns"):
            refused = await tablet.get(path)
            assert refused.status_code == 403
            assert "passfel pair --owner" in refused.json()["error"]["message"]
        assert (await tablet.delete(f"/v1/paired/{first['id']}", headers=same_site)).status_code == 403
        assert (await tablet.post("/v1/pairing", headers=same_site)).status_code == 200
        owner = {"params": {"owner": True}, "headers": same_site}
        assert (await tablet.post("/v1/pairing", **owner)).status_code == 403
        assert (await phone.post("/v1/pairing", **owner)).status_code == 200


async def test_the_address_in_the_picture_lets_a_device_in_and_is_not_kept(house: House) -> None:
    code = (await house.code()).replace(" ", "")
    async with house.client(ELSEWHERE) as phone:
        answer = await phone.get(f"/?code={code}", headers={"user-agent": PHONE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert [each.name for each in house.paired.devices()] == ["Safari on iPhone"]


async def test_a_wrong_code_and_one_that_is_too_old_are_told(house: House) -> None:
    code = await house.code()
    wrong = f"{(int(code.replace(' ', '')) + 1) % 1_000_000:06}"
    async with house.client(ELSEWHERE) as stranger:
        assert "not the code" in (await stranger.post("/login", data={"code": wrong}, headers=HTML)).text
        house.clock.now += SECONDS
        assert "too old" in (await stranger.post("/login", data={"code": code}, headers=HTML)).text
    assert house.paired.devices() == []


async def test_guessing_is_stopped_for_the_guesser_and_for_the_code(house: House) -> None:
    code = await house.code()
    wrong = f"{(int(code.replace(' ', '')) + 1) % 1_000_000:06}"
    async with house.client(ELSEWHERE) as guesser, house.client(("192.168.1.31", 1)) as honest:
        for _ in range(MOST_GUESSES):
            await guesser.post("/login", data={"code": wrong})
        assert (await honest.post("/login", data={"code": code})).status_code == 401
        for _ in range(MAX_FAILURES):
            last = await guesser.post("/login", data={"code": wrong})
        assert (last.status_code, last.headers["retry-after"]) == (429, "60")
        assert (await guesser.post("/login", data={"code": await house.code()})).status_code == 429
        assert (await honest.post("/login", data={"code": await house.code()})).status_code == 303


async def test_a_removed_device_is_out_at_once(house: House) -> None:
    async with house.client(ELSEWHERE) as phone:
        await phone.post("/login", data={"code": await house.code(owner=True)})
        (device,) = (await phone.get("/v1/paired")).json()
        talking = asyncio.create_task(conversation(house.app, phone.cookies[COOKIE]))
        await asyncio.sleep(0.05)
        assert not talking.done()
        async with house.client(HERE) as trusted:
            assert (await trusted.delete(f"/v1/paired/{device['id']}")).json() == {"removed": device["name"]}
            assert (await trusted.delete(f"/v1/paired/{device['id']}")).status_code == 404
        assert await asyncio.wait_for(talking, 2) == ["hello"]
        assert (await phone.get("/")).status_code == 401


async def conversation(app: FastAPI, secret: str) -> list[str]:
    """Hold a websocket open, and return what came back before the server ended it."""
    scope = {
        "type": "websocket", "path": "/talk", "raw_path": b"/talk", "query_string": b"", "root_path": "",
        "scheme": "wss", "client": ELSEWHERE, "server": ("localhost", 7443), "subprotocols": [],
        "headers": [(b"host", b"localhost:7443"), (b"cookie", f"{COOKIE}={secret}".encode())],
    }  # fmt: skip
    incoming: asyncio.Queue[dict] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    incoming.put_nowait({"type": "websocket.receive", "text": "hello"})
    sent: list[dict] = []

    async def send(message) -> None:
        sent.append(message)

    await app(scope, incoming.get, send)
    return [message["text"] for message in sent if message["type"] == "websocket.send"]


@pytest.mark.parametrize("path", ["/v1/pairing", "/login"])
async def test_another_sites_page_can_neither_pair_nor_show_codes(house: House, path: str) -> None:
    async with house.client(HERE) as lured:
        answer = await lured.post(path, data={"code": "123456"}, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
    assert house.paired.devices() == []


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "x" * 500, "\x00\n", "Küche 🍳"])
async def test_any_name_is_shortened_and_shown_as_text(house: House, name: str) -> None:
    async with house.client(ELSEWHERE) as phone:
        assert (await phone.post("/login", data={"code": await house.code(), "name": name})).status_code == 303
    (device,) = house.paired.devices()
    assert 0 < len(device.name) <= 40
    assert device.name.isprintable()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        ("curl/8", "A device"),
    ],
)
def test_a_device_is_called_by_what_it_is(agent: str, name: str) -> None:
    assert device_name(agent) == name


async def test_a_body_without_end_is_refused(house: House) -> None:
    async with house.client(ELSEWHERE) as stranger:
        assert (await stranger.post("/login", content=b"code=" + b"1" * 10_000)).status_code == 413


async def test_a_device_without_a_browser_is_let_in_by_the_code_it_shows(house: House) -> None:
    async with house.client(HERE) as owner, house.client(ELSEWHERE) as puck:
        code = house.waiting.ask("secret" * 4, what="box/2.0", address="192.168.1.40", door="xiaozhi")
        (asking,) = (await owner.get("/v1/paired/waiting")).json()
        assert asking == {"code": code, "what": "box/2.0", "address": "192.168.1.40", "door": "xiaozhi"}
        assert (await owner.post("/v1/paired", json={"code": "000000x"})).status_code == 404
        assert (await puck.post("/v1/paired", json={"code": code})).status_code == 401
        let_in = await owner.post("/v1/paired", json={"code": code, "name": "Kitchen"})
        assert let_in.json()["name"] == "Kitchen"
        assert "token" not in let_in.json()
        assert (await puck.get("/", headers={"authorization": f"Bearer {'secret' * 4}"})).json() == "the page"


async def test_a_token_is_made_for_a_device_and_lets_it_in_until_it_is_removed(house: House) -> None:
    async with house.client(HERE) as owner, house.client(ELSEWHERE) as puck:
        made = (await owner.post("/v1/paired", json={"name": "Puck"})).json()
        headers = {"authorization": f"Bearer {made['token']}"}
        assert (await puck.get("/", headers=headers)).json() == "the page"
        assert (await puck.post("/v1/paired", json={"name": "another"}, headers=headers)).status_code == 403
        await owner.delete(f"/v1/paired/{made['id']}")
        assert (await puck.get("/", headers=headers)).status_code == 401


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "x" * 500, "\x00\n", "", "Küche 🍳"])
async def test_any_name_of_a_token_is_shortened_and_shown_as_text(house: House, name: str) -> None:
    async with house.client(HERE) as owner:
        made = (await owner.post("/v1/paired", json={"name": name})).json()["name"]
    assert 0 < len(made) <= 40
    assert made.isprintable()
