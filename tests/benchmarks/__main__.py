"""Measure PASSFEL beside plain Pipecat: `python -m tests.benchmarks` (see README.md)."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from faster_whisper import WhisperModel
from loguru import logger

from pipeline.orchestrator.prompt import PERSONA
from pipeline.settings import file as settings_file
from tests.benchmarks import (
    accuracy,
    barge_in,
    crowd,
    doors,
    false_interruptions,
    idle_satellites,
    latency,
    load,
    lossy,
    own_voice,
    pauses,
    report,
)
from tests.benchmarks.context import measuring as context
from tests.benchmarks.language import language_server, vllm_server
from tests.benchmarks.orchestrator import burst, fallback, overhead, prefix, tables, targets, tools
from tests.benchmarks.recordings import Corpus, Recording, corpus, paused_sentences
from tests.benchmarks.servers import LanguageServer, Passfel, Plain, Side
from tests.benchmarks.tool_choice import measuring as tool_choice
from voice.models import whisper_model


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    latency_rounds: int
    paused_sentences: int
    pause_rounds: int
    barge_in_rounds: int
    conversations: int
    idle_seconds: float
    pairs: int
    """Of questions straight to the language model and through PASSFEL."""
    prefixes: int
    accuracy_every: int
    """One of so many recordings is transcribed."""
    disturbances: int
    """Answers that are disturbed in each room, and as many that are interrupted."""
    own_echo_sentences: int
    """Spoken over a Raspberry Pi's own voice at each place."""


FULL = Extent(4, 20, 2, 3, 5, 20, 30, 5, 1, 4, 6)
QUICK = Extent(1, 3, 1, 1, 2, 5, 8, 3, 3, 1, 2)
AT_ONCE = 4


@dataclass(frozen=True)
class Bench:
    """What every measure needs; each returns its text and its figures."""

    language: LanguageServer
    sides: tuple[Side, ...]
    spoken: Corpus
    extent: Extent
    folder: Path

    async def latency(self) -> tuple[str, object]:
        """Time from the last word to the answer."""
        turns = await latency.measure(self.sides, self.spoken, self.extent.latency_rounds)
        return report.latency(turns), turns

    async def accuracy(self) -> tuple[str, object]:
        """Words and values misheard."""
        heard = await asyncio.to_thread(accuracy.measure, self.spoken, self.folder, every=self.extent.accuracy_every)
        return report.accuracy(heard), heard

    async def pauses(self) -> tuple[str, object]:
        """Speakers who think."""
        sentences = await asyncio.to_thread(self._paused_sentences)
        turns = await pauses.measure(self.sides, self.spoken, sentences, self.extent.pause_rounds)
        return report.pauses(turns), turns

    async def barge_in(self) -> tuple[str, object]:
        """Interruptions, and what is none."""
        found = await barge_in.measure(self.sides, self.spoken, self.extent.barge_in_rounds)
        requests = [question.name for question in self.spoken.questions]
        return report.barge_in(found, requests), found

    async def memory(self) -> tuple[str, object]:
        """Megabytes a conversation."""
        weighed = [await load.memory_of(side, self.spoken, self.extent.conversations) for side in self.sides]
        return report.memory(weighed), weighed

    async def concurrency(self) -> tuple[str, object]:
        """Several conversations at once."""
        turns = [turn for side in self.sides for turn in await load.concurrent(side, self.spoken, AT_ONCE)]
        return report.concurrency(turns), turns

    async def idle(self) -> tuple[str, object]:
        """An open conversation in which nobody speaks."""
        used = [await load.idle(side, self.spoken, self.extent.idle_seconds) for side in self.sides]
        return report.idle(used), used

    async def doors(self) -> tuple[str, object]:
        """Every door beside the realtime websocket, and eight WebRTC clients at once."""
        apart = await doors.measure(self._passfel, self.spoken.questions)
        together = await crowd.measure(self._passfel, self.spoken.questions)
        return f"{doors.table(apart)}\n\n{crowd.table(together)}", [apart, together]

    async def idle_satellites(self) -> tuple[str, object]:
        """Twenty satellites that nobody talks to."""
        costs = await idle_satellites.measure(self._passfel, self.extent.idle_seconds)
        return idle_satellites.table(costs), costs

    async def lossy(self) -> tuple[str, object]:
        """What is heard over a bad network."""
        found = await lossy.measure(self.spoken, self.folder)
        return lossy.table(found), found

    async def false_interruptions(self) -> tuple[str, object]:
        """Answers that nobody's word breaks off, and sentences that do not."""
        tried = await false_interruptions.measure(self.spoken, self.folder, self.extent.disturbances)
        return false_interruptions.table(tried), tried

    async def own_voice(self) -> tuple[str, object]:
        """A Raspberry Pi beside its own loudspeaker."""
        tried = await own_voice.measure(self.spoken, self.folder, self.extent.own_echo_sentences)
        return own_voice.table(tried), tried

    async def overhead(self) -> tuple[str, object]:
        """What PASSFEL adds to the language model's first token."""
        found = await overhead.overhead(self.language, self.folder, self.extent.pairs)
        return tables.overhead(found, self.language.engine), found

    async def intents(self) -> tuple[str, object]:
        """Plain commands without the language model."""
        found = await overhead.commands(self.language, self.folder, rounds=5)
        return tables.commands(found), found

    async def prefix(self) -> tuple[str, object]:
        """A prompt that was read before, at the model in use and at vLLM where that is here."""
        found = [(self.language.engine, await prefix.measure(self.language, self.extent.prefixes))]
        async with vllm_server() as vllm:
            if vllm is not None:
                found.append((vllm.engine, await prefix.measure(vllm, self.extent.prefixes)))
        return tables.prefix(found), found

    async def tools(self) -> tuple[str, object]:
        """What the house's tools cost."""
        cost = await tools.cost(self.extent.pairs)
        offered = []
        if self.language.endpoint is not None and self.language.endpoint.calls_tools:
            offered.append((self.language.engine, await tools.offered(self.language, self.folder, self.extent.pairs)))
        async with vllm_server() as vllm:
            if vllm is not None:
                offered.append((vllm.engine, await tools.offered(vllm, self.folder, self.extent.pairs)))
        return f"{tables.tools_cost(cost)}\n{tables.tools_offered(offered)}", [cost, offered]

    async def burst(self) -> tuple[str, object]:
        """Many typed requests beside people who speak."""
        found = await burst.measure(self.language, self.spoken, self.folder)
        return tables.burst_of(found, self.language.engine), found

    async def fallback(self) -> tuple[str, object]:
        """A model that fails, with a hosted one behind it and without."""
        found = await fallback.measure(self.language, rounds=3)
        return tables.fallback(found), found

    async def targets(self) -> tuple[str, object]:
        """The design's own targets."""
        found = await targets.measure(self.language, self.folder, rounds=5)
        return tables.targets(found, self.language.engine), found

    async def tool_choice(self) -> tuple[str, object]:
        """Which tools the model calls."""
        return await tool_choice.measure([self.language], self.folder)

    async def context(self) -> tuple[str, object]:
        """What the household's memory adds to a turn."""
        found = await context.measure(self.folder)
        return context.table(found), found

    @property
    def _passfel(self) -> Side:
        return next(side for side in self.sides if isinstance(side, Passfel))

    def _paused_sentences(self) -> list[Recording]:
        model = WhisperModel(str(whisper_model("base", self.folder)), device="cpu", compute_type="int8")
        sentences = paused_sentences(self.spoken, model, self.extent.paused_sentences)
        return [self.spoken.sentence("jfk"), *sentences]


Measure = Callable[[Bench], Awaitable[tuple[str, object]]]
MEASURES: dict[str, Measure] = {
    "latency": Bench.latency,
    "accuracy": Bench.accuracy,
    "pauses": Bench.pauses,
    "barge-in": Bench.barge_in,
    "memory": Bench.memory,
    "concurrency": Bench.concurrency,
    "idle": Bench.idle,
    "doors": Bench.doors,
    "idle-satellites": Bench.idle_satellites,
    "lossy": Bench.lossy,
    "false-interruptions": Bench.false_interruptions,
    "own-voice": Bench.own_voice,
    "overhead": Bench.overhead,
    "intents": Bench.intents,
    "prefix": Bench.prefix,
    "tools": Bench.tools,
    "burst": Bench.burst,
    "fallback": Bench.fallback,
    "targets": Bench.targets,
    "tool-choice": Bench.tool_choice,
    "context": Bench.context,
}
QUICK_MEASURES = ("latency", "accuracy", "idle")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for bench.md and bench.json (default: in the data directory)")
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--side", choices=("pipecat", "passfel"), help="measure one side only")
    parser.add_argument("--quick", action="store_true", help="a first impression in under three minutes")
    parser.add_argument("--language-url", help="an OpenAI-compatible server to ask instead of the embedded one")
    parser.add_argument("--language-model", default="default", help="the model's name there")
    return parser.parse_args()


async def measure(chosen: argparse.Namespace, folder: Path) -> bool:
    """Run what was chosen, print each section and write it as soon as it is there; tell whether none failed."""
    spoken, result = corpus(), report.Report(folder)
    facts = report.machine()
    result.add("machine", report.heading(facts, real=spoken.real), facts)
    complete = True
    async with language_server(chosen.language_url, chosen.language_model) as language:
        sides: list[Side] = [kind(language, folder, PERSONA) for kind in (Plain, Passfel)]
        wanted = tuple(side for side in sides if chosen.side in (None, side.name.lower()))
        bench = Bench(language, wanted, spoken, QUICK if chosen.quick else FULL, folder)
        for name in chosen.only or (QUICK_MEASURES if chosen.quick else MEASURES):
            try:
                result.add(name, *await MEASURES[name](bench))
            except Exception as error:  # noqa: BLE001 - half an hour of other measures must not be lost
                complete = False
                logger.opt(exception=error).error(f"{name} could not be measured")
                result.add(name, report.failed(name, error), None)
    return complete


def main() -> int:
    """Measure, print and write the report; return 1 where a measure failed."""
    chosen = arguments()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    folder: Path = chosen.out or settings_file.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    complete = asyncio.run(measure(chosen, folder))
    sys.stdout.write(f"Written to {folder / 'bench.md'} and bench.json\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
