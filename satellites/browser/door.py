"""The browser's door: the page at `/` and its WebRTC signalling at `/api/offer`.

The signalling is that of Pipecat's SmallWebRTC transport: a POST carries an SDP offer and is answered with an
SDP answer and the connection's id, PATCHes carry ICE candidates as the browser finds them (trickle ICE,
RFC 8838). Host candidates are enough inside a house, so no STUN or TURN server is asked unless the settings name one.
Where WebRTC finds no way, a page takes the websocket at `/api/socket`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from aiortc.sdp import candidate_from_sdp
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from loguru import logger
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pydantic import AliasChoices, BaseModel, Field, ValidationError
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipeline.assistant import AssistantNotReady
from pipeline.caller import HOUSEHOLD, Caller, Capability
from pipeline.settings.satellites import IceServer
from satellites.access import REMOVED
from satellites.browser.socket import socket_transport
from satellites.browser.transport import PeerGone, accept, browser_transport, watch
from satellites.refused import invalid

STATIC = Path(__file__).parent / "static"

MAX_SDP = 64 * 1024
"""Characters of an offer. Chromium's has about 6,000; a large one would hold up every conversation here."""

MAX_CONVERSATIONS = 8
"""Each holds a pipeline and UDP sockets; a household seldom needs three."""

NEGOTIATION_TIMEOUT = 10.0
"""Seconds in which an offer is answered; with host candidates alone it takes milliseconds."""

CAPABILITIES = frozenset({Capability.HEAR, Capability.SPEAK, Capability.SHOW, Capability.FULL_DUPLEX})


class Assistant(Protocol):
    """What this door needs of the assistant."""

    def check(self) -> object:
        """Raise `AssistantNotReady` where it cannot take one more conversation now."""

    async def converse(self, transport: BaseTransport, caller: Caller) -> None:
        """Hold one conversation over `transport`; return when it has ended."""


class Device(BaseModel):
    """What the page says about the device it runs on. A name, never a proof."""

    device: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
    room: Annotated[str, Field(max_length=64)] | None = None


class Offer(BaseModel):
    """A browser's offer, as `@pipecat-ai/small-webrtc-transport` sends it."""

    sdp: Annotated[str, Field(max_length=MAX_SDP)]
    type: Literal["offer"]
    pc_id: str | None = None
    restart_pc: bool = False
    device: Device | None = Field(default=None, validation_alias=AliasChoices("requestData", "request_data", "device"))


class Answer(BaseModel):
    """The answer to an offer; `pc_id` names the connection in later requests."""

    sdp: str
    type: str
    pc_id: str


class Candidate(BaseModel):
    """One ICE candidate; an empty string ends the candidates (RFC 8840)."""

    candidate: Annotated[str, Field(max_length=1024)]
    sdp_mid: str | None = None
    sdp_mline_index: int | None = None


class Candidates(BaseModel):
    """The candidates that a browser found since it last told."""

    pc_id: str
    candidates: Annotated[list[Candidate], Field(max_length=64)]


class Door:
    """The conversations that browsers hold, from their offers to their ends.

    Every conversation is a task of its own: one that fails or whose browser vanishes leaves the others alone.
    """

    def __init__(self, assistant: Assistant, ice_servers: Sequence[IceServer] = ()) -> None:
        self._assistant = assistant
        self._ice_servers = ice_servers
        self._conversations: dict[SmallWebRTCConnection, asyncio.Task[None]] = {}
        self._sockets: set[asyncio.Task[None]] = set()
        self._negotiating = 0

    async def offer(self, offer: Offer, address: str, removed: asyncio.Event | None = None) -> Answer:
        """Answer an offer: a new one begins a conversation, one with a known `pc_id` renegotiates.

        Raises `HTTPException` 400 for an offer that cannot be used, 404 where `pc_id` names no conversation
        any more, 429 where the house is full, 503 where it is not ready or short of memory. If cancelled, a
        connection that was being made is closed. The conversation ends once its device is `removed`.
        """
        if offer.pc_id is not None:
            connection = self._find(offer.pc_id)
            await _negotiate(connection.renegotiate(offer.sdp, offer.type, offer.restart_pc))
            return _answer(connection)
        self._check()
        self._negotiating += 1
        try:
            connection = await _negotiate(accept(offer.sdp, self._ice_servers))
        finally:
            self._negotiating -= 1
        answer = _answer(connection)
        caller = _caller(offer.device.device, offer.device.room) if offer.device else _caller(address)
        self._conversations[connection] = asyncio.create_task(
            self._converse(connection, caller, removed), name=f"browser {connection.pc_id}"
        )
        return answer

    async def add_candidates(self, candidates: Candidates) -> None:
        """Pass a browser's ICE candidates on.

        Raises `HTTPException` 404 where `pc_id` names no conversation, 400 for a candidate that is none.
        """
        connection = self._find(candidates.pc_id)
        for each in candidates.candidates:
            try:
                candidate = None
                if each.candidate:
                    candidate = candidate_from_sdp(each.candidate.removeprefix("candidate:"))
                    candidate.sdpMid = each.sdp_mid
                    candidate.sdpMLineIndex = each.sdp_mline_index
                await connection.add_ice_candidate(candidate)
            except (AssertionError, ValueError, IndexError) as error:
                raise HTTPException(400, f"Not an ICE candidate: {each.candidate!r}") from error

    async def socket(self, websocket: WebSocket, device: Device) -> None:
        """Hold a conversation over a websocket that has not been accepted yet; return when it has ended.

        Where it cannot be held, the websocket is closed with the reason. The application's gate ends it once its
        device is removed.
        """
        await websocket.accept()
        task = asyncio.current_task()
        assert task is not None
        try:
            self._check()
            self._sockets.add(task)
            await self._assistant.converse(socket_transport(websocket), _caller(device.device, device.room))
        except HTTPException as refused:
            await websocket.close(1013, refused.detail)
        except AssistantNotReady as early:
            await websocket.close(1013, str(early))
        except Exception:  # noqa: BLE001 - one conversation's failure ends no other
            logger.exception("The conversation with {} failed", device.device)
        finally:
            self._sockets.discard(task)

    def _check(self) -> None:
        """Raise `HTTPException` 503 or 429 where no further conversation can be held."""
        try:
            self._assistant.check()
        except AssistantNotReady as error:
            raise HTTPException(503, str(error)) from None
        if len(self._conversations) + len(self._sockets) + self._negotiating >= MAX_CONVERSATIONS:
            raise HTTPException(429, "Too many conversations are open. End one and try again.")

    async def close(self) -> None:
        """End every conversation; the browsers are told that their peer left."""
        tasks = [*self._conversations.values(), *self._sockets]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before its first step has closed nothing.
        await asyncio.gather(*(connection.disconnect() for connection in self._conversations))
        self._conversations.clear()

    def _find(self, pc_id: str) -> SmallWebRTCConnection:
        for connection in self._conversations:
            if connection.pc_id == pc_id:
                return connection
        raise HTTPException(404, "That conversation has ended. Start a new one.")

    async def _converse(self, connection: SmallWebRTCConnection, caller: Caller, removed: asyncio.Event | None) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                watching = [group.create_task(watch(connection))]
                if removed is not None:
                    watching.append(group.create_task(_until(removed)))
                await self._assistant.converse(browser_transport(connection), caller)
                for each in watching:
                    each.cancel()
        except* PeerGone:
            logger.warning("{} left and its conversation did not end; cancelled it", caller.device)
        except* _Removed:
            logger.info("{} was removed, and its conversation ended", caller.device)
        except* AssistantNotReady as early:
            logger.info("{} came too early: {}", caller.device, early.exceptions[0])
        except* Exception:  # noqa: BLE001 - one conversation's failure ends no other
            logger.exception("The conversation with {} failed", caller.device)
        finally:
            del self._conversations[connection]
            await connection.disconnect()


def _caller(device: str, room: str | None = None) -> Caller:
    # The application lets in only this machine, devices that were paired and who shows the token: people of the house.
    return Caller(
        door="browser",
        device=device,
        room=room,
        resumes=True,
        capabilities=CAPABILITIES,
        permissions=HOUSEHOLD,
    )


class _Removed(Exception):  # noqa: N818 - reads as what happened
    """The device may not come in any more."""


async def _until(removed: asyncio.Event) -> None:
    await removed.wait()
    raise _Removed


Negotiated = TypeVar("Negotiated")


async def _negotiate(negotiation: Awaitable[Negotiated]) -> Negotiated:
    try:
        async with asyncio.timeout(NEGOTIATION_TIMEOUT):
            return await negotiation
    except Exception as error:
        # aiortc has no error of its own: its parser raises whatever it stumbles on.
        logger.opt(exception=error).debug("An offer was refused")
        raise HTTPException(400, f"The offer could not be used: {error or type(error).__name__}") from error


def _answer(connection: SmallWebRTCConnection) -> Answer:
    answer = connection.get_answer()
    if answer is None:
        raise HTTPException(409, "The connection is being closed. Start a new one.")
    return Answer.model_validate(answer)


Body = TypeVar("Body", bound=BaseModel)


async def _read(request: Request, kind: type[Body]) -> Body:
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise HTTPException(400, invalid(error)) from error


class _Page(StaticFiles):
    """The built page, asked for at each visit so that an update shows at once; its ETag makes that cheap."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


PAGE = _Page(directory=STATIC)


def mount(app: FastAPI, assistant: Assistant, ice_servers: Sequence[IceServer] = ()) -> Door:
    """Serve the page and its conversations on `app`: `/`, `/page/…`, `/api/offer` and `/api/socket`.

    Returns:
        The door; await its `close()` in the application's lifespan.
    """
    door = Door(assistant, ice_servers)

    async def index(request: Request) -> Response:
        return await PAGE.get_response("index.html", request.scope)

    async def offer(request: Request) -> Answer:
        address = request.client.host if request.client else "unknown"
        return await door.offer(await _read(request, Offer), address, request.scope.get(REMOVED))

    async def candidates(request: Request) -> dict[str, str]:
        await door.add_candidates(await _read(request, Candidates))
        return {"status": "success"}

    async def ice() -> list[dict[str, Any]]:
        return [each.as_dict() for each in ice_servers]

    async def socket(websocket: WebSocket, device: str, room: str | None = None) -> None:
        try:
            named = Device(device=device, room=room)
        except ValidationError:
            await websocket.close(1008, "A device's name has letters, digits, _ and -, 64 at most.")
            return
        await door.socket(websocket, named)

    app.add_api_route("/api/ice", ice, methods=["GET"])
    app.add_api_websocket_route("/api/socket", socket)
    app.add_api_route("/", index, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/api/offer", offer, methods=["POST"])
    app.add_api_route("/api/offer", candidates, methods=["PATCH"])
    app.mount("/page", GZipMiddleware(PAGE, minimum_size=1024))
    return door
