"""The door for xiaozhi devices: a listener of its own, on plain HTTP, since they cannot check the house's certificate.

A device asks at `/xiaozhi/ota/` where to talk, and talks at `/xiaozhi/v1/`. It is let in once the household has
accepted the code that it shows.

The firmware connects when it is woken, and nothing here can wake it (`main/application.cc` of xiaozhi-esp32). One that
listens by itself goes on listening after each answer until it is hung up on, and so is away as soon as a conversation
is over: a timer that was set there rings where else somebody can hear it, and it counts as a device that has left. One
with a button rests and stays connected, and is spoken at. The firmware's other transport, MQTT, stays connected too,
but carries no sound before the device has asked for a channel: it could show an alert and buzz, and not speak.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from loguru import logger

from pipeline.caller import HOUSEHOLD, Caller, Capability
from pipeline.json_store import JsonStore
from satellites.access import Failures
from satellites.pairing.paired import Device
from satellites.pairing.waiting import Waiting
from satellites.services import House, Satellite
from satellites.xiaozhi import framing, ota
from satellites.xiaozhi.messages import MAX_MESSAGE
from satellites.xiaozhi.ota import NoDevice
from satellites.xiaozhi.session import Session
from satellites.xiaozhi.socket import Socket

OTA: Final = "/xiaozhi/ota"
TALK: Final = "/xiaozhi/v1"
HEARTBEAT: Final = 20.0
"""Seconds between two pings; a device that does not answer within half of it has vanished."""
CLOSING: Final = 2.0
"""Seconds in which devices hang up when the house does."""
MOST_REMEMBERED: Final = 256
"""Devices that were here and are told of."""
CAPABILITIES: Final = frozenset({Capability.HEAR, Capability.SPEAK, Capability.CALL_TOOLS})
_HELP: Final = (
    "xiaozhi devices ask here where to talk. Enter this page's address as the OTA address on the device's own\n"
    "set-up page (advanced options), let it restart, and accept the code that it shows: passfel pair --accept CODE\n"
)


@dataclass(slots=True)
class _Known:
    """A device that was here."""

    board: str
    address: str
    session: Session | None = None


class Xiaozhi:
    """The listener and the devices that are connected.

    Args:
        house: who they talk to.
        waiting: where they are let in.
    """

    name = "xiaozhi"

    def __init__(self, house: House, waiting: Waiting) -> None:
        self._house = house
        self._settings = house.settings.xiaozhi
        self._waiting = waiting
        self._key = b""
        self._failures = Failures()
        self._known: dict[str, _Known] = {}
        self._boards: dict[str, str] = {}
        self.port: int | None = None
        """Where it listens, while it does."""

    async def run(self) -> None:
        """Serve until cancelled. Raises `OSError` where the address cannot be listened on."""
        self._key = await _own_key(JsonStore(self._house.settings.data_dir / "household" / "xiaozhi.json"))
        app = web.Application(client_max_size=MAX_MESSAGE)
        for path in (OTA, f"{OTA}/"):
            app.router.add_post(path, self._ask)
            app.router.add_get(path, self._help)
        app.router.add_post(f"{OTA}/activate", self._activate)
        for path in (TALK, f"{TALK}/"):
            app.router.add_get(path, self._talk)
        app.on_shutdown.append(self._hang_up)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.host, self._settings.port).start()
            self.port = runner.addresses[0][1]
            logger.info("xiaozhi devices ask at http://THIS-MACHINE:{}{}/", self.port, OTA)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def satellites(self) -> Sequence[Satellite]:
        """The devices that were here since it was opened, and those that ask to be let in."""
        here = [
            Satellite(name, self.name, each.session.state if each.session else "away", _detail(each))
            for name, each in self._known.items()
        ]
        asking = [each for each in self._waiting.asking() if each.door == self.name]
        return here + [
            Satellite(
                each.what,
                self.name,
                "refused",
                {"address": each.address, "problem": f"accept the code it shows: passfel pair --accept {each.code}"},
            )
            for each in asking
        ]

    async def _help(self, _: web.Request) -> web.Response:
        return web.Response(text=_HELP)

    async def _ask(self, request: web.Request) -> web.Response:
        try:
            who = ota.asker(request.headers, await request.read())
        except NoDevice as error:
            return _problem(str(error), HTTPStatus.BAD_REQUEST)
        secret, code = who.secret(self._key), None
        if not self._waiting.paired.known(secret):
            code = self._waiting.ask(secret, what=who.what, address=request.remote or "", door=self.name)
            if code is None:
                return _problem("Too many devices ask to be let in.", HTTPStatus.TOO_MANY_REQUESTS)
        self._remember_board(secret, f"{who.board}/{who.version}")
        now = datetime.now(self._house.settings.household.zone)
        return web.json_response(ota.answer(who, url=self._url(request), secret=secret, now=now, code=code))

    async def _activate(self, request: web.Request) -> web.Response:
        try:
            who = ota.asker(request.headers)
        except NoDevice as error:
            return _problem(str(error), HTTPStatus.BAD_REQUEST)
        secret = who.secret(self._key)
        if self._waiting.paired.known(secret):
            return web.json_response({"message": "success"})
        if any(each.secret == secret for each in self._waiting.asking()):
            return web.json_response({"message": "waiting"}, status=HTTPStatus.ACCEPTED)
        return _problem("Ask anew where to talk.", HTTPStatus.NOT_FOUND)

    def _url(self, request: web.Request) -> str:
        own = request.transport.get_extra_info("sockname")[0] if request.transport else "localhost"
        return f"ws://{ota.reached_as(request.headers.get('Host', ''), own)}:{self.port}{TALK}/"

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        address = request.remote or ""
        if self._failures.too_many(address):
            return _problem("Too many wrong tokens came from here. Wait a minute.", HTTPStatus.TOO_MANY_REQUESTS)
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        found = self._waiting.paired.known(secret) if secret else None
        if found is None:
            self._failures.add(address)
            logger.warning("A device at {} is not let in: passfel pair --list tells who asks", address)
            return _problem("This device is not let in.", HTTPStatus.UNAUTHORIZED)
        device, removed = found
        websocket = web.WebSocketResponse(timeout=CLOSING, heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE)
        await websocket.prepare(request)
        with contextlib.suppress(OSError):
            await self._waiting.paired.note(device)
        await self._serve(websocket, device, removed, known=self._seen(device, secret, address), request=request)
        return websocket

    async def _serve(
        self,
        websocket: web.WebSocketResponse,
        device: Device,
        removed: asyncio.Event,
        *,
        known: _Known,
        request: web.Request,
    ) -> None:
        version = request.headers.get("Protocol-Version", "1")
        session = Session(
            Socket(websocket),
            self._house,
            Caller(self.name, device.name, resumes=True, capabilities=CAPABILITIES, permissions=HOUSEHOLD),
            name=uuid4().hex,
            version=int(version) if version in map(str, framing.VERSIONS) else 1,
            follow_up=self._settings.follow_up,
        )
        if known.session is not None:
            logger.info("{} has connected anew", device.name)
            known.session.end(1001, "The device has connected anew.")
        known.session = session
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_until(removed, session))
                await session.run()
                watching.cancel()
        except* Exception:  # noqa: BLE001 - whatever goes wrong with one device stays with it
            logger.exception("The connection of {} failed", device.name)
        finally:
            if known.session is session:
                known.session = None
            await websocket.close()

    def _seen(self, device: Device, secret: str, address: str) -> _Known:
        known = self._known.pop(device.name, None) or _Known("", address)
        known.board, known.address = self._boards.get(secret, known.board), address
        self._known[device.name] = known
        if len(self._known) > MOST_REMEMBERED:
            away = next((name for name, each in self._known.items() if each.session is None), None)
            if away is not None:
                del self._known[away]
        return known

    def _remember_board(self, secret: str, board: str) -> None:
        self._boards.pop(secret, None)
        self._boards[secret] = board
        if len(self._boards) > MOST_REMEMBERED:
            del self._boards[next(iter(self._boards))]

    async def _hang_up(self, _: web.Application) -> None:
        for each in self._known.values():
            if each.session is not None:
                each.session.end(1001, "The house closes this door.")


def make(house: House) -> Xiaozhi:
    """Make the door."""
    if house.waiting is None:
        raise ValueError("nobody can let devices in")
    return Xiaozhi(house, house.waiting)


async def _until(removed: asyncio.Event, session: Session) -> None:
    await removed.wait()
    session.end(1008, "This device may not come in any more.")


async def _own_key(store: JsonStore) -> bytes:
    """The key that devices' secrets are made with, drawn once. Raises `OSError`."""
    kept = await store.load()
    key = kept[0].get("key") if kept else None
    if not isinstance(key, str) or len(key) < 32:
        key = secrets.token_hex(32)
        await store.save([{"key": key}])
    return key.encode()


def _detail(known: _Known) -> dict[str, Any]:
    return {"address": known.address, **({"firmware": known.board} if known.board else {})}


def _problem(message: str, status: HTTPStatus) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)
