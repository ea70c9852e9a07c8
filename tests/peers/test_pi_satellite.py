"""The satellite of the house itself, with a microphone that hears recordings, at a whole assistant in its own process."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import soxr

from satellites.pi.attention import Attention, State
from satellites.pi.ears import Ears
from satellites.pi.hooks import Hooks
from satellites.pi.link import Link
from satellites.pi.loudspeaker import Loudspeaker
from satellites.pi.satellite import Satellite
from satellites.pi.sound import BLOCK_SECONDS, Block
from tests.peers.server import ROOT, running_server
from tests.spoken import RATE, pcm, room_tone, speech
from voice import models, recordings
from voice.vad import SpeechDetector
from voice.wakeword import WakeWords
from voice.whisper import WhisperEngine

pytestmark = pytest.mark.timeout(300)
QUESTION = np.concatenate([speech("Okay nabu."), room_tone(0.2), speech("What time is it?")])
CLOCK = re.compile(r"\d|o'clock|noon|midnight")


@dataclass
class Way:
    """A way to a server that may come and go, on which what goes there is counted."""

    to: int | None = None
    sent: int = 0
    port: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.to is None:
            writer.close()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        self._open |= {writer, back}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(reader, back, counted=True))
            tasks.create_task(self._copy(there, writer, counted=False))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        try:
            while data := await reader.read(65536):
                self.sent += len(data) if counted else 0
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def block(self) -> None:
        self.to = None
        for writer in self._open:
            writer.close()
        self._open.clear()


@asynccontextmanager
async def way() -> AsyncIterator[Way]:
    made = Way()
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.block()
        server.close()


class Microphone:
    """Hears what is said to it, in a quiet room and in real time, and keeps what the loudspeaker plays."""

    def __init__(self, loudspeaker: Loudspeaker) -> None:
        self._loudspeaker = loudspeaker
        self._said = b""
        self.played = b""

    def say(self, *parts: np.ndarray) -> None:
        self._said += pcm(np.concatenate(parts))

    async def blocks(self) -> AsyncIterator[Block]:
        due, length = time.monotonic(), round(BLOCK_SECONDS * RATE) * 2
        quiet = pcm(room_tone(10.0))
        at = 0
        while True:
            due += BLOCK_SECONDS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            at = (at + length) % (len(quiet) - length)
            near, self._said = (self._said[:length] + quiet[at:])[:length], self._said[length:]
            far = self._loudspeaker.take(length // 2).tobytes()
            self.played += far if any(far) else b""
            yield near, far


@dataclass
class Running:
    microphone: Microphone
    attention: Attention
    ears: WhisperEngine

    async def until(self, *states: State) -> None:
        async with asyncio.timeout(60):
            while self.attention.state not in states:
                await asyncio.sleep(0.02)

    async def answer(self) -> str:
        """Wait for an answer and write it down."""
        before = len(self.microphone.played)
        await self.until(State.FOLLOW_UP)
        heard = np.frombuffer(self.microphone.played[before:], "<i2").astype(np.float32) / 32768
        return (await self.ears.transcribe(heard)).text.lower()


@asynccontextmanager
async def satellite(port: int, folder: Path, **commands: str) -> AsyncIterator[Running]:
    attention, loudspeaker = Attention(3.0), Loudspeaker(RATE)
    microphone = Microphone(loudspeaker)
    ears = Ears(WakeWords(), SpeechDetector(models.silero_vad()))
    made = Satellite(ears=ears, attention=attention, loudspeaker=loudspeaker, hooks=Hooks(commands), sound=microphone)
    server = f"http://127.0.0.1:{port}"
    link = Link(server, token=None, name="kitchen", room="kitchen", attention=attention, changed=made.perform)
    whisper = WhisperEngine(models.whisper_model("base", folder), language="en")
    async with httpx.AsyncClient(base_url=server, trust_env=False) as house, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run(link, house, "kitchen"))
        yield Running(microphone, attention, whisper)
        running.cancel()
    whisper.close()


@pytest.mark.long
async def test_it_is_woken_answers_sends_nothing_in_silence_and_outlives_its_server(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lamp = tmp_path / "lamp"
    async with AsyncExitStack() as stack:
        path = await stack.enter_async_context(way())
        one = await stack.enter_async_context(
            satellite(
                path.port, tmp_path, woken=f"sh -c 'echo $PASSFEL_STATE >> {lamp}'", idle=f"sh -c 'echo idle >> {lamp}'"
            )
        )
        async with running_server(tmp_path / "data") as server:
            path.to = server.port
            await one.until(State.IDLE)
            await asyncio.sleep(1.0)
            before = path.sent
            one.microphone.say(speech("What time is it?"), room_tone(1.0))
            await asyncio.sleep(8.0)
            assert path.sent - before < 100, "without the wake word nothing leaves but pings"

            one.microphone.say(QUESTION)
            assert CLOCK.search(await one.answer())
            one.microphone.say(room_tone(0.5), speech("What time is it?"))
            await one.until(State.TALKING)
            assert CLOCK.search(await one.answer())
            await one.until(State.IDLE)
            async with asyncio.timeout(10):
                while lamp.read_text().split() != ["idle", "woken", "idle"]:
                    await asyncio.sleep(0.05)  # a program of the household's, which nobody waits for
            path.block()
        await one.until(State.AWAY)
        async with running_server(tmp_path / "data") as server:
            one.microphone.say(QUESTION)
            await one.until(State.BUFFERING)
            await asyncio.sleep(2.0)
            path.to = server.port
            assert CLOCK.search(await one.answer()), "what was said before the server was reached"
            await one.until(State.IDLE)
            one.microphone.say(QUESTION)
            assert CLOCK.search(await one.answer())


@pytest.mark.long
async def test_it_runs_on_recordings_where_there_is_no_sound_card(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    recordings.write(tmp_path / "question.wav", pcm(np.concatenate([room_tone(1.0), QUESTION])), RATE)
    async with running_server(tmp_path / "data") as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "passfel.py", "satellite", "--server", server.address),
            *("--files", str(tmp_path / "question.wav"), "-o", str(tmp_path / "answer.wav")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            out, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert b"sent " in out
    sound, rate = soundfile.read(tmp_path / "answer.wav", dtype="float32")
    whisper = WhisperEngine(models.whisper_model("base", tmp_path), language="en")
    heard = (await whisper.transcribe(soxr.resample(sound, rate, RATE).astype(np.float32))).text
    whisper.close()
    assert CLOCK.search(heard), log.decode()
