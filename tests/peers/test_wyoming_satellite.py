"""People talk to the whole assistant through real wyoming-satellites, and what their loudspeakers played is written down."""

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr

from tests.peers import wyoming_satellite as peer
from tests.peers.server import Server, running_server
from tests.peers.wyoming_satellite import PLAYED_RATE, PiSatellite, wyoming_satellite
from tests.spoken import RATE, room_tone, speech
from voice import models
from voice.whisper import WhisperEngine

pytestmark = [
    pytest.mark.skipif(
        not peer.ready() and not os.environ.get("CI"),
        reason="no Wyoming satellite: python -m tests.peers.wyoming_satellite",
    ),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
CLOCK = re.compile(r"\d|o'clock|noon|midnight")


@dataclass
class House:
    """An assistant and two satellites: the kitchen's streams all the time, the hall's has a wake word of its own."""

    server: Server
    kitchen: PiSatellite
    hall: PiSatellite
    ears: WhisperEngine

    async def states(self) -> dict[str, str]:
        async with httpx.AsyncClient(base_url=self.server.address) as http:
            known = (await http.get("/v1/satellites")).raise_for_status().json()
        return {each["device"].removeprefix("wyoming:"): each["state"] for each in known}

    async def until(self, name: str, *states: str) -> None:
        async with asyncio.timeout(60):
            while (await self.states())[name] not in states:
                await asyncio.sleep(0.1)

    async def answer(self, satellite: PiSatellite, *said: np.ndarray, until: str | re.Pattern[str]) -> str:
        """Say something to a satellite and write down what it plays, once it pauses and that holds what is awaited."""
        before = len(satellite.played)
        satellite.say(*said)
        return await self.heard(satellite, before, until)

    async def heard(self, satellite: PiSatellite, before: int, until: str | re.Pattern[str]) -> str:
        text, length = "", 0
        try:
            async with asyncio.timeout(45):
                while not re.search(until, text):
                    await asyncio.sleep(0.5)
                    if len(satellite.played) > max(length, before):
                        length = len(satellite.played)
                        continue
                    text = await self.write_down(satellite.played[before : length // 2 * 2])
        except TimeoutError:
            heard = [turn["heard"] for turn in await self.server.turns()]
            pytest.fail(f"it said {text!r} and not {until!r}; it had heard {heard}")
        return text

    async def write_down(self, sound: bytes) -> str:
        audio = np.frombuffer(sound, "<i2").astype(np.float32) / 32768
        return (await self.ears.transcribe(soxr.resample(audio, PLAYED_RATE, RATE))).text.lower()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("wyoming")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    async with AsyncExitStack() as stack:
        wake = ("--wake-uri", f"tcp://127.0.0.1:{port}", "--wake-word-name", "okay_nabu")
        kitchen = await stack.enter_async_context(wyoming_satellite(folder / "kitchen"))
        hall = await stack.enter_async_context(wyoming_satellite(folder / "hall", *wake))
        (folder / "data").mkdir()
        server = await stack.enter_async_context(
            running_server(
                folder / "data",
                PASSFEL_WYOMING__ENABLED="true",
                PASSFEL_WYOMING__PORT=str(port),
                PASSFEL_WYOMING__FOLLOW_UP="10",
                PASSFEL_WYOMING__SATELLITES=json.dumps(
                    {"kitchen": {"uri": kitchen.uri, "room": "kitchen"}, "hall": {"uri": hall.uri}}
                ),
            )
        )
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        stack.callback(ears.close)
        made = House(server, kitchen, hall, ears)
        for name in ("kitchen", "hall"):
            await made.until(name, "idle")
        # It looks for its wake service once in a few seconds, and that has only just come up.
        await hall.until_logged("Connected to wake service")
        yield made


@pytest.fixture
async def quiet(house: House) -> House:
    """The house once nobody talks."""
    for name in ("kitchen", "hall"):
        await house.until(name, "idle")
    return house


@pytest.mark.long
async def test_one_that_streams_is_woken_here_answers_and_is_asked_on_without_the_wake_word(quiet: House) -> None:
    question = [speech("Okay nabu."), room_tone(0.3), speech("What time is it?")]
    await quiet.answer(quiet.kitchen, room_tone(0.5), *question, until=CLOCK)
    assert (await quiet.states())["kitchen"] == "talking"
    await quiet.answer(quiet.kitchen, room_tone(0.5), speech("What time is it?"), until=CLOCK)
    await quiet.until("kitchen", "idle")
    before = len(quiet.kitchen.played)
    quiet.kitchen.say(speech("What time is it?"), room_tone(3.0))
    await asyncio.sleep(6)
    assert len(quiet.kitchen.played) == before, "the conversation is over: it takes the wake word again"


@pytest.mark.long
async def test_one_with_a_wake_word_of_its_own_answers_too(quiet: House) -> None:
    question = [speech("Okay nabu."), room_tone(0.8), speech("What time is it?")]
    await quiet.answer(quiet.hall, room_tone(1.0), *question, until=CLOCK)
    await quiet.until("hall", "idle")
    assert "transcript" in quiet.hall.log(), "it was told what was heard, and waits for its wake word again"


async def test_an_announcement_is_heard_where_nobody_talks(quiet: House) -> None:
    before = len(quiet.kitchen.played)
    async with httpx.AsyncClient(base_url=quiet.server.address) as http:
        body = {"text": "The washing machine is done.", "device": "wyoming:kitchen"}
        assert (await http.post("/v1/announce", json=body)).json() == {"status": "said"}
    await quiet.heard(quiet.kitchen, before, "washing machine is done")


@pytest.mark.long
async def test_of_two_that_heard_it_the_nearer_one_answers(quiet: House) -> None:
    kitchen, hall = len(quiet.kitchen.played), len(quiet.hall.played)
    question = np.concatenate([room_tone(0.5), speech("Okay nabu."), room_tone(0.8), speech("What time is it?")])
    quiet.hall.say(question * 0.1)
    quiet.kitchen.say(question)
    await quiet.heard(quiet.kitchen, kitchen, CLOCK)
    assert len(quiet.hall.played) == hall


@pytest.mark.long
async def test_one_that_was_away_is_reached_again(quiet: House) -> None:
    port, folder = quiet.kitchen.port, quiet.kitchen.folder
    os.killpg(quiet.kitchen.process.pid, 15)
    await quiet.kitchen.process.wait()
    await quiet.until("kitchen", "away")
    async with wyoming_satellite(folder, port=port) as back:
        await quiet.until("kitchen", "idle")
        question = [speech("Okay nabu."), room_tone(0.3), speech("What time is it?")]
        await quiet.answer(back, room_tone(1.0), *question, until=CLOCK)
