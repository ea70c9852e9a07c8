"""The websocket to a device: what it sends, and what is sent to it without ever waiting for it."""

import asyncio
import json
from collections import deque
from typing import Any, Final

from aiohttp import WSMsgType
from aiohttp.web import WebSocketResponse
from loguru import logger

SEND_SECONDS: Final = 10.0
"""In which a device takes one message; a Wi-Fi's hiccups are shorter."""
MAX_BACKLOG: Final = 512
"""Messages that wait for a device. Speech is paced, so that there are a dozen of a device that reads."""


class Gone(Exception):  # noqa: N818 - a way for a connection to end, not an error
    """The device has left, was hung up on, or has stopped reading."""


class Socket:
    """A websocket that was accepted. A task that runs `write` sends what `send` has collected, in order."""

    def __init__(self, websocket: WebSocketResponse) -> None:
        self._websocket = websocket
        self._outgoing: deque[dict[str, Any] | bytes] = deque()
        self._closing: tuple[int, str] | None = None
        self._changed = asyncio.Event()

    def send(self, message: dict[str, Any] | bytes) -> None:
        """Have a message sent, or a packet of sound."""
        if self._closing is None and len(self._outgoing) <= MAX_BACKLOG:
            self._outgoing.append(message)
            self._changed.set()

    def close(self, code: int, reason: str) -> None:
        """Hang up once all that was said before is sent. The first reason counts."""
        if self._closing is None:
            self._closing = code, reason
            self._changed.set()

    async def receive(self) -> str | bytes:
        """Return what the device sends next. Raises `Gone`."""
        message = await self._websocket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        raise Gone(_why(message.type, message.data))

    async def write(self) -> None:
        """Send until the device has left or was hung up on. Raises `Gone` always."""
        while True:
            self._changed.clear()
            while self._outgoing:
                if len(self._outgoing) > MAX_BACKLOG:
                    raise Gone("it reads too slowly")
                await self._send(self._outgoing.popleft())
            if self._closing is not None:
                code, reason = self._closing
                await self._websocket.close(code=code, message=reason.encode())
                raise Gone(reason)
            await self._changed.wait()

    async def _send(self, message: dict[str, Any] | bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if isinstance(message, bytes):
                    await self._websocket.send_bytes(message)
                else:
                    await self._websocket.send_str(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        except TimeoutError:
            raise Gone(f"it took nothing for {SEND_SECONDS:.0f} s") from None
        except (ConnectionError, RuntimeError) as error:
            logger.debug("a device could not be sent to: {!r}", error)
            raise Gone("it closed the connection") from None


def _why(kind: WSMsgType, data: object) -> str:
    return f"its connection broke: {data}" if kind is WSMsgType.ERROR else "it closed the connection"
