"""Devices come in, talk, and misbehave, at the door on a real socket."""

import asyncio
import json
import os
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
from pipecat.frames.frames import TTSSpeakFrame
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline.caller import Capability, Permission
from satellites.access import MAX_FAILURES
from satellites.pairing.waiting import MOST_OF_ONE
from satellites.xiaozhi import session
from satellites.xiaozhi.messages import MAX_MESSAGE
from tests.fakes.scripted_assistant import Call
from tests.satellites.xiaozhi.conftest import SECONDS, Device, Door

ANSWER = "It is noon"


async def ask(device: Device, *, mode: str = "auto") -> None:
    """Ask something, and wait until the answer has been heard."""
    answers = len(device.says("tts", "stop"))
    await device.listen(mode=mode)
    await device.sound(0.3, loud=True)
    if mode == "manual":
        await device.listen("stop")
    else:
        await device.sound(0.36, loud=False)
    await device.until("tts", "stop", count=answers + 1)


async def eventually(reached: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not reached():
            await asyncio.sleep(0.02)


# Coming in.


async def test_a_device_is_let_in_by_the_code_it_shows(door: Door) -> None:
    told = (await door.ask()).json()
    code, token = told["activation"]["code"], told["websocket"]["token"]
    assert told["websocket"]["url"] == f"ws://house.lan:{door.service.port}/xiaozhi/v1/"
    assert (await door.ask()).json()["activation"]["code"] == code
    headers = {"Device-Id": "aa:bb:cc:dd:ee:ff", "Client-Id": "client-1"}
    async with httpx.AsyncClient(base_url=door.url, headers=headers) as http:
        assert (await http.post("/xiaozhi/ota/activate")).status_code == 202
        with pytest.raises(InvalidStatus):
            async with door.device(token):
                pass
        (asking,) = door.service.satellites()
        assert (asking.state, asking.detail["problem"]) == ("refused", f"accept the code it shows: passfel pair --accept {code}")  # fmt: skip
        assert await door.waiting.accept(code, "Kitchen")
        assert (await http.post("/xiaozhi/ota/activate")).status_code == 200
    told = (await door.ask(json={"board": {"type": "box-3"}, "application": {"version": "2.1.0"}})).json()
    assert "activation" not in told
    assert told["websocket"]["token"] == token
    assert told["firmware"] == {"version": "2.1.0", "url": ""}
    async with door.device(token) as device:
        await device.hello()
        await device.until("hello")
        (here,) = door.service.satellites()
        assert (here.device, here.state, here.detail["firmware"]) == ("Kitchen", "idle", "box-3/2.1.0")
    await eventually(lambda: door.service.satellites()[0].state == "away")


async def test_another_device_with_the_same_address_gets_nothing(door: Door) -> None:
    first = (await door.ask()).json()
    assert await door.waiting.accept(first["activation"]["code"])
    second = (await door.ask(client="another")).json()
    assert "activation" in second
    assert second["websocket"]["token"] != first["websocket"]["token"]
    with pytest.raises(InvalidStatus):
        async with door.device(second["websocket"]["token"]):
            pass


async def test_what_is_no_device_is_told_so(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        assert "OTA address" in (await http.get("/xiaozhi/ota")).text
        assert (await http.post("/xiaozhi/ota")).status_code == 400
        assert (await http.post("/xiaozhi/ota/activate")).status_code == 400
        assert (await http.get("/v1/paired")).status_code == 404
    assert (await door.ask(content=b"x" * (MAX_MESSAGE + 1), json=None)).status_code == 413


async def test_devices_that_ask_without_end_are_told_to_wait(door: Door) -> None:
    statuses = [(await door.ask(client=f"c{number}")).status_code for number in range(MOST_OF_ONE + 3)]
    assert statuses == [200] * MOST_OF_ONE + [429] * 3


async def test_tokens_cannot_be_guessed_at(door: Door) -> None:
    url, token = f"ws://127.0.0.1:{door.service.port}/xiaozhi/v1/", await door.token()
    statuses = []
    for number in range(MAX_FAILURES + 1):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers={"Authorization": f"Bearer {number}"})
        statuses.append(refused.value.response.status_code)
    assert statuses == [401] * MAX_FAILURES + [429]
    with pytest.raises(InvalidStatus):
        await connect(url, additional_headers={"Authorization": f"Bearer {token}"})


async def test_a_device_that_is_removed_is_hung_up_on(door: Door) -> None:
    async with door.device() as device:
        await device.hello()
        await device.until("hello")
        (known,) = door.paired.devices()
        await door.paired.remove(known.id)
        assert await device.until_closed() == (1008, "This device may not come in any more.")


# Talking.


@pytest.mark.parametrize(("mode", "version"), [("auto", 1), ("realtime", 2), ("manual", 3)])
async def test_a_question_is_answered(door: Door, mode: str, version: int) -> None:
    door.assistant.expects(("what time is it", ANSWER))
    async with door.device(version=version) as device:
        await device.hello()
        await ask(device, mode=mode)
        assert [each["text"] for each in device.says("stt")] == ["what time is it"]
        assert [each["text"] for each in device.says("tts", "sentence_start")] == [ANSWER]
        assert [each["state"] for each in device.says("tts")] == ["start", "sentence_start", "stop"]
        assert len({each["session_id"] for each in device.told}) == 1
        assert device.misplaced == 0
        assert device.seconds_heard() == pytest.approx(0.3, abs=0.1)
        heard = np.frombuffer(bytes(door.assistant.ears.audio), "<i2")
        assert np.count_nonzero(abs(heard) > 3000) / 16_000 == pytest.approx(0.25, abs=0.12)
        (caller,) = door.assistant.callers
        assert (caller.door, caller.device, caller.resumes) == ("xiaozhi", "Kitchen", True)
        assert caller.can(Capability.FULL_DUPLEX) is (mode == "realtime")
        assert caller.may(Permission.SECURE)


async def test_a_device_that_listens_by_itself_is_hung_up_on_when_nobody_says_more(door: Door) -> None:
    door.assistant.expects(("what time is it", ANSWER))
    async with door.device() as device:
        await device.hello()
        await ask(device)
        assert await device.until_closed() == (1000, "Nobody said anything more.")


async def test_a_device_with_a_button_rests_and_is_talked_with_again(door: Door) -> None:
    door.assistant.expects(("what time is it", ANSWER), ("and now", ANSWER))
    async with door.device() as device:
        await device.hello()
        await ask(device, mode="manual")
        await door.rests()
        await ask(device, mode="manual")
        assert [each["text"] for each in device.says("stt")] == ["what time is it", "and now"]
        assert len(door.assistant.callers) == 2


async def test_something_is_said_at_a_device_that_rests(door: Door) -> None:
    door.assistant.expects(("what time is it", ANSWER))
    async with door.device() as device:
        await device.hello()
        await ask(device, mode="manual")
        await door.rests()
        door.assistant.started.clear()
        door.assistant.resting["Kitchen"]()
        await asyncio.wait_for(door.assistant.started.wait(), SECONDS)
        await door.assistant.push(TTSSpeakFrame("The timer rings"))
        await device.until("tts", "stop", count=2)
        assert device.says("tts", "sentence_start")[-1]["text"] == "The timer rings"
        assert device.misplaced == 0
        await door.rests()


async def test_an_abort_ends_the_answer(patient: Any) -> None:
    async with patient() as door, door.device() as device:
        door.assistant.expects(("tell me a story", " ".join(["once"] * 200)))
        await device.hello()
        await device.listen(mode="auto")
        await device.sound(0.3, loud=True)
        await device.sound(0.36, loud=False)
        await eventually(lambda: len(device.heard) > 48_000)
        await device.send(type="abort", reason="wake_word_detected")
        await device.until("tts", "stop")
        await asyncio.sleep(0.5)
        assert device.misplaced == 0
        assert device.seconds_heard() < 10
        door.assistant.expects(("what time is it", ANSWER))
        await ask(device)


async def test_a_device_that_cancels_its_echo_is_interrupted_by_voice(patient: Any) -> None:
    async with patient() as door, door.device() as device:
        door.assistant.expects(("tell me a story", " ".join(["once"] * 200)), ("stop it", ANSWER))
        await device.hello()
        await device.listen(mode="realtime")
        await device.sound(0.3, loud=True)
        await device.sound(0.36, loud=False)
        await eventually(lambda: len(device.heard) > 48_000)
        await device.sound(0.3, loud=True)
        await device.sound(0.36, loud=False)
        await device.until("tts", "stop", count=2)
        assert [each["text"] for each in device.says("stt")] == ["tell me a story", "stop it"]
        assert device.seconds_heard() < 10


async def test_the_house_asks_what_a_device_brings_and_the_model_uses_it(patient: Any) -> None:
    used: list[dict[str, Any]] = []

    def answers(payload: dict[str, Any]) -> dict[str, Any] | None:
        if payload["method"] == "initialize":
            return {"result": {"capabilities": {}}}
        if payload["method"] == "tools/list":
            status = {"name": "self.get_device_status", "description": "", "inputSchema": {"type": "object"}}
            volume = {**status, "name": "self.audio_speaker.set_volume"}
            return {"result": {"tools": [status, volume]}}
        if payload["method"] != "tools/call":
            return None
        used.append(payload["params"])
        text = json.dumps({"audio_speaker": {"volume": 40}})
        return {"result": {"content": [{"type": "text", "text": text}], "isError": False}}

    async with patient() as door, door.device() as device:
        door.assistant.script.heard.append("make it louder")
        call = Call("device_audio_speaker_set_volume", {"volume": 80})
        door.assistant.script.replies.extend((call, "Done"))
        device.answers = answers
        await device.hello(features={"mcp": True})
        await ask(device)
        await device.until("tts", "stop", count=len(device.says("tts", "stop")))
        assert {"name": "self.audio_speaker.set_volume", "arguments": {"volume": 80}} in used
        loudness = door.assistant.loudness
        assert loudness is not None
        assert loudness.volume == 0.4
        loudness.volume = 0.65
        await eventually(lambda: {"name": "self.audio_speaker.set_volume", "arguments": {"volume": 65}} in used)


async def test_the_device_that_heard_its_wake_word_louder_answers(patient: Any) -> None:
    async with patient() as door:
        tokens = await door.token("Kitchen"), await door.token("Hall")
        async with door.device(tokens[0]) as near, door.device(tokens[1]) as far:
            for device in (near, far):
                await device.hello()
                await device.until("hello")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(near.sound(0.5, loud=True))
                tasks.create_task(far.sound(0.5, loud=False))
            for device in (far, near):
                await device.listen("detect", text="Hi, house")
                await device.listen(mode="auto")
            assert await far.until_closed() == (1000, "Another device answers.")
            await eventually(lambda: door.assistant.conversations == 1)
            assert door.assistant.callers[0].device == "Kitchen"


# Misbehaving.


async def test_a_device_that_vanishes_in_the_middle_of_an_answer_costs_nobody_anything(patient: Any) -> None:
    async with patient() as door:
        door.assistant.expects(("tell me a story", " ".join(["once"] * 200)))
        async with door.device() as device:
            await device.hello()
            await device.listen(mode="auto")
            await device.sound(0.3, loud=True)
            await device.sound(0.36, loud=False)
            await device.until("tts", "start")
            device.websocket.transport.abort()
        await eventually(lambda: door.assistant.conversations == 0 and not door.assistant.resting)
        door.assistant.expects(("what time is it", ANSWER))
        async with door.device(await door.token("Hall")) as other:
            await other.hello()
            await ask(other)


async def test_a_device_that_connects_anew_takes_the_place_of_its_old_connection(patient: Any) -> None:
    async with patient() as door:
        token = await door.token()
        async with door.device(token) as old, door.device(token) as new:
            assert await old.until_closed() == (1001, "The device has connected anew.")
            door.assistant.expects(("what time is it", ANSWER))
            await new.hello()
            await ask(new)


async def test_a_device_that_stops_sending_in_the_middle_of_a_word_is_answered(patient: Any) -> None:
    async with patient() as door, door.device() as device:
        door.assistant.expects(("what time", ANSWER))
        await device.hello()
        await device.listen(mode="auto")
        await device.sound(0.3, loud=True)
        await device.until("tts", "stop")
        assert device.says("stt")[0]["text"] == "what time"


async def test_what_is_not_opus_is_hung_up_on_in_the_end_and_harms_nobody(patient: Any) -> None:
    async with patient() as door, door.device() as device:
        await device.hello()
        await device.listen(mode="auto")
        with suppress(ConnectionClosed):
            for _ in range(5000):
                await device.websocket.send(b"\xff" * 3 + os.urandom(200))
                await asyncio.sleep(0.011)
        code, reason = await device.until_closed()
        assert code == 1007
        assert "not Opus" in reason


async def test_a_flood_of_messages_is_hung_up_on(door: Door) -> None:
    async with door.device() as device:
        await device.hello()
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                await device.send(type="iot")
        assert (await device.until_closed())[0] == 1008


async def test_sound_that_comes_faster_than_time_passes_is_dropped(patient: Any) -> None:
    async with patient() as door, door.device() as device:
        await device.hello()
        await device.listen(mode="auto")
        await eventually(lambda: door.assistant.conversations == 1)
        packets = device._encoder.encode(bytes(16_000 * 2 * 6))
        for _ in range(6):
            for packet in packets:
                await device.websocket.send(packet)
        await device.listen(mode="auto")
        await asyncio.sleep(0.5)
        assert len(door.assistant.ears.audio) / 32_000 < 25
        assert door.assistant.conversations == 1


async def test_a_message_that_is_too_large_ends_its_connection_alone(door: Door) -> None:
    async with door.device() as device, door.device(await door.token("Hall")) as other:
        await other.hello()
        await device.websocket.send("x" * (MAX_MESSAGE + 1))
        assert (await device.until_closed())[0] == 1009
        await other.until("hello")


async def test_who_says_no_hello_is_hung_up_on(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO_SECONDS", 0.2)
    async with door.device() as device:
        assert await device.until_closed() == (1002, "Say hello first.")


async def test_devices_are_hung_up_on_when_the_door_closes(patient: Any) -> None:
    async with patient() as door:
        token = await door.token()
        headers = {"Authorization": f"Bearer {token}"}
        websocket = await connect(f"ws://127.0.0.1:{door.service.port}/xiaozhi/v1/", additional_headers=headers)
        device = Device(websocket)
        await device.hello()
        await device.listen(mode="auto")
        await eventually(lambda: door.assistant.conversations == 1)
    await asyncio.wait_for(websocket.wait_closed(), SECONDS)
    assert websocket.close_code == 1001
    assert door.assistant.conversations == 0
