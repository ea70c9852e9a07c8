"""How much later the answer is heard at each door than at the realtime websocket, from the same server.

At every door the same is said by a client of its kind, in real time, and the answer begins with the first audible
sample that the client has to play. Devices' own buffers behind that are not measured, but for the browser and the
telephone, which have them in them.

A door is later by what more is spent on the way. What the server counts itself, from the end of speech as it hears it
to the first sound that it sends, is the same work at every door, and changes far more with what else the machine does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks.door_clients import browser, esphome, realtime, sip, wyoming, xiaozhi
from tests.benchmarks.door_clients.door import CannotRun, Door
from tests.benchmarks.recordings import Recording
from tests.benchmarks.report import NONE, section
from tests.benchmarks.servers import Server, Side, serving

ROUNDS = 2
AIMS = {"browser, WebRTC": 120, "SIP": 200}
"""Milliseconds after the realtime websocket."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Seconds from the end of speech to the first audible sample at one door, for the same utterances."""

    door: str
    carries: str
    latencies: list[float]
    own: list[float]
    """Seconds to the first sound by the server's own account, which every door shares."""
    missing: str | None = None
    """Why it was not measured."""

    @property
    def on_the_way(self) -> float:
        """Median of the seconds that the server does not count: the way there and back, and what is quiet in speech."""
        if len(self.own) != len(self.latencies):
            return median(self.latencies) - median(self.own)
        return median(each - own for each, own in zip(self.latencies, self.own, strict=True))


async def measure(side: Side, utterances: tuple[Recording, ...]) -> list[Heard]:
    """Ask the same at every door of one server; at the realtime websocket before and after all others."""
    async with _doors(side.folder) as doors:
        settings = {name: value for door in doors for name, value in door.settings.items()}
        async with serving(side, **settings) as server:
            heard = [await _at(door, server, utterances) for door in (realtime.DOOR, *doors)]
            again = await _at(realtime.DOOR, server, utterances)
    heard[0].latencies.extend(again.latencies)
    heard[0].own.extend(again.own)
    return heard


@asynccontextmanager
async def _doors(folder: Path) -> AsyncIterator[tuple[Door, ...]]:
    async with wyoming.door() as satellite, esphome.doors() as devices:
        yield (browser.door(folder), satellite, xiaozhi.door(), *devices, sip.door(folder))


async def _at(door: Door, server: Server, utterances: tuple[Recording, ...]) -> Heard:
    try:
        before = await _turns(server)
        latencies = await door.ask(server, utterances * ROUNDS)
    except CannotRun as why:
        return Heard(door.name, door.carries, [], [], str(why))
    _, *own = [seconds for turn, seconds in (await _turns(server)).items() if turn not in before]
    return Heard(door.name, door.carries, latencies, own)


async def _turns(server: Server) -> dict[str, float]:
    """The latest turns, and after how many seconds each was answered by the server's own account."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
        turns = (await http.get("/v1/turns")).raise_for_status().json()
    return {turn["id"]: turn["timings"]["first_audio"] for turn in turns if turn["timings"].get("first_audio")}


def table(found: list[Heard]) -> str:
    """Return all doors' latencies."""
    rows = [_row(each, found[0]) for each in found]
    columns = ["", "sound", "median", "on the way", "later", "aim", "each"]
    return section("Doors: seconds from the end of speech to the first audible sample", columns, rows)


def _row(heard: Heard, realtime: Heard) -> list[str]:
    if heard.missing is not None:
        return [heard.door, heard.carries, *[NONE] * 4, f"not measured: {heard.missing}"]
    aim = AIMS.get(heard.door)
    later = 1000 * (heard.on_the_way - realtime.on_the_way)
    return [
        *(heard.door, heard.carries, f"{median(heard.latencies):.2f}", f"{heard.on_the_way:.2f}", f"{later:+.0f} ms"),
        *(f"+{aim} ms" if aim else NONE, " ".join(f"{each:.2f}" for each in heard.latencies)),
    ]
