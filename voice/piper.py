"""The one Piper engine of the process, shared by all conversations.

Stock Piper makes the sound of a whole sentence before any of it can be played. Here a sentence is decoded in windows, a
short one first, so that a long sentence begins to sound nearly as soon as a short one; see `voice.piper_graph`.
"""

import asyncio
import bisect
import difflib
import itertools
import json
import queue
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from piper import PiperConfig, PiperVoice

from voice.piper_graph import Audio, Sentence, VoiceError, load_graph

FIRST_WINDOW: Final = 24
"""Frames (0.28 s at 22.05 kHz) decoded before anything is heard: less saves milliseconds and leaves the next window
little time."""
LARGEST_WINDOW: Final = 96
"""Frames decoded at once later on, which is also how long another conversation's first chunk may wait."""

LEADING_SILENCE: Final = 0.015
"""Seconds left before the first sound; the voice itself makes 0.04 to 0.09."""
TRAILING_SILENCE: Final = 0.15
"""Seconds left, at most, behind the last sound: the text that follows is often the next clause."""
SENTENCE_PAUSE: Final = 0.2
"""Seconds of silence between two sentences of one text."""
SILENCE: Final = 0.005
"""Amplitude (-46 dBFS) below which there is nothing to hear."""

LOUDNESS: Final = 0.126
"""Root mean square (-18 dBFS) of speech, pauses left out."""
KNEE: Final = 0.8
"""Amplitude above which peaks are rounded off instead of clipped."""

_CALIBRATION: Final = "1 2 3 4 5 6 7."
"""Numbers can be read in every language that espeak knows."""
_NO_SOUND: Final = frozenset(" ˈˌ,.:;!?¿¡…—-\"'()«»“”")
"""Phonemes that mark stress and pauses: a word said alone and in a sentence differ in these."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word of the text given, with the second of its sentence, before any silence is cut, at which it ends."""

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A part of the speech for a text."""

    audio: bytes
    """16-bit mono PCM at the engine's sample rate; empty for words that make no sound."""
    words: tuple[str, ...]
    """The words of the text that end within this chunk, in order."""


class Priority(IntEnum):
    """Which chunk is computed first when several wait."""

    FIRST = 0
    LATER = 1


@dataclass(order=True)
class _Job:
    priority: int
    order: int
    run: Callable[[], list[SpeechChunk] | None] = field(compare=False)
    future: "Future[list[SpeechChunk] | None]" = field(compare=False)


class PiperEngine:
    """Turns text into speech on a worker thread, chunk by chunk.

    All conversations share the worker. It takes one chunk at a time, first chunks of a text before later ones and else
    in the order asked for, so that nobody's first word waits for somebody else's long sentence.

    Loudness is set by one gain for the voice, measured once on a fixed phrase: each sentence's peak, which stock Piper
    scales by, is not known before its end, and makes quiet sentences of those with one loud syllable. The few peaks
    above full scale are rounded off.

    Args:
        model: the voice's `.onnx` file, its configuration beside it in `.onnx.json`.
        cache_dir: where the network's two halves are kept; made if missing.
        threads: for one computation. Two give a chunk sooner than one on idle cores, and cost more in all.

    Raises:
        VoiceError: if a file is missing or damaged, or nothing can be written to `cache_dir`.
    """

    def __init__(self, model: Path, *, cache_dir: Path, threads: int = 2) -> None:
        config = _read_config(model)
        self.sample_rate: int = config.sample_rate
        self._config = config
        self._graph = load_graph(model, cache_dir, hop=config.hop_length, threads=threads)
        # Only its way from text to phonemes is used; it never runs this session.
        self._phonemizer = PiperVoice(session=self._graph.session, config=config, download_dir=cache_dir)
        self._gain = 1.0
        self._gain = self._measure_gain()
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._order = itertools.count()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="piper")

    async def synthesize(
        self, text: str, *, words: Sequence[tuple[str, str]] | None = None, speed: float = 1.0
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speak a text.

        A chunk is computed when it is asked for, not ahead. Closing the iterator, or cancelling whoever waits for it,
        leaves at most the chunk in hand to be computed and thrown away.

        Args:
            text: speakable text: numbers, times and signs already as words.
            words: each word to report with what it is spoken as, in order, such as ("7:30", "seven thirty"); without
                it the words are those of `text`. The words of all chunks together are always these, in order.
            speed: 1.0 is the voice's own. The network rounds each phoneme up to whole frames, so the effect is less
                than the figure: 2.0 takes about 0.64 of the time, 0.5 about 1.74 times as long.

        Raises:
            ValueError: if `speed` is not above 0.
            VoiceError: if the voice fails, or the engine is or gets closed.
        """
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        pairs = [(word, word) for word in text.split()] if words is None else list(words)
        rendered = self._render(text, pairs, speed)
        priority = Priority.FIRST
        while (chunks := await self._submit(priority, lambda: next(rendered, None))) is not None:
            priority = Priority.LATER
            for chunk in chunks:
                if chunk.audio or chunk.words:
                    yield chunk

    async def warm_up(self) -> None:
        """Speak once, unheard, so that the first caller does not wait for caches and memory."""
        async for _ in self.synthesize(_CALIBRATION):
            pass

    def close(self) -> None:
        """Stop the worker after the chunk in hand; what still waits gets a `VoiceError`. May be called twice."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        while not self._jobs.empty():
            waiting = self._jobs.get().future
            if waiting.set_running_or_notify_cancel():
                waiting.set_exception(VoiceError("the Piper engine is closed"))

    async def _submit(
        self, priority: Priority, run: Callable[[], list[SpeechChunk] | None]
    ) -> list[SpeechChunk] | None:
        job = _Job(priority, next(self._order), run, Future())
        self._jobs.put(job)
        try:
            self._executor.submit(self._run_next)
        except RuntimeError as error:
            raise VoiceError("the Piper engine is closed") from error
        return await asyncio.wrap_future(job.future)

    def _run_next(self) -> None:
        job = self._jobs.get_nowait()
        if job.future.set_running_or_notify_cancel():
            try:
                job.future.set_result(job.run())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
                job.future.set_exception(error)

    def _render(self, text: str, pairs: Sequence[tuple[str, str]], speed: float) -> Iterator[list[SpeechChunk]]:
        """Compute the chunks of a text, those of one window at a time, as they are asked for."""
        sentences = self._phonemize(text)
        places = place_words(sentences, [self._phonemes_alone(spoken) for _, spoken in pairs])
        texts = [written for written, _ in pairs]
        if not sentences and texts:
            yield [SpeechChunk(b"", tuple(texts))]
        said = 0
        for number, phonemes in enumerate(sentences):
            ends = [end for index, end in places if index == number]
            final = number == len(sentences) - 1
            first_window = FIRST_WINDOW if number == 0 else LARGEST_WINDOW
            yield from self._render_sentence(
                phonemes, texts[said : said + len(ends)], ends, speed, first_window, final=final
            )
            said += len(ends)

    def _render_sentence(
        self,
        phonemes: Sequence[str],
        texts: Sequence[str],
        ends: Sequence[int],
        speed: float,
        first_window: int,
        *,
        final: bool,
    ) -> Iterator[list[SpeechChunk]]:
        sentence = self._encode(phonemes, speed)
        frame_seconds = self._graph.hop / self.sample_rate
        frames = self._phoneme_ends(phonemes, sentence)
        words = [SpokenWord(word, float(frames[end]) * frame_seconds) for word, end in zip(texts, ends, strict=True)]
        trimmer = SilenceTrimmer(self.sample_rate)
        released = 0
        for start, stop in windows(sentence.frames, first_window):
            audio = trimmer.feed(self._level(sentence.decode(start, stop)))
            if len(audio):
                heard = bisect.bisect_right(words, trimmer.position, lo=released, key=lambda word: word.end)
                yield self._divide(audio, trimmer.position, words[released:heard])
                released = heard
        tail = trimmer.finish(TRAILING_SILENCE) if final else trimmer.finish(SENTENCE_PAUSE, exactly=True)
        yield [SpeechChunk(_pcm(tail), tuple(word.text for word in words[released:]))]

    def _divide(self, audio: Audio, end: float, words: Sequence[SpokenWord]) -> list[SpeechChunk]:
        """Divide audio that ends at the second `end` where its words do, so that none is reported late."""
        chunks = []
        start = 0
        for second, together in itertools.groupby(words, key=lambda word: word.end):
            stop = max(start, len(audio) - round((end - second) * self.sample_rate))
            chunks.append(SpeechChunk(_pcm(audio[start:stop]), tuple(word.text for word in together)))
            start = stop
        return [*chunks, SpeechChunk(_pcm(audio[start:]), ())]

    def _phonemize(self, text: str) -> list[list[str]]:
        return [phonemes for phonemes in self._phonemizer.phonemize(text) if phonemes]

    def _phonemes_alone(self, spoken: str) -> list[str]:
        return list(itertools.chain.from_iterable(self._phonemize(spoken)))

    def _encode(self, phonemes: Sequence[str], speed: float) -> Sentence:
        config = self._config
        ids = self._phonemizer.phonemes_to_ids(list(phonemes))
        scales = (config.noise_scale, config.length_scale / speed, config.noise_w_scale)
        return self._graph.encode(ids, scales, config.default_speaker_id if config.num_speakers > 1 else None)

    def _phoneme_ends(self, phonemes: Sequence[str], sentence: Sentence) -> npt.NDArray[np.float64]:
        """The frame at which the sentence's first 0, 1, 2 … phonemes have ended, shape (phonemes + 1,)."""
        ids = self._config.phoneme_id_map
        # Piper puts one pad behind each phoneme and behind the mark for the beginning, and leaves out what it lacks.
        last_ids = np.cumsum([len(ids["^"]) + 1, *(len(ids[p]) + 1 if p in ids else 0 for p in phonemes)])
        if sentence.durations is None or last_ids[-1] + len(ids["$"]) != len(sentence.durations):
            return np.linspace(0, sentence.frames, len(phonemes) + 1)
        ends: npt.NDArray[np.float64] = np.cumsum(sentence.durations, dtype=np.float64)[last_ids - 1]
        return ends

    def _measure_gain(self) -> float:
        heard = [np.zeros(1, dtype=np.float32)]
        for phonemes in self._phonemize(_CALIBRATION):
            sentence = self._encode(phonemes, 1.0)
            heard += [sentence.decode(start, stop) for start, stop in windows(sentence.frames, FIRST_WINDOW)]
        audio = np.concatenate(heard)
        speech = audio[np.abs(audio) > SILENCE]
        return LOUDNESS / float(np.sqrt(np.square(speech).mean())) if len(speech) else 1.0

    def _level(self, audio: Audio) -> Audio:
        """Apply the voice's gain, and round off what would clip."""
        scaled = audio * self._gain
        magnitude = np.abs(scaled)
        rounded = KNEE + (1 - KNEE) * np.tanh((magnitude - KNEE) / (1 - KNEE))
        return np.where(magnitude > KNEE, np.copysign(rounded, scaled), scaled)


class SilenceTrimmer:
    """Cuts the silence before a sentence's first sound and behind its last, while the sentence streams through.

    Silence at the end of a window is held back until it is known to be a pause within the sentence.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._begun = False
        self._held = np.zeros(0, dtype=np.float32)
        self._passed = 0

    @property
    def position(self) -> float:
        """Seconds of the untrimmed sentence that have been given out or dropped."""
        return self._passed / self._sample_rate

    def feed(self, audio: Audio) -> Audio:
        """Take samples of the sentence, shape (samples,), and give out those whose turn it is, maybe none."""
        audio = np.concatenate([self._held, audio])
        loud = np.flatnonzero(np.abs(audio) > SILENCE)
        if not len(loud):
            self._held = audio
            return audio[:0]
        start = 0
        if not self._begun:
            start = max(0, int(loud[0]) - int(LEADING_SILENCE * self._sample_rate))
            self._begun = True
        stop = int(loud[-1]) + 1
        self._held = audio[stop:]
        self._passed += stop
        return audio[start:stop]

    def finish(self, seconds: float, *, exactly: bool = False) -> Audio:
        """Give out at most `seconds` of the silence that is left, or just that much."""
        samples = int(seconds * self._sample_rate)
        tail = self._held[:samples]
        fade = min(len(tail), self._sample_rate // 100)
        if fade:
            tail = tail * np.concatenate([np.ones(len(tail) - fade), np.linspace(1, 0, fade)]).astype(np.float32)
        return np.pad(tail, (0, samples - len(tail))) if exactly else tail


def windows(frames: int, first: int) -> Iterator[tuple[int, int]]:
    """Divide a sentence's frames into windows, each twice as long as the one before up to `LARGEST_WINDOW`.

    What would be left over for a last window too short to be worth its overlap goes with the one before.
    """
    start, size = 0, first
    while start < frames:
        stop = frames if frames - start < size * 1.5 else start + size
        yield start, stop
        start, size = stop, min(2 * size, LARGEST_WINDOW)


def place_words(sentences: Sequence[Sequence[str]], words: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Find where each word of a text ends among the phonemes of its sentences.

    espeak joins words ("of the" is one group of phonemes) and divides others, so spaces do not tell. What each word
    sounds like alone is laid along what all sound like together; where the two differ, the difference is shared out
    evenly.

    Args:
        sentences: the phonemes of each sentence.
        words: the phonemes of each word, said alone; none for a word that makes no sound.

    Returns:
        For each word its sentence's index and how many of that sentence's phonemes have been said when it ends. Never
        decreasing, so every word belongs to one sentence.
    """
    sounds = [
        (phoneme, sentence, count)
        for sentence, phonemes in enumerate(sentences)
        for count, phoneme in enumerate(phonemes, start=1)
        if phoneme not in _NO_SOUND
    ]
    alone = [[phoneme for phoneme in word if phoneme not in _NO_SOUND] for word in words]
    expected = list(itertools.chain.from_iterable(alone))
    matcher = difflib.SequenceMatcher(a=expected, b=[sound[0] for sound in sounds], autojunk=False)
    opcodes = matcher.get_opcodes()
    lengths = list(itertools.accumulate(len(word) for word in alone))
    ends = np.interp(lengths, [0, *(code[2] for code in opcodes)], [0, *(code[4] for code in opcodes)])
    return [sounds[round(end) - 1][1:] if round(end) else (0, 0) for end in ends.tolist()]


def _read_config(model: Path) -> PiperConfig:
    path = model.with_name(f"{model.name}.json")
    try:
        return PiperConfig.from_dict(json.loads(path.read_bytes()))
    except OSError as error:
        raise VoiceError(f"the Piper voice {model} needs {path.name} beside it: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VoiceError(f"{path} is damaged, fetch the voice again: {error!r}") from error


def _pcm(audio: Audio) -> bytes:
    return (audio * 32767).round().astype("<i2").tobytes()


__all__ = ["PiperEngine", "SpeechChunk", "SpokenWord", "VoiceError", "place_words", "windows"]
