"""Clients made of the `wyoming` package's own classes, as Home Assistant's integration is."""

import asyncio
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest
import soxr
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped
from wyoming.wake import Detect, Detection, NotDetected

from pipeline.assistant import AssistantNotReady
from pipeline.settings.satellites import Wyoming
from pipeline.speech import Speech
from satellites.wyoming.server import MOST_CONNECTIONS, Server
from tests.spoken import RATE, pcm, room_tone
from tests.spoken import speech as spoken

QUESTION = "What is the capital of Portugal?"


class Engines:
    """The part of the assistant that this door uses."""

    def __init__(self, speech: Speech | None) -> None:
        self.engines = speech

    def speech(self) -> Speech:
        if self.engines is None:
            raise AssistantNotReady("the assistant is still loading")
        return self.engines


class Client(AsyncTcpClient):
    async def next(self) -> Event:
        async with asyncio.timeout(30):
            event = await self.read_event()
        assert event is not None, "the server has closed the connection"
        return event

    async def say(self, sound: bytes, *, rate: int = RATE, channels: int = 1, piece: int = 2048) -> None:
        await self.write_event(AudioStart(rate, 2, channels).event())
        for at in range(0, len(sound), piece):
            await self.write_event(AudioChunk(rate, 2, channels, sound[at : at + piece], at // 32).event())
        await self.write_event(AudioStop().event())

    async def until(self, last: type) -> list[Event]:
        events = [await self.next()]
        while not last.is_type(events[-1].type):
            events.append(await self.next())
        return events


async def served(assistant: Engines) -> AsyncIterator[Server]:
    server = Server(assistant, Wyoming(enabled=True, port=0))  # type: ignore[arg-type]
    task = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(10):
            while server.port is None:
                await asyncio.sleep(0.01)
        yield server
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def server(speech: Speech) -> AsyncIterator[Server]:
    async for running in served(Engines(speech)):
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client("127.0.0.1", server.port) as client:
        yield client


async def test_what_is_offered_is_described(client: Client) -> None:
    await client.write_event(Describe().event())
    info = Info.from_event(await client.next())
    assert [(model.name, model.languages) for model in info.asr[0].models] == [("tiny.en", ["en"])]
    assert [(voice.name, voice.languages) for voice in info.tts[0].voices] == [("en_US-joe-medium", ["en_US"])]
    assert {word.name for word in info.wake[0].models} == {"okay_nabu", "hey_jarvis", "hey_mycroft", "alexa"}
    assert info.asr[0].supports_transcript_streaming
    assert info.tts[0].supports_synthesize_streaming


async def test_what_is_said_is_written_down_and_told_while_it_is_said(client: Client) -> None:
    await client.write_event(Transcribe(language="en").event())
    await client.say(pcm(np.concatenate([spoken(QUESTION), room_tone(0.3)])))
    *chunks, transcript, stop = await client.until(TranscriptStop)
    assert TranscriptStart.is_type(chunks[0].type)
    text = Transcript.from_event(transcript).text
    assert "capital of portugal" in text.lower()
    assert "".join(TranscriptChunk.from_event(chunk).text for chunk in chunks[1:]) == text
    assert stop.data == {}


async def test_sound_of_other_rates_and_channels_is_understood(client: Client) -> None:
    loud = soxr.resample(spoken(QUESTION), RATE, 44_100)
    stereo = np.stack([loud, np.zeros_like(loud)], axis=1).reshape(-1)
    await client.write_event(Transcribe().event())
    await client.say(pcm(stereo), rate=44_100, channels=2, piece=8192)
    events = await client.until(Transcript)
    assert "capital of portugal" in Transcript.from_event(events[-1]).text.lower()


@pytest.mark.parametrize("channels", [1, 2])
async def test_sound_that_is_cut_within_a_sample_is_understood(client: Client, channels: int) -> None:
    sound = np.repeat(spoken(QUESTION), channels)
    await client.write_event(Transcribe().event())
    await client.say(pcm(sound), channels=channels, piece=1001)
    events = await client.until(Transcript)
    assert "capital of portugal" in Transcript.from_event(events[-1]).text.lower()


async def test_silence_is_no_words(client: Client) -> None:
    await client.write_event(Transcribe().event())
    await client.say(pcm(room_tone(2.0)))
    assert Transcript.from_event(await client.next()).text == ""


async def heard(speech: Speech, events: list[Event]) -> str:
    sound = b"".join(event.payload or b"" for event in events if AudioChunk.is_type(event.type))
    audio = np.frombuffer(sound, "<i2").astype(np.float32) / 32768
    return (await speech.hear(soxr.resample(audio, events[0].data["rate"], RATE))).text.lower()


async def test_a_text_is_spoken(client: Client, speech: Speech) -> None:
    await client.write_event(Synthesize("The kitchen is at 21 degrees.").event())
    events = await client.until(AudioStop)
    assert AudioStart.is_type(events[0].type)
    assert "21 degrees" in await heard(speech, events)


async def test_a_text_that_comes_in_pieces_is_spoken_as_they_come(client: Client, speech: Speech) -> None:
    await client.write_event(SynthesizeStart().event())
    await client.write_event(SynthesizeChunk("The kitchen is warm. The ").event())
    first = await client.until(AudioChunk)
    assert AudioStart.is_type(first[0].type)
    await client.write_event(SynthesizeChunk("living room is cold.").event())
    # What old servers need is sent as well.
    await client.write_event(Synthesize("The kitchen is warm. The living room is cold.").event())
    await client.write_event(SynthesizeStop().event())
    events = first + await client.until(SynthesizeStopped)
    kinds = [event.type for event in events]
    assert kinds.count("audio-start") == kinds.count("audio-stop") == 1
    text = await heard(speech, events)
    assert "kitchen is warm" in text
    assert text.count("living room is cold") == 1


@pytest.mark.parametrize("names", [None, ["ok_nabu"], ["Okay Nabu", "alexa"]])
async def test_a_wake_word_is_detected_again_and_again(client: Client, names: list[str] | None) -> None:
    await client.write_event(Detect(names=names).event())
    for _ in range(2):
        await client.say(pcm(np.concatenate([room_tone(1.5), spoken("Okay nabu."), room_tone(0.5)])))
        detection = Detection.from_event(await client.next())
        assert detection.name == "okay_nabu"
        assert detection.timestamp is not None
        assert detection.timestamp > 1500
    await client.say(pcm(room_tone(2.0)), piece=1 << 20)
    assert NotDetected.is_type((await client.next()).type)


async def test_a_wake_word_that_is_not_there_is_refused_and_the_connection_goes_on(client: Client) -> None:
    await client.write_event(Detect(names=["computer"]).event())
    assert "none of these wake words" in Error.from_event(await client.next()).text
    await client.write_event(Ping("still there?").event())
    assert Pong.from_event(await client.next()).text == "still there?"


@pytest.mark.parametrize(
    "event",
    [
        Event("audio-chunk", {"rate": 16_000, "width": 1, "channels": 1}, b"ab"),
        Event("audio-chunk", {"rate": "fast", "width": 2, "channels": 1}, b"ab"),
        Event("audio-chunk", {}, b"ab"),
        Event("synthesize", {}),
        Event("synthesize", {"text": "x" * 6000}),
        Event("detect", {"names": [1]}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_the_connection_goes_on(
    client: Client, event: Event
) -> None:
    await client.write_event(event)
    refused = Error.from_event(await client.next())
    assert refused.code == "invalid"
    assert "\n" not in refused.text
    await client.write_event(Ping().event())
    assert Pong.is_type((await client.next()).type)


async def test_an_utterance_that_does_not_end_is_refused(client: Client) -> None:
    await client.write_event(Transcribe().event())
    for _ in range(5):
        await client.write_event(AudioChunk(RATE, 2, 1, bytes(1 << 20)).event())
    events = await client.until(Error)
    assert "at most 120 s" in Error.from_event(events[-1]).text


async def test_other_protocols_are_refused_and_cost_nobody_else(server: Server, client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = json.loads(await reader.readline())
    assert answer["type"] == "error"
    await reader.read()
    assert reader.at_eof()
    writer.close()
    await client.write_event(Ping().event())
    assert Pong.is_type((await client.next()).type)


async def test_there_are_only_so_many_connections(server: Server, client: Client) -> None:
    others = [Client("127.0.0.1", server.port) for _ in range(MOST_CONNECTIONS)]
    for other in others:
        await other.connect()
    assert Error.from_event(await others[-1].next()).code == "busy"
    for other in others:
        await other.disconnect()
    await client.write_event(Ping().event())
    assert Pong.is_type((await client.next()).type)


async def test_before_the_engines_are_loaded_it_says_so() -> None:
    async for server in served(Engines(None)):
        async with Client("127.0.0.1", server.port) as client:
            await client.write_event(Describe().event())
            assert Error.from_event(await client.next()).code == "not-ready"
            # Home Assistant passes errors over, and would wait for a transcript for minutes.
            async with asyncio.timeout(10):
                assert await client.read_event() is None
