"""Devices with ESPHome, as the door talks with them: a device that speaks the real protocol, over a scripted assistant."""

import asyncio

import numpy as np
from aioesphomeapi.model import VoiceAssistantEventType as Event

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Capability
from tests.satellites.esphome.conftest import LOUD, serving
from tests.satellites.esphome.device import (
    ESPHOME_WITH_SPEAKER,
    LINUX,
    OLD_WITH_SPEAKER,
    RATE,
    FakeDevice,
    Heard,
)
from tests.spoken import pcm, speech

STORY = " ".join(["once"] * 30)


def loud_seconds(audio: np.ndarray, rate: int) -> float:
    windows = audio[: len(audio) // (rate // 100) * (rate // 100)].reshape(-1, rate // 100)
    return float(np.count_nonzero(abs(windows).max(axis=1) > 0.05)) / 100


def heard_seconds(heard: Heard) -> float:
    return loud_seconds(heard.audio, heard.rate)


def sent_seconds(device: FakeDevice) -> float:
    return len(device.sound) / (RATE * 2)


async def test_a_question_is_answered_while_it_is_made(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        heard = await device.until_heard()
        await device.until(Event.VOICE_ASSISTANT_RUN_END)
        assert device.told()[:10] == [
            *("RUN_START", "STT_START", "STT_VAD_START", "STT_VAD_END", "STT_END", "INTENT_START", "INTENT_PROGRESS"),
            *("INTENT_END", "TTS_START", "TTS_END"),
        ]
        assert (await device.until(Event.VOICE_ASSISTANT_STT_END))["text"] == "what time is it"
        assert (await device.until(Event.VOICE_ASSISTANT_TTS_START))["text"] == "It is noon"
        assert heard.content_type == "audio/flac"
        assert heard.rate == 48_000
        assert 0.2 < heard_seconds(heard) < 0.5
        assert served.assistant.callers[0].device == "hall"
        assert served.assistant.callers[0].room == "Hall"
        assert served.assistant.callers[0].resumes


async def test_a_further_question_needs_no_wake_word(device: FakeDevice) -> None:
    turns = ("what time is it", "It is noon"), ("and in Tokyo", "It is eight")
    async with serving(*turns, devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        await device.until(Event.VOICE_ASSISTANT_STT_START, count=2)
        await device.speak(LOUD)
        await device.until_heard(2)
        assert len(served.assistant.callers) == 1
        said = [message["content"] for message in served.assistant.context.messages if message["role"] == "user"]
        assert said == ["what time is it", "and in Tokyo"]


async def test_where_nobody_says_anything_more_the_microphone_is_closed(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}, follow_up=1.0) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until(Event.VOICE_ASSISTANT_RUN_END, count=2)
        assert device.told()[-3:] == ["RUN_START", "STT_START", "RUN_END"]
        await asyncio.wait_for(served.assistant.ended.wait(), 10)
        assert not device.listening.is_set()
        assert served.satellite("hall").state == "idle"


async def test_where_no_further_question_is_wanted_the_device_is_not_asked_to_listen(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}, follow_up=0.0) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        assert (await device.until(Event.VOICE_ASSISTANT_INTENT_END))["continue_conversation"] == "0"
        await asyncio.wait_for(served.assistant.ended.wait(), 10)


async def test_a_device_with_nothing_but_a_speaker_is_sent_the_sound() -> None:
    device = FakeDevice(features=ESPHOME_WITH_SPEAKER)
    async with serving(("what time is it", "It is noon"), devices={"hall": device}):
        device.wake()
        await device.speak(LOUD)
        await device.until(Event.VOICE_ASSISTANT_TTS_STREAM_END)
        assert device.told()[5:11] == [
            *("INTENT_START", "INTENT_END", "TTS_START", "TTS_END", "TTS_STREAM_START", "TTS_STREAM_END")
        ]
        assert 0.2 < sent_seconds(device) < 0.5
        await device.until(Event.VOICE_ASSISTANT_STT_START, count=2)


async def test_old_firmware_speaks_and_hears_by_udp() -> None:
    device = FakeDevice(features=OLD_WITH_SPEAKER, version="2023.12.0")
    async with serving(("what time is it", "It is noon"), devices={"hall": device}):
        device.wake()
        await device.speak(LOUD)
        await device.until(Event.VOICE_ASSISTANT_TTS_STREAM_END)
        assert (await device.until(Event.VOICE_ASSISTANT_STT_END))["text"] == "what time is it"
        assert device.port_asked
        assert 0.2 < sent_seconds(device) < 0.5


async def test_firmware_that_fetches_at_the_end_is_given_the_address_as_early_as_it_takes_it() -> None:
    device = FakeDevice(version="2025.2.0", formats=())
    async with serving(("tell me a story", STORY), devices={"hall": device}):
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        assert device.told()[-4:] == ["INTENT_PROGRESS", "INTENT_END", "TTS_START", "TTS_END"]
        heard = await device.until_heard()
        assert heard.content_type == "audio/mpeg"
        assert 2.5 < len(heard.audio) / heard.rate < 5.0
        assert device.told().count("TTS_END") == 1


async def test_a_linux_voice_assistant_is_interrupted_by_voice() -> None:
    device = FakeDevice(project=LINUX, formats=(), version="45.3.1")
    # Long enough that it is not over before it is spoken over, however slow the machine is.
    turns = ("tell me a story", f"{STORY} " * 5), ("what time is it", "It is noon")
    async with serving(*turns, devices={"pi": device}, follow_up=3.0) as served:
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        assert device.listening.is_set()
        assert Capability.FULL_DUPLEX in served.assistant.callers[0].capabilities
        await asyncio.sleep(0.5)
        await device.speak(LOUD)
        await device.until(Event.VOICE_ASSISTANT_INTENT_PROGRESS, count=2)
        answer = await device.until_heard()
        assert [each.start_conversation for each in device.announced] == [False]
        assert heard_seconds(answer) < 0.6
        assert answer.content_type == "audio/flac"
        assert device.told().count("STT_VAD_END") == 0
        assert device.listening.is_set()
        await device.until(Event.VOICE_ASSISTANT_RUN_END)
        assert not device.listening.is_set()


async def test_a_device_that_is_told_to_stop_stops_and_what_was_heard_is_kept(device: FakeDevice) -> None:
    async with serving(("tell me a story", STORY), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        await asyncio.sleep(1.0)
        device.stop()
        await device.until(Event.VOICE_ASSISTANT_RUN_END)
        await asyncio.wait_for(served.assistant.ended.wait(), 10)
        told = [each["content"] for each in served.assistant.context.messages if each["role"] == "assistant"]
        assert 0 < len(told[0].split()) < 28
        assert not device.playing.is_set()


async def test_the_stop_word_of_a_linux_voice_assistant_breaks_the_answer_off() -> None:
    device = FakeDevice(project=LINUX, formats=())
    async with serving(("tell me a story", STORY), devices={"pi": device}, follow_up=1.0) as served:
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        device.stop()
        await device.until(Event.VOICE_ASSISTANT_RUN_END)
        told = [each["content"] for each in served.assistant.context.messages if each["role"] == "assistant"]
        assert len(told[0].split()) < 28


async def test_a_new_wake_word_over_an_answer_begins_a_new_question(device: FakeDevice) -> None:
    async with serving(("tell me a story", STORY), ("what time", "Noon"), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await asyncio.wait_for(device.playing.wait(), 10)
        device._player.cancel()
        device.wake()
        await device.until(Event.VOICE_ASSISTANT_STT_START, count=2)
        await device.speak(LOUD)
        heard = await device.until_heard()
        assert heard_seconds(heard) < 0.4
        assert len(served.assistant.callers) <= 2


async def test_the_device_that_hears_its_wake_word_loudest_answers() -> None:
    near, far = FakeDevice(name="near", mac="20:F8:3B:00:00:01"), FakeDevice(name="far", mac="20:F8:3B:00:00:02")
    async with serving(("what time is it", "It is noon"), devices={"far": far, "near": near}) as served:
        quiet = (np.frombuffer(LOUD, "<i2") // 8).astype("<i2").tobytes()
        far.wake()
        near.wake()
        await asyncio.gather(far.speak(quiet), near.speak(LOUD))
        await near.until_heard()
        await far.until(Event.VOICE_ASSISTANT_RUN_END)
        assert far.told() == ["RUN_END"]
        assert [caller.device for caller in served.assistant.callers] == ["near"]


async def test_a_wake_word_is_listened_for_here_where_the_device_leaves_it_to_the_server(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        device.leave_wake_word()
        await device.speak(LOUD)
        assert served.assistant.callers == []
        await device.speak(pcm(speech("Okay nabu.")), seconds_of_quiet=1.0)
        await device.until(Event.VOICE_ASSISTANT_WAKE_WORD_END)
        await device.speak(LOUD)
        await device.until_heard()
        assert device.told()[:4] == ["RUN_START", "WAKE_WORD_START", "WAKE_WORD_END", "STT_START"]


async def test_many_devices_are_talked_with_at_once() -> None:
    devices = {f"room{n}": FakeDevice(name=f"voice-{n}", mac=f"20:F8:3B:00:00:{n:02}") for n in range(8)}
    turns = [(f"question {n}", f"answer {n}") for n in range(8)]
    async with serving(*turns, devices=devices) as served:
        for device in devices.values():
            device.wake(phrase="")
        await asyncio.gather(*(device.speak(LOUD) for device in devices.values()))
        heard = await asyncio.gather(*(device.until_heard() for device in devices.values()))
        assert all(0.1 < heard_seconds(each) < 0.4 for each in heard)
        assert {caller.device for caller in served.assistant.callers} == set(devices)


async def test_something_is_said_at_an_idle_device_which_then_listens(device: FakeDevice) -> None:
    async with serving(("thank you", "You are welcome"), devices={"hall": device}) as served:
        await served.assistant.announce("hall", "Your pizza timer is done")
        heard = await device.until_heard()
        assert 0.4 < heard_seconds(heard) < 0.7
        assert device.announced[0].start_conversation
        assert device.announced[0].text == "Your pizza timer is done"
        await device.until(Event.VOICE_ASSISTANT_STT_START)
        await device.speak(LOUD)
        await device.until_heard(2)
        assert len(served.assistant.callers) == 1


async def test_a_device_that_cannot_announce_is_asked_to_say_nothing_by_itself() -> None:
    device = FakeDevice(features=ESPHOME_WITH_SPEAKER)
    async with serving(devices={"hall": device}) as served:
        assert served.assistant.wakers == {}


async def test_while_there_can_be_no_conversation_the_device_is_told_so(device: FakeDevice) -> None:
    async with serving(devices={"hall": device}) as served:

        async def converse(*_: object, **__: object) -> None:
            raise AssistantNotReady("it is still loading")

        served.assistant.converse = converse  # type: ignore[method-assign]
        device.wake()
        error = await device.until(Event.VOICE_ASSISTANT_ERROR)
        assert error == {"code": "not-ready", "message": "it is still loading"}
        await device.until(Event.VOICE_ASSISTANT_RUN_END)


async def test_who_wants_it_louder_changes_the_devices_own_volume() -> None:
    device = FakeDevice(volume=0.4)
    async with serving(("louder", "Like this?"), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        loudness = served.assistant.loudness
        assert loudness is not None
        assert round(loudness.volume, 3) == 0.4
        loudness.volume = 0.65
        async with asyncio.timeout(10):
            while round(device.volume or 0.0, 3) != 0.65:
                await asyncio.sleep(0.02)


async def test_where_the_device_has_no_volume_its_voice_is_made_louder(device: FakeDevice) -> None:
    async with serving(("louder", "Like this?"), devices={"hall": device}) as served:
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        assert served.assistant.loudness is None


async def test_a_device_that_sends_more_than_can_be_heard_costs_no_memory(device: FakeDevice) -> None:
    async with serving(("what time is it", "It is noon"), devices={"hall": device}) as served:
        device.wake()
        await asyncio.wait_for(device.listening.wait(), 10)
        for _ in range(3000):
            device.stream(bytes(1024))
        await device.speak(LOUD)
        await device.until_heard()
        assert len(served.assistant.ears.audio) < 3000 * 1024
