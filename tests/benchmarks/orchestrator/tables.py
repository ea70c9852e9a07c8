"""The orchestrator's figures as text."""

import statistics
from collections.abc import Sequence

from tests.benchmarks.orchestrator import burst
from tests.benchmarks.orchestrator.burst import Burst, Voices
from tests.benchmarks.orchestrator.fallback import Recovery
from tests.benchmarks.orchestrator.overhead import Overhead
from tests.benchmarks.orchestrator.prefix import Prefix
from tests.benchmarks.orchestrator.targets import PEOPLE, Speed
from tests.benchmarks.orchestrator.tools import FEW, MANY, Cost, Offered
from tests.benchmarks.report import section
from tests.benchmarks.sampling import Summary, bootstrap_ratio_of_medians
from tests.benchmarks.turns import ANSWER_LIMIT


def overhead(found: Overhead, engine: str) -> str:
    """What PASSFEL adds to the first token."""
    ways = {"straight": found.straight, "in PASSFEL": found.in_process, "over HTTP": found.over_http}
    rows = []
    for name, seconds in ways.items():
        added = statistics.median(way - plain for way, plain in zip(seconds, found.straight, strict=True))
        ratio = bootstrap_ratio_of_medians(seconds, found.straight)
        shown = "" if seconds is found.straight else f"{1000 * added:+.1f} ms"
        rows.append([name, _milliseconds(Summary.of(seconds).median), shown, f"{ratio.estimate:.2f}"])
    columns = [f"{len(found.straight)} questions each", "first token, median", "added, median of pairs", "ratio"]
    return section(f"Orchestrator: first token, {engine}", columns, rows, "Aim: at most 10 ms added.")


def commands(seconds: Sequence[float]) -> str:
    """How fast a plain command is answered."""
    found = Summary.of(seconds)
    row = ["over HTTP, whole answer", str(found.count), _milliseconds(found.median), _milliseconds(found.p95)]
    return section("Local intents: a plain command in text", ["", "commands", "median", "p95"], [row], "Aim: 30 ms.")


def prefix(found: Sequence[tuple[str, Prefix]]) -> str:
    """What a warmed prefix is worth."""
    rows = []
    for engine, each in found:
        ratio = bootstrap_ratio_of_medians(each.cached, each.uncached)
        medians = [_milliseconds(statistics.median(seconds)) for seconds in (each.uncached, each.cached)]
        rows.append([engine, str(each.tokens), *medians, f"{ratio.estimate:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"])
    columns = ["engine", "tokens", "uncached", "cached", "ratio"]
    return section("Prefix: first token with a prompt that was read before", columns, rows, "Aim: at most 0.35.")


def tools_cost(found: Cost) -> str:
    """What tools take over what their providers do."""
    rows = []
    for name, seconds in found.tool.items():
        added = statistics.median(tool - plain for tool, plain in zip(seconds, found.requests[name], strict=True))
        medians = [_milliseconds(statistics.median(each)) for each in (found.requests[name], seconds)]
        rows.append([name, str(len(seconds)), *medians, f"{1000 * added:+.1f} ms"])
    columns = ["tool", "calls", "its requests alone", "the tool", "added, median of pairs"]
    return section("Tools: over their providers", columns, rows, "Aim: under 5 ms added.")


def tools_offered(found: Sequence[tuple[str, Offered]]) -> str:
    """What more tools cost the first token."""
    rows = []
    for engine, each in found:
        ratio = bootstrap_ratio_of_medians(each.many, each.few)
        medians = [_milliseconds(statistics.median(seconds)) for seconds in (each.few, each.many)]
        rows.append([engine, *medians, f"{ratio.estimate:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"])
    columns = ["engine", f"{FEW} tools", f"{MANY} tools", "ratio"]
    return section("Tools: first token with a warmed prompt", columns, rows, "Aim: a ratio of at most 1.10.")


def burst_of(found: Burst, engine: str) -> str:
    """What became of a burst, and of the people beside it."""
    asked = found.completed + found.refused + found.lost
    waited = Summary.of(found.waited)
    head = (
        f"{asked} requests at {burst.RATE:.0f} a second beside {burst.VOICES} conversations: {found.completed} answered "
        f"(median {waited.median:.1f} s, p95 {waited.p95:.1f} s), {found.refused} told 429 and when to come back, "
        f"{found.lost} lost; drained {found.drain:.1f} s after the last arrival."
    )
    rows = [
        _voice_row("end of speech to the model's first token", found.idle.first_token, found.busy.first_token),
        _voice_row("end of speech to the first sound", _heard(found.idle), _heard(found.busy)),
    ]
    columns = ["seconds", "turns", "idle p50", "p95", "turns", "in the burst p50", "p95", "ratio p50", "p95"]
    unanswered = sum(not turn.answered for turn in found.busy.turns)
    note = f"{head}\n\nAim: a ratio of at most 2. Turns without an answer in {ANSWER_LIMIT:.0f} s: {unanswered}."
    return section(f"Burst, {engine}", columns, rows, note)


def fallback(found: Sequence[Recovery]) -> str:
    """How soon somebody else answers."""
    rows = [
        [each.failure, *(f"{statistics.median(times):.2f}" for times in _of(each)), f"{max(each.after_failure):.2f}"]
        for each in found
    ]
    columns = ["the own model", "after its failure", "after the question", "apology, with nobody else", "worst after"]
    note = "Median seconds to the hosted service's first words. Aim: at most 1 s after the failure."
    return section("Fallback", columns, rows, note)


def targets(found: Speed, engine: str) -> str:
    """The design's targets, met or missed."""
    rate = 1 / found.token
    rows = [
        _target("first token of a simple answer", "< 500 ms", _milliseconds(found.first_token), found.first_token < 0.5),
        _target("tool selection", "< 1 s", _milliseconds(found.tool_call), found.tool_call < 1),
        ["reasoning's first spoken words", "< 3 s", *_reasoning(found)],
        _target("a token", "< 100 ms", _milliseconds(found.token), found.token < 0.1),
        _target("tokens a second", "50–100", f"{rate:.0f}", rate >= 50),
        _target(
            f"{PEOPLE} people: first token", "< 500 ms", _milliseconds(found.first_token_of_five),
            found.first_token_of_five < 0.5,
        ),
        _target(
            f"{PEOPLE} people: a token", "< 100 ms", _milliseconds(found.token_of_five), found.token_of_five < 0.1
        ),
        _target("short answers a second", "10–20", f"{found.requests_a_second:.1f}", found.requests_a_second >= 10),
    ]  # fmt: skip
    return section(f"The design's targets, {engine}", ["", "target", "measured", ""], rows)


def _of(each: Recovery) -> tuple[list[float], ...]:
    return each.after_failure, each.after_question, each.apology


def _reasoning(found: Speed) -> tuple[str, str]:
    if not found.reasons:
        return "the model does not reason", "n/a"
    return "said before the model is asked", "met"


def _heard(voices: Voices) -> list[float]:
    return [turn.latency for turn in voices.turns if not turn.cut]


def _voice_row(name: str, idle: Sequence[float], busy: Sequence[float]) -> list[str]:
    calm, strained = Summary.of(idle), Summary.of(busy)
    return [
        name,
        *(str(calm.count), f"{calm.median:.2f}", f"{calm.p95:.2f}"),
        *(str(strained.count), f"{strained.median:.2f}", f"{strained.p95:.2f}"),
        *(f"{strained.median / calm.median:.2f}", f"{strained.p95 / calm.p95:.2f}"),
    ]


def _target(name: str, target: str, measured: str, met: bool) -> list[str]:
    return [name, target, measured, "met" if met else "**missed**"]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{1000 * seconds:.0f} ms"
