"""What is spoken to both sides: people's recordings, and Piper's voice where those are missing.

`python -m tests.benchmarks.recordings` prints for every recording where its speech ends and the levels around
that moment, so that a person can check the zero of the latencies.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from faster_whisper import WhisperModel
from piper import PiperVoice

from tests.benchmarks.signals import FRAME, SAMPLE_RATE, Samples, Span, levels, speech_span, with_pause
from voice.models import piper_voice

SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"
VOICE = "en_US-joe-medium"
QUESTIONS = ("what-time-is-it", "whats-the-weather-like", "turn-on-the-lamp")
MARGIN = 0.25
"""Seconds of its own silence that each recording keeps before and after the speech."""

CROWD = {"jfk": 10.6}
"""Where to cut a recording in which something louder follows the speech, in seconds."""

PAUSE_AFTER = {"and", "the", "with", "of", "a", "an", "to", "in", "or", "some", "please", "um", "uh"}
PAUSE_SECONDS = (0.5, 1.2)

STAND_IN_SENTENCES = {
    "what-time-is-it": "what time is it",
    "whats-the-weather-like": "what's the weather like",
    "turn-on-the-lamp": "turn on the lamp",
    "austen-2": "he was not an ill disposed young man",
    "austen-3": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "jfk": "ask not what your country can do for you, ask what you can do for your country",
}
STAND_IN_ORDERS = {
    "01": ("I would like a large latte with soy milk and sugar.", ("large", "latte", "soy milk", "sugar")),
    "02": ("Give me an iced mocha with cream and a double shot.", ("iced mocha", "cream", "double shot")),
    "03": ("Can I have a medium roast cappuccino with milk?", ("medium roast", "cappuccino", "milk")),
    "04": ("Make me a sixteen ounce drip coffee with cream.", ("sixteen ounce", "drip coffee", "cream")),
}  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """One utterance of one speaker: 16 kHz mono, trimmed to the speech and a margin."""

    name: str
    samples: Samples
    speech: Span
    """From the first to the last moment of speech, in seconds."""
    words: str | None = None
    """What is said, where somebody wrote it down."""
    slots: tuple[str, ...] = ()
    """Values that an order must be heard to hold."""

    @classmethod
    def of(cls, name: str, samples: Samples, words: str | None = None, slots: tuple[str, ...] = ()) -> "Recording":
        """Find the speech in `samples` and keep it with `MARGIN` seconds of what is around it."""
        speech = speech_span(samples)
        start = max(round((speech.start - MARGIN) * SAMPLE_RATE), 0)
        kept = samples[start : round((speech.end + MARGIN) * SAMPLE_RATE)]
        shift = start / SAMPLE_RATE
        return cls(name, kept, Span(speech.start - shift, speech.end - shift), words, slots)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def load(path: Path) -> Samples:
    """Read the first channel of a sound file at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples[:, 0]
    return np.asarray(mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE))


def spoken_by_piper(text: str) -> Samples:
    """Return `text` in the assistant's own voice."""
    voice = PiperVoice.load(piper_voice(VOICE, Path()))
    spoken = np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text)])
    quieter = 0.5 * spoken.astype(np.float32)
    return np.asarray(soxr.resample(quieter, voice.config.sample_rate, SAMPLE_RATE), dtype=np.float32)


@dataclass(frozen=True)
class Corpus:
    """All recordings of a run, and whether people speak in them."""

    sentences: tuple[Recording, ...]
    orders: tuple[Recording, ...]
    real: bool

    @property
    def questions(self) -> tuple[Recording, ...]:
        """Short requests to an assistant."""
        return tuple(sentence for sentence in self.sentences if sentence.name in QUESTIONS)

    def sentence(self, name: str) -> Recording:
        """Return one sentence by its name."""
        return next(sentence for sentence in self.sentences if sentence.name == name)


def corpus() -> Corpus:
    """Load the recordings of people beside the repository, or let Piper speak stand-ins."""
    if SHARED_AUDIO.is_dir():
        return Corpus(tuple(_real_sentences()), tuple(_real_orders()), real=True)
    sentences = tuple(Recording.of(name, spoken_by_piper(words), words) for name, words in STAND_IN_SENTENCES.items())
    orders = tuple(
        Recording.of(f"order-{name}", spoken_by_piper(words), slots=slots)
        for name, (words, slots) in STAND_IN_ORDERS.items()
    )
    return Corpus(sentences, orders, real=False)


def _real_sentences() -> Iterator[Recording]:
    for line in (SHARED_AUDIO / "transcripts.tsv").read_text().splitlines()[1:]:
        file, _, words, *_ = line.split("\t")
        name = Path(file).stem
        if name.startswith("german"):
            continue
        samples = load(SHARED_AUDIO / file)
        if name in CROWD:
            samples = samples[: round(CROWD[name] * SAMPLE_RATE)]
        yield Recording.of(name, samples, words)


def _real_orders() -> Iterator[Recording]:
    labels: dict[str, Any] = json.loads((SHARED_AUDIO / "orders" / "labels.json").read_text())
    for file, label in labels.items():
        slots = tuple(value.strip() for value in label["slots"].values())
        yield Recording.of(f"order-{Path(file).stem}", load(SHARED_AUDIO / "orders" / file), slots=slots)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was spoken, in seconds."""

    text: str
    start: float
    end: float


def words_of(recording: Recording, model: WhisperModel) -> list[Word]:
    """Return the words that a faster-whisper model hears, with their times."""
    segments, _ = model.transcribe(recording.samples, language="en", word_timestamps=True, beam_size=5)
    return [Word(word.word.strip(), word.start, word.end) for segment in segments for word in segment.words]


def pause_places(words: list[Word]) -> list[Word]:
    """Return the words after which a speaker who thinks would pause, those nearest the middle first.

    They end with a comma or need a continuation; the first word and the last two are left alone.
    """
    inviting = [
        word for word in words[1:-2] if word.text.endswith(",") or word.text.lower().strip(".,?!") in PAUSE_AFTER
    ]
    middle = (words[0].start + words[-1].end) / 2 if words else 0.0
    return sorted(inviting, key=lambda word: abs(word.end - middle))


def paused(recording: Recording, model: WhisperModel, seed: int) -> Iterator[Recording]:
    """Yield the recording with 0.5–1.2 s of its room tone inside, once for each word that invites it.

    Word times are good to about 0.1 s, so the cut is made at the quietest moment that near to the word's end; and
    since in fluent speech that may still be within the next word, what lies before it must be heard to end with the
    word.
    """
    for nth, word in enumerate(pause_places(words_of(recording, model))):
        first = max(round((word.end - 0.1) * 100), 1)
        at = (first + int(np.argmin(levels(recording.samples)[first : first + 20]))) * FRAME / SAMPLE_RATE
        before = words_of(replace(recording, samples=recording.samples[: round(at * SAMPLE_RATE)]), model)
        if not before or _bare(before[-1].text) != _bare(word.text):
            continue
        seconds = float(np.random.default_rng(100 * nth + seed).uniform(*PAUSE_SECONDS))
        name = f"{recording.name}, {seconds:.1f} s after “{word.text}”"
        speech = replace(recording.speech, end=recording.speech.end + seconds)
        yield replace(recording, name=name, samples=with_pause(recording.samples, at, seconds, seed), speech=speech)


def _bare(word: str) -> str:
    return word.lower().strip(".,?!…-")


def paused_sentences(spoken: Corpus, model: WhisperModel, count: int = 20) -> list[Recording]:
    """Return `count` recordings with a pause each: every one that invites it, then again elsewhere or longer."""
    candidates = (*(s for s in spoken.sentences if s.name not in (*QUESTIONS, "jfk")), *spoken.orders)
    found = [
        [*paused(recording, model, seed), *paused(recording, model, seed + 50)]
        for seed, recording in enumerate(candidates)
    ]
    in_turn = [places[nth] for nth in range(max(map(len, found))) for places in found if nth < len(places)]
    return in_turn[:count]


def main() -> None:
    """Print where the speech of each recording ends, and the levels of the 10 ms frames around it."""
    spoken = corpus()
    for recording in (*spoken.sentences, *spoken.orders):
        speech = recording.speech
        end = round(speech.end * 100)
        level = levels(recording.samples).round().astype(int)
        before = " ".join(map(str, level[end - 6 : end]))
        after = " ".join(map(str, level[end : end + 8]))
        print(f"{recording.name:24} speech {speech.start:.2f}–{speech.end:.2f} s   {before} | {after} dBFS")


if __name__ == "__main__":
    main()
