"""One connection of a program that uses the engines: what it asks for, and what it is given.

What each request looks like is described at https://github.com/OHF-Voice/wyoming#event-flow.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped
from wyoming.wake import Detect, Detection, NotDetected

from pipeline.assistant import AssistantNotReady
from pipeline.speech import Speech
from satellites.realtime.transcripts import StableTranscript
from satellites.wyoming.offer import info
from satellites.wyoming.sound import RATE, Microphone, text_of
from satellites.wyoming.wire import Malformed, Wire
from voice.clauses import ClauseSplitter
from voice.piper import VoiceError
from voice.wakeword import KNOWN, WakeWords, WakeWordUnknown
from voice.whisper import Audio, WhisperError

IDLE_SECONDS: Final = 600.0
"""After which a connection that says nothing is closed. A satellite is silent for as long as a conversation lasts."""
LONGEST_UTTERANCE: Final = 120.0
"""Seconds of sound that are written down together."""
LONGEST_TEXT: Final = 5_000
"""Characters of one text to be spoken: five minutes of speech."""
SPOKEN_RATE: Final = 22_050
"""Hz of speech: what most Piper voices speak at, and what satellites expect."""
PARTIAL_SECONDS: Final = 1.0
"""Of further sound after which what was said so far is told."""
LONGEST_PARTIAL: Final = 25.0
"""Seconds of sound up to which that is done: longer sound takes longer each time."""
AT_ONCE: Final = RATE // 2
"""Bytes of sound, a quarter of a second, that are searched for a wake word without leaving the event loop."""
ALIASES: Final = {"ok_nabu": "okay_nabu"}
"""How openWakeWord calls the same word."""


class Request(Protocol):
    """What the sound that comes is for."""

    async def hear(self, pcm: bytes, timestamp: int | None) -> None:
        """Take the next piece of sound, at `RATE`."""

    async def stop(self) -> None:
        """The sound is over."""


class Guest:
    """Answers one connection's events.

    Args:
        wire: the connection.
        speech: returns the engines; raises `AssistantNotReady` before they are loaded.
        wake_words: those that wake satellites, for a program that does not say which.
    """

    def __init__(self, wire: Wire, speech: Callable[[], Speech], wake_words: Sequence[str]) -> None:
        self._wire = wire
        self._speech = speech
        self._wake_words = wake_words
        self._microphone = Microphone()
        self._request: Request | None = None
        self._reading: _Reading | None = None

    async def serve(self) -> None:
        """Answer until the program leaves, or cannot be served: Home Assistant passes errors over, but sees the end.

        Raises `Gone`, and `Malformed` where nothing more can be understood.
        """
        while True:
            event = await self._wire.read(IDLE_SECONDS)
            try:
                await self._answer(event)
            except (Malformed, WakeWordUnknown) as error:
                self._request = self._reading = None
                await self._wire.send(Error(str(error), "invalid"))
            except AssistantNotReady as error:
                await self._wire.send(Error(str(error), "not-ready"))
                return
            except (WhisperError, VoiceError) as error:
                await self._wire.send(Error(f"the engine failed: {error}", "failed"))
                return

    async def _answer(self, event: Event) -> None:
        kind = event.type
        if Describe.is_type(kind):
            await self._wire.send(info(self._speech(), self._wake_words))
        elif Ping.is_type(kind):
            await self._wire.send(Pong(text=event.data.get("text")))
        elif Transcribe.is_type(kind):
            self._request = _Writing(self._wire, self._speech(), _language(event))
        elif Detect.is_type(kind):
            self._request = _Waiting(self._wire, self._named(event))
        elif AudioStart.is_type(kind) or AudioChunk.is_type(kind) or AudioStop.is_type(kind):
            await self._listen(event)
        elif kind.startswith("synthesize"):
            await self._speak(event)

    async def _listen(self, event: Event) -> None:
        if self._request is None:
            # The request itself may be left out.
            self._request = _Writing(self._wire, self._speech(), None)
        if AudioStart.is_type(event.type):
            self._microphone = Microphone()
        elif AudioChunk.is_type(event.type):
            timestamp = event.data.get("timestamp")
            await self._request.hear(self._microphone.pcm(event), timestamp if isinstance(timestamp, int) else None)
        else:
            request, self._request = self._request, None
            await request.stop()
            if isinstance(request, _Waiting):
                self._request = request

    async def _speak(self, event: Event) -> None:
        """Speak one text, or one that comes in pieces; the whole that old servers need is then passed over."""
        if SynthesizeStart.is_type(event.type):
            self._reading = _Reading(self._wire, self._speech())
        elif SynthesizeChunk.is_type(event.type) and self._reading is not None:
            await self._reading.read(text_of(event))
        elif SynthesizeStop.is_type(event.type) and self._reading is not None:
            reading, self._reading = self._reading, None
            await reading.finish()
            await self._wire.send(SynthesizeStopped())
        elif Synthesize.is_type(event.type) and self._reading is None:
            reading = _Reading(self._wire, self._speech())
            await reading.read(text_of(event))
            await reading.finish()

    def _named(self, event: Event) -> WakeWords:
        names = event.data.get("names") or self._wake_words
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise Malformed("detect needs names, a list of texts")
        offered = {Path(word).stem: word for word in (*KNOWN, *self._wake_words)}
        plain = [name.strip().lower().replace(" ", "_") for name in names]
        known = [offered[name] for name in dict.fromkeys(ALIASES.get(each, each) for each in plain) if name in offered]
        if not known:
            raise WakeWordUnknown(f"none of these wake words is known here; there are {', '.join(offered)}")
        return WakeWords(known)


class _Writing:
    """Writes down what is said, and tells what it was so far."""

    def __init__(self, wire: Wire, speech: Speech, language: str | None) -> None:
        self._wire = wire
        self._speech = speech
        self._language = language
        self._pcm = bytearray()
        self._told = 0.0
        self._stable = StableTranscript()
        self._started = False

    async def hear(self, pcm: bytes, timestamp: int | None) -> None:
        del timestamp
        self._pcm += pcm
        if len(self._pcm) > LONGEST_UTTERANCE * RATE * 2:
            raise Malformed(f"what is written down together lasts at most {LONGEST_UTTERANCE:.0f} s")
        seconds = len(self._pcm) / (RATE * 2)
        if seconds - self._told >= PARTIAL_SECONDS and seconds < LONGEST_PARTIAL:
            self._told = seconds
            heard = await self._speech.overhear(self._audio(), language=self._language)
            if heard is not None and not heard.doubtful:
                await self._tell(self._stable.hypothesis(heard.text), heard.language)

    async def stop(self) -> None:
        heard = await self._speech.hear(self._audio(), language=self._language)
        text = "" if heard.doubtful else heard.text
        await self._tell(self._stable.final(text), heard.language)
        await self._wire.send(Transcript(text, language=heard.language))
        if self._started:
            await self._wire.send(TranscriptStop())

    async def _tell(self, text: str, language: str) -> None:
        if not text:
            return
        if not self._started:
            self._started = True
            await self._wire.send(TranscriptStart(language=language))
        await self._wire.send(TranscriptChunk(text))

    def _audio(self) -> Audio:
        return np.frombuffer(bytes(self._pcm), "<i2").astype(np.float32) / np.float32(32768)


class _Waiting:
    """Waits for a wake word, again and again."""

    def __init__(self, wire: Wire, words: WakeWords) -> None:
        self._wire = wire
        self._words = words
        self._detected = False

    async def hear(self, pcm: bytes, timestamp: int | None) -> None:
        woken = self._words.hear(pcm) if len(pcm) <= AT_ONCE else await asyncio.to_thread(self._words.hear, pcm)
        if woken is not None:
            self._detected = True
            await self._wire.send(Detection(woken.word, timestamp))

    async def stop(self) -> None:
        if not self._detected:
            await self._wire.send(NotDetected())
        self._detected = False
        self._words.reset()


class _Reading:
    """Reads one text aloud, each clause as soon as it is complete."""

    def __init__(self, wire: Wire, speech: Speech) -> None:
        self._wire = wire
        self._speech = speech
        self._splitter = ClauseSplitter()
        self._characters = 0
        self._started = False

    async def read(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > LONGEST_TEXT:
            raise Malformed(f"a text that is spoken has at most {LONGEST_TEXT} characters")
        for clause in self._splitter.feed(text):
            await self._say(clause)

    async def finish(self) -> None:
        await self._say(self._splitter.flush() or "")
        await self._start()
        await self._wire.send(AudioStop())

    async def _say(self, clause: str) -> None:
        if not clause.strip():
            return
        await self._start()
        async with aclosing(self._speech.speak(clause, rate=SPOKEN_RATE)) as speech:
            async for audio in speech:
                await self._wire.send(AudioChunk(SPOKEN_RATE, 2, 1, audio))

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            await self._wire.send(AudioStart(SPOKEN_RATE, 2, 1))


def _language(event: Event) -> str | None:
    language = event.data.get("language")
    return language if isinstance(language, str) else None
