"""Measure PASSFEL beside plain Pipecat: `python -m tests.benchmarks` (see README.md)."""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faster_whisper import WhisperModel
from loguru import logger

from pipeline import settings
from pipeline.assistant import cores
from pipeline.embedded import EmbeddedLanguageEngine
from pipeline.prompt import PERSONA
from tests.benchmarks import accuracy, barge_in, latency, load, pauses, report
from tests.benchmarks.recordings import Corpus, corpus, paused_sentences
from tests.benchmarks.servers import LanguageServer, Passfel, Plain, Side
from voice.models import language_model, whisper_model

MEASURES = ("latency", "accuracy", "pauses", "barge-in", "memory", "concurrency", "idle")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    latency_rounds: int
    paused_sentences: int
    pause_rounds: int
    barge_in_rounds: int
    conversations: int
    idle_seconds: float


FULL = Extent(4, 20, 2, 3, 5, 20)
QUICK = Extent(1, 2, 1, 1, 2, 5)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for bench.md and bench.json (default: in the data directory)")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, metavar="MEASURE")
    parser.add_argument("--side", choices=("pipecat", "passfel"), help="measure one side only")
    parser.add_argument("--quick", action="store_true", help="a first impression in under three minutes")
    parser.add_argument("--language-url", help="an OpenAI-compatible server to ask instead of the embedded one")
    parser.add_argument("--language-model", default="default", help="the model's name there")
    return parser.parse_args()


@contextlib.asynccontextmanager
async def language_server(url: str | None, model: str) -> AsyncIterator[LanguageServer]:
    """Give the one language model that both sides ask, started here unless there is one already."""
    if url is not None:
        yield LanguageServer(url, "none", model)
        return
    # As PASSFEL starts it where no address is set.
    language = settings.Language()
    engine = EmbeddedLanguageEngine(language_model(None), threads=language.threads or cores(), context=language.context)
    endpoint = await engine.start()
    try:
        yield LanguageServer(endpoint.url, endpoint.api_key, endpoint.model)
    finally:
        await engine.stop()


async def measure(chosen: argparse.Namespace, folder: Path) -> report.Report:
    """Run what was chosen, and print every section as soon as it is there."""
    spoken, extent = corpus(), QUICK if chosen.quick else FULL
    result = report.Report()
    facts = report.machine()
    add(result, "machine", report.heading(facts, real=spoken.real), facts)
    if "accuracy" in chosen.only:
        heard = await asyncio.to_thread(accuracy.measure, spoken, folder, quick=chosen.quick)
        add(result, "accuracy", report.accuracy(heard), heard)
    async with language_server(chosen.language_url, chosen.language_model) as language:
        sides: list[Side] = [kind(language, folder, PERSONA) for kind in (Plain, Passfel)]
        sides = [side for side in sides if chosen.side in (None, side.name.lower())]
        await converse(result, chosen.only, sides, spoken, extent, folder)
    return result


async def converse(
    result: report.Report,
    only: Sequence[str],
    sides: Sequence[Side],
    spoken: Corpus,
    extent: Extent,
    folder: Path,
) -> None:
    """Run the measures that need servers."""
    if "latency" in only:
        turns = await latency.measure(sides, spoken, extent.latency_rounds)
        add(result, "latency", report.latency(turns), turns)
    if "pauses" in only:
        model = WhisperModel(str(whisper_model("base", folder)), device="cpu", compute_type="int8")
        sentences = await asyncio.to_thread(paused_sentences, spoken, model, extent.paused_sentences)
        del model
        with_jfk = (spoken.sentence("jfk"), *sentences)
        turns = await pauses.measure(sides, spoken, with_jfk, extent.pause_rounds)
        add(result, "pauses", report.pauses(turns), turns)
    if "barge-in" in only:
        found = await barge_in.measure(sides, spoken, extent.barge_in_rounds)
        add(
            result,
            "barge-in",
            report.barge_in(found, [question.name for question in spoken.questions]),
            found,
        )
    if "memory" in only:
        weighed = [await load.memory_of(side, spoken, extent.conversations) for side in sides]
        add(result, "memory", report.memory(weighed), weighed)
    if "concurrency" in only:
        turns = [turn for side in sides for turn in await load.concurrent(side, spoken, 4)]
        add(result, "concurrency", report.concurrency(turns), turns)
    if "idle" in only:
        used = [await load.idle(side, spoken, extent.idle_seconds) for side in sides]
        add(result, "idle", report.idle(used), used)


def add(result: report.Report, name: str, text: str, figures: object) -> None:
    """Keep a section and print it."""
    result.add(name, text, figures)
    sys.stdout.write(f"{text}\n\n(load {os.getloadavg()[0]:.1f})\n\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, print and write the report."""
    chosen = arguments()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    folder = chosen.out or settings.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    result = asyncio.run(measure(chosen, folder))
    result.write(folder)
    sys.stdout.write(f"Written to {folder / 'bench.md'} and bench.json\n")


if __name__ == "__main__":
    main()
