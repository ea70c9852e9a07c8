"""The HTTP application that the web doors mount on, and who may use it.

It listens at once and answers `/healthz` with 503 until the assistant is warm. `/v1/turns` tells how long
each part of the latest turns took.
"""

import asyncio
import contextlib
import errno
import importlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Protocol

import uvicorn
from fastapi import FastAPI
from loguru import logger
from starlette.responses import JSONResponse, Response

import satellites.admin
import satellites.announce
import satellites.browser.door
import satellites.chat.door
import satellites.engine_routes
import satellites.household
import satellites.mcp.door
import satellites.pairing.door
import satellites.readings
import satellites.realtime.door
import satellites.services
import satellites.tools
import satellites.woken
from pipeline.json_store import JsonStore
from pipeline.settings import Settings, is_loopback
from satellites.access import Access
from satellites.gate import Gate
from satellites.https import CertificateUnusable, Https
from satellites.pairing.door import Pairing
from satellites.pairing.paired import Paired
from satellites.services import House, Satellite, Service, run_all

MAX_MESSAGE = 20 << 20
"""Bytes of a websocket's message: OpenAI's Realtime API allows 15 MB of audio in one, before base64."""

PING_SECONDS = 10.0
"""A websocket is pinged as often, and given up when the answer takes as long."""

GRACE_SECONDS = 5
"""What requests and websockets get to end when the server stops."""


class Latency(Protocol):
    """Where the assistant notes how long its turns take."""

    def turns(self) -> list[dict[str, Any]]:
        """Return the latest turns' records, oldest first, ready for JSON."""


class Assistant(
    satellites.services.Assistant,
    satellites.realtime.door.Assistant,
    satellites.browser.door.Assistant,
    satellites.chat.door.Assistant,
    satellites.engine_routes.Assistant,
    satellites.readings.Assistant,
    satellites.announce.Assistant,
    satellites.tools.Assistant,
    satellites.admin.Assistant,
    satellites.mcp.door.Assistant,
    satellites.household.Assistant,
    Protocol,
):
    """What this application and its doors need of the assistant. Entering it loads and warms its engines."""

    @property
    def latency(self) -> Latency:
        """How long its latest turns took."""

    @property
    def ready(self) -> bool:
        """Whether it is loaded and warm."""

    @property
    def problem(self) -> str | None:
        """What keeps it from answering now."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class Knows(Protocol):
    """A door that knows devices."""

    def satellites(self) -> Sequence[Satellite]:
        """How they are."""


class Door(Protocol):
    """A door whose conversations outlive the requests that began them."""

    async def close(self) -> None:
        """End its conversations."""


DOORS: tuple[Callable[[FastAPI, Assistant], Door | None], ...] = (
    satellites.chat.door.mount,
    satellites.engine_routes.mount,
    satellites.readings.mount,
    satellites.announce.mount,
    satellites.tools.mount,
    satellites.mcp.door.mount,
)
"""The doors of this application beside the browser's."""

SERVICES: Final[Mapping[str, Callable[[Settings], object]]] = {
    "satellites.esphome.door": lambda settings: settings.esphome.wanted,
    "satellites.wyoming.satellite": lambda settings: settings.wyoming.satellites,
    "satellites.wyoming.server": lambda settings: settings.wyoming.enabled,
    "satellites.sip.door": lambda settings: settings.sip.enabled,
    "satellites.sip.audiosocket": lambda settings: settings.sip.audiosocket.enabled,
    "satellites.xiaozhi.door": lambda settings: settings.xiaozhi.enabled,
}
"""Every door that runs beside it, and whether the household wants it; the others are not even loaded."""


def _log_failure(error: BaseException) -> None:
    logger.opt(exception=error).error("The assistant could not be loaded")


@dataclass(frozen=True, slots=True)
class Secure:
    """Where the application is served over https as well."""

    https: Https
    listening: socket.socket

    def addresses(self) -> list[str]:
        """Where other devices of the house reach it."""
        return self.https.addresses(self.listening.getsockname()[1])


def create_app(
    assistant: Assistant,
    settings: Settings,
    *,
    secure: Secure | None = None,
    on_failure: Callable[[BaseException], None] = _log_failure,
) -> FastAPI:
    """Make the application. Its lifespan loads the assistant and in the end closes the doors and it.

    Args:
        assistant: Who the doors' callers talk to.
        settings: Its token decides who may come in, beside devices that were paired.
        secure: Serves the same over https while the application lives.
        on_failure: Told why the assistant cannot be loaded. The application goes on, and is not healthy.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await paired.load()
        async with _living(assistant, services, on_failure), AsyncExitStack() as stack:
            stack.enter_context(problems.noted())
            if secure is not None:
                config = _config(app, lifespan="off", ssl_context_factory=secure.https.context)
                await stack.enter_async_context(secure.https.serving(config, [secure.listening]))
            try:
                yield
            finally:
                await asyncio.gather(*(door.close() for door in doors))

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    paired = Paired(JsonStore(settings.data_dir / "household" / "paired.json"))
    authority = secure.https.certificate.authority if secure else None
    pairing = Pairing(paired, secure.addresses if secure else list, authority)
    house = House(assistant, settings, waiting=pairing.waiting)
    wanted = [name for name, wants in SERVICES.items() if wants(settings)]
    services: list[Service] = [importlib.import_module(name).make(house) for name in wanted]
    doors: list[Door] = [satellites.browser.door.mount(app, assistant, settings.webrtc.ice_servers)]
    doors += [door for mount in DOORS if (door := mount(app, assistant)) is not None]
    satellites.pairing.door.mount(app, pairing)
    problems = satellites.admin.Problems()
    satellites.admin.mount(app, assistant, settings, problems)
    satellites.household.mount(app, assistant, settings)

    satellites.woken.mount(app, house.arbiter)
    clients = satellites.realtime.door.mount(app, assistant)
    _mount_state(app, assistant, [*services, clients])
    app.add_middleware(Gate, access=Access(settings.token, paired), pairing=pairing)
    return app


def _mount_state(app: FastAPI, assistant: Assistant, known: Sequence[Knows]) -> None:
    """Tell at `app` how the assistant and what is connected to it fare."""

    async def healthz() -> Response:
        status = "ok" if assistant.ready else "starting"
        if assistant.problem:
            status = "unavailable"
        return JSONResponse({"status": status}, HTTPStatus.OK if status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE)

    async def turns() -> Response:
        return JSONResponse(assistant.latency.turns())

    async def all_satellites() -> Response:
        return JSONResponse([asdict(each) for door in known for each in door.satellites()])

    app.add_api_route("/v1/satellites", all_satellites, methods=["GET"])
    app.add_api_route("/healthz", healthz, methods=["GET", "HEAD"])
    app.add_api_route("/v1/turns", turns, methods=["GET"])


@asynccontextmanager
async def _living(
    assistant: Assistant, services: Sequence[Service], on_failure: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Load the assistant beside whatever else happens, run the doors, and close all in the task that loaded it."""

    async def live() -> None:
        async with assistant:
            logger.info("The assistant is warm and ready")
            await run_all(services)

    def report(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            on_failure(error)

    task = asyncio.create_task(live(), name="assistant")
    task.add_done_callback(report)
    try:
        yield
    finally:
        task.cancel()
        # wait() and not await: that the task was cancelled is no reason to cancel who waits for it.
        await asyncio.wait({task})


class CannotListen(Exception):  # noqa: N818
    """The address cannot be listened on; the message says what to do."""


def serve(assistant: Assistant, settings: Settings, *, on_listening: Callable[[list[str]], None]) -> None:
    """Serve until a signal asks to stop, then close every conversation and return.

    `on_listening` is told the addresses to reach it at. Raises `CannotListen`, or what kept the assistant
    from loading.
    """
    listening = listen(settings.host, settings.port)
    failures: list[BaseException] = []

    def stop(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    secure = _secure(settings)
    server = uvicorn.Server(_config(create_app(assistant, settings, secure=secure, on_failure=stop), lifespan="on"))
    with listening, secure.listening if secure else contextlib.nullcontext():
        # From before anybody knows that this process is there until uvicorn, which raises the signal that stopped it
        # once more, is done. An exception out of a handler can be lost; a note cannot.
        previous = signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        try:
            with contextlib.suppress(KeyboardInterrupt):
                reached = addresses(settings.host, listening.getsockname()[1])
                on_listening([*reached, *(secure.addresses()[:1] if secure else ())])
                server.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, previous)
    if failures:
        raise failures[0]


def _config(app: FastAPI, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # `Access` looks at a proxy's headers itself; trusting them here would hide where requests come from.
        proxy_headers=False,
        server_header=False,
        # An access log would show tokens in addresses.
        access_log=False,
        log_config=None,
        **more,
    )


def _secure(settings: Settings) -> Secure | None:
    if not settings.https.enabled:
        return None
    try:
        https = Https(settings.https, settings.data_dir / "certificate")
    except CertificateUnusable as error:
        raise CannotListen(str(error)) from error
    return Secure(https, listen(settings.https.host, settings.https.port))


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises `CannotListen`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address, family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "another program uses it: stop that, or set another port"
        elif error.errno == errno.EACCES:
            reason = "ports below 1024 are the system's: set another port"
        else:
            reason = f"{error.strerror or error}: check host in your settings"
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from error
    # Connections have it from here. asyncio sets it only where the socket names its protocol, which this one's do not,
    # and without it small pieces, of an answer or of its sound, wait 40 ms for the other side.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def addresses(host: str, port: int) -> list[str]:
    """Say where a server that listens on `host` is reached from a browser."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        return [f"http://localhost:{port}", f"http://{socket.gethostname()}:{port}"]
    if is_loopback(host):
        return [f"http://localhost:{port}"]
    return [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"]
