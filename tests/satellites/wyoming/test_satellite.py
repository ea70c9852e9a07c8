"""A satellite made of the `wyoming` package's own events, which the household's side dials."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from wyoming.audio import AudioChunk
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.ping import Ping
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.wake import Detection

from pipeline.caller import Caller, Permission
from pipeline.settings import Settings
from satellites.services import House
from satellites.wyoming.satellite import make
from tests.fakes.scripted_assistant import Script, ScriptedAssistant
from tests.spoken import RATE, pcm, room_tone

LOUD = pcm(np.sin(np.arange(RATE // 2) / 5) * 0.5)
QUIET = pcm(room_tone(0.1))


class Assistant(ScriptedAssistant):
    @asynccontextmanager
    async def standby(self, caller: Caller, wake: Callable[[], None]) -> AsyncIterator[None]:
        self.wake = wake
        yield


class Peer:
    """The satellite's side: one connection at a time."""

    def __init__(self) -> None:
        self.got: list[Event] = []
        self.connections = 0
        self.refuses = False
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        while not self.refuses and (event := await async_read_event(reader)) is not None:
            self.got.append(event)
        writer.close()

    async def send(self, event: Eventable) -> None:
        assert self._writer is not None
        await async_write_event(event.event(), self._writer)

    async def hear(self, sound: bytes) -> None:
        for at in range(0, len(sound), 2048):
            await self.send(AudioChunk(RATE, 2, 1, sound[at : at + 2048]))

    async def until(self, kind: str) -> Event:
        async with asyncio.timeout(20):
            while kind not in [event.type for event in self.got]:
                await asyncio.sleep(0.01)
        return next(event for event in self.got if event.type == kind)

    def vanish(self) -> None:
        assert self._writer is not None
        self._writer.transport.abort()

    def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.close()


@asynccontextmanager
async def dialled(assistant: Assistant, **settings: object) -> AsyncIterator[tuple[Peer, object]]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    uri = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    wyoming = {"satellites": {"kitchen": {"uri": uri, "room": "kitchen"}}, "follow_up": 1.0, **settings}
    door = make(House(assistant, Settings(wyoming=wyoming)))  # type: ignore[arg-type]
    assert door is not None
    task = asyncio.create_task(door.run())
    try:
        yield peer, door
    finally:
        task.cancel()
        await asyncio.wait({task})
        server.close()


async def problem(door) -> str:
    async with asyncio.timeout(20):
        while not (found := door.satellites()[0].detail.get("problem")):
            await asyncio.sleep(0.01)
    return str(found)


async def test_a_conversation_is_held_and_ends_by_itself() -> None:
    assistant = Assistant(Script())
    assistant.script.heard.append("what time is it")
    assistant.script.replies.append("It is noon.")
    async with dialled(assistant) as (peer, door):
        await peer.until("run-satellite")
        await peer.send(Detection("okay_nabu"))
        await peer.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await peer.hear(LOUD + QUIET * 10)
        await peer.until("audio-stop")
        assert door.satellites()[0].state == "talking"
        (caller,) = assistant.callers
        assert (caller.device, caller.room, caller.resumes) == ("wyoming:kitchen", "kitchen", True)
        assert caller.may(Permission.CONTROL)
        transcript = await peer.until("transcript")
        assert transcript.data == {"text": "what time is it"}
        kinds = [event.type for event in peer.got]
        assert kinds.index("voice-started") < kinds.index("voice-stopped") < kinds.index("audio-start")
        played = sum(len(event.payload or b"") for event in peer.got if event.type == "audio-chunk")
        assert played == pytest.approx(3 * 0.1 * 22_050 * 2, rel=0.05), "three words of a tenth of a second each"


async def test_what_is_to_be_said_begins_a_conversation() -> None:
    assistant = Assistant()
    async with dialled(assistant) as (peer, _):
        await peer.until("run-satellite")
        assistant.wake()
        async with asyncio.timeout(20):
            await assistant.started.wait()
        assert assistant.callers[0].device == "wyoming:kitchen"


async def test_a_connection_that_is_lost_ends_the_conversation_and_is_made_again() -> None:
    assistant = Assistant()
    async with dialled(assistant) as (peer, door):
        await peer.until("run-satellite")
        await peer.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await peer.hear(QUIET)
        async with asyncio.timeout(20):
            await assistant.started.wait()
            peer.hang_up()
            await assistant.ended.wait()
            peer.got.clear()
            await peer.until("run-satellite")
        assert peer.connections == 2
        assert door.satellites()[0].state == "idle"


async def test_a_satellite_that_serves_another_server_is_told_of() -> None:
    async with dialled(Assistant()) as (peer, door):
        peer.refuses = True
        assert "is it added to Home Assistant as well?" in await problem(door)


async def test_a_satellite_that_sends_nonsense_costs_only_its_connection() -> None:
    async with dialled(Assistant()) as (peer, door):
        await peer.until("run-satellite")
        await peer.send(RunPipeline(PipelineStage.WAKE, PipelineStage.TTS))
        await peer.send(AudioChunk(-1, 2, 1, b"ab"))
        assert "needs rate" in await problem(door)
        peer.got.clear()
        await peer.until("run-satellite")


async def test_one_that_sends_sound_faster_than_time_passes_is_borne_with() -> None:
    assistant = Assistant(Script())
    assistant.script.heard.append("what time is it")
    assistant.script.replies.append("It is noon.")
    async with dialled(assistant) as (peer, _):
        await peer.until("run-satellite")
        await peer.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await peer.hear(QUIET)
        async with asyncio.timeout(20):
            await assistant.started.wait()
        # It says that it hears 8 kHz, and sends a minute at once.
        await peer.send(AudioChunk(8_000, 2, 1, bytes(60 * 8_000 * 2)))
        await peer.hear(bytes(60 * RATE * 2))
        await asyncio.sleep(1.0)
        await peer.hear(LOUD + QUIET * 10)
        await peer.until("audio-stop")
        assert len(assistant.ears.audio) < 20 * RATE * 2
        assert peer.connections == 1


async def test_one_that_vanishes_in_mid_answer_is_talked_with_again() -> None:
    assistant = Assistant(Script())
    assistant.script.heard.extend(["tell me a story", "what time is it"])
    assistant.script.replies.extend([" ".join(["once"] * 200), "It is noon."])
    async with dialled(assistant) as (peer, _):
        for ends in ("audio-start", "audio-stop"):
            await peer.until("run-satellite")
            await peer.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
            await peer.hear(LOUD + QUIET * 10)
            await peer.until(ends)
            if ends == "audio-start":
                peer.vanish()
                async with asyncio.timeout(20):
                    await assistant.ended.wait()
                peer.got.clear()
        assert peer.connections == 2


async def test_one_that_falls_silent_in_the_middle_of_a_word_is_answered() -> None:
    assistant = Assistant(Script())
    assistant.script.heard.append("what time")
    assistant.script.replies.append("It is noon.")
    async with dialled(assistant) as (peer, _):
        await peer.until("run-satellite")
        await peer.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await peer.hear(LOUD)
        await peer.until("audio-stop")


async def test_one_that_is_not_there_is_told_of() -> None:
    settings = Settings(wyoming={"satellites": {"kitchen": {"uri": "tcp://127.0.0.1:9"}}})
    door = make(House(Assistant(), settings))  # type: ignore[arg-type]
    task = asyncio.create_task(door.run())
    assert "is it on, and its address right?" in await problem(door)
    assert door.satellites()[0].state == "away"
    task.cancel()
    await asyncio.wait({task})


async def test_a_wake_word_that_is_not_there_is_told_of() -> None:
    async with dialled(Assistant(), wake_words=["computer"]) as (_, door):
        assert "wyoming.wake_words: no wake word computer" in await problem(door)


async def test_pings_are_answered() -> None:
    async with dialled(Assistant()) as (peer, _):
        await peer.until("run-satellite")
        await peer.send(Ping("x"))
        assert (await peer.until("pong")).data == {"text": "x"}


@pytest.mark.parametrize("uri", ["kitchen.local", "http://kitchen.local", "tcp://", "tcp://x:99999", "tcp://x:1/y"])
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="write it as tcp://kitchen"):
        Settings(wyoming={"satellites": {"kitchen": {"uri": uri}}})


def test_the_usual_port_may_be_left_out_and_no_satellite_is_listed_twice() -> None:
    kitchen = {"uri": "tcp://kitchen.local"}
    assert Settings(wyoming={"satellites": {"kitchen": kitchen}}).wyoming.satellites["kitchen"].uri.endswith(":10700")
    with pytest.raises(ValueError, match="two satellites at tcp://kitchen"):
        Settings(wyoming={"satellites": {"kitchen": kitchen, "bath": {"uri": "tcp://kitchen.local:10700"}}})
