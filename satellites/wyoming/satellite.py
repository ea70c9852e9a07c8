"""A satellite that speaks Wyoming: it is dialled, and dialled again when the connection is lost."""

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from loguru import logger

from pipeline.caller import HOUSEHOLD, Caller, Capability
from pipeline.settings.satellites import WyomingSatellite
from satellites.services import House, Satellite
from satellites.timer_display import TimerDisplay
from satellites.wyoming.session import Session
from satellites.wyoming.wire import Gone, Malformed, Wire
from tools.cancellation import heed_cancellation
from voice.wakeword import WakeWordUnknown

CONNECT_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries to reach it, twice as many each time."""
CALM: Final = 30.0
"""Seconds of connection after which a failure counts as the first one again."""


class Link:
    """A satellite that the household has listed.

    Args:
        name: what the household calls it.
        listed: where it is.
        house: the assistant, and who answers where several were woken.
    """

    def __init__(self, name: str, listed: WyomingSatellite, house: House) -> None:
        self._name = name
        self._listed = listed
        self._house = house
        self._state = "away"
        self._problem: str | None = None
        self._timers = TimerDisplay()
        capabilities = {Capability.HEAR, Capability.SPEAK}
        self._caller = Caller(
            door="wyoming",
            device=f"wyoming:{name}",
            room=listed.room,
            resumes=True,
            capabilities=frozenset(capabilities | ({Capability.FULL_DUPLEX} if listed.barge_in else set())),
            # It is dialled because the household has listed it.
            permissions=HOUSEHOLD,
        )

    def seen(self) -> Satellite:
        """The satellite as it is now."""
        detail = {"uri": self._listed.uri, "room": self._listed.room, "problem": self._problem}
        known = {name: value for name, value in detail.items() if value}
        return Satellite(self._caller.device, "wyoming", self._state, known)

    async def run(self) -> None:
        """Keep connected until cancelled."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                await self._connect()
            except (Gone, Malformed) as error:
                reason = str(error)
                if loop.time() - began < FIRST_PAUSE:
                    reason += " at once; a satellite serves one server: is it added to Home Assistant as well?"
                self._trouble(reason)
            except WakeWordUnknown as error:
                self._trouble(f"wyoming.wake_words: {error}")
            except (OSError, TimeoutError) as error:
                self._trouble(f"it cannot be reached: {error or 'no answer'}; is it on, and its address right?")
            heed_cancellation()
            self._state = "away"
            if loop.time() - began > CALM:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads them, hides nothing
            pause = min(2 * pause, LONGEST_PAUSE)

    def _trouble(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning(f"the Wyoming satellite {self._name} at {self._listed.uri}: {problem}")
        self._problem = problem

    async def _connect(self) -> None:
        split = urlsplit(self._listed.uri)
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(split.hostname, split.port)
        keep_alive(writer.get_extra_info("socket"))
        self._state = "idle"
        async with Wire(reader, writer) as wire:
            session = Session(self._name, wire, self._caller, self._listed, self._house, self._timers, self._now)
            await session.run()

    def _now(self, state: str) -> None:
        """Note what the satellite is at, as its session tells."""
        if self._problem is not None:
            logger.info(f"the Wyoming satellite {self._name} is there again")
            self._problem = None
        self._state = state


class Links:
    """The door: all satellites that the household has listed."""

    name = "wyoming satellites"

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links

    async def run(self) -> None:
        """Keep all of them connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self._links:
                tasks.create_task(link.run())

    def satellites(self) -> Sequence[Satellite]:
        """All of them, those that are away as well."""
        return [link.seen() for link in self._links]


def make(house: House) -> Links:
    """Make the door."""
    return Links([Link(name, each, house) for name, each in house.settings.wyoming.satellites.items()])


def keep_alive(connection: socket.socket) -> None:
    """Have the system find out within half a minute that the other side has vanished; small pieces go at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
