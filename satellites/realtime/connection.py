"""The websocket to a client: events in, events out, and what happens when it stops reading."""

import asyncio
import json
from collections import deque

from loguru import logger
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from satellites.realtime.outputs import ServerEvent

SEND_TIMEOUT = 10.0
"""Seconds in which the client must take one event. A phone that changes from Wi-Fi to mobile is back within
five; the kernel's and uvicorn's buffers alone hold another second or two of speech."""

MAX_BACKLOG = 4 * 1024 * 1024
"""Characters that may wait for a client. Speech is paced and takes 80 kB a second, so this is far beyond what
`SEND_TIMEOUT` lets pile up; only a client that asks faster than it reads gets here."""


class ClientGone(Exception):  # noqa: N818  a way for a conversation to end, not an error
    """The client has left, or has stopped reading."""


class Connection:
    """One client's websocket, already accepted.

    `send` never waits: a task that runs `write` sends what has been collected, in order.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._outgoing: deque[str] = deque()
        self._backlog = 0
        self._changed = asyncio.Event()
        self._finished = False
        self.gone = False
        """Nothing can be sent any more."""

    def send(self, event: ServerEvent) -> None:
        """Have an event sent. Events for a client that is gone, or that reads too slowly, are dropped."""
        if self.gone:
            return
        text = json.dumps(event, separators=(",", ":"))
        self._outgoing.append(text)
        self._backlog += len(text)
        self.gone = self._backlog > MAX_BACKLOG
        self._changed.set()

    async def receive(self) -> str | None:
        """Return the client's next event as JSON text; None for a binary message, which the API does not
        have.

        Raises:
            ClientGone: the websocket has been closed or lost.
        """
        try:
            message = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            message = {"type": "websocket.disconnect"}
        if message["type"] == "websocket.disconnect":
            self.gone = True
            raise ClientGone("it closed the connection")
        text: str | None = message.get("text")
        return text

    async def write(self) -> None:
        """Send events until `finish` is called and all have gone out, or until the client has left.

        Raises:
            ClientGone: the client did not take an event within `SEND_TIMEOUT`, or too many waited for it.
        """
        while True:
            while self._outgoing:
                if self._backlog > MAX_BACKLOG:
                    raise ClientGone(f"it left {self._backlog} characters unread")
                text = self._outgoing.popleft()
                await self._send(text)
                self._backlog -= len(text)
            if self._finished or self.gone:
                return
            await self._changed.wait()
            self._changed.clear()

    def finish(self) -> None:
        """Let `write` return once everything has been sent."""
        self._finished = True
        self._changed.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket where it is still open, waiting at most `SEND_TIMEOUT`."""
        self.gone = True
        if WebSocketState.DISCONNECTED in {self._websocket.client_state, self._websocket.application_state}:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._websocket.close(code, reason)
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect) as error:
            logger.debug(f"The websocket could not be closed in order: {error!r}")

    async def _send(self, text: str) -> None:
        if self.gone:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._websocket.send_text(text)
        except TimeoutError:
            self.gone = True
            raise ClientGone(f"it took nothing for {SEND_TIMEOUT:.0f} s") from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            self.gone = True  # `receive` says so to whoever reads
