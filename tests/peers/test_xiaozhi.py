"""A device with xiaozhi's protocol, played by `xiaozhi-sdk`, comes in and talks with the assistant as users run it."""

import asyncio
import json
import os
import re
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr
import websockets
from xiaozhi_sdk import XiaoZhiWebsocket

from tests.peers.server import ROOT, Server, running_server
from tests.spoken import RATE, pcm, room_tone, speech
from voice import models
from voice.whisper import SAMPLE_RATE, WhisperEngine

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PACKET = RATE * 2 * 60 // 1000
OUTPUT_RATE = 24_000
SECONDS = 60


@dataclass
class Puck:
    """A device: the SDK's client, and what it was told."""

    client: XiaoZhiWebsocket
    told: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        self._changed.set()

    def says(self, kind: str, state: str | None = None) -> list[dict[str, Any]]:
        return [each for each in self.told if each["type"] == kind and state in (None, each.get("state"))]

    async def until(self, kind: str, state: str | None = None, *, after: int = 0) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while len(found := self.says(kind, state)) <= after:
                self._changed.clear()
                await self._changed.wait()
        return found[after]

    async def speak(self, text: str, *, jitter: float = 0.0, stall: float = 0.0) -> None:
        """Speak in real time, and then keep the microphone open.

        Args:
            jitter: seconds by which packets are late, at most.
            stall: seconds for which nothing is sent in the middle of it; what was said meanwhile comes behind at once.
        """
        said = pcm(np.concatenate([room_tone(0.5), speech(text), room_tone(0.1)]))
        random = np.random.default_rng(0)
        clock = asyncio.get_running_loop().time
        began = clock()
        for start in range(0, len(said) - PACKET, PACKET):
            late = stall if 0 <= start - len(said) // 2 < stall * RATE * 2 else random.uniform(0, jitter)
            await asyncio.sleep(began + start / (RATE * 2) + late - clock())
            await self.client.send_audio(said[start : start + PACKET])

    @asynccontextmanager
    async def open_microphone(self) -> AsyncIterator[None]:
        """Send the quiet of the room until the context ends."""

        async def send() -> None:
            quiet = pcm(room_tone(0.06))
            while True:
                await self.client.send_audio(quiet)
                await asyncio.sleep(0.06)

        sending = asyncio.create_task(send())
        try:
            yield
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def ask(self, question: str) -> None:
        """Ask, and listen until the answer has been heard."""
        answers = len(self.says("tts", "stop"))
        await self.speak(question)
        async with self.open_microphone():
            await self.until("tts", "stop", after=answers)
        print(*(each["text"] for each in self.told if each["type"] in ("stt", "tts") and "text" in each), sep="\n")

    def heard(self) -> np.ndarray:
        """What it played since it was last asked."""
        samples = [np.asarray(each).flatten() for each in self.client.output_audio_queue]
        self.client.output_audio_queue.clear()
        return np.concatenate(samples).astype(np.float32) / 32768 if samples else np.empty(0, np.float32)

    async def set_mcp_tools(self) -> None:
        """Bring what the firmware brings of each device."""

        def set_volume(arguments: dict[str, Any]) -> tuple[object, bool]:
            self.volumes.append(arguments["volume"])
            return True, False

        nothing = {"type": "object", "properties": {}}
        volume = {"volume": {"type": "integer", "minimum": 0, "maximum": 100}}
        await self.client.set_mcp_tool(
            [
                {
                    "name": "self.get_device_status",
                    "description": "Tells the volume.",
                    "inputSchema": nothing,
                    "tool_func": lambda _: ({"audio_speaker": {"volume": 40}}, False),
                },
                {
                    "name": "self.audio_speaker.set_volume",
                    "description": "Set the volume.",
                    "inputSchema": {"type": "object", "properties": volume, "required": ["volume"]},
                    "tool_func": set_volume,
                },
            ]
        )


@dataclass
class House:
    server: Server
    port: int
    ears: WhisperEngine

    @property
    def ota(self) -> str:
        return f"http://127.0.0.1:{self.port}/xiaozhi/ota"

    @asynccontextmanager
    async def puck(self, address: str = "aa:bb:cc:00:00:01", mode: str = "realtime") -> AsyncIterator[Puck]:
        """A device that is let in."""
        client = XiaoZhiWebsocket(ota_url=self.ota, audio_sample_rate=RATE, audio_output_sample_rate=OUTPUT_RATE)
        client.mode = mode
        puck = Puck(client)
        client.message_handler_callback = puck.take
        await puck.set_mcp_tools()
        await self.let_in(address)
        try:
            assert await client.init_connection(address)
            yield puck
        finally:
            await client.close()

    async def let_in(self, address: str) -> None:
        """Accept the code that a device shows, unless it is in."""
        ids = {"Device-Id": address, "Client-Id": str(uuid.uuid5(uuid.NAMESPACE_DNS, address))}
        async with httpx.AsyncClient() as http:
            told = (await http.post(f"{self.ota}/", headers=ids, json={})).json()
            if "activation" in told:
                accepted = await http.post(
                    f"{self.server.address}/v1/paired", json={"code": told["activation"]["code"], "name": "Puck"}
                )
                assert accepted.status_code == 200

    async def transcribed(self, heard: np.ndarray) -> str:
        return (await self.ears.transcribe(soxr.resample(heard, OUTPUT_RATE, SAMPLE_RATE))).text.lower()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("xiaozhi")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "PASSFEL_XIAOZHI__ENABLED": "true",
        "PASSFEL_XIAOZHI__HOST": "127.0.0.1",
        "PASSFEL_XIAOZHI__FOLLOW_UP": "2",
    }
    async with running_server(folder, PASSFEL_XIAOZHI__PORT=str(port), **settings) as server:
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        yield House(server, port, ears)
        ears.close()


async def passfel(server: Server, *arguments: str) -> str:
    """Run a command as the owner does, and return what it writes."""
    environment = os.environ | {"PASSFEL_PORT": str(server.port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "passfel.py", *arguments, cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    return output.decode()


async def test_a_token_is_made_for_a_device_of_ones_own(house: House) -> None:
    made = await passfel(house.server, "pair", "--token", "Workshop")
    (token,) = re.findall(r"^  (\S{20,})$", made, re.MULTILINE)
    url = f"ws://127.0.0.1:{house.server.port}/v1/realtime"
    async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as websocket:
        assert "session.created" in await asyncio.wait_for(websocket.recv(), SECONDS)
    assert "Workshop" in await passfel(house.server, "pair", "--list")


async def test_a_device_is_let_in_by_the_code_it_shows(house: House) -> None:
    client = XiaoZhiWebsocket(ota_url=house.ota)
    assert not await client.init_connection("aa:bb:cc:00:00:99")
    assert client.ota_task is not None
    client.ota_task.cancel()
    assert client.ota is not None
    assert not await client.ota.check_activate("challenge")
    listed = await passfel(house.server, "pair", "--list")
    (code,) = re.findall(r"passfel pair --accept (\d{6})", listed)
    assert "xiaozhi-sdk 00:99 at 127.0.0.1 asks to be let in" in listed
    assert "shows this code" in await passfel(house.server, "pair", "--accept", "12345")
    assert await passfel(house.server, "pair", "--accept", code, "--name", "Bedroom") == "Bedroom is let in.\n"
    assert "Bedroom" in await passfel(house.server, "pair", "--list")
    assert await client.ota.check_activate("challenge")
    client.message_handler_callback = Puck(client).take
    assert await client.init_connection("aa:bb:cc:00:00:99")
    await client.close()


async def test_a_question_is_understood_and_its_answer_heard(house: House) -> None:
    async with house.puck() as puck:
        await puck.ask("What is twelve times twelve?")
        assert "twelve" in puck.says("stt")[0]["text"].lower() or "12" in puck.says("stt")[0]["text"]
        shown = [each["text"] for each in puck.says("tts", "sentence_start")]
        assert "144" in " ".join(shown)
        assert [each["state"] for each in puck.says("tts")] == ["start", *["sentence_start"] * len(shown), "stop"]
        assert {each["emotion"] for each in puck.says("llm")} >= {"thinking", "happy", "neutral"}
        heard = await house.transcribed(puck.heard())
        assert "144" in heard or "hundred and forty" in heard or "one hundred" in heard


async def test_louder_changes_the_devices_own_volume(house: House) -> None:
    async with house.puck() as puck:
        await puck.ask("Set the volume to sixty percent.")
        async with asyncio.timeout(SECONDS):
            while not puck.volumes:
                await asyncio.sleep(0.05)
        assert puck.volumes == [60]


async def test_a_device_with_a_button_is_answered_and_hears_announcements_while_it_rests(house: House) -> None:
    async with house.puck("aa:bb:cc:00:00:02", mode="manual") as puck:
        await puck.speak("What is twelve times twelve?")
        await puck.client.websocket.send(json.dumps({"type": "listen", "state": "stop"}))
        await puck.until("tts", "stop")
        assert "144" in " ".join(each["text"] for each in puck.says("tts", "sentence_start"))
        puck.heard()
        async with httpx.AsyncClient(base_url=house.server.address) as http, asyncio.timeout(SECONDS):
            while [each["state"] for each in (await http.get("/v1/satellites")).json()].count("idle") < 1:
                await asyncio.sleep(0.2)
            said = await http.post("/v1/announce", json={"text": "The washing machine is done."})
            assert said.json()["status"] == "said"
        await puck.until("tts", "stop", after=1)
        assert puck.says("tts", "sentence_start")[-1]["text"] == "The washing machine is done."
        assert "washing machine" in await house.transcribed(puck.heard())


@pytest.mark.parametrize(("jitter", "stall"), [(0.1, 0.0), (0.0, 0.5)])
async def test_what_comes_late_is_understood(house: House, jitter: float, stall: float) -> None:
    async with house.puck() as puck:
        await puck.speak("What is twelve times twelve?", jitter=jitter, stall=stall)
        async with puck.open_microphone():
            await puck.until("tts", "stop")
        assert "144" in " ".join(each["text"] for each in puck.says("tts", "sentence_start")), puck.says("stt")


@pytest.mark.long
async def test_a_timer_of_a_device_that_was_hung_up_on_rings_at_another(house: House) -> None:
    async with house.puck("aa:bb:cc:00:00:02", mode="manual") as other:
        async with house.puck(mode="auto") as puck:
            await puck.ask("Set a timer for ten seconds.")
            assert "10 seconds" in puck.says("tts", "sentence_start")[0]["text"]
            async with puck.open_microphone(), asyncio.timeout(SECONDS):
                await puck.client.websocket.wait_closed()
        await other.until("tts", "stop")
        assert "timer" in other.says("tts", "sentence_start")[-1]["text"].lower()
        assert "timer" in await house.transcribed(other.heard())


async def test_an_answer_is_broken_off(house: House) -> None:
    async with house.puck() as puck:
        await puck.speak("Count from one to twenty, please.")
        async with puck.open_microphone():
            await puck.until("tts", "sentence_start")
            await puck.client.send_abort()
            await puck.until("tts", "stop")
        sounds = len(puck.client.output_audio_queue)
        await asyncio.sleep(0.5)
        assert len(puck.client.output_audio_queue) <= sounds + 1


async def test_a_wrong_token_opens_nothing(house: House) -> None:
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "no"}):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{house.port}/xiaozhi/v1/", additional_headers=headers)
        assert refused.value.response.status_code == 401
