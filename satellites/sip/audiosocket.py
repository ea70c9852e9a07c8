"""Asterisk's AudioSocket: calls that an Asterisk has answered, as plain sound over TCP.

In the dialplan: `same => n,AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,192.168.178.5:9019)`.

A frame is a byte that names its kind, two bytes of length, big-endian, and the payload. See Asterisk's
res_audiosocket.c. `Decoder` has no I/O of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from loguru import logger

from satellites.services import House, Satellite, Service
from satellites.sip.call import Call
from satellites.sip.callers import Admission, Pins
from satellites.sip.echo import Echo
from satellites.sip.wire import RATE
from voice.resampling import StreamResampler

HANGUP: Final = 0x00
NAME: Final = 0x01
DIGIT: Final = 0x03
ERROR: Final = 0xFF
RATES: Final = {0x10: 8000, 0x11: 12_000, 0x12: 16_000, 0x13: 24_000, 0x14: 32_000, 0x15: 44_100, 0x16: 48_000}
"""Kinds of sound, 16-bit mono PCM, little-endian, and their rates in Hz."""
TICK: Final = 0.02
"""Seconds of sound in a frame; Asterisk wants one as often."""
FIRST_SECONDS: Final = 5.0
"""In which a connection says which call it is."""
SILENT_SECONDS: Final = 60.0
"""Without any frame after which the Asterisk is gone."""
NOISE: Final = 6.0
"""How loud the line is while nobody speaks, in steps of 16-bit sound."""


class NoAudioSocket(Exception):  # noqa: N818 - reads as what is the matter
    """What came is not this protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: int
    payload: bytes = b""

    def __bytes__(self) -> bytes:
        """Return it as it is sent."""
        return bytes((self.kind,)) + len(self.payload).to_bytes(2, "big") + self.payload


class Decoder:
    """Takes bytes as they come. A frame cannot be longer than 64 KiB, so that nothing grows."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return what is complete now. Raises `NoAudioSocket`."""
        self._received += data
        complete: list[Frame] = []
        while len(self._received) >= 3:
            end = 3 + int.from_bytes(self._received[1:3], "big")
            if len(self._received) < end:
                break
            complete.append(_checked(self._received[0], bytes(self._received[3:end])))
            del self._received[:end]
        return complete


def _checked(kind: int, payload: bytes) -> Frame:
    fits = {HANGUP: True, NAME: len(payload) == 16, DIGIT: len(payload) == 1, ERROR: True}
    if not fits.get(kind, kind in RATES and len(payload) % 2 == 0):
        raise NoAudioSocket(f"a frame of kind {kind:#04x} with {len(payload)} bytes")
    return Frame(kind, payload)


class _Leg:
    """A connection, which gets a frame every 20 ms, whoever speaks."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.echo = Echo()
        self.kind = 0
        """Of sound, which the other side chooses with its first frame of it."""
        self._chosen = asyncio.Event()
        self._writer = writer
        self._ahead = bytearray()
        self._chance = np.random.default_rng()

    def play(self, pcm: bytes) -> None:
        self._ahead += pcm
        del self._ahead[2 * RATE :]

    def flush(self) -> None:
        self._ahead.clear()

    def hang_up(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(bytes(Frame(HANGUP)))
            self._writer.close()

    def answer(self, kind: int) -> None:
        """Send sound as it comes from now on."""
        self.kind = kind
        self._chosen.set()

    async def send(self) -> None:
        """Send what is to be heard, as fast as it is heard."""
        await self._chosen.wait()
        resampler, rate = StreamResampler(RATE, RATES[self.kind]), RATES[self.kind]
        size, due = int(RATE * TICK) * 2, time.monotonic()
        sound = bytearray()
        while not self._writer.is_closing():
            piece = bytes(self._ahead[:size])
            del self._ahead[:size]
            if len(piece) < size:
                breath = np.rint(self._chance.normal(0, NOISE, (size - len(piece)) // 2)).astype("<i2")
                piece += breath.tobytes()
            self.echo.sent(piece)
            sound += resampler.resample(piece)
            frame = int(rate * TICK) * 2
            if len(sound) >= frame:
                self._writer.write(bytes(Frame(self.kind, bytes(sound[:frame]))))
                del sound[:frame]
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()
            due = max(due + TICK, time.monotonic() - TICK)
            await asyncio.sleep(due - time.monotonic())


class AudioSocketDoor:
    """Listens for an Asterisk."""

    name = "audiosocket"

    def __init__(self, house: House) -> None:
        self._house = house
        self._settings = house.settings.sip.audiosocket
        self._pins = Pins(house.settings.sip.pin)
        self._open: dict[UUID, Call] = {}
        self.port = 0
        """Where it listens, while it runs."""

    async def run(self) -> None:
        """Take calls until cancelled. Raises `OSError` where the address cannot be listened on."""
        async with asyncio.TaskGroup() as tasks:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.create_task(self._connected(reader, writer))

            server = await asyncio.start_server(connected, self._settings.host, self._settings.port)
            self.port = server.sockets[0].getsockname()[1]
            logger.info(f"AudioSocket listens at {self._settings.host} port {self.port}")
            async with server:
                await server.serve_forever()

    def satellites(self) -> Sequence[Satellite]:
        """Its calls."""
        return [
            Satellite(
                "sip:audiosocket",
                "audiosocket",
                call.state,
                {"call": str(name), "seconds": round(call.seconds), "problem": call.problem},
            )
            for name, call in self._open.items()
        ]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = writer.get_extra_info("peername")[0]
        try:
            decoder = Decoder()
            async with asyncio.timeout(FIRST_SECONDS):
                name = _name(decoder.feed(await reader.readexactly(19)))
            await self._serve(name, reader, writer, decoder)
        except NoAudioSocket as error:
            logger.warning(f"{who} does not speak AudioSocket: {error}")
        except (TimeoutError, EOFError):
            logger.warning(f"{who} does not say which call it brings by AudioSocket")
        except Exception:  # noqa: BLE001 - whatever goes wrong in one call stays within it
            logger.exception("a call by AudioSocket failed")
        finally:
            writer.close()

    async def _serve(
        self, name: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: Decoder
    ) -> None:
        if len(self._open) >= self._house.settings.sip.max_calls or name in self._open:
            logger.warning("a call by AudioSocket is not taken: there are enough, or it is here already")
            writer.write(bytes(Frame(HANGUP)))
            return
        leg = _Leg(writer)
        call = self._open[name] = Call(leg, self._admission(), house=self._house, pins=self._pins)
        logger.info("a call by AudioSocket is taken")
        try:
            async with asyncio.TaskGroup() as tasks:
                talking = tasks.create_task(call.run())
                sending = tasks.create_task(leg.send())
                try:
                    await _carry(reader, decoder, leg, call)
                except (NoAudioSocket, TimeoutError, ConnectionError) as error:
                    logger.warning(f"a call by AudioSocket ends: {error or 'nothing comes any more'}")
                call.over()
                sending.cancel()
                await asyncio.wait({talking})
        finally:
            del self._open[name]

    def _admission(self) -> Admission:
        """Whoever an Asterisk lets through is of the house, or a guest, as the household says."""
        if self._settings.permissions == "house":
            return Admission("person", "audiosocket", asks_pin=self._pins.length > 0)
        return Admission("guest", "audiosocket")


def _name(frames: Sequence[Frame]) -> UUID:
    if not frames or frames[0].kind != NAME:
        raise NoAudioSocket("it does not begin with the call's UUID")
    return UUID(bytes=frames[0].payload)


async def _carry(reader: asyncio.StreamReader, decoder: Decoder, leg: _Leg, call: Call) -> None:
    """Carry what comes to the call until the other side hangs up."""
    incoming: StreamResampler | None = None
    while True:
        async with asyncio.timeout(SILENT_SECONDS):
            data = await reader.read(1 << 14)
        if not data:
            return
        for frame in decoder.feed(data):
            if frame.kind in (HANGUP, ERROR):
                return
            if frame.kind == DIGIT:
                call.press(frame.payload.decode("ascii", "replace"))
            elif frame.kind in RATES:
                if incoming is None:
                    incoming = StreamResampler(RATES[frame.kind], RATE)
                    leg.answer(frame.kind)
                if frame.kind == leg.kind:
                    call.hear(leg.echo.heard(incoming.resample(frame.payload)))


def make(house: House) -> Service:
    """Make the door."""
    return AudioSocketDoor(house)
