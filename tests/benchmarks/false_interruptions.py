"""How often an answer is broken off by what is no word to the assistant, and how often a real sentence does not stop it.

The assistant with its own ears and voice answers at a satellite of plain sound. The device is taken to have removed the
echo of its own voice; what it hears is the room: kitchen noise, coughs and hums, or people who talk to one another far
away. Every try begins at another moment of that sound, always the same ones. The language model is a script, so that
every answer is long and the same.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
)

from pipeline.assistant import Assistant
from pipeline.caller import Caller, Capability, Permission
from pipeline.settings import Settings
from satellites.line import LineTransport
from tests.benchmarks.barge_in import BACKCHANNEL_LEVEL, LONG_REQUEST
from tests.benchmarks.clients import Microphone, to_pcm
from tests.benchmarks.recordings import SHARED_AUDIO, Corpus, Recording, load, spoken_by_piper
from tests.benchmarks.report import NONE, section
from tests.benchmarks.signals import SAMPLE_RATE, Samples, at_level, cough
from tests.pipeline.misbehaving_server import misbehaving_server, says

ANSWER = (
    "Once upon a time there was a small brown dog who lived beside a harbour. ",
    "Every morning she watched the ships leave, and wondered where they went. ",
    "One day a sailor left a little boat unguarded, with its sail already up. ",
    "The dog jumped in, the wind took hold, and soon the land was far behind. ",
    "She crossed a warm sea full of flying fish, and slept under a million stars. ",
    "On the tenth day an island came in sight, where only parrots lived. ",
    "They gave her fruit and water, and taught her three new words. ",
)
PLAYED_BEFORE = 1.5
"""Seconds of the answer that are heard before anything else is."""
DISTURBED = 12.0
"""Seconds for which the answer is disturbed; it lasts longer than that."""
EVERY = 2.0
"""Seconds between two coughs or hums."""
STOPPED_WITHIN = 4.0
"""Seconds after a real sentence in which the answer has stopped."""
UNDERSTOOD_WITHIN = 5.0
"""Seconds after that in which it is known what was taken for said."""
BEGINS_WITHIN = 30.0
PIECE = SAMPLE_RATE // 50
NEAR = BACKCHANNEL_LEVEL
"""dBFS of somebody who speaks to the device."""
PERMISSIONS = frozenset({Permission.CONVERSE})
CAPABILITIES = frozenset({Capability.HEAR, Capability.SPEAK, Capability.FULL_DUPLEX})


@dataclass(frozen=True, slots=True)
class Room:
    """What a satellite hears beside a person who speaks to it."""

    name: str
    sound: Samples
    """Repeated for as long as it is needed."""

    def from_moment(self, share: float) -> "Room":
        """Return the same room some of its sound later."""
        return replace(self, sound=np.roll(self.sound, -round(share * len(self.sound))))


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one answer."""

    room: str
    sentence: str | None
    """What was said to the assistant during it, if anything."""
    stopped: bool
    after: float | None
    """Seconds from the end of the sentence until it had stopped; negative where it stopped before that."""
    heard: str
    """What was taken for said, within `UNDERSTOOD_WITHIN` seconds after the answer was broken off."""


class Satellite:
    """A device with a microphone that never closes: the line of one conversation."""

    def __init__(self) -> None:
        self.microphone = Microphone(np.zeros(PIECE, np.float32))
        self.speaking = asyncio.Event()
        self.over = asyncio.Event()
        self.broken_off = False
        self.understood = asyncio.Event()
        self.heard = ""

    async def play(self, audio: bytes) -> None:
        """Nobody listens; when it speaks is told by `follow`."""

    async def follow(self, frame: Frame) -> None:
        """Note when the answer begins, ends and is broken off."""
        match frame:
            case BotStartedSpeakingFrame():
                self.speaking.set()
            case BotStoppedSpeakingFrame():
                self.over.set()
            case InterruptionFrame() if self.speaking.is_set() and not self.over.is_set():
                self.broken_off = True
                self.over.set()
            case LLMContextUserTurnFrame() if self.speaking.is_set():
                self.heard = frame.text
                self.understood.set()

    async def stream(self, transport: LineTransport) -> None:
        """Send what the microphone hears, in real time, until cancelled."""
        due = asyncio.get_running_loop().time()
        while True:
            due += PIECE / SAMPLE_RATE
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await transport.hear(to_pcm(np.clip(self.microphone.frame(), -1, 1)))


def rooms(spoken: Corpus) -> list[Room]:
    """Return what is heard beside a person."""
    quiet = np.random.default_rng(0).normal(0, 3e-4, SAMPLE_RATE * 4).astype(np.float32)
    talk = np.concatenate([at_level(each.samples, NEAR) for each in (*spoken.orders[:6], *spoken.sentences[-3:])])
    kitchen = _kitchen()
    return [
        Room("a quiet room", quiet),
        Room("kitchen noise, 10 dB below speech", at_level(kitchen, NEAR - 10)),
        Room("kitchen noise as loud as speech", at_level(kitchen, NEAR)),
        Room("coughs and hums, every 2 s", _coughs_and_hums(quiet)),
        Room("people talking, 20 dB below speech", talk * 10 ** (-20 / 20)),
        Room("people talking, 12 dB below speech", talk * 10 ** (-12 / 20)),
    ]


def _kitchen() -> Samples:
    if SHARED_AUDIO.is_dir():
        return load(SHARED_AUDIO / "kitchen-noise.flac")
    brown = np.cumsum(np.random.default_rng(1).normal(0, 1, SAMPLE_RATE * 20))
    return np.asarray(brown - np.convolve(brown, np.ones(800) / 800, mode="same"), dtype=np.float32)


def _coughs_and_hums(quiet: Samples) -> Samples:
    parts = []
    for number in range(4):
        sound = cough(number) if number % 2 == 0 else at_level(hum(0.5, 110 + 30 * number), NEAR)
        rest = np.resize(quiet, round(EVERY * SAMPLE_RATE) - len(sound))
        parts += [sound, rest]
    return np.concatenate(parts)


def hum(seconds: float, pitch: float) -> Samples:
    """Return a hum with closed lips: a low pitch that falls a little, its overtones 12 dB an octave weaker."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 - 0.15 * time / seconds)) / SAMPLE_RATE
    voice = sum(np.sin(order * phase) / order**2 for order in range(1, 9))
    return np.asarray(voice * np.hanning(len(time)), dtype=np.float32)


async def measure(spoken: Corpus, folder: Path, rounds: int) -> list[Tried]:
    """Disturb answers in each room, then interrupt them by a real sentence there."""
    sentences = [each for each in (*spoken.questions, *spoken.orders) if each.seconds < STOPPED_WITHIN * 2]
    async with _assistant(folder) as assistant:
        said, moments = cycle(sentences), np.random.default_rng(7)
        return [
            await _try(assistant, room.from_moment(float(moments.uniform())), sentence)
            for room in rooms(spoken)
            for sentence in (*[None] * rounds, *islice(said, rounds))
        ]


@asynccontextmanager
async def _assistant(folder: Path) -> AsyncIterator[Assistant]:
    async with misbehaving_server() as model:
        model.will(says(*ANSWER))
        with TemporaryDirectory(dir=folder) as data:
            settings = Settings.model_validate(
                {"data_dir": data, "language": {"url": model.url, "model": "script"}, "stores": {"embedded": False}}
            )
            async with Assistant(settings, planned=False) as assistant:
                yield assistant


async def _try(assistant: Assistant, room: Room, sentence: Recording | None) -> Tried:
    satellite = Satellite()
    transport = LineTransport(satellite, input_rate=SAMPLE_RATE, output_rate=SAMPLE_RATE)
    caller = Caller("benchmark", "satellite", capabilities=CAPABILITIES, permissions=PERMISSIONS)
    async with asyncio.TaskGroup() as tasks:
        conversation = tasks.create_task(assistant.converse(transport, caller))
        streaming = tasks.create_task(satellite.stream(transport))
        try:
            request = at_level(spoken_by_piper(LONG_REQUEST), NEAR)
            satellite.microphone.say(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), request]))
            async with asyncio.timeout(BEGINS_WITHIN):
                await satellite.speaking.wait()
            await asyncio.sleep(PLAYED_BEFORE)
            satellite.microphone.enter(room.sound)
            if sentence is not None:
                await _within(PLAYED_BEFORE, satellite.over)
            if satellite.broken_off:
                # Nobody has said anything yet.
                sentence = None
            ends = await _disturb(satellite, sentence)
            after = time.monotonic() - ends if satellite.broken_off and sentence is not None else None
            if satellite.broken_off:
                await _within(UNDERSTOOD_WITHIN, satellite.understood)
        finally:
            await transport.end("tried")
            await asyncio.wait({conversation}, timeout=BEGINS_WITHIN)
            streaming.cancel()
    return Tried(room.name, sentence.name if sentence else None, satellite.broken_off, after, satellite.heard)


async def _disturb(satellite: Satellite, sentence: Recording | None) -> float:
    """Let the room disturb the answer, and say a sentence in it; return when that ends, in monotonic seconds."""
    if sentence is None:
        await _within(DISTURBED, satellite.over)
        return time.monotonic()
    ends = time.monotonic() + sentence.speech.end
    satellite.microphone.say(at_level(sentence.samples, NEAR))
    await _within(sentence.speech.end + STOPPED_WITHIN, satellite.over)
    return ends


async def _within(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def table(tried: Sequence[Tried]) -> str:
    """Return what broke answers off, and what did not."""
    rows = []
    for room in dict.fromkeys(each.room for each in tried):
        false = [each for each in tried if each.room == room and each.sentence is None]
        real = [each for each in tried if each.room == room and each.sentence is not None]
        taken = ", ".join(f"“{each.heard}”" if each.heard else "nothing" for each in false if each.stopped)
        times = [each.after for each in real if each.after is not None]
        rows.append(
            [
                *(room, f"{sum(each.stopped for each in false)} of {len(false)}", taken or NONE),
                f"{sum(each.stopped for each in real)} of {len(real)}",
                f"{sum(bool(each.heard) for each in real)} of {len(real)}",
                f"{median(times):.1f}" if times else NONE,
            ]
        )
    note = (
        f"Each answer is disturbed for {DISTURBED:.0f} s; a real sentence has to stop it within {STOPPED_WITHIN:.0f} s, and "
        f"its turn to be over within {UNDERSTOOD_WITHIN:.0f} s more. An answer that was broken off before its sentence "
        "began counts as broken off by nobody's word."
    )
    columns = ["in the room", "broken off by nobody's word", "taken for", "stopped by a sentence", "turn over"]
    columns.append("stopped, s after its end")
    return section("False interruptions at a satellite", columns, rows, note)
