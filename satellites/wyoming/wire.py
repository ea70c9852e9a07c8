"""Wyoming's events over TCP, with the limits that the `wyoming` package's own reader does not have.

A line of JSON, then as many bytes of further JSON and of payload as it says:
https://github.com/OHF-Voice/wyoming#format
"""

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Self

from wyoming.event import Event, Eventable

LONGEST_LINE: Final = 64 << 10
LARGEST_DATA: Final = 256 << 10
"""Bytes of JSON; an `info` event of a server with every voice there is has about 100 kB."""
LARGEST_PAYLOAD: Final = 1 << 20
"""Bytes of sound in one event: 32 s as it is recorded, where a tenth of a second is usual."""
READ_BYTES: Final = 64 << 10
SEND_SECONDS: Final = 10.0
"""In which the other side must take what it is sent."""


class Gone(Exception):  # noqa: N818 - a way for a connection to end, not an error
    """The other side has left, or has stopped reading."""


class Malformed(Exception):  # noqa: N818 - reads as what is wrong
    """What came is no Wyoming, or an event that makes no sense; the message is one line."""


@dataclass(frozen=True, slots=True)
class _Header:
    kind: str
    data: dict[str, Any]
    data_bytes: int
    payload_bytes: int


class Decoder:
    """Bytes in, in any pieces; events out. After `Malformed` nothing that follows can be understood."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: _Header | None = None
        self._searched = 0

    def feed(self, received: bytes) -> list[Event]:
        """Return the events that are complete with this. Raises `Malformed`."""
        self._buffer += received
        events = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> Event | None:
        if self._header is None and (line := self._line()) is not None:
            self._header = _header(line)
        header = self._header
        if header is None or len(self._buffer) < header.data_bytes + header.payload_bytes:
            return None
        self._header = None
        data = header.data | _object(self._take(header.data_bytes)) if header.data_bytes else header.data
        return Event(header.kind, data, self._take(header.payload_bytes) or None)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if end < 0 else 0
        if max(end, self._searched) > LONGEST_LINE:
            raise Malformed(f"an event begins with a line of at most {LONGEST_LINE} bytes")
        return None if end < 0 else self._take(end + 1)

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken


def _header(line: bytes) -> _Header:
    read = _object(line)
    kind, data = read.get("type"), read.get("data") or {}
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise Malformed("an event needs a type, which is text, and its data is an object")
    return _Header(
        kind, data, _length(read, "data_length", LARGEST_DATA), _length(read, "payload_length", LARGEST_PAYLOAD)
    )


def _length(read: dict[str, Any], name: str, most: int) -> int:
    length = read.get(name) or 0
    if not isinstance(length, int) or not 0 <= length <= most:
        raise Malformed(f"{name} is a number up to {most}")
    return length


def _object(text: bytes) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("this is not JSON") from None
    if not isinstance(read, dict):
        raise Malformed("this is not a JSON object")
    return read


class Wire:
    """One open connection, which leaving the context closes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._read: deque[Event] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await self._writer.wait_closed()

    async def read(self, patience: float) -> Event:
        """Return the next event. If cancelled, nothing is lost.

        Raises:
            Gone: the connection has ended, or nothing came for `patience` seconds.
            Malformed: what came is no Wyoming.
        """
        while not self._read:
            try:
                async with asyncio.timeout(patience):
                    received = await self._reader.read(READ_BYTES)
            except TimeoutError:
                raise Gone(f"it was silent for {patience:.0f} s") from None
            except OSError as error:
                raise Gone(f"the connection was lost: {error}") from error
            if not received:
                raise Gone("it closed the connection")
            self._read.extend(self._decoder.feed(received))
        return self._read.popleft()

    def post(self, event: Eventable) -> None:
        """Send an event soon, behind those that were sent before. What the other side does not take is dropped."""
        if not self._writer.is_closing():
            self._writer.write(encoded(event.event()))

    async def flush(self) -> None:
        """Wait until little is left to be sent. Several tasks may. Raises `Gone` where it is not taken in time."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            raise Gone(f"it took nothing for {SEND_SECONDS:.0f} s") from None
        except OSError as error:
            raise Gone(f"the connection was lost: {error}") from error

    async def send(self, event: Eventable) -> None:
        """Send an event. Raises `Gone` as `flush` does."""
        self.post(event)
        await self.flush()


def encoded(event: Event) -> bytes:
    """Return an event as it is sent; every version of the protocol reads its data behind the line."""
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    payload = event.payload or b""
    header = {"type": event.type, "data_length": len(data), "payload_length": len(payload)}
    return json.dumps({name: value for name, value in header.items() if value}).encode() + b"\n" + data + payload
