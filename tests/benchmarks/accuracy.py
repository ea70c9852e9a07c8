"""How much is misheard: word errors in sentences, slot values in orders, for each way of using Whisper.

English only. Every way hears the same recordings, so differences are taken utterance by utterance.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from pipeline.settings.house import Hearing
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.sampling import Interval, Summary, bootstrap_difference
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.benchmarks.wording import slots_heard, word_errors
from voice.models import whisper_model
from voice.whisper import WhisperEngine

Transcribe = Callable[[Samples], str]

FULL = 30.0
PADDINGS = (FULL, 2.0, 1.0)
"""Seconds: pad to 30, or by so much silence after the utterance."""
BEAMS = (1, 5)
FRAMES_A_SECOND = 100
LONGEST_TEXT = 200
NO_SPEECH = 0.4
"""Pipecat drops segments that are more probably than this not speech."""
STOCK = "tiny.en, stock (30 s, beam 5)"
OURS = "PASSFEL's default"


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance as one way heard it."""

    recording: str
    text: str
    seconds: float
    errors: int
    words: int
    slots: int
    of_slots: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One way's figures, and what differs from the stock path."""

    way: str
    word_error_rate: float
    slots_right: float
    seconds: Summary
    errors_more: Interval
    slots_more: Interval
    heard: tuple[Heard, ...]


def measure(spoken: Corpus, folder: Path, *, every: int = 1) -> list[Accuracy]:
    """Let every way hear one of `every` recordings; the stock path is what the others are compared with.

    The table to choose from is left out unless all are heard.
    """
    recordings = (*spoken.sentences[::every], *spoken.orders[::every])
    with ways_to_choose_from(folder, table=every == 1) as ways:
        heard = {way: [hear(transcribe, each) for each in recordings] for way, transcribe in ways.items()}
    return [compared(way, own, heard[STOCK]) for way, own in heard.items()]


def hear(transcribe: Transcribe, recording: Recording) -> Heard:
    """Transcribe one recording and count."""
    started = time.perf_counter()
    text = transcribe(recording.samples)
    seconds = time.perf_counter() - started
    errors, words = word_errors(recording.words, text) if recording.words else (0, 0)
    right = slots_heard(recording.slots, text)
    return Heard(recording.name, text, seconds, errors, words, right, len(recording.slots))


def compared(way: str, own: Sequence[Heard], stock: Sequence[Heard]) -> Accuracy:
    """Return a way's figures beside the stock path's."""
    sentences = [(one, other) for one, other in zip(own, stock, strict=True) if one.words]
    orders = [(one, other) for one, other in zip(own, stock, strict=True) if one.of_slots]
    return Accuracy(
        way=way,
        word_error_rate=sum(one.errors for one, _ in sentences) / sum(one.words for one, _ in sentences),
        slots_right=sum(one.slots for one, _ in orders) / sum(one.of_slots for one, _ in orders),
        seconds=Summary.of([one.seconds for one in own]),
        errors_more=bootstrap_difference(
            [one.errors for one, _ in sentences],
            [other.errors for _, other in sentences],
            [one.words for one, _ in sentences],
        ),
        slots_more=bootstrap_difference(
            [one.slots for one, _ in orders],
            [other.slots for _, other in orders],
            [one.of_slots for one, _ in orders],
        ),
        heard=tuple(own),
    )


def stock_way(model: WhisperModel) -> Transcribe:
    """Transcribe as Pipecat's WhisperSTTService does: faster-whisper's defaults but for no speech."""

    def transcribe(samples: Samples) -> str:
        segments, _ = model.transcribe(samples, language="en")
        return " ".join(s.text.strip() for s in segments if s.no_speech_prob < NO_SPEECH)

    return transcribe


def padded_way(model: WhisperModel, padding: float, beam: int) -> Transcribe:
    """Decode once, at temperature 0 and without timestamps, `padding` seconds longer than the utterance."""
    multilingual = model.model.is_multilingual
    tokenizer = Tokenizer(
        model.hf_tokenizer,
        multilingual,
        task="transcribe" if multilingual else None,
        language="en" if multilingual else None,
    )
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
    suppressed = get_suppressed_tokens(tokenizer, [-1])

    def transcribe(samples: Samples) -> str:
        features = model.feature_extractor(samples)
        wanted = min(features.shape[1] + round(padding * FRAMES_A_SECOND), round(FULL * FRAMES_A_SECOND))
        encoded = model.encode(np.pad(features, ((0, 0), (0, wanted - features.shape[1]))))
        result = model.model.generate(
            encoded, [prompt], beam_size=beam, max_length=LONGEST_TEXT, suppress_tokens=suppressed
        )
        return str(tokenizer.decode(result[0].sequences_ids[0])).strip()

    return transcribe


def engine_way(engine: WhisperEngine) -> Transcribe:
    """Transcribe with PASSFEL's engine."""
    return lambda samples: asyncio.run(engine.transcribe(samples)).text


@contextlib.contextmanager
def ways_to_choose_from(folder: Path, *, table: bool) -> Iterator[dict[str, Transcribe]]:
    """Load and give the stock path, PASSFEL's engine as its settings stand, and model × padding × beam."""
    hearing = Hearing()
    engine = WhisperEngine(
        whisper_model(hearing.model, folder),
        language=hearing.language,
        beam=hearing.beam,
        threads=hearing.threads,
        compute_type=hearing.compute_type,
    )
    tiny = WhisperModel(str(whisper_model("tiny.en", folder)), device="cpu", compute_type="int8")
    ways = {STOCK: stock_way(tiny), OURS: engine_way(engine)}
    if table:
        base = WhisperModel(str(whisper_model("base", folder)), device="cpu", compute_type="int8")
        for (name, model), padding, beam in product((("tiny.en", tiny), ("base", base)), PADDINGS, BEAMS):
            padded = "padded to 30 s" if padding == FULL else f"padded by {padding:.0f} s"
            ways[f"{name}, {padded}, beam {beam}"] = padded_way(model, padding, beam)
    try:
        for transcribe in ways.values():
            transcribe(np.random.default_rng(0).normal(0, 0.01, 2 * SAMPLE_RATE).astype(np.float32))
        yield ways
    finally:
        engine.close()
