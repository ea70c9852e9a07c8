"""A whole spoken conversation between a device with ESPHome and the assistant as a user runs it.

The device is `tests/satellites/esphome/device.py`, which speaks the real protocol under encryption and fetches what it
is to say as firmware does.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr
from aioesphomeapi.model import VoiceAssistantEventType as Event

from tests.peers.server import Server, running_server
from tests.satellites.esphome.device import FakeDevice, Heard
from tests.spoken import pcm, room_tone, speech
from voice import models
from voice.whisper import SAMPLE_RATE, WhisperEngine

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
KEY = base64.b64encode(bytes(range(32))).decode()


class Household:
    def __init__(self, server: Server, device: FakeDevice, ears: WhisperEngine) -> None:
        self.server, self.device, self.ears = server, device, ears

    async def ask(self, question: str) -> str:
        """Speak into the device, and write down what is heard from it."""
        already = len(self.device.heard)
        spoken = np.concatenate([room_tone(0.3), speech(question), room_tone(2.0)])
        await self.device.speak(pcm(spoken), seconds_of_quiet=3.0)
        return await self.understood(await self.device.until_heard(already + 1))

    async def understood(self, heard: Heard) -> str:
        audio = soxr.resample(heard.audio, heard.rate, SAMPLE_RATE).astype(np.float32)
        return (await self.ears.transcribe(audio)).text.lower()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def household(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Household]:
    data = tmp_path_factory.mktemp("esphome")
    device = FakeDevice(key=KEY)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(device.serving())
        places = {"kitchen": {"address": "127.0.0.1", "port": device.port, "key": KEY, "room": "kitchen"}}
        server = await stack.enter_async_context(
            running_server(
                data,
                PASSFEL_ESPHOME__DEVICES=json.dumps(places),
                PASSFEL_ESPHOME__DISCOVER="off",
                PASSFEL_ESPHOME__HOST="127.0.0.1",
                PASSFEL_ESPHOME__PORT="0",
            )
        )
        ears = WhisperEngine(models.whisper_model("base", Path(data)), language="en")
        stack.callback(ears.close)
        await device.subscribed.wait()
        yield Household(server, device, ears)


async def test_questions_are_asked_and_answered_aloud(household: Household) -> None:
    device = household.device
    device.wake("okay nabu")
    answer = await household.ask("What is twelve times twelve?")
    assert "144" in answer
    assert (await device.until(Event.VOICE_ASSISTANT_STT_END))["text"]
    assert "144" in (await device.until(Event.VOICE_ASSISTANT_TTS_START))["text"]
    # It goes on listening by itself.
    await device.until(Event.VOICE_ASSISTANT_STT_START, count=2)
    answer = await household.ask("How many centimeters are two meters?")
    assert "200" in answer or "two hundred" in answer
    [first, second] = (await household.server.turns())[-2:]
    assert first["conversation"] == second["conversation"]
    assert first["door"] == "esphome"
    assert first["device"] == "kitchen"


async def test_an_announcement_is_heard_at_the_idle_device(household: Household) -> None:
    device = household.device
    already, announced = len(device.heard), len(device.announced)
    async with httpx.AsyncClient(base_url=household.server.address) as http, asyncio.timeout(60):
        while (await http.get("/v1/satellites")).json()[0]["state"] != "idle":
            await asyncio.sleep(0.2)
        answer = await http.post("/v1/announce", json={"text": "The washing machine is done.", "device": "kitchen"})
        assert answer.json() == {"status": "said"}
        assert "washing machine is done" in await household.understood(await device.until_heard(already + 1))
        assert len(device.announced) == announced + 1
        [satellite] = (await http.get("/v1/satellites")).json()
    assert satellite["detail"]["firmware"] == device.version
    assert satellite["detail"]["encrypted"]
    assert KEY not in json.dumps(satellite)
