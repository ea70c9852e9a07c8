"""The door as its clients meet it: the OpenAI SDK, or a bare websocket, over a real socket."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from pipecat.frames.frames import VolumeGainFrame
from websockets.asyncio.client import connect

from satellites.realtime import connection as connection_module
from satellites.realtime import functions as functions_module
from satellites.realtime.pacing import LEAD
from satellites.services import Satellite
from tests.fakes.scripted_assistant import AMPLITUDE, WORD_SECONDS, Call, TTSSpeakFrame
from tests.satellites.realtime.conftest import Server
from tests.satellites.realtime.strict import check

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


class Client:
    """The SDK's connection, with every event strictly checked."""

    def __init__(self, connection: Any) -> None:
        self.sdk = connection
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []

    async def next(self) -> dict[str, Any]:
        raw = await asyncio.wait_for(self.sdk.recv_bytes(), 10)
        self.sdk.parse_event(raw)
        event = check(json.loads(raw))
        self.events.append(event)
        self.times.append(time.monotonic())
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        """Read events until one of a kind; an error is only waited for, never passed over."""
        while (event := await self.next())["type"] != kind:
            assert event["type"] != "error", event
        return event

    async def speak(self, *, seconds: float, loud: bool) -> None:
        samples = np.zeros(int(seconds * 24_000), dtype="<i2")
        if loud:
            samples[:] = (np.sin(np.arange(samples.size) / 10) * 10_000).astype("<i2")
        for start in range(0, samples.size, 2400):
            audio = base64.b64encode(samples[start : start + 2400].tobytes()).decode()
            await self.sdk.input_audio_buffer.append(audio=audio)

    def audio(self) -> bytes:
        deltas = [e["delta"] for e in self.events if e["type"] == "response.output_audio.delta"]
        return b"".join(base64.b64decode(delta) for delta in deltas)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def sdk_client(server: Server, **options: Any) -> AsyncIterator[Client]:
    sdk = AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:1/v1", websocket_base_url=server.url)
    async with sdk.realtime.connect(model="any-model", **options) as connection:
        client = Client(connection)
        assert (await client.next())["session"]["model"] == "any-model"
        yield client


async def ask(client: Client, text: str) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.sdk.conversation.item.create(item=item)
    await client.sdk.response.create()


async def test_a_typed_question_is_answered_aloud(server):
    server.assistant.script.replies.append("It is noon")
    async with sdk_client(server) as client:
        await ask(client, "What time is it?")
        done = await client.until("response.done")
        await client.until("rate_limits.updated")
    assert done["response"]["output"][0]["content"][0]["transcript"] == "It is noon"
    assert done["response"]["usage"]["total_tokens"] == 25
    assert len(client.audio()) == int(3 * WORD_SECONDS * 48_000)
    assert server.assistant.mind.contexts[0][-1] == {"role": "user", "content": "What time is it?"}


async def test_words_come_right_behind_the_audio_they_end_in(server):
    server.assistant.script.replies.append("one two three")
    async with sdk_client(server) as client:
        await ask(client, "Count")
        await client.until("response.done")
    heard, positions = 0, {}
    for event in client.events:
        if event["type"] == "response.output_audio.delta":
            heard += len(base64.b64decode(event["delta"]))
        elif event["type"] == "response.output_audio_transcript.delta":
            positions[event["delta"].strip()] = heard / 48_000
    assert positions == pytest.approx({"one": 0.1, "two": 0.2, "three": 0.3}, abs=0.021)


async def test_a_spoken_question_is_heard_and_answered(server):
    server.assistant.script.heard.append("What time is it?")
    server.assistant.script.replies.append("It is noon")
    async with sdk_client(server) as client:
        session = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        await client.sdk.session.update(session=session)
        await client.speak(seconds=0.5, loud=True)
        await client.speak(seconds=0.5, loud=False)
        await client.until("response.done")
    kinds = client.kinds()
    order = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.done",
    ]
    assert [kind for kind in kinds if kind in order] == order
    assert len(server.assistant.ears.audio) == pytest.approx(32_000, abs=1100)


async def test_speech_is_sent_at_the_pace_at_which_it_is_heard(server):
    server.assistant.script.replies.append(" ".join(["word"] * 10))
    async with sdk_client(server) as client:
        asked = time.monotonic()
        await ask(client, "Go on")
        await client.until("response.done")
    assert len(client.audio()) == int(10 * WORD_SECONDS * 48_000)
    assert client.times[-1] - asked >= 10 * WORD_SECONDS - LEAD - 0.02


async def test_the_voice_can_be_turned_down_while_it_speaks(server):
    async with sdk_client(server) as client:
        await server.assistant.push(
            TTSSpeakFrame("loud"), VolumeGainFrame(0.25), TTSSpeakFrame("quiet"), VolumeGainFrame(1.0)
        )
        for _ in range(2):
            await client.until("response.done")
    samples = np.abs(np.frombuffer(client.audio(), dtype="<i2"))
    assert samples.size == 2 * int(WORD_SECONDS * 24_000)
    half = samples.size // 2
    assert samples[:half].mean() == pytest.approx(AMPLITUDE, rel=0.01)
    assert samples[half:].mean() == pytest.approx(AMPLITUDE / 4, rel=0.01)


async def test_speaking_over_the_answer_cancels_it(server):
    server.assistant.script.heard.append("Stop")
    server.assistant.script.replies.extend([" ".join(["word"] * 100), "Fine"])
    async with sdk_client(server) as client:
        await ask(client, "Tell me everything")
        await client.until("response.output_audio_transcript.delta")
        await client.speak(seconds=0.3, loud=True)
        await client.until("input_audio_buffer.speech_started")
        done = await client.until("response.done")
        assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await client.speak(seconds=0.5, loud=False)
        done = await client.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Fine"
        item = client.events[-1]["response"]["output"][0]["id"]
        assert all(e["item_id"] == item for e in client.events[-6:] if "item_id" in e)
    spoken = next(m["content"] for m in server.assistant.mind.contexts[-1] if m["role"] == "assistant")
    assert 1 <= len(spoken.split()) < 20


async def test_a_client_that_cancels_and_truncates_leaves_only_what_it_heard(server):
    server.assistant.script.replies.extend([" ".join(f"w{n}" for n in range(100)), "Fine"])
    async with sdk_client(server) as client:
        await ask(client, "Tell me everything")
        for _ in range(5):
            word = await client.until("response.output_audio_transcript.delta")
        await client.sdk.response.cancel()
        await client.sdk.conversation.item.truncate(item_id=word["item_id"], content_index=0, audio_end_ms=330)
        await ask(client, "Enough")
        done = await client.until("response.done")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"
        await client.until("response.done")
    messages = [m["content"] for m in server.assistant.mind.contexts[-1]]
    assert messages == ["persona", "Tell me everything", "Enough", "w0 w1 w2"] or messages == [
        "persona",
        "Tell me everything",
        "w0 w1 w2",
        "Enough",
    ]


@pytest.mark.parametrize("order", ["output first", "created at once"])
async def test_a_function_of_the_client_is_called_and_answered_once(server, order):
    server.assistant.script.replies.extend([Call("get_weather", {"place": "here"}), "Sunny today"])
    async with sdk_client(server) as client:
        await client.sdk.session.update(session={"type": "realtime", "tools": [WEATHER]})
        await ask(client, "How is the weather?")
        call = await client.until("response.function_call_arguments.done")
        assert json.loads(call["arguments"]) == {"place": "here"}
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky": "clear"}'}
        if order == "created at once":
            await client.until("response.done")
        await client.sdk.conversation.item.create(item=output)
        if order == "output first":
            await client.until("response.done")
        await client.sdk.response.create()
        done = await client.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Sunny today"
        await asyncio.sleep(0.2)
    assert len(server.assistant.mind.contexts) == 2
    tool = next(m for m in server.assistant.mind.contexts[1] if m["role"] == "tool")
    assert json.loads(tool["content"]) == {"sky": "clear"}


async def test_output_after_an_interruption_is_not_lost(server):
    server.assistant.script.heard.append("And tomorrow?")
    server.assistant.script.replies.extend([Call("get_weather"), "Tomorrow too", "As I said"])
    async with sdk_client(server) as client:
        await client.sdk.session.update(session={"type": "realtime", "tools": [WEATHER]})
        await ask(client, "How is the weather?")
        await client.until("response.done")
        await client.speak(seconds=0.3, loud=True)
        await client.speak(seconds=0.5, loud=False)
        await client.until("response.done")
        output = {"type": "function_call_output", "call_id": "call_1", "output": '"late"'}
        await client.sdk.conversation.item.create(item=output)
        await client.sdk.response.create()
        await client.until("response.done")
    tool = next(m for m in server.assistant.mind.contexts[-1] if m["role"] == "tool")
    assert tool["content"] == '"late"'


async def test_a_function_that_nobody_answers_becomes_an_error_for_the_model(server, monkeypatch):
    monkeypatch.setattr(functions_module, "CALL_TIMEOUT", 0.1)
    server.assistant.script.replies.extend([Call("get_weather"), "I could not find out"])
    async with sdk_client(server) as client:
        await client.sdk.session.update(session={"type": "realtime", "tools": [WEATHER]})
        await ask(client, "How is the weather?")
        await client.until("response.done")
        await client.until("response.done")
    tool = next(m for m in server.assistant.mind.contexts[-1] if m["role"] == "tool")
    assert "did not answer" in tool["content"]


async def test_a_function_that_does_not_exist_is_not_asked_of_the_client(server):
    server.assistant.script.replies.extend([Call("make_coffee"), "I cannot"])
    async with sdk_client(server) as client:
        await ask(client, "Coffee!")
        done = await client.until("response.done")
    assert [item["type"] for item in done["response"]["output"]] == ["message"]


async def test_without_turn_detection_the_client_says_when(server):
    server.assistant.script.heard.append("What time is it?")
    server.assistant.script.replies.append("It is noon")
    async with sdk_client(server) as client:
        await client.sdk.session.update(
            session={"type": "realtime", "audio": {"input": {"turn_detection": None, "transcription": {}}}}
        )
        await client.speak(seconds=0.5, loud=True)
        await client.sdk.input_audio_buffer.commit()
        await client.sdk.response.create()
        await client.until("response.done")
    assert len(server.assistant.ears.audio) == pytest.approx(16_000, abs=40)  # nothing was left behind
    assert server.assistant.mind.contexts[0][-1]["content"] == "What time is it?"
    assert "input_audio_buffer.speech_started" not in client.kinds()
    assert "conversation.item.input_audio_transcription.completed" in client.kinds()


async def test_an_answer_in_text_is_not_spoken(server):
    server.assistant.script.replies.append("It is noon")
    async with sdk_client(server) as client:
        await client.sdk.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await ask(client, "What time is it?")
        done = await client.until("response.done")
    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "It is noon"}]
    assert client.audio() == b""


@pytest.mark.parametrize("encoding", ["audio/pcmu", "audio/pcma"])
async def test_telephone_audio_works_both_ways(server, encoding):
    server.assistant.script.heard.append("Hello")
    server.assistant.script.replies.append("It is noon")
    async with sdk_client(server) as client:
        form = {"format": {"type": encoding}}
        await client.sdk.session.update(session={"type": "realtime", "audio": {"input": form, "output": form}})
        silence = b"\xff" if encoding == "audio/pcmu" else b"\xd5"
        for audio in (b"\x80\x00" * 2000, silence * 4000):
            await client.sdk.input_audio_buffer.append(audio=base64.b64encode(audio).decode())
        await client.until("response.done")
    assert len(server.assistant.ears.audio) == pytest.approx(32_000, abs=1100)
    assert len(client.audio()) == pytest.approx(3 * WORD_SECONDS * 8000, abs=16)


async def test_a_mistake_does_not_end_the_conversation(server):
    server.assistant.script.replies.append("Still here")
    async with connect(f"{server.url}/realtime") as websocket:
        for message in ("nonsense", b"\x00\x01", '{"type": "response.cancel", "event_id": "mine"}'):
            await websocket.send(message)
        await websocket.send('{"type": "response.create"}')
        errors = []
        async for raw in websocket:
            event = check(json.loads(raw))
            if event["type"] == "error":
                errors.append(event["error"])
            elif event["type"] == "response.done":
                assert event["response"]["status"] == "completed"
                break
    assert [error["code"] for error in errors] == [
        "invalid_json",
        "invalid_json",
        "response_cancel_not_active",
    ]
    assert errors[-1]["event_id"] == "mine"


async def test_a_browser_may_name_its_key_among_the_subprotocols(server):
    protocols = ["realtime", "openai-insecure-api-key.secret"]
    async with connect(f"{server.url}/realtime?model=m", subprotocols=protocols) as websocket:
        assert websocket.subprotocol == "realtime"
        assert check(json.loads(await websocket.recv()))["session"]["model"] == "m"


async def test_the_conversation_ends_when_the_client_leaves(server):
    server.assistant.script.replies.append(" ".join(["word"] * 1000))
    async with sdk_client(server) as client:
        await ask(client, "Tell me everything")
        await client.until("response.output_audio.delta")
    await asyncio.wait_for(server.assistant.ended.wait(), 5)


async def test_the_client_is_told_when_the_conversation_ends(server):
    async with connect(f"{server.url}/realtime") as websocket:
        await websocket.recv()
        await server.assistant.push(TTSSpeakFrame("Good bye"))
        await server.assistant.worker.stop_when_done()
        kinds = [check(json.loads(raw))["type"] async for raw in websocket]
    assert kinds[-2:] == ["response.done", "rate_limits.updated"]
    assert websocket.close_code == 1000


async def test_two_clients_by_one_name_hold_a_conversation_each_and_one_that_vanishes_takes_nothing_along(server):
    named = {"extra_headers": {"x-passfel-device": "kitchen"}}
    server.assistant.script.replies.extend(["One", "Two"])
    async with sdk_client(server, **named) as one:
        await ask(one, "Who are you?")
        await one.until("response.done")
        async with sdk_client(server, **named) as other:
            await ask(other, "And who are you?")
            await other.until("response.done")
            said = [
                next(
                    each["transcript"]
                    for each in client.events
                    if each["type"] == "response.output_audio_transcript.done"
                )
                for client in (one, other)
            ]
            assert said == ["One", "Two"]
        await one.sdk.session.update(session={"type": "realtime"})
        await one.until("session.updated")
        assert [caller.device for caller in server.assistant.callers] == ["satellite:kitchen"] * 2


async def test_devices_of_the_house_are_known_while_they_are_connected_and_other_clients_are_none(server):
    named = {"x-passfel-device": "kitchen", "x-passfel-room": "Kitchen", "user-agent": "puck/1.2"}
    async with sdk_client(server), sdk_client(server, extra_headers=named):
        assert server.connected.satellites() == [
            Satellite(
                "satellite:kitchen",
                "satellite",
                "connected",
                {"address": "127.0.0.1", "firmware": "puck/1.2", "room": "Kitchen"},
            )
        ]
    async with asyncio.timeout(10):
        while server.connected.satellites():
            await asyncio.sleep(0.02)


async def test_a_client_that_stops_reading_is_dropped_and_others_go_on(server, monkeypatch):
    monkeypatch.setattr(connection_module, "SEND_TIMEOUT", 0.5)
    server.assistant.script.replies.append("Hello")
    _, writer = await stalled_client(server)
    try:
        await asyncio.wait_for(server.assistant.started.wait(), 5)
        update = {"type": "session.update", "session": {"type": "realtime", "instructions": "x" * 100_000}}
        for _ in range(30):  # its answers overflow what the kernel buffers, but not what the door would keep
            writer.write(frame(json.dumps(update).encode()))
        async with sdk_client(server) as client:
            await ask(client, "Hello?")
            await client.until("response.done")
            await asyncio.wait_for(server.assistant.ended.wait(), 10)
            await client.sdk.session.update(session={"type": "realtime"})
            await client.until("session.updated")
    finally:
        writer.close()


async def test_a_peer_that_vanishes_ends_the_conversation(pinging_server):
    """It neither reads nor answers pings, as when the power is cut; the socket itself stays open."""
    async with pinging_server(0.3) as server:
        _, writer = await stalled_client(server)
        try:
            await asyncio.wait_for(server.assistant.ended.wait(), 10)
        finally:
            writer.close()


async def stalled_client(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a websocket by hand and read nothing behind the handshake."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=peer, limit=1024)
    writer.write(
        b"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def frame(payload: bytes) -> bytes:
    """Return a masked websocket text frame (RFC 6455), with a mask of zeros."""
    return b"\x81\xff" + len(payload).to_bytes(8) + bytes(4) + payload
