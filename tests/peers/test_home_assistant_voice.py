"""A real Home Assistant adds PASSFEL's Wyoming service, and hears, speaks and is woken by it."""

import asyncio
import io
import json
import os
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr
from websockets.asyncio.client import connect

from tests.peers import home_assistant as peer
from tests.peers.home_assistant import HomeAssistant
from tests.peers.server import running_server
from tests.spoken import RATE, pcm, room_tone, speech
from voice import models
from voice.whisper import WhisperEngine

pytestmark = [
    pytest.mark.skipif(
        not peer.ready() and not os.environ.get("CI"), reason="no Home Assistant: python -m tests.peers.home_assistant"
    ),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.long,
]
PIECE = 2048


@dataclass
class Voiced:
    """A Home Assistant whose voice is PASSFEL's."""

    home: HomeAssistant
    http: httpx.AsyncClient
    added: dict[str, Any]
    ears: WhisperEngine

    async def run_pipeline(self, sound: np.ndarray, **options: Any) -> list[dict[str, Any]]:
        """Have its voice assistant hear something at the pace at which it is spoken; returns what happens."""
        address = f"{self.home.url.replace('http', 'ws')}/api/websocket"
        async with asyncio.timeout(60), connect(address) as line:
            await line.recv()
            await line.send(json.dumps({"type": "auth", "access_token": self.home.token}))
            await line.recv()
            pipeline = {
                "name": "PASSFEL",
                "language": "en",
                "conversation_engine": "homeassistant",
                "conversation_language": "en",
                "stt_engine": "stt.passfel",
                "stt_language": "en",
                "tts_engine": "tts.passfel",
                "tts_language": "en_US",
                "tts_voice": None,
                "wake_word_entity": "wake_word.passfel",
                "wake_word_id": "okay_nabu",
            }
            await line.send(json.dumps({"id": 1, "type": "assist_pipeline/pipeline/create", **pipeline}))
            made = json.loads(await line.recv())
            assert made["success"], made
            run = {"type": "assist_pipeline/run", "pipeline": made["result"]["id"], **options}
            await line.send(json.dumps({"id": 2, **run}))
            events: list[dict[str, Any]] = []
            speaking: asyncio.Task[None] | None = None
            try:
                while not events or events[-1]["type"] not in ("run-end", "error"):
                    message = json.loads(await line.recv())
                    if message["type"] == "result":
                        assert message["success"], message
                        continue
                    events.append(message["event"])
                    if events[-1]["type"] == "run-start":
                        handler = events[-1]["data"]["runner_data"]["stt_binary_handler_id"]
                        speaking = asyncio.create_task(_speak(line, bytes([handler]), pcm(sound)))
            finally:
                if speaking is not None:
                    speaking.cancel()
                    await asyncio.wait([speaking])
            return events


async def _speak(line: Any, handler: bytes, sound: bytes) -> None:
    for at in range(0, len(sound), PIECE):
        await line.send(handler + sound[at : at + PIECE])
        await asyncio.sleep(PIECE / (2 * RATE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voiced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Voiced]:
    folder = tmp_path_factory.mktemp("voiced")
    (folder / "data").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    async with AsyncExitStack() as stack:
        wyoming = {"PASSFEL_WYOMING__ENABLED": "true", "PASSFEL_WYOMING__PORT": str(port)}
        await stack.enter_async_context(running_server(folder / "data", **wyoming))
        home = await stack.enter_async_context(peer.home_assistant(folder / "home-assistant"))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {home.token}"}, timeout=30)
        )
        await home.running()
        flows = "/api/config/config_entries/flow"
        flow = (await http.post(flows, json={"handler": "wyoming"})).raise_for_status().json()
        place = {"host": "127.0.0.1", "port": port}
        added = (await http.post(f"{flows}/{flow['flow_id']}", json=place)).raise_for_status().json()
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        stack.callback(ears.close)
        yield Voiced(home, http, added, ears)


async def test_it_is_added_by_its_address_as_three_services(voiced: Voiced) -> None:
    assert (voiced.added["type"], voiced.added["title"]) == ("create_entry", "passfel")
    states = (await voiced.http.get("/api/states")).raise_for_status().json()
    entities = {each["entity_id"] for each in states}
    assert {"stt.passfel", "tts.passfel", "wake_word.passfel"} <= entities


async def test_what_is_said_to_it_is_written_down(voiced: Voiced) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm(np.concatenate([room_tone(0.3), speech("Turn on the kitchen lights."), room_tone(0.3)])))
    told = "format=wav; codec=pcm; sample_rate=16000; bit_rate=16; channel=1; language=en"
    answer = await voiced.http.post(
        "/api/stt/stt.passfel", headers={"X-Speech-Content": told}, content=sound.getvalue()
    )
    heard = answer.raise_for_status().json()
    assert heard["result"] == "success"
    assert "turn on the kitchen lights" in heard["text"].lower()


async def test_what_it_says_is_spoken(voiced: Voiced) -> None:
    # As it comes: what Home Assistant itself makes an mp3 of needs ffmpeg.
    message = {
        "engine_id": "tts.passfel",
        "message": "The washing machine is done.",
        "options": {"preferred_format": "wav"},
    }
    place = (await voiced.http.post("/api/tts_get_url", json=message)).raise_for_status().json()["path"]
    with wave.open(io.BytesIO((await voiced.http.get(place)).raise_for_status().content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        spoken = soxr.resample(audio, file.getframerate(), RATE)
    assert "washing machine is done" in (await voiced.ears.transcribe(spoken)).text.lower()


async def test_its_voice_assistant_is_woken_understands_and_does_it(voiced: Voiced) -> None:
    assert await voiced.home.state("light.bed_light") == "off"
    order = [room_tone(1.0), speech("Okay nabu."), room_tone(0.6), speech("Turn on the bed light."), room_tone(4.0)]
    stages = {"start_stage": "wake_word", "end_stage": "intent", "input": {"sample_rate": RATE, "timeout": 10}}
    events = {each["type"]: each["data"] for each in await voiced.run_pipeline(np.concatenate(order), **stages)}
    assert events["wake_word-end"]["wake_word_output"]["wake_word_id"] == "okay_nabu"
    assert "bed light" in events["stt-end"]["stt_output"]["text"].lower()
    assert events["intent-end"]["intent_output"]["response"]["response_type"] == "action_done"
    await voiced.home.until("light.bed_light", "on")
