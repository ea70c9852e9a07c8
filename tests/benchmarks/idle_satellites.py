"""What twenty satellites cost the server that are connected and wait for their wake word.

They are of the doors' own kinds, and each has a wake word of its own, as nearly all have; nothing is said to them. The
server's processor time and memory are compared with those of the same server a moment before, without them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks.door_clients import esphome, wyoming, xiaozhi
from tests.benchmarks.door_clients.door import START_SECONDS
from tests.benchmarks.processes import cpu_seconds, memory
from tests.benchmarks.report import section
from tests.benchmarks.servers import Server, Side, free_port, serving
from tests.satellites.esphome.device import FakeDevice

SATELLITES = 20
SETTLE = 5.0
"""Seconds after they have connected or gone."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the server used without satellites of a kind, and with them."""

    kind: str
    core: tuple[float, float]
    """Share of one core."""
    megabytes: tuple[float, float]
    """Proportional set size, without the language model."""


async def measure(side: Side, seconds: float) -> list[Cost]:
    """Weigh the server for so many seconds, without and with satellites of each kind in turn."""
    opened = xiaozhi.settings()
    satellites = {f"pi{number}": wyoming.Satellite(free_port()) for number in range(SATELLITES)}
    devices = {
        f"esp{number}": FakeDevice(f"esp-{number}", f"20:F8:3B:00:01:{number:02X}", key=esphome.KEY, port=free_port())
        for number in range(SATELLITES)
    }
    settings = opened | wyoming.settings(satellites) | esphome.settings(devices)
    async with serving(side, **settings) as server:
        kinds: dict[str, Callable[[], AbstractAsyncContextManager[None]]] = {
            "xiaozhi": lambda: _pucks(server, opened["PASSFEL_XIAOZHI__PORT"]),
            "Wyoming": lambda: _satellites(satellites),
            "ESPHome": lambda: _devices(devices),
        }
        return [await _cost(server, kind, connected, seconds) for kind, connected in kinds.items()]


async def _cost(
    server: Server, kind: str, connected: Callable[[], AbstractAsyncContextManager[None]], seconds: float
) -> Cost:
    without = await _weighed(server, seconds)
    async with connected():
        with_them = await _weighed(server, seconds)
    return Cost(kind, (without[0], with_them[0]), (without[1], with_them[1]))


async def _weighed(server: Server, seconds: float) -> tuple[float, float]:
    await asyncio.sleep(SETTLE)
    before = cpu_seconds(server.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(server.pid) - before) / seconds, memory(server.pid)


@asynccontextmanager
async def _pucks(server: Server, port: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for number in range(SATELLITES):
            await stack.enter_async_context(xiaozhi.puck(server, port, f"aa:bb:cc:00:01:{number:02x}"))
        yield


@asynccontextmanager
async def _satellites(satellites: dict[str, wyoming.Satellite]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for each in satellites.values():
            await each.listen()
            stack.push_async_callback(each.close)
        async with asyncio.timeout(START_SECONDS):
            await asyncio.gather(*(each.connected.wait() for each in satellites.values()))
        yield


@asynccontextmanager
async def _devices(devices: dict[str, FakeDevice]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for each in devices.values():
            await stack.enter_async_context(each.serving())
        async with asyncio.timeout(START_SECONDS):
            await asyncio.gather(*(each.subscribed.wait() for each in devices.values()))
        yield


def table(costs: list[Cost]) -> str:
    """Return what they cost."""
    rows = [
        [
            *(f"{SATELLITES} × {each.kind}", f"{100 * each.core[0]:.1f}%", f"{100 * each.core[1]:.1f}%"),
            f"{100 * (each.core[1] - each.core[0]):+.1f}%",
            f"{each.megabytes[1] - each.megabytes[0]:+.1f} MB",
        ]
        for each in costs
    ]
    columns = ["idle satellites", "server without, of one core", "with", "more", "memory"]
    note = "The aim is 10% of one core and 100 MB at most."
    return section(f"{SATELLITES} satellites that wait for their wake word", columns, rows, note)
