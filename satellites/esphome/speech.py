"""Where devices fetch what they are to say: an HTTP server of its own, whose addresses are used once.

An answer is sent while it is made. Where it pauses, for a tool that is at work, silence is sent, since players give up
or stutter when nothing comes.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from loguru import logger

from satellites.esphome.encoding import Encoder, SpeechFormat

MARGIN: Final = 0.25
"""Seconds of sound that a player is left with before it is sent silence."""
PATIENCE: Final = 0.5
"""Seconds in which nothing comes before it is a pause; the voice itself halts for shorter ones, and goes on."""
SILENCE: Final = 0.1
"""Seconds of silence that are sent together."""
STALLED: Final = 10.0
"""Seconds after which a player that takes nothing more is given up."""
LONGEST: Final = 120.0
"""Seconds of speech that are kept for a player that has not come yet; what follows is dropped."""
CLOSING: Final = 1.0
"""Seconds that players get to end when the server does."""
_BYTES: Final = 2


class Speech:
    """One answer, or one announcement.

    Args:
        form: what the player wants.
        on_left: told that the player has gone before all was sent.
    """

    def __init__(self, form: SpeechFormat, on_left: Callable[[], None]) -> None:
        self.form = form
        self.fetched = False
        """Whether a player has come for it."""
        self.dropped = False
        """Whether it was broken off."""
        self._on_left = on_left
        self._waiting: deque[bytes] = deque()
        self._kept = 0
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether all of it is there, or it was broken off."""
        return self._closed

    def write(self, pcm: bytes) -> None:
        """Add 16-bit mono PCM at the format's rate."""
        if self._closed or self._kept > LONGEST * self.form.rate * _BYTES:
            return
        self._waiting.append(pcm)
        self._kept += len(pcm)
        self._changed.set()

    def close(self, *, drop: bool = False) -> None:
        """End it, behind what was written or, with `drop`, at once."""
        if drop:
            self.dropped = True
            self._waiting.clear()
        self._closed = True
        self._changed.set()

    def left(self) -> None:
        """The player has gone."""
        if not self._closed:
            self._on_left()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Give what is to be sent, as it comes, with silence where nothing does."""
        heard_until = came = 0.0
        while True:
            self._changed.clear()
            if self._waiting:
                pcm = b"".join(self._waiting)
                self._waiting.clear()
                self._kept = 0
                came = time.monotonic()
            elif self._closed:
                return
            elif await self._comes_before(max(heard_until - MARGIN, came + PATIENCE) if heard_until else None):
                continue
            else:
                pcm = bytes(int(SILENCE * self.form.rate) * _BYTES)
            heard_until = max(heard_until, time.monotonic()) + len(pcm) / (self.form.rate * _BYTES)
            yield pcm

    async def _comes_before(self, moment: float | None) -> bool:
        left = None if moment is None else max(0.0, moment - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._changed.wait()
                return True
        return False


class SpeechServer:
    """Serves while it is entered. Raises `OSError` where it cannot listen."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._offered: dict[str, Speech] = {}
        app = web.Application()
        app.router.add_get("/speech/{name}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is being fetched, and listen no more."""
        for speech in self._offered.values():
            speech.close(drop=True)
        await self._runner.cleanup()

    @asynccontextmanager
    async def offering(self, address: str) -> AsyncIterator["Shelf"]:
        """Offer speeches to a device that reaches this machine at `address`, and take back the last in the end."""
        host = f"[{address}]" if ":" in address else address
        shelf = Shelf(self._offered, f"http://{host}:{self.port}/speech")
        try:
            yield shelf
        finally:
            shelf.clear()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        speech = self._offered.get(name)
        if speech is None:
            return web.Response(status=HTTPStatus.NOT_FOUND, text="There is nothing here, or it was fetched already.\n")
        headers = {"Content-Type": speech.form.content_type, "Cache-Control": "no-store"}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        del self._offered[name]
        speech.fetched = True
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            await _send(speech, response)
        except (ConnectionError, TimeoutError) as error:
            logger.debug("a player left before all was sent: {!r}", error)
            speech.left()
        return response


class Shelf:
    """What is offered to one device: one speech at a time."""

    def __init__(self, offered: dict[str, Speech], base: str) -> None:
        self._offered = offered
        self.base = base
        """Where all of it is."""
        self._name: str | None = None

    def offer(self, speech: Speech) -> str:
        """Offer a speech instead of the last one, if nobody has fetched that; returns its address."""
        self.clear()
        self._name = f"{secrets.token_urlsafe(32)}.{speech.form.name}"
        self._offered[self._name] = speech
        return f"{self.base}/{self._name}"

    def clear(self) -> None:
        """Take back what nobody has fetched."""
        if self._name is not None:
            self._offered.pop(self._name, None)


async def _send(speech: Speech, response: web.StreamResponse) -> None:
    encoder = Encoder(speech.form)
    async with aclosing(speech.pieces()) as pieces:
        async for pcm in pieces:
            if encoded := encoder.encode(pcm):
                async with asyncio.timeout(STALLED):
                    await response.write(encoded)
    async with asyncio.timeout(STALLED):
        await response.write(encoder.close())
        await response.write_eof()
