import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import httpx
import pytest
import uvicorn
import websockets
from fastapi import FastAPI, Request, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.responses import JSONResponse

from pipeline.settings import Settings
from satellites import access
from satellites.access import MAX_FAILURES, Access
from satellites.gate import MAX_BODY, Gate
from satellites.http import CannotListen, addresses, create_app, listen

TOKEN = "correct-horse-battery-staple"
HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("192.0.2.7", 50000)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class FakeAssistant:
    """An assistant without engines: ready when it is told to be."""

    def __init__(self, *, failure: Exception | None = None) -> None:
        self.ready = False
        self.problem: str | None = None
        self.latency = self
        self.closed = asyncio.Event()
        self.warm = asyncio.Event()
        self._failure = failure

    async def __aenter__(self) -> Self:
        if self._failure:
            raise self._failure
        await self.warm.wait()
        self.ready = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.closed.set()

    def check(self) -> None: ...

    async def converse(self, transport: object, caller: object) -> None: ...

    def turns(self) -> list[dict[str, Any]]:
        return [{"turn": 1}]


def settings(token: str | None = TOKEN) -> Settings:
    return Settings(token=token)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(assistant: FakeAssistant, **options: Any) -> AsyncIterator[FastAPI]:
    app = create_app(assistant, settings(), **options)
    async with app.router.lifespan_context(app):
        yield app


def caller(app: FastAPI, client: tuple[str, int] = HERE, host: str = "localhost:7860") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=client)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


async def test_health_is_503_until_the_assistant_is_warm_and_while_it_has_a_problem():
    assistant = FakeAssistant()
    async with running(assistant) as app, caller(app, ELSEWHERE) as client:
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "starting"})
        assistant.warm.set()
        await asyncio.sleep(0.01)
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assistant.problem = "the language model's server does not answer"
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


async def test_the_assistant_is_closed_with_the_application():
    assistant = FakeAssistant()
    assistant.warm.set()
    async with running(assistant):
        await asyncio.sleep(0.01)
        assert not assistant.closed.is_set()
    assert assistant.closed.is_set()


async def test_stopping_while_the_assistant_still_loads_does_not_hang():
    async with asyncio.timeout(5), running(FakeAssistant()):
        await asyncio.sleep(0.01)


async def test_an_assistant_that_cannot_be_loaded_is_reported_and_never_healthy():
    failures: list[BaseException] = []
    error = RuntimeError("no model")
    async with (
        running(FakeAssistant(failure=error), on_failure=failures.append) as app,
        caller(app) as client,
    ):
        await asyncio.sleep(0.01)
        assert failures == [error]
        assert (await client.get("/healthz")).status_code == 503


async def test_latency_records_are_served_to_those_who_may_come_in():
    async with running(FakeAssistant()) as app:
        async with caller(app) as client:
            assert (await client.get("/v1/turns")).json() == [{"turn": 1}]
        async with caller(app, ELSEWHERE) as client:
            assert (await client.get("/v1/turns")).status_code == 401


async def test_the_page_is_served_under_a_strict_policy():
    async with running(FakeAssistant()) as app, caller(app) as client:
        answer = await client.get("/")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/docs")).status_code == 404


@pytest.fixture
def gated() -> FastAPI:
    """A small application behind the gate, with a token."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        offered = websocket.headers.get("sec-websocket-protocol", "")
        await websocket.accept(subprotocol="realtime" if "realtime" in offered else None)
        await websocket.send_text("welcome")
        await websocket.close()

    app.add_middleware(Gate, access=Access(SecretStr(TOKEN)))
    return app


@pytest.fixture
def open_here() -> FastAPI:
    """A small application behind the gate, without a token."""
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST"])
    async def hello() -> str:
        return "hello"

    app.add_middleware(Gate, access=Access(None))
    return app


async def test_other_machines_need_the_token(gated):
    async with caller(gated, ELSEWHERE) as client:
        assert (await client.get("/")).status_code == 401
        assert (await client.get("/", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get("/", headers=BEARER)).status_code == 200


async def test_without_a_token_nobody_elsewhere_comes_in(open_here):
    async with caller(open_here, ELSEWHERE) as client:
        assert (await client.get("/", headers=BEARER)).status_code == 401
        assert (await client.get("/?token=")).status_code == 401
        assert (await client.post("/login", data={"token": ""})).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Via",
        "CF-Connecting-IP",
    ],
)
async def test_what_a_proxy_here_passes_on_needs_the_token(gated, open_here, header):
    async with caller(gated) as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/", headers={header: "127.0.0.1"})).status_code == 401
        assert (await client.get("/", headers={header: "127.0.0.1", **BEARER})).status_code == 200
    async with caller(open_here) as client:
        assert (await client.get("/", headers={header: "127.0.0.1"})).status_code == 401


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:7860", "[::1]:7860"])
async def test_this_machine_is_reached_by_its_own_names(open_here, host):
    async with caller(open_here, host=host) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "localhost.evil.example", "192.168.1.5:7860"])
async def test_a_rebound_name_is_refused(open_here, host):
    async with caller(open_here, host=host) as client:
        assert (await client.get("/")).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7860", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_only_its_own_page_may_post(open_here, origin, status):
    async with caller(open_here) as client:
        assert (await client.post("/", headers={"Origin": origin})).status_code == status


async def test_a_client_on_this_machine_may_send_any_key(gated):
    async with caller(gated) as client:
        for _ in range(MAX_FAILURES + 1):
            assert (await client.get("/", headers={"Authorization": "Bearer unused"})).status_code == 200
        behind_a_proxy = {"X-Forwarded-For": "192.0.2.7", **BEARER}
        assert (await client.get("/", headers=behind_a_proxy)).status_code == 200


async def test_another_sites_page_that_shows_the_token_may_talk(gated):
    async with caller(gated) as client:
        other = {"Origin": "http://localhost:5173"}
        assert (await client.post("/", headers=other)).status_code == 403
        assert (await client.post("/", headers=other | BEARER)).status_code == 200


async def test_a_browser_logs_in_by_the_form_once(gated):
    async with caller(gated, ELSEWHERE, host="box.home") as client:
        page = await client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert '<form method="post" action="/login">' in page.text
        refused = await client.post("/login", data={"token": "wrong"})
        assert (refused.status_code, refused.cookies.get(access.COOKIE)) == (401, None)
        entered = await client.post("/login", data={"token": TOKEN}, headers={"Origin": "http://box.home"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/")).status_code == 200
        assert (await client.post("/", headers={"Origin": "http://box.home:3000"})).status_code == 403


async def test_another_sites_page_cannot_log_a_browser_in(gated):
    async with caller(gated, ELSEWHERE) as client:
        refused = await client.post("/login", data={"token": TOKEN}, headers={"Origin": "http://evil.example"})
        assert refused.status_code == 403


async def test_a_token_in_the_address_is_traded_for_a_session(gated):
    async with caller(gated, ELSEWHERE) as client:
        assert (await client.get("/?token=wrong")).status_code == 401
        entered = await client.get(f"/?token={TOKEN}", headers={"X-Forwarded-Proto": "https"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "; secure" in entered.headers["set-cookie"].lower()
        session = entered.cookies[access.COOKIE]
        assert (await client.get("/", headers={"Cookie": f"{access.COOKIE}={session}"})).status_code == 200
        assert (await client.get("/", headers={"Cookie": f"{access.COOKIE}={session}0"})).status_code == 401
        # Only the page is opened so: an address of the API would end up in logs.
        client.cookies.clear()
        assert (await client.get(f"/v1/turns?token={TOKEN}")).status_code == 401


async def test_guessing_is_slowed_down_but_not_for_others(gated):
    async with caller(gated, ELSEWHERE) as guesser, caller(gated, ("192.0.2.8", 1)) as other:
        for _ in range(MAX_FAILURES):
            assert (await guesser.get("/", headers={"Authorization": "Bearer guess"})).status_code == 401
        for attempt in (
            guesser.get("/", headers=BEARER),
            guesser.get(f"/?token={TOKEN}"),
            guesser.post("/login", data={"token": TOKEN}),
        ):
            answer = await attempt
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert (await other.get("/", headers=BEARER)).status_code == 200


@given(st.text(), st.text())
def test_any_headers_are_judged_without_an_error_and_let_nobody_in(name, value):
    headers = [
        (b"authorization", f"Bearer {value}".encode("utf-8", "replace")),
        (b"cookie", f"{access.COOKIE}={value}; {name}".encode("utf-8", "replace")),
        (b"host", name.encode("utf-8", "replace")),
        (b"origin", value.encode("utf-8", "replace")),
        (b"sec-websocket-protocol", f"realtime, {access.SUBPROTOCOL}{value}".encode("utf-8", "replace")),
    ]
    scope = {"type": "websocket", "path": "/ws", "client": ELSEWHERE, "headers": headers}
    assert not Access(SecretStr(TOKEN)).judge(scope)
    assert not Access(None).judge(scope)


def test_failures_are_forgotten_after_a_while_and_memory_is_bounded():
    now = 0.0
    failures = access.Failures(lambda: now)
    for _ in range(MAX_FAILURES):
        failures.add("guesser")
    assert failures.too_many("guesser")
    now = access.FAILURE_WINDOW + 1
    assert not failures.too_many("guesser")
    for number in range(access.MAX_ADDRESSES + 5):
        for _ in range(MAX_FAILURES):
            failures.add(str(number))
    assert not failures.too_many("0")
    assert failures.too_many(str(access.MAX_ADDRESSES))


async def test_a_body_beyond_the_limit_is_refused_whether_declared_or_not(gated):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65536 + 1):
            yield bytes(65536)

    async with caller(gated) as client:
        assert (await client.post("/", content=bytes(MAX_BODY))).json() == {"bytes": MAX_BODY}
        assert (await client.post("/", content=bytes(MAX_BODY + 1))).status_code == 413
        assert (await client.post("/", content=pieces())).status_code == 413
        assert (await client.post("/login", content=bytes(10_000))).status_code == 413


@pytest.fixture
async def address(gated: FastAPI) -> AsyncIterator[str]:
    """The gated application on a real server, as `serve` configures its websockets."""
    config = uvicorn.Config(gated, ws="websockets-sansio", proxy_headers=False, log_config=None)
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"localhost:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


PROXY = {"X-Forwarded-For": "192.0.2.7"}


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({}, None),
        (PROXY | BEARER, None),
        (PROXY, ["realtime", f"openai-insecure-api-key.{TOKEN}"]),
    ],
)
async def test_a_websocket_comes_in_by_place_bearer_or_subprotocol(address, headers, subprotocols):
    async with websockets.connect(f"ws://{address}/ws", additional_headers=headers, subprotocols=subprotocols) as ws:
        assert await ws.recv() == "welcome"
        assert ws.subprotocol == ("realtime" if subprotocols else None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (PROXY, 401),
        (PROXY | {"Authorization": "Bearer wrong"}, 401),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
async def test_a_websocket_is_refused_with_the_reason(address, headers, status):
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(f"ws://{address}/ws", additional_headers=headers):
            pass
    assert caught.value.response.status_code == status
    assert caught.value.response.body


async def test_a_websocket_under_a_rebound_name_is_refused(address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(f"ws://evil.example:{port}/ws", host="127.0.0.1", port=port):
            pass
    assert caught.value.response.status_code == 403


def test_small_pieces_of_an_answer_do_not_wait_for_one_another():
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_busy_port_says_what_to_do():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}: another program uses it"):
            listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_says_what_to_do():
    with pytest.raises(CannotListen, match="check host"):
        listen("198.51.100.1", 0)


def test_addresses_are_what_one_types_into_a_browser():
    assert addresses("127.0.0.1", 7860) == ["http://localhost:7860"]
    assert addresses("0.0.0.0", 1) == ["http://localhost:1", f"http://{socket.gethostname()}:1"]
    assert addresses("fd00::1", 1) == ["http://[fd00::1]:1"]
