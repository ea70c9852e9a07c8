"""The one Whisper engine of the process, shared by all conversations.

Whisper was trained on windows of 30 s, and the usual code pads every utterance to that length. The encoder accepts
less: a short question then costs a tenth of the time. The price is a decoder that sometimes does not find the end and
says the sentence again, so each result is checked, and decoded once more with more context where it looks wrong.
"""

import asyncio
import itertools
import math
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from voice.hypothesis import Hypothesis, is_looping, strip_annotations, without_invented_repetition

SAMPLE_RATE: Final = 16_000
"""Samples a second of all audio given to the engine, in Hz."""

FRAMES_PER_SECOND: Final = 100
WINDOW_FRAMES: Final = 3000
LONGEST_WINDOW: Final = 28.0
"""Seconds decoded at once; longer audio is divided at its quietest points."""

PADDING: Final = 1.0
"""Seconds of silence behind the utterance in the first decode, chosen with `make bench`: less makes the model say
the sentence twice, more costs time and gains nothing."""

RETRY_PADDING: Final = 4.0
TIMESTAMPED: Final = 4.0
"""Seconds of audio up to which the decoder writes timestamps, which keep it from saying a short sentence twice."""
TIMESTAMP: Final = 0.02
"""Seconds from one timestamp of the decoder to the next."""
MOST_TOKENS_PER_SECOND: Final = 14
"""CTranslate2 stops at half of its `max_length`, so this allows 7, a little more than the fastest speech needs."""
SHORTEST_AUDIO: Final = 0.1

Audio = npt.NDArray[np.float32]


class WhisperError(Exception):
    """The model cannot be loaded or used; the message says what to do."""


class Priority(IntEnum):
    """Which transcription runs first when several wait."""

    FINAL = 0
    PARTIAL = 1


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one utterance."""

    text: str
    language: str
    log_probability: float
    """Mean log-probability of a token; 0 is certain, below about -1 is a guess."""
    no_speech_probability: float
    seconds: float
    """Length of the audio."""

    @property
    def doubtful(self) -> bool:
        """Whether this may be text that Whisper invented from noise."""
        return self.log_probability < -0.9 or (self.no_speech_probability > 0.6 and self.log_probability < -0.5)


@dataclass(order=True)
class _Job:
    priority: int
    order: int
    run: Callable[[], Transcript] = field(compare=False)
    future: "Future[Transcript]" = field(compare=False)


class WhisperEngine:
    """Transcribes 16 kHz mono float32 audio on worker threads.

    Raises:
        WhisperError: if `model` is missing or damaged, or does not know `language`.
    """

    def __init__(
        self,
        model: Path,
        *,
        language: str | None = "en",
        beam: int = 1,
        threads: int = 0,
        workers: int = 1,
        compute_type: str = "int8",
        device: str = "cpu",
    ) -> None:
        if not (model / "model.bin").is_file():
            raise WhisperError(f"no Whisper model in {model}: it needs model.bin, config.json and tokenizer.json")
        try:
            self._model = WhisperModel(
                str(model), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=workers
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WhisperError(f"the Whisper model in {model} is damaged or cannot be used: {error}") from error
        if language is not None and language not in self._model.supported_languages:
            raise WhisperError(
                f"hearing.language = {language!r}: this Whisper model knows only "
                f"{', '.join(sorted(self._model.supported_languages))}"
            )
        self.language = language
        self._beam = beam
        self._tokenizers: dict[str, tuple[Tokenizer, list[int]]] = {}
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._order = itertools.count()
        self._pending = 0
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"whisper-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of what the model can understand."""
        return frozenset(self._model.supported_languages)

    async def transcribe(self, audio: Audio, *, language: str | None = None) -> Transcript:
        """Transcribe one utterance.

        If the caller is cancelled while the job waits, the job is dropped; one that has begun ends in its thread and
        its result is thrown away.

        Args:
            audio: shape (samples,), float32 in -1 to 1, 16 kHz.
            language: ISO 639-1 code for this utterance; None takes the engine's, or detects it.
        """
        return await asyncio.wrap_future(self._submit(audio, language, Priority.FINAL))

    async def transcribe_if_idle(self, audio: Audio, *, language: str | None = None) -> Transcript | None:
        """Transcribe a part of an utterance, unless somebody's finished one is at work or waiting: then None."""
        with self._lock:
            if self._pending:
                return None
        return await asyncio.wrap_future(self._submit(audio, language, Priority.PARTIAL))

    async def warm_up(self) -> None:
        """Run once, so that the first caller does not wait for caches and memory."""
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE * 2).astype(np.float32)
        await self.transcribe(noise)

    def close(self) -> None:
        """Stop the workers after what is in hand; what still waits gets a `WhisperError`. May be called twice."""
        with self._lock:
            self._closed = True
        for _ in self._threads:
            self._jobs.put(_Job(-1, next(self._order), _nothing, Future()))
        for thread in self._threads:
            thread.join()
        while not self._jobs.empty():
            waiting = self._jobs.get().future
            if waiting.set_running_or_notify_cancel():
                waiting.set_exception(WhisperError("the Whisper engine is closed"))

    def _submit(self, audio: Audio, language: str | None, priority: Priority) -> "Future[Transcript]":
        future: Future[Transcript] = Future()
        with self._lock:
            if self._closed:
                raise WhisperError("the Whisper engine is closed")
            self._pending += 1
            self._jobs.put(_Job(priority, next(self._order), lambda: self._run(audio, language), future))
        return future

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.priority < 0:
                return
            result: Transcript | BaseException | None = None
            if job.future.set_running_or_notify_cancel():
                try:
                    result = job.run()
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
                    result = error
            with self._lock:
                self._pending -= 1
            if isinstance(result, Transcript):
                job.future.set_result(result)
            elif result is not None:
                job.future.set_exception(result)

    def _run(self, audio: Audio, language: str | None) -> Transcript:
        seconds = len(audio) / SAMPLE_RATE
        if seconds < SHORTEST_AUDIO:
            return Transcript("", language or self.language or "en", -math.inf, 1.0, seconds)
        pieces = [self._run_window(piece, language or self.language) for piece in divide(audio)]
        if len(pieces) == 1:
            return pieces[0]
        return Transcript(
            " ".join(piece.text for piece in pieces if piece.text),
            pieces[0].language,
            min(piece.log_probability for piece in pieces),
            min(piece.no_speech_probability for piece in pieces),
            seconds,
        )

    def _run_window(self, audio: Audio, language: str | None) -> Transcript:
        seconds = len(audio) / SAMPLE_RATE
        encoded = self._encode(audio, PADDING)
        language = language or self._detect(encoded)
        first = self._decode(encoded, language, seconds, self._beam)
        if first.looks_wrong(seconds):
            again = self._decode(self._encode(audio, RETRY_PADDING), language, seconds, max(5, self._beam))
            first = max((again, first), key=lambda each: (not is_looping(each.text), each.log_probability))
        if is_looping(first.text):
            return Transcript("", language, first.log_probability, first.no_speech_probability, seconds)
        text = strip_annotations(without_invented_repetition(first.text, seconds))
        return Transcript(text, language, first.log_probability, first.no_speech_probability, seconds)

    def _encode(self, audio: Audio, padding: float) -> Any:
        frames = math.ceil(len(audio) / SAMPLE_RATE * FRAMES_PER_SECOND)
        features = self._model.feature_extractor(audio, padding=160)[:, :frames]
        wanted = min(WINDOW_FRAMES, frames + int(padding * FRAMES_PER_SECOND))
        features = np.pad(features, ((0, 0), (0, max(0, wanted - features.shape[1]))))
        return self._model.encode(features)

    def _decode(self, encoded: Any, language: str, seconds: float, beam: int) -> Hypothesis:
        tokenizer, suppressed = self._tokenizer(language)
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=seconds >= TIMESTAMPED)
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            max_length=min(self._model.max_length, len(prompt) + 8 + int(seconds * MOST_TOKENS_PER_SECOND)),
            suppress_blank=True,
            suppress_tokens=suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens: Sequence[int] = result.sequences_ids[0]
        # CTranslate2 divides by the number of tokens, Whisper's thresholds count the end of text as one more.
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        words = [token for token in tokens if token < tokenizer.eot]
        begins = max(0, tokens[0] - tokenizer.timestamp_begin) * TIMESTAMP if tokens else 0.0
        return Hypothesis(tokenizer.decode(words).strip(), log_probability, result.no_speech_prob, begins)

    def _detect(self, encoded: Any) -> str:
        token: str = self._model.model.detect_language(encoded)[0][0][0]
        return token[2:-2]

    def _tokenizer(self, language: str) -> tuple[Tokenizer, list[int]]:
        if language not in self._tokenizers:
            multilingual = self._model.model.is_multilingual
            tokenizer = Tokenizer(
                self._model.hf_tokenizer,
                multilingual,
                task="transcribe" if multilingual else None,
                language=language if multilingual else None,
            )
            self._tokenizers[language] = tokenizer, get_suppressed_tokens(tokenizer, [-1])
        return self._tokenizers[language]


def divide(audio: Audio, longest: float = LONGEST_WINDOW) -> list[Audio]:
    """Divide audio into pieces of at most `longest` seconds, each cut at the quietest 0.2 s of its last third."""
    pieces = []
    most, step = int(longest * SAMPLE_RATE), SAMPLE_RATE // 5
    while len(audio) > most:
        candidates = range(most * 2 // 3, most - step, step // 4)
        cut = min(candidates, key=lambda start: float(np.square(audio[start : start + step]).sum())) + step // 2
        pieces.append(audio[:cut])
        audio = audio[cut:]
    return [*pieces, audio]


def _nothing() -> Transcript:
    raise AssertionError("the job that ends a worker is never run")
