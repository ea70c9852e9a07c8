"""The door of devices with ESPHome: those that are set, and those that are found on the network."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from loguru import logger
from zeroconf.asyncio import AsyncZeroconf

from pipeline.settings.satellites import Esphome, EsphomeDevice
from satellites.esphome.device import Device
from satellites.esphome.found import Finder, Found, multicast
from satellites.esphome.problems import Refused
from satellites.esphome.profile import Profile
from satellites.esphome.speech import SpeechServer
from satellites.services import House, Satellite

Multicast = Callable[[], AbstractAsyncContextManager[AsyncZeroconf]]
LOCAL: Final = ".local"
PORT: Final = 6053
"""Where ESPHome listens."""


class EsphomeDoor:
    """Dials devices, and keeps them.

    Args:
        house: whom they talk to.
        multicast: how devices are found.
    """

    name = "esphome"

    def __init__(self, house: House, multicast: Multicast = multicast) -> None:
        self._house = house
        self._settings: Esphome = house.settings.esphome
        self._multicast = multicast
        self._devices: dict[str, Device] = {}
        self._dialling: dict[str, asyncio.Task[None]] = {}
        self._claimed: dict[Device, str] = {}
        self._finder = Finder(self._look)
        self._tasks = asyncio.TaskGroup()
        self._server = SpeechServer(self._settings.host, self._settings.port)

    async def run(self) -> None:
        """Serve until cancelled. Raises `OSError` where speech cannot be served."""
        # What its library has to say about a device is said here, once and with what to do.
        logging.getLogger("aioesphomeapi").setLevel(logging.CRITICAL)
        self._devices.clear()
        self._dialling.clear()
        self._server = SpeechServer(self._settings.host, self._settings.port)
        async with self._server, asyncio.TaskGroup() as self._tasks:
            for name, device in self._settings.devices.items():
                self._dial(name, device, found=False)
            if self._settings.discover != "off":
                self._tasks.create_task(self._find())
            await asyncio.Event().wait()

    def satellites(self) -> Sequence[Satellite]:
        """The devices that are set or found."""
        known = [device.satellite() for device in self._devices.values()]
        return [*known, *(_unset(each) for each in self._finder.found if not self._knows(each))]

    def claim(self, device: Device, profile: Profile) -> None:
        """Take the device that was reached for `device`. Raises `Refused` where another one has it already."""
        for other, mac in self._claimed.items():
            if mac and mac == profile.mac and other is not device:
                raise Refused(f"it is the same device as {other.name}: take one of them out of your settings")
        self._claimed[device] = profile.mac

    def release(self, device: Device) -> None:
        """Give it up again."""
        self._claimed.pop(device, None)

    def _dial(self, name: str, device: EsphomeDevice, *, found: bool) -> None:
        dialled = Device(name, device, settings=self._settings, house=self._house, server=self._server, found=found)
        self._devices[name] = dialled
        self._dialling[name] = self._tasks.create_task(dialled.run(self), name=f"esphome {name}")

    async def _find(self) -> None:
        try:
            async with self._multicast() as zeroconf:
                await self._finder.run(zeroconf)
        except OSError as error:
            logger.warning(
                "ESPHome devices cannot be looked for on the network: {}; set their addresses instead", error
            )

    def _look(self) -> None:
        """Dial who is there and may be, and forget who of them is gone or has moved."""
        if self._settings.discover != "use":
            return
        wanted = {each.name: each for each in self._finder.found if _usable(each) and not self._set(each)}
        for name, device in [(name, each) for name, each in self._devices.items() if each.found]:
            there = wanted.get(name)
            if there is None or (there.address, there.port) != (device.device.address, device.device.port):
                self._dialling.pop(name).cancel()
                del self._devices[name]
        for name, each in wanted.items():
            if name not in self._devices:
                self._dial(name, EsphomeDevice(address=each.address, port=each.port), found=True)

    def _knows(self, found: Found) -> bool:
        return self._set(found) or (found.name in self._devices and self._devices[found.name].found)

    def _set(self, found: Found) -> bool:
        """Tell whether a device on the network is one of those that are set."""
        names = {found.address.lower(), found.name.lower(), f"{found.name}{LOCAL}".lower()}
        return any(
            each.address.lower() in names and each.port == found.port for each in self._settings.devices.values()
        ) or any(mac and mac == found.mac and not device.found for device, mac in self._macs())

    def _macs(self) -> list[tuple[Device, str]]:
        return [(device, mac.replace(":", "")) for device, mac in self._claimed.items()]


def _usable(found: Found) -> bool:
    return not found.encrypted and not found.namesake


def _unset(found: Found) -> Satellite:
    """A device that nobody has set, and what to do about it."""
    port = "" if found.port == PORT else f", port = {found.port}"
    setting = f'[esphome.devices."{found.name}"] address = "{found.address}"{port}'
    if found.namesake:
        problem = f"two devices go by the name {found.name}: give them different ones, or set both by their addresses"
    elif found.encrypted:
        problem = f"it is not set: add {setting} and its key, if it is a voice assistant"
    else:
        problem = f"it is not set: add {setting}, if it is a voice assistant"
    detail = {
        "address": f"{found.address}:{found.port}",
        "friendly_name": found.friendly,
        "project": found.project,
        "firmware": found.firmware,
        "encrypted": found.encrypted,
        "problem": problem,
    }
    return Satellite(found.name, "esphome", "found", {key: value for key, value in detail.items() if value})


def make(house: House) -> EsphomeDoor:
    """Make the door."""
    return EsphomeDoor(house)
