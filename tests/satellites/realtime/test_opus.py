"""Devices that send and hear Opus at the realtime door, and that come in with a token of their own."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from pipeline.json_store import JsonStore
from satellites.access import Access
from satellites.gate import Gate
from satellites.pairing.door import Pairing
from satellites.pairing.paired import Paired
from satellites.realtime.door import mount
from tests.fakes.scripted_assistant import WORD_SECONDS, ScriptedAssistant
from voice.opus import DECODED_RATE, OpusDecoder, OpusEncoder, seconds

OPUS = {"type": "audio/opus"}
SESSION = {"type": "realtime", "audio": {"input": {"format": OPUS}, "output": {"format": OPUS}}}


class Device:
    """A device on a bare websocket."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.events: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.websocket.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                event = json.loads(await self.websocket.recv())
                self.events.append(event)
                if event["type"] == kind:
                    return event
                assert event["type"] != "error", event

    async def append(self, packet: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(packet).decode())

    async def speak(self, length: float, *, loud: bool) -> None:
        tone = np.sin(np.arange(int(16_000 * length)) / 4) * 12000 * loud
        for packet in OpusEncoder(16_000, 60).encode(tone.astype("<i2").tobytes()):
            await self.append(packet)

    def packets(self) -> list[bytes]:
        deltas = [each["delta"] for each in self.events if each["type"] == "response.output_audio.delta"]
        return [base64.b64decode(delta) for delta in deltas]


@pytest.fixture
async def device(server) -> AsyncIterator[Device]:
    async with connect(f"{server.url}/realtime", max_size=None) as websocket:
        device = Device(websocket)
        await device.until("session.created")
        await device.send("session.update", session=SESSION)
        audio = (await device.until("session.updated"))["session"]["audio"]
        assert (audio["input"]["format"], audio["output"]["format"]) == (OPUS, OPUS)
        yield device


async def test_a_question_in_opus_is_answered_in_opus(server, device: Device) -> None:
    server.assistant.script.heard.append("What time is it?")
    server.assistant.script.replies.append("It is noon")
    await device.speak(0.6, loud=True)
    await device.speak(0.6, loud=False)
    await device.until("response.done")
    packets = device.packets()
    assert {seconds(packet) for packet in packets} == {0.04}
    decoder = OpusDecoder()
    heard = np.frombuffer(b"".join(map(decoder.decode, packets)), "<i2")
    assert np.count_nonzero(abs(heard) > 1000) / DECODED_RATE == pytest.approx(3 * WORD_SECONDS, abs=0.05)
    kinds = [each["type"] for each in device.events]
    assert kinds.index("response.output_audio.done") > max(
        index for index, kind in enumerate(kinds) if kind == "response.output_audio.delta"
    )


async def test_what_is_not_opus_is_an_error_and_the_conversation_goes_on(server, device: Device) -> None:
    wrong = [b"", b"\x03", b"\xff" + os.urandom(40), bytes(9000)]
    for packet in wrong:
        await device.append(packet)
    async with asyncio.timeout(20):
        for _ in range(3):
            error = json.loads(await device.websocket.recv())
            assert error["type"] == "error"
            assert error["error"]["param"] == "audio"
    server.assistant.script.heard.append("What time is it?")
    server.assistant.script.replies.append("It is noon")
    await device.speak(0.6, loud=True)
    await device.speak(0.6, loud=False)
    async with asyncio.timeout(20):
        while json.loads(await device.websocket.recv())["type"] != "response.done":
            pass


class Elsewhere:
    """Has every caller seem to come from another machine of the house."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["client"] = ("192.168.1.40", 4000)
        await self._app(scope, receive, send)


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[str, ScriptedAssistant, Paired]]:
    """The door behind the gate, with devices that were let in."""
    assistant, app = ScriptedAssistant(), FastAPI()
    paired = Paired(JsonStore(folder / "paired.json"))
    mount(app, assistant)
    app.add_middleware(Gate, access=Access(None, paired), pairing=Pairing(paired, list, None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = uvicorn.Server(uvicorn.Config(Elsewhere(app), log_level="warning", lifespan="off"))
        task = asyncio.create_task(running.serve([listening]))
        try:
            yield f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/realtime", assistant, paired
        finally:
            running.should_exit = True
            await task


async def test_a_device_with_a_token_is_known_by_its_name_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, assistant, paired):
        for name in ("Kitchen", "Kitchen"):
            _, token = await paired.add(name)
            async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as websocket:
                await Device(websocket).until("session.created")
        assert [each.device.rpartition("-")[0] for each in assistant.callers] == ["Kitchen", "Kitchen 2"]
        assert all(each.resumes for each in assistant.callers)


async def test_a_wrong_token_opens_nothing_and_a_removed_device_is_out(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, assistant, paired):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=headers)
            assert refused.value.response.status_code == 401
        device, token = await paired.add("Kitchen")
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as websocket:
            await Device(websocket).until("session.created")
            await paired.remove(device.id)
            await asyncio.wait_for(websocket.wait_closed(), 20)
            await asyncio.wait_for(assistant.ended.wait(), 20)
        with pytest.raises(InvalidStatus):
            await connect(url, additional_headers={"Authorization": f"Bearer {token}"})
