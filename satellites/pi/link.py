"""A satellite's connection to its assistant: OpenAI's Realtime API at `/v1/realtime`, made anew whenever it is lost."""

import asyncio
import base64
import json
import random
import ssl
import time
from collections import deque
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from satellites.pi.attention import RATE, Attention
from satellites.pi.loudspeaker import SPEECH_RATE
from satellites.realtime import headers
from tools.cancellation import heed_cancellation
from voice.resampling import StreamResampler

CONNECT_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
"""Seconds between two tries, twice as many each time."""
CALM: Final = 30.0
"""Seconds of connection after which a failure counts as the first one again."""
MOST_WAITING: Final = 2000
"""Events that wait to be sent, a minute of sound; a server that takes none for so long is given up."""


PROGRAM: Final = f"passfel-satellite/{metadata.version('passfel')}"


class NotRealtime(Exception):  # noqa: N818 - reads as what is wrong
    """What the server sends is not the Realtime API's."""


class Link:
    """Talks to the assistant for as long as `run` does.

    Args:
        server: its address, http://HOST:PORT or https://….
        token: the household's, or the one of a paired device.
        name: of this satellite, which stays the same.
        room: where it stands.
        certificate: the authority that signed the server's certificate, where it is the house's own.
        attention: told what the server tells.
        changed: called when `attention` may want something done.
    """

    def __init__(
        self,
        server: str,
        *,
        token: str | None,
        name: str,
        room: str | None = None,
        certificate: Path | None = None,
        attention: Attention,
        changed: Callable[[], None],
    ) -> None:
        self._server = server.rstrip("/")
        self._headers = {headers.DEVICE: name} | ({headers.ROOM: room} if room else {})
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._tls = ssl.create_default_context(cafile=certificate) if server.startswith("https") else None
        self._attention = attention
        self._changed = changed
        self._waiting: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._resampler = StreamResampler(RATE, SPEECH_RATE, quality="MQ")
        self._problem: str | None = None
        self.sent = 0
        """Characters of events sent so far."""

    async def run(self) -> None:
        """Keep connected until cancelled."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                await self._converse()
            except InvalidStatus as error:
                reason = error.response.body.decode("utf-8", "replace") or f"status {error.response.status_code}"
                self._trouble(f"refuses: {reason}")
            except NotRealtime as error:
                self._trouble(f"does not speak the Realtime API, is it PASSFEL? {error}")
            except (ConnectionClosed, InvalidHandshake, InvalidURI, OSError, TimeoutError) as error:
                self._trouble(f"cannot be reached: {error or 'no answer'}")
            heed_cancellation()
            self._waiting.clear()
            self._attention.disconnected(time.monotonic())
            self._changed()
            if time.monotonic() - began > CALM:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads satellites, hides nothing
            pause = min(2 * pause, LONGEST_PAUSE)

    def send(self, pcm: bytes) -> None:
        """Have sound sent, 16-bit mono PCM at 16 kHz."""
        audio = base64.b64encode(self._resampler.resample(pcm)).decode()
        self.tell({"type": "input_audio_buffer.append", "audio": audio})

    def tell(self, event: dict[str, Any]) -> None:
        """Have an event sent, behind those before it."""
        self._waiting.append(json.dumps(event))
        self._arrived.set()

    async def _converse(self) -> None:
        url = self._server.replace("http", "ws", 1) + "/v1/realtime"
        async with connect(
            url,
            additional_headers=self._headers,
            ssl=self._tls,
            user_agent_header=PROGRAM,
            open_timeout=CONNECT_SECONDS,
            max_size=None,
            proxy=None,
        ) as websocket:
            logger.info(f"the assistant at {self._server} is there")
            self._problem = None
            session = {"type": "realtime", "audio": {"input": {"transcription": {}}}}
            self.tell({"type": "session.update", "session": session})
            self._attention.connected(time.monotonic())
            self._changed()
            try:
                async with asyncio.TaskGroup() as tasks:
                    writing = tasks.create_task(self._write(websocket))
                    async for message in websocket:
                        self._take(message)
                        self._changed()
                    writing.cancel()
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            raise ConnectionClosed(None, None)

    async def _write(self, websocket: ClientConnection) -> None:
        while True:
            while self._waiting:
                if len(self._waiting) > MOST_WAITING:
                    raise TimeoutError("it takes nothing any more")
                event = self._waiting.popleft()
                await websocket.send(event)
                self.sent += len(event)
            self._arrived.clear()
            await self._arrived.wait()

    def _take(self, message: str | bytes) -> None:
        try:
            self._note(json.loads(message))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotRealtime(f"it sent {message[:80]!r}: {error!r}") from error

    def _note(self, event: dict[str, Any]) -> None:
        """Tell `attention` of one of the server's events."""
        now, attention = time.monotonic(), self._attention
        match event["type"]:
            case "input_audio_buffer.speech_started":
                attention.turn_began(now)
            case "input_audio_buffer.speech_stopped":
                attention.turn_ended(now)
            case "conversation.item.input_audio_transcription.completed" if event["transcript"].strip():
                logger.info(f"heard: {event['transcript'].strip()}")
                attention.understood(now)
            case "response.created":
                attention.response_began(now)
            case "response.output_audio.delta":
                attention.speak(base64.b64decode(event["delta"]), now)
            case "response.output_audio_transcript.done":
                logger.info(f"answered: {event['transcript'].strip()}")
            case "response.done":
                attention.response_ended(now)
            case "error" if event["error"].get("code") != "response_cancel_not_active":
                logger.warning(f"the assistant reports: {event['error']['message']}")

    def _trouble(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning(f"the assistant at {self._server} {problem}")
        self._problem = problem
