"""Real ESPHome firmware is found, dialled and told of. It is no voice assistant: that part is only for ESP32s."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from satellites.esphome import device as dialling
from tests.peers import esphome_host as peer
from tests.peers.esphome_host import BUILDS, KEY, PORT, VERSION, Build, device
from tests.peers.server import ROOT, running_server
from tests.satellites.esphome.conftest import Served, serving
from tests.satellites.esphome.test_found import SERVICE, door, loopback

pytestmark = [
    pytest.mark.skipif(not peer.ready(), reason="no ESPHome firmware: python -m tests.peers.esphome_host"),
    pytest.mark.timeout(120),
    pytest.mark.long,
]
HERE, THERE = "127.0.0.21", "127.0.0.22"
OTHER_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NO_ASSISTANT = "it is no voice assistant: it needs firmware with voice_assistant: in its configuration"
FIRST, SECOND = BUILDS[:2]
needs_encryption = pytest.mark.skipif(not peer.NOISE, reason="no firmware with a key: ESPHOME_NOISE=FOLDER")


@pytest.fixture
async def puck(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    async with device(FIRST, HERE, tmp_path) as process:
        yield process


@asynccontextmanager
async def dialling_at(address: str, **settings: str) -> AsyncIterator[Served]:
    async with serving(devices={}, others={"hall": {"address": address, **settings}}) as served:
        yield served


async def problem(served: Served, wanted: str) -> dict[str, object]:
    return dict((await served.until("hall", lambda each: wanted in each.detail.get("problem", ""))).detail)


@pytest.mark.usefixtures("puck")
async def test_it_is_dialled_and_says_what_it_is() -> None:
    async with dialling_at(HERE) as served:
        detail = await problem(served, NO_ASSISTANT)
        assert served.satellite("hall").state == "refused"
    told = {"firmware": VERSION, "mac": FIRST.mac, "hostname": "puck", "model": "host", "project": "passfel.puck 1.2"}
    assert told.items() <= detail.items()


@pytest.mark.usefixtures("puck")
async def test_a_key_for_one_that_has_none_is_named() -> None:
    async with dialling_at(HERE, key=KEY) as served:
        await problem(served, "it has no encryption: take esphome.devices.hall.key out")


@needs_encryption
@pytest.mark.parametrize(
    ("key", "said"),
    [
        (KEY, NO_ASSISTANT),
        (OTHER_KEY, "its key is another than esphome.devices.hall.key"),
        (None, "it wants a key: set esphome.devices.hall.key"),
    ],
)
async def test_one_with_a_key_is_dialled_with_just_that(key: str | None, said: str, tmp_path: Path) -> None:
    locked = device(Build(FIRST.mac, encrypted=True), HERE, tmp_path)
    async with locked, dialling_at(HERE, **({"key": key} if key else {})) as served:
        detail = await problem(served, said)
        assert KEY not in str(detail)
        assert (detail.get("firmware") == VERSION) is (key == KEY)


async def test_one_that_was_away_is_reached_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "LONGEST_PAUSE", 1.0)
    monkeypatch.setattr(dialling, "REFUSED", 1.0)
    async with dialling_at(HERE) as served:
        for _ in range(2):
            async with device(FIRST, HERE, tmp_path):
                await problem(served, NO_ASSISTANT)
            await problem(served, f"it cannot be reached at {HERE}")
            assert served.satellite("hall").state == "away"


@pytest.mark.usefixtures("puck")
async def test_two_of_one_name_that_are_set_by_their_addresses_are_told_apart(tmp_path: Path) -> None:
    async with device(SECOND, THERE, tmp_path):
        others = {"hall": {"address": HERE}, "attic": {"address": THERE}}
        async with serving(devices={}, others=others) as served:
            for name, build in (("hall", FIRST), ("attic", SECOND)):
                seen = await served.until(name, lambda each: NO_ASSISTANT in each.detail.get("problem", ""))
                assert (seen.detail["hostname"], seen.detail["mac"]) == ("puck", build.mac)


def announced(build: Build, address: str, server: str) -> AsyncServiceInfo:
    """What ESPHome's mdns component tells of a device, as somebody on this machine has to tell it instead."""
    mac = build.mac.replace(":", "").lower()
    told = {"mac": mac, "version": VERSION, "friendly_name": "Kitchen puck", "platform": "HOST", "board": "host"}
    told |= {"project_name": "passfel.puck", "project_version": "1.2", "network": "ethernet"}
    place = socket.inet_aton(address)
    return AsyncServiceInfo(SERVICE, f"puck.{SERVICE}", addresses=[place], port=PORT, properties=told, server=server)


@pytest.mark.usefixtures("puck")
async def test_it_is_found_and_tried_where_the_household_wants_that() -> None:
    async with loopback() as network, door(discover="use") as served:
        await network.async_register_service(announced(FIRST, HERE, "puck.local."))
        seen = await served.until("puck", lambda each: each.state == "refused")
        assert seen.detail["problem"] == NO_ASSISTANT
        assert seen.detail["firmware"] == VERSION
        assert seen.detail["found"]


@pytest.mark.usefixtures("puck")
async def test_two_that_are_found_by_one_name_are_told_of(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(device(SECOND, THERE, tmp_path))
        one = await stack.enter_async_context(loopback())
        other = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
        stack.push_async_callback(other.async_close)
        served = await stack.enter_async_context(door(discover="use"))
        await one.async_register_service(announced(FIRST, HERE, "puck.local."))
        await served.until("puck", lambda each: each.state == "refused")
        # Neither looks whether the name is taken, as devices that start at once do not.
        second = announced(SECOND, THERE, "puck-2.local.")
        await other.async_register_service(second, cooperating_responders=True)
        seen = await served.until("puck", lambda each: each.state == "found")
        assert "two devices go by the name puck" in seen.detail["problem"]


@pytest.mark.usefixtures("puck")
async def test_passfel_devices_lists_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    settings = {
        "PASSFEL_ESPHOME__DEVICES": f'{{"hall": {{"address": "{HERE}"}}}}',
        "PASSFEL_ESPHOME__DISCOVER": "off",
        "PASSFEL_ESPHOME__HOST": "127.0.0.1",
        "PASSFEL_ESPHOME__PORT": "0",
    }
    async with running_server(data, **settings) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "passfel.py", "devices"),
            cwd=ROOT,
            env=os.environ | settings | {"PASSFEL_PORT": str(server.port), "PASSFEL_DATA_DIR": str(data)},
            stdout=asyncio.subprocess.PIPE,
        )
        told = (await process.communicate())[0].decode()
    for part in ("hall: refused", VERSION, FIRST.mac, "it is no voice assistant"):
        assert part in told
