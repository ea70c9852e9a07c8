"""Devices with ESPHome that tell of themselves on the network, by multicast DNS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from loguru import logger
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from satellites.esphome.problems import plain

SERVICE: Final = "_esphomelib._tcp.local."
ASKING: Final = 3.0
"""Seconds in which a device says where it is."""
MOST: Final = 200
"""Devices that are kept; a network with more has something wrong with it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A device."""

    name: str
    address: str
    port: int
    mac: str = ""
    encrypted: bool = False
    friendly: str = ""
    project: str = ""
    firmware: str = ""
    namesake: bool = False
    """Whether another device goes by the same name."""


class Finder:
    """Knows who is there.

    Args:
        on_change: told when somebody comes, goes or has changed.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._found: dict[str, Found] = {}
        self._changes: asyncio.Queue[tuple[str, ServiceStateChange]] = asyncio.Queue(2 * MOST)

    @property
    def found(self) -> list[Found]:
        """Who is there, by name."""
        return [self._found[name] for name in sorted(self._found)]

    async def run(self, zeroconf: AsyncZeroconf) -> None:
        """Look until cancelled."""
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[self._changed])
        try:
            while True:
                service, change = await self._changes.get()
                if change is ServiceStateChange.Removed:
                    self._found.pop(service, None)
                elif len(self._found) < MOST or service in self._found:
                    await self._ask(zeroconf, service)
                self._on_change()
        finally:
            await browser.async_cancel()

    def _changed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if self._changes.full():
            logger.debug("too much happens on the network; {} is passed over", plain(name))
        else:
            self._changes.put_nowait((name, state_change))

    async def _ask(self, zeroconf: AsyncZeroconf, service: str) -> None:
        info = AsyncServiceInfo(SERVICE, service)
        if not await info.async_request(zeroconf.zeroconf, ASKING * 1000):
            return
        addresses = info.parsed_scoped_addresses()
        if not addresses or not info.port:
            return
        known = {_text(key): _text(value) for key, value in info.properties.items()}
        before = self._found.get(service)
        mac = known.get("mac", "").upper()
        self._found[service] = Found(
            name=plain(service.removesuffix(f".{SERVICE}")),
            address=addresses[0],
            port=info.port,
            mac=mac,
            encrypted="api_encryption" in known,
            friendly=known.get("friendly_name", ""),
            project=" ".join(filter(None, (known.get("project_name"), known.get("project_version")))),
            firmware=known.get("version", ""),
            namesake=before is not None and (before.namesake or before.mac != mac),
        )


def _text(data: bytes | None) -> str:
    return plain((data or b"").decode("utf-8", "replace"))


@asynccontextmanager
async def multicast() -> AsyncIterator[AsyncZeroconf]:
    """Take part in the network's multicast DNS while the context lasts. Raises `OSError`."""
    zeroconf = AsyncZeroconf()
    try:
        yield zeroconf
    finally:
        await zeroconf.async_close()
