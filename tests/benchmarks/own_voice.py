"""Whether a Raspberry Pi breaks off its own answer, and whether a person can, over the sound of its own loudspeaker.

The satellite's loudspeaker, echo canceller and attention, and the server's turn-taking, run on a clock that is made of
sound. The way from the loudspeaker to the microphone is simulated (see tests/acoustics.py): no device and no room was
recorded for it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import mean, median

import numpy as np
import soxr

from satellites.pi.attention import Attention, Duck, Pause, Play, Send, Silence
from satellites.pi.ears import Ears
from satellites.pi.loudspeaker import SPEECH_RATE, Loudspeaker
from satellites.pi.sound import BLOCK_SECONDS, ROOM_TONE
from tests.acoustics import AcousticPath, Acoustics
from tests.benchmarks.barge_in import LONG_REQUEST
from tests.benchmarks.clients import to_pcm
from tests.benchmarks.false_interruptions import ANSWER, NEAR
from tests.benchmarks.recordings import Corpus, Recording, spoken_by_piper
from tests.benchmarks.report import NONE, section
from tests.benchmarks.server_ears import ServerEars
from tests.benchmarks.signals import SAMPLE_RATE, Samples, at_level
from voice import models
from voice.commands import Command, Commit, StartTurn
from voice.endpointing import SmartTurn
from voice.vad import SpeechDetector, loudness
from voice.wakeword import WakeWords
from voice.whisper import WhisperEngine

BLOCK = round(SAMPLE_RATE * BLOCK_SECONDS)
PLAYED_BEFORE = 4.0
"""Seconds of the answer before a person speaks."""
LEARNT = 2.0
"""Seconds of the answer after which the canceller has had time to learn the room."""
WATCHED = 16.0
"""Seconds for which an answer is watched over which nobody speaks."""
STOPPED_WITHIN = 4.0
"""Seconds after a sentence in which the answer has stopped."""
ASKED = 2.0
"""Seconds after the request in which it is known to be over."""
PLAYED = -20.0
"""dBFS of the answer, as Piper speaks it."""

PLACES = {
    "12 dB quieter than speech": Acoustics(0.1, 0.02, gain=0.1),
    "as loud as speech": Acoustics(0.25, 0.1, 100, gain=0.4),
    "as loud, 200 ms late": Acoustics(0.2, 0.2, -100, gain=0.4),
    "as loud, distorted": Acoustics(0.15, 0.06, 100, gain=0.6, drive=5.0),
    "6 dB louder": Acoustics(0.25, 0.1, 100, gain=0.8),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one answer."""

    place: str
    sentence: str | None
    """What was said to the satellite during it, if anything."""
    echo: float
    """dB by which the satellite's voice was louder at its microphone than somebody who speaks to it."""
    enhancement: float
    """Echo return loss enhancement: dB by which the canceller made it quieter, while nobody else spoke."""
    stopped: float | None
    """Seconds from the end of the sentence, or from the beginning of the answer, until that was broken off."""
    understood: str


class Satellite:
    """A satellite with its server, at a place."""

    def __init__(self, place: Acoustics, server: ServerEars, detector: SpeechDetector) -> None:
        self.now = 0.0
        self._loudspeaker = Loudspeaker(SAMPLE_RATE)
        self._ears = Ears(WakeWords(), detector)
        self._attention = Attention()
        self._path = AcousticPath(place)
        self._server = server
        self._chance = np.random.default_rng(0)
        self.microphone: list[Samples] = []
        self.cleaned: list[Samples] = []
        self._attention.connected(self.now)
        self._attention.wake(self.now)

    async def answer(self, speech: Samples) -> None:
        """Begin to play what the server says."""
        self._attention.response_began(self.now)
        self._attention.speak(to_pcm(soxr.resample(speech, SAMPLE_RATE, SPEECH_RATE)), self.now)
        await self._server.speaks(True, self.now)

    async def hear(self, said: Samples, seconds: float) -> AsyncIterator[Command]:
        """Hear somebody in the room and what it plays itself, for so long; yield what the server decides."""
        said = np.pad(said, (0, max(0, round(seconds * SAMPLE_RATE) - len(said))))
        for start in range(0, len(said) - BLOCK + 1, BLOCK):
            self.now += BLOCK_SECONDS
            played = self._loudspeaker.take(BLOCK)
            echo = self._path.carry(played.astype(np.float32) / np.float32(32768))
            near = said[start : start + BLOCK] + echo + self._chance.normal(0, ROOM_TONE, BLOCK).astype(np.float32)
            self.microphone.append(near)
            for heard in self._ears.hear(to_pcm(np.clip(near, -1, 1)), played.tobytes()):
                self.cleaned.append(np.frombuffer(heard.pcm, "<i2").astype(np.float32) / np.float32(32768))
                self._attention.hear(heard.pcm, speech=heard.speech, now=self.now)
            for command in await self._server.hear(self._perform(), self.now):
                yield await self._follow(command)

    def _perform(self) -> bytes:
        """Do what the attention asks for; return what it sends."""
        sent = b""
        for output in self._attention.take():
            match output:
                case Send(pcm):
                    sent += pcm
                case Pause(seconds):
                    sent += bytes(2 * int(seconds * SAMPLE_RATE))
                case Play(pcm):
                    self._loudspeaker.add(pcm)
                case Silence():
                    self._loudspeaker.clear()
                case Duck(quietly):
                    self._loudspeaker.duck(quietly=quietly)
        return sent

    async def _follow(self, command: Command) -> Command:
        if isinstance(command, StartTurn):
            self._attention.turn_began(self.now)
            await self._server.speaks(False, self.now)
        elif isinstance(command, Commit):
            self._attention.turn_ended(self.now)
        return command


async def measure(spoken: Corpus, folder: Path, sentences: int) -> list[Tried]:
    """At each place, let an answer play by itself, then interrupt answers by so many sentences."""
    said = cycle([each for pair in zip(cycle(spoken.questions), spoken.orders, strict=False) for each in pair])
    story = at_level(np.concatenate([spoken_by_piper(sentence) for sentence in ANSWER]), PLAYED)
    with closing(WhisperEngine(models.whisper_model("base", folder))) as whisper:
        smart_turn, detector = SmartTurn(models.smart_turn()), SpeechDetector(models.silero_vad())
        tried = []
        for name, place in PLACES.items():
            for sentence in (None, *islice(said, sentences)):
                server = ServerEars(whisper, smart_turn, detector)
                server.taker.assistant_said("".join(ANSWER))
                tried.append(await _try(name, Satellite(place, server, detector), story, sentence))
        return tried


async def _try(place: str, satellite: Satellite, story: Samples, sentence: Recording | None) -> Tried:
    request = at_level(spoken_by_piper(LONG_REQUEST), NEAR)
    await _listen(satellite, request, len(request) / SAMPLE_RATE + ASKED)
    satellite.microphone.clear()
    satellite.cleaned.clear()
    await satellite.answer(story)
    alone = WATCHED if sentence is None else PLAYED_BEFORE
    stopped, understood = await _listen(satellite, np.zeros(0, np.float32), alone)
    learnt = slice(round(LEARNT * SAMPLE_RATE), None)
    echo = loudness(np.concatenate(satellite.microphone)[learnt])
    left = loudness(np.concatenate(satellite.cleaned)[learnt])
    if sentence is None or stopped is not None:
        return Tried(place, None, echo - NEAR, echo - left, stopped, understood)
    said = at_level(sentence.samples, NEAR)
    stopped, understood = await _listen(satellite, said, sentence.speech.end + STOPPED_WITHIN)
    after = None if stopped is None else stopped - sentence.speech.end
    return Tried(place, sentence.name, echo - NEAR, echo - left, after, understood)


async def _listen(satellite: Satellite, said: Samples, seconds: float) -> tuple[float | None, str]:
    """Return after how many seconds the answer was broken off, if it was, and what was understood."""
    began, stopped, understood = satellite.now, None, ""
    async for command in satellite.hear(said, seconds):
        if isinstance(command, StartTurn) and stopped is None:
            stopped = satellite.now - began
        elif isinstance(command, Commit):
            understood = command.text
    return stopped, understood


def table(tried: Sequence[Tried]) -> str:
    """Return how quiet the canceller makes each place, and what broke answers off there."""
    rows = []
    for place in dict.fromkeys(each.place for each in tried):
        here = [each for each in tried if each.place == place]
        alone = [each for each in here if each.sentence is None]
        real = [each for each in here if each.sentence is not None]
        times = [each.stopped for each in real if each.stopped is not None]
        rows.append(
            [
                *(place, f"{mean(each.echo for each in here):+.0f} dB", f"{mean(e.enhancement for e in here):.0f} dB"),
                f"{sum(each.stopped is not None for each in alone)} of {len(alone)}",
                f"{len(times)} of {len(real)}",
                f"{sum(bool(each.understood) for each in real)} of {len(real)}",
                f"{median(times):.1f}" if times else NONE,
            ]
        )
    note = (
        f"The way from loudspeaker to microphone is simulated. An answer is watched for {WATCHED:.0f} s; a sentence has to "
        f"stop it, and its turn to be over, within {STOPPED_WITHIN:.0f} s."
    )
    columns = [
        "its own voice is",
        "beside speech",
        "ERLE",
        "broken off by itself",
        "stopped by a sentence",
        "turn over",
    ]
    return section("A Raspberry Pi that hears itself", [*columns, "stopped, s after its end"], rows, note)
