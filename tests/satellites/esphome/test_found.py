"""Devices that tell of themselves by real multicast DNS, on the loopback interface."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from pipeline.settings import Settings
from pipeline.settings.satellites import Esphome
from satellites.esphome.door import EsphomeDoor
from satellites.services import House
from tests.fakes.scripted_assistant import Script
from tests.satellites.esphome.conftest import LOUD, ScriptedHouse, Served
from tests.satellites.esphome.device import FakeDevice

SERVICE = "_esphomelib._tcp.local."


@asynccontextmanager
async def loopback() -> AsyncIterator[AsyncZeroconf]:
    try:
        zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    except OSError as error:
        pytest.skip(f"no multicast on the loopback interface here: {error}")
    try:
        yield zeroconf
    finally:
        await zeroconf.async_close()


def told(name: str, port: int, **properties: str) -> AsyncServiceInfo:
    return AsyncServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        addresses=[socket.inet_aton("127.0.0.1")],
        port=port,
        properties={"mac": "20f83b000001", "version": "2026.6.5", **properties},
        server=f"{name}.local.",
    )


@asynccontextmanager
async def door(**settings: object) -> AsyncIterator[Served]:
    assistant = ScriptedHouse(Script(deque(["what time is it"]), deque(["It is noon"])))
    esphome = Esphome.model_validate({"enabled": True, "host": "127.0.0.1", "port": 0, **settings})
    opened = EsphomeDoor(House(assistant, Settings(esphome=esphome)), loopback)
    running = asyncio.create_task(opened.run())
    try:
        yield Served(opened, assistant, running)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_who_is_found_is_listed_with_what_to_do_and_not_dialled(device: FakeDevice) -> None:
    async with loopback() as network, device.serving(), door() as served:
        await network.async_register_service(told("voice-0a1b2c", device.port, friendly_name="Voice"))
        await network.async_register_service(told("voice-locked", 6053, mac="20f83b000002", api_encryption="Noise"))
        found = await served.until("voice-0a1b2c", lambda each: each.state == "found")
        assert (
            f'add [esphome.devices."voice-0a1b2c"] address = "127.0.0.1", port = {device.port}'
            in found.detail["problem"]
        )
        locked = await served.until("voice-locked", lambda each: each.state == "found")
        assert "and its key" in locked.detail["problem"]
        assert device.connections == 0


async def test_who_is_found_is_talked_with_where_the_household_wants_that(device: FakeDevice) -> None:
    async with loopback() as network, device.serving(), door(discover="use") as served:
        info = told("voice-0a1b2c", device.port)
        await network.async_register_service(info)
        await served.until("voice-0a1b2c", lambda each: each.state == "idle")
        await asyncio.wait_for(device.subscribed.wait(), 10)
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        await network.async_unregister_service(info)
        async with asyncio.timeout(20):
            while served.door.satellites():
                await asyncio.sleep(0.05)


async def test_who_is_set_is_not_listed_again(device: FakeDevice) -> None:
    async with loopback() as network, device.serving():
        places = {"hall": {"address": "127.0.0.1", "port": device.port}}
        async with door(devices=places) as served:
            await asyncio.wait_for(device.subscribed.wait(), 10)
            await network.async_register_service(told("voice-0a1b2c", device.port))
            await network.async_register_service(told("somebody-else", 6053, mac="20f83b000009"))
            await served.until("somebody-else", lambda each: each.state == "found")
            assert [each.device for each in served.door.satellites()] == ["hall", "somebody-else"]
