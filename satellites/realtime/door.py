"""The door for clients of the OpenAI Realtime API: a websocket at `/v1/realtime`.

It leaves authentication to the application that it is mounted on. The largest event, 15 MiB of base64 audio,
fits uvicorn's own limit of 16 MiB a message, and uvicorn's pings find a peer that has vanished.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.services.llm_service import FunctionCallHandler
from pipecat.transports.base_transport import BaseTransport

from pipeline.assistant import AssistantNotReady
from pipeline.caller import HOUSEHOLD, Caller, Capability
from satellites.access import DEVICE as LET_IN
from satellites.realtime import headers
from satellites.realtime.connection import ClientGone, Connection
from satellites.realtime.protocol import RealtimeProtocol
from satellites.realtime.transport import RealtimeTransport
from satellites.services import Satellite

PATH = "/v1/realtime"

SUBPROTOCOL = "realtime"
"""What a browser offers beside `openai-insecure-api-key.…`, since it cannot set headers."""

MODEL = "passfel"
"""The model's name for a client that asks for none."""

CAPABILITIES = frozenset({Capability.HEAR, Capability.SPEAK, Capability.FULL_DUPLEX, Capability.CALL_TOOLS})


class Assistant(Protocol):
    """What this door needs of the assistant."""

    async def converse(
        self, transport: BaseTransport, caller: Caller, *, call_tool: FunctionCallHandler | None = None
    ) -> None:
        """Hold one conversation over `transport`; return when it has ended."""


NAME = re.compile(r"[\w .-]{1,64}")
FIRMWARE = re.compile(r"[ -~]{1,64}")


def caller_of(websocket: WebSocket) -> Caller:
    """Return the caller at a websocket.

    A device that was let in goes by its own name, whatever it says. Else a satellite of the house says what it is
    called, and any other client goes by its address.
    """
    said, room = (websocket.headers.get(header, "") for header in (headers.DEVICE, headers.ROOM))
    name: str | None = websocket.scope.get(LET_IN)
    satellite = NAME.fullmatch(said) is not None
    if name is None and satellite:
        name = f"satellite:{said}"
    host = websocket.client.host if websocket.client else "unknown"
    return Caller(
        door="satellite" if satellite else "realtime",
        device=name or f"realtime:{host}",
        room=room if NAME.fullmatch(room) else None,
        resumes=name is not None,
        capabilities=CAPABILITIES,
        # The application lets in only this machine, devices that were paired and who shows the token.
        permissions=HOUSEHOLD,
    )


class Connected:
    """The devices of the house that are connected; other clients of the API are nobody's devices."""

    name = "realtime"

    def __init__(self) -> None:
        self._here: list[Satellite] = []

    def satellites(self) -> Sequence[Satellite]:
        """Those that are here now."""
        return list(self._here)

    @contextmanager
    def noted(self, websocket: WebSocket, caller: Caller) -> Iterator[None]:
        """Know of a device while the context lasts."""
        if not caller.resumes:
            yield
            return
        address = websocket.client.host if websocket.client else None
        program = FIRMWARE.match(websocket.headers.get("user-agent", ""))
        told = {"address": address, "firmware": program and program[0], "room": caller.room}
        detail = {name: value for name, value in told.items() if value}
        satellite = Satellite(caller.device, caller.door, "connected", detail)
        self._here.append(satellite)
        try:
            yield
        finally:
            self._here.remove(satellite)


def mount(app: FastAPI, assistant: Assistant, identify: Callable[[WebSocket], Caller] = caller_of) -> Connected:
    """Serve the Realtime API on `app`; `identify` tells who is at a websocket, from what authentication
    found."""
    connected = Connected()

    @app.websocket(PATH)
    async def realtime(websocket: WebSocket, model: str = MODEL) -> None:
        caller = identify(websocket)
        with connected.noted(websocket, caller):
            await serve(websocket, assistant, caller, model)

    return connected


async def serve(websocket: WebSocket, assistant: Assistant, caller: Caller, model: str) -> None:
    """Hold one conversation over a websocket that has not been accepted yet.

    Returns when it has ended, whichever side ended it. A client that stops reading is dropped. Cancellation
    ends the conversation and closes the websocket.
    """
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    connection = Connection(websocket)
    transport = RealtimeTransport(connection, RealtimeProtocol(model))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(connection.write())
            await assistant.converse(transport, caller, call_tool=transport.call_tool)
            connection.finish()
    except* ClientGone as gone:
        logger.info(f"Realtime client of {caller.device} dropped: {gone.exceptions[0]}")
        await connection.close(1013, "Events were not read in time.")
    except* AssistantNotReady as early:
        await connection.close(1013, str(early.exceptions[0]))
    except* Exception:  # noqa: BLE001  whatever went wrong in one conversation stays within it
        logger.exception(f"The conversation with {caller.device} failed")
        await connection.close(1011, "The server has failed; its log says why.")
    finally:
        await connection.close()
