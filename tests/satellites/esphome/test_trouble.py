"""What is wrong with a device is said in one line with what to do, and costs no other device anything."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aioesphomeapi.model import VoiceAssistantEventType as Event
from aioesphomeapi.model import VoiceAssistantFeature as Feature

from satellites.esphome import device as dialling
from satellites.esphome import session
from tests.satellites.esphome.conftest import LOUD, Served, serving
from tests.satellites.esphome.device import FakeDevice

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()
STORY = " ".join(["once"] * 30)


async def problem(served: Served, name: str = "hall") -> str:
    return str((await served.until(name, lambda each: "problem" in each.detail)).detail["problem"])


async def test_a_device_with_a_key_is_talked_with_under_encryption() -> None:
    device = FakeDevice(key=KEY)
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        detail = served.satellite("hall").detail
        assert detail["encrypted"]
        assert KEY not in str(detail)


@pytest.mark.parametrize(
    ("key", "set_key", "said"),
    [
        (KEY, OTHER_KEY, "its key is another than esphome.devices.hall.key"),
        (KEY, "", "it wants a key: set esphome.devices.hall.key"),
        (None, KEY, "it has no encryption: take esphome.devices.hall.key out"),
    ],
)
async def test_a_wrong_key_is_named(key: str | None, set_key: str, said: str) -> None:
    device, well = FakeDevice(key=key), FakeDevice(name="well", mac="20:F8:3B:00:00:02")
    devices = {"hall": device, "kitchen": well}
    async with serving(("what time is it", "It is noon"), devices=devices, keys={"hall": set_key}) as served:
        assert said in await problem(served)
        assert served.satellite("hall").state == "away"
        await asyncio.wait_for(well.subscribed.wait(), 10)
        well.wake()
        await well.speak(LOUD)
        await well.until_heard()


async def test_a_device_that_is_no_voice_assistant_is_refused() -> None:
    device = FakeDevice(features=Feature(0))
    async with serving(devices={"hall": device}, keys={"": ""}) as served:
        assert "it is no voice assistant" in await problem(served)
        assert served.satellite("hall").state == "refused"


async def test_a_device_that_home_assistant_holds_is_taken_over_once_it_lets_go(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "REFUSED", 1.0)
    monkeypatch.setattr(dialling, "SETTLED", 0.5)
    device.held_by = "Home Assistant 2026.11.1 (192.168.1.5)"
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        said = await problem(served)
        assert said.startswith("Home Assistant 2026.11.1 (192.168.1.5) holds its voice")
        assert served.satellite("hall").state == "refused"
        device.held_by = None
        await served.until("hall", lambda each: each.state == "idle" and "problem" not in each.detail)
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()


async def test_two_settings_for_one_device_are_noticed() -> None:
    one, same = FakeDevice(), FakeDevice()
    async with serving(devices={"hall": one, "kitchen": same}, keys={"": ""}) as served:
        await served.until("hall", lambda _: one.subscribed.is_set() or same.subscribed.is_set())
        refused = await served.until(
            "kitchen" if one.subscribed.is_set() else "hall", lambda each: each.state == "refused"
        )
        assert "it is the same device as" in refused.detail["problem"]


async def test_a_device_that_vanishes_in_mid_answer_ends_its_conversation_and_is_dialled_again(
    device: FakeDevice,
) -> None:
    turns = ("tell me a story", STORY), ("what time is it", "It is noon")
    async with serving(*turns, devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        device.subscribed.clear()
        device.vanish()
        await asyncio.wait_for(served.assistant.ended.wait(), 10)
        await asyncio.wait_for(device.subscribed.wait(), 20)
        device.wake()
        await device.speak(LOUD)
        await device.until_heard(1)


async def test_a_device_that_is_restarted_often_is_dialled_soon_each_time(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were each pause longer than the one before, the last would take minutes.
    monkeypatch.setattr(dialling, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(dialling, "LONGEST_PAUSE", 600.0)
    monkeypatch.setattr(dialling, "SETTLED", 0.0)
    async with serving(devices={"hall": device}) as served:
        for _ in range(16):
            await asyncio.wait_for(device.subscribed.wait(), 20)
            await served.until("hall", lambda each: "problem" not in each.detail)
            device.subscribed.clear()
            device.vanish()


async def test_a_device_that_falls_silent_in_the_middle_of_a_word_is_answered(device: FakeDevice) -> None:
    async with serving(("what time", "It is noon"), devices={"hall": device}):
        device.wake()
        await device.speak(LOUD, seconds_of_quiet=0.0)
        await device.until_heard()


async def test_a_device_that_cuts_its_sound_anywhere_is_understood(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        device.wake()
        await asyncio.wait_for(device.listening.wait(), 10)
        for start in range(0, len(LOUD), 333):
            device.stream(LOUD[start : start + 333])
        await device.speak(b"")
        await device.until_heard()
        heard = np.frombuffer(bytes(served.assistant.ears.audio), "<i2")
        assert abs(heard).max() == abs(np.frombuffer(LOUD, "<i2")).max(), "not the noise of halves of samples"


async def test_a_device_that_floods_while_it_waits_for_its_wake_word_costs_the_others_nothing() -> None:
    flooding, well = FakeDevice(), FakeDevice(name="well", mac="20:F8:3B:00:00:02")
    devices = {"hall": flooding, "kitchen": well}
    async with serving(("what time is it", "It is noon"), devices=devices):
        flooding.leave_wake_word()
        for _ in range(3000):
            flooding.stream(bytes(4096))
        well.wake()
        await well.speak(LOUD)
        await well.until_heard()


async def test_a_device_that_cannot_reach_this_machine_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FETCHING", 0.5)
    device = FakeDevice(reaches_server=False)
    async with serving(("tell me a story", STORY), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        assert "it does not fetch its speech from http://127.0.0.1:" in await problem(served)
        await device.until(Event.VOICE_ASSISTANT_RUN_END)


@asynccontextmanager
async def babbling(data: bytes) -> AsyncIterator[FakeDevice]:
    """Something that is no device at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    impostor = FakeDevice(port=server.sockets[0].getsockname()[1])
    try:
        yield impostor
    finally:
        server.close()


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(range(256)) * 40, b"\0\xff\xff\xff\xff\x7f", b""]
)
async def test_something_that_does_not_speak_the_protocol_disturbs_nobody(data: bytes) -> None:
    well = FakeDevice()
    async with babbling(data) as impostor:
        places = {"odd": {"address": "127.0.0.1", "port": impostor.port}}
        async with serving(("what time is it", "It is noon"), devices={"hall": well}, others=places) as served:
            assert await problem(served, "odd")
            well.wake()
            await well.speak(LOUD)
            await well.until_heard()


async def test_what_a_device_says_about_itself_is_told(device: FakeDevice) -> None:
    async with serving(devices={"hall": device}) as served:
        satellite = await served.until("hall", lambda each: each.state == "idle")
        assert satellite.door == "esphome"
        assert satellite.detail["firmware"] == "2026.6.5"
        assert satellite.detail["project"] == "Nabu Casa.Home Assistant Voice PE 26.6.0"
        assert satellite.detail["mac"] == device.mac
        assert satellite.detail["room"] == "Hall"
