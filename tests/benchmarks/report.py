"""The benchmarks' results as Markdown tables and as JSON."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import Accuracy
from tests.benchmarks.barge_in import Interruption
from tests.benchmarks.load import Idle, Memory
from tests.benchmarks.recordings import QUESTIONS
from tests.benchmarks.sampling import Interval, Summary, bootstrap_ratio_of_medians
from tests.benchmarks.turns import ANSWER_LIMIT, Turn

PLAIN, OURS = "Pipecat", "PASSFEL"
NONE = "–"


@dataclass
class Report:
    """Sections of text in the order they were measured, and the figures behind them."""

    folder: Path
    parts: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, text: str, figures: object) -> None:
        """Add one measure, with how busy the machine is; print it, and write all that there is so far."""
        busy = os.getloadavg()[0]
        self.parts.append(f"{text}\n\n(load {busy:.1f})")
        self.figures[name] = figures
        self.figures.setdefault("load after", {})[name] = busy
        sys.stdout.write(f"{self.parts[-1]}\n\n")
        sys.stdout.flush()
        self._write()

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "bench.md").write_text("\n\n".join(self.parts) + "\n", encoding="utf-8")
        figures = json.dumps(self.figures, default=_plain, indent=1, ensure_ascii=False)
        (self.folder / "bench.json").write_text(figures, encoding="utf-8")


def failed(name: str, error: Exception) -> str:
    """Return the section of a measure that could not be taken."""
    return f"## {name}\n\nNot measured: {error}"


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, memory, time."""
    processor = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in processor.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def heading(facts: dict[str, Any], *, real: bool) -> str:
    """Return the title and the machine's facts."""
    voices = "recordings of people" if real else "stand-ins spoken by Piper, because ../shared/audio is missing"
    return (
        f"# PASSFEL beside plain Pipecat\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory_gib']} GiB; load {facts['load'][0]} at the start; "
        f"Python {facts['python']}; {facts['time']}; {voices}.\n"
        "Both sides ran in turn on this machine, never at once. Ratios are PASSFEL / Pipecat."
    )


def latency(turns: Sequence[Turn]) -> str:
    """Return quantiles of the time to the answer and their ratios, and how long a finished question waits."""
    questions = [turn for turn in turns if turn.recording in QUESTIONS]
    waits = [f"{side} {_number(max(times(questions, side), default=float('nan')))} s" for side in _sides(turns)]
    return section(
        "Latency: end of speech to first audible sample, seconds",
        ["", "turns", "median", "p90", "p95", "cut off", f"no answer in {ANSWER_LIMIT:.0f} s"],
        _latency_rows(turns),
        "Turns in which the speaker was cut off have no latency; unanswered ones count with the limit. In "
        f"brackets: bootstrap 95% confidence interval. Slowest answer to a short question: {', '.join(waits)}.",
    )


def pauses(turns: Sequence[Turn]) -> str:
    """Return how many sentences with a pause inside were cut in two."""
    spoken_over = [f"{side} {sum(turn.spoken_over for turn in turns if turn.side == side)}" for side in _sides(turns)]
    return section(
        "Pauses: sentences with 0.5–1.2 s of silence inside (and one with the speaker's own)",
        ["", "sentences", "median s to the answer", "p90", "p95", "cut in two", "no answer"],
        _latency_rows(turns),
        "Seconds are of the sentences that were not cut. Of those cut, the assistant was heard to speak before the "
        f"speaker had ended in: {', '.join(spoken_over)}.",
    )


def times(turns: Iterable[Turn], side: str) -> list[float]:
    """Return the latencies of a side's turns that were not cut off."""
    return [turn.latency for turn in turns if turn.side == side and not turn.cut]


def _latency_rows(turns: Sequence[Turn]) -> list[list[str]]:
    rows = []
    for side in _sides(turns):
        own = [turn for turn in turns if turn.side == side]
        summary = Summary.of(times(own, side))
        quantiles = [_number(seconds) for seconds in (summary.median, summary.p90, summary.p95)]
        cut, unanswered = sum(turn.cut for turn in own), sum(not turn.answered for turn in own)
        rows.append([side, str(len(own)), *quantiles, str(cut), str(unanswered)])
    ours, plain = times(turns, OURS), times(turns, PLAIN)
    if ours and plain:
        ratio = bootstrap_ratio_of_medians(ours, plain)
        one, other = Summary.of(ours), Summary.of(plain)
        medians = f"{ratio.estimate:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"
        rows.append(["ratio", "", medians, f"{one.p90 / other.p90:.2f}", f"{one.p95 / other.p95:.2f}", "", ""])
    return rows


def accuracy(ways: Sequence[Accuracy]) -> str:
    """Return errors and seconds of each way to use Whisper."""
    rows = [
        [
            way.way,
            f"{way.word_error_rate:.1%}",
            _difference(way.errors_more),
            f"{way.slots_right:.1%}",
            _difference(way.slots_more),
            f"{way.seconds.median:.2f}",
            f"{way.seconds.median / ways[0].seconds.median:.2f}",
        ]
        for way in ways
    ]
    heard = ways[0].heard
    return section(
        "Accuracy in English",
        ["", "word error rate", "difference", "slot values right", "difference", "s an utterance", "ratio"],
        rows,
        f"{sum(1 for h in heard if h.words)} sentences of {sum(h.words for h in heard)} words, "
        f"{sum(1 for h in heard if h.of_slots)} orders of {sum(h.of_slots for h in heard)} slot values. "
        "Differences from the first row are in points, with the bootstrap 95% interval over utterances.",
    )


def barge_in(found: Sequence[Interruption], requests: Iterable[str]) -> str:
    """Return how fast requests stop the answer, and what other sounds do to it."""
    names = set(requests)
    rows = []
    for side in _sides(found):
        own = [one for one in found if one.side == side]
        asked = [one for one in own if one.sound in names]
        ducked = Summary.of([one.ducked for one in asked if one.ducked is not None])
        stopped = Summary.of([one.stopped for one in asked if one.stopped is not None])
        row = [side, f"{stopped.count} of {len(asked)}", _number(ducked.median), _number(stopped.median)]
        for sound in ("“mm-hm”", "a cough", "its own echo"):
            false = [one for one in own if one.sound == sound]
            row.append(f"{sum(one.went_on for one in false)} of {len(false)}" if false else NONE)
        rows.append(row)
    return section(
        "Barge-in: from the first sound of the interruption, seconds",
        [
            "",
            "stopped by a request",
            "6 dB quieter",
            "silent",
            "went on: “mm-hm”",
            "a cough",
            "its own echo (−20 dB)",
        ],
        rows,
    )


def memory(weighed: Sequence[Memory]) -> str:
    """Return megabytes by the number of conversations."""
    count = max((len(one.megabytes) for one in weighed), default=0)
    rows = [[one.side, *(f"{mb:.0f}" for mb in one.megabytes), f"{one.each_further:.1f}"] for one in weighed]
    rows += _ratio_row(count + 1, {one.side: one.each_further for one in weighed})
    return section(
        "Memory: MB (proportional set size without the language model) with open conversations",
        ["", *map(str, range(1, count + 1)), "each further"],
        rows,
    )


def concurrency(turns: Sequence[Turn]) -> str:
    """Return the latencies of conversations held at once."""
    rows = []
    for side in _sides(turns):
        own = [turn for turn in turns if turn.side == side]
        latencies = " ".join(f"{turn.latency:.1f}" if turn.answered else "none" for turn in own)
        rows.append([side, f"{sum(t.answered for t in own)} of {len(own)}", latencies or NONE])
    return section("Several conversations at once", ["", "answered", "seconds to each answer"], rows)


def idle(used: Sequence[Idle]) -> str:
    """Return the share of a core that an open, silent conversation takes."""
    rows = [[one.side, f"{one.core:.1%}"] for one in used]
    rows += _ratio_row(1, {one.side: one.core for one in used})
    return section("Idle: one conversation open, nobody speaks", ["", "of one core"], rows)


def _sides(found: Iterable[Turn | Interruption]) -> list[str]:
    measured = {one.side for one in found}
    return [side for side in (PLAIN, OURS) if side in measured]


def _ratio_row(columns: int, values: dict[str, float]) -> list[list[str]]:
    if not {PLAIN, OURS} <= values.keys() or not values[PLAIN]:
        return []
    return [["ratio", *[""] * (columns - 1), f"{values[OURS] / values[PLAIN]:.2f}"]]


def _difference(interval: Interval) -> str:
    return f"{100 * interval.estimate:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def _number(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else NONE


def section(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Return a heading, a table and what there is to say about it."""
    lines = [columns, ["---"] * len(columns), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"## {title}\n\n{table}" + (f"\n\n{note}" if note else "")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} does not belong into the figures")
