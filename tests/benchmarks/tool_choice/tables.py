"""What the answers come to, as text."""

import math
from collections.abc import Mapping, Sequence

from tests.benchmarks.report import section
from tests.benchmarks.sampling import Interval, Summary, bootstrap_difference
from tests.benchmarks.tool_choice.asking import Answer
from tests.benchmarks.tool_choice.requests import Call
from tests.benchmarks.tool_choice.scoring import right_calls, right_tools
from tools.tool import Tool

_Z = 1.959964


def wilson(hits: int, count: int) -> Interval:
    """Return a rate with its 95% score interval (E. B. Wilson, JASA 22, 1927)."""
    if not count:
        return Interval(*[float("nan")] * 3)
    rate, z2 = hits / count, _Z**2
    centre = (rate + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def text(sides: Mapping[str, Sequence[Answer]], tools: Mapping[str, Tool]) -> str:
    """Return the tables of several sides over the same requests, the first compared with each of the others."""
    names = list(sides)
    right = {name: [right_calls(each.request, each.calls, tools) for each in sides[name]] for name in names}
    parts = [section("Tool choice", ["", "requests", *_columns()], [_row(name, sides[name], tools) for name in names])]
    for other in names[1:]:
        difference = bootstrap_difference(right[other], right[names[0]], [1] * len(right[other]))
        parts.append(
            f"{other} against {names[0]}: {difference.estimate:+.1%} right calls (95% interval {difference.low:+.1%} "
            f"to {difference.high:+.1%}, over the same requests)."
        )
    topics = dict.fromkeys(answer.request.topic for answer in sides[names[0]])
    rows = [[topic, *(_share(topic, sides[name], right[name]) for name in names)] for topic in topics]
    parts.append(section("Right calls, tool by tool", ["", *names], rows))
    for name in names:
        missed = [answer for answer, hit in zip(sides[name], right[name], strict=True) if not hit]
        listed = "\n".join(f"- {answer.request.said!r}: {_did(answer)}" for answer in missed)
        parts.append(f"### Missed by {name}\n\n{listed or 'nothing'}")
    return "\n\n".join(parts)


def _columns() -> list[str]:
    return ["right tool", "right tool and arguments", "with broken calls", "median s to the call", "p90"]


def _row(name: str, answers: Sequence[Answer], tools: Mapping[str, Tool]) -> list[str]:
    count = len(answers)
    named = wilson(sum(right_tools(each.request, each.calls) for each in answers), count)
    right = wilson(sum(right_calls(each.request, each.calls, tools) for each in answers), count)
    broken = sum(each.invalid > 0 for each in answers)
    seconds = Summary.of([each.seconds for each in answers if each.calls])
    return [name, str(count), _rate(named), _rate(right), str(broken), f"{seconds.median:.2f}", f"{seconds.p90:.2f}"]


def _rate(rate: Interval) -> str:
    return f"{rate.estimate:.1%} ({rate.low:.0%}–{rate.high:.0%})"


def _share(topic: str, answers: Sequence[Answer], right: Sequence[bool]) -> str:
    own = [hit for answer, hit in zip(answers, right, strict=True) if answer.request.topic == topic]
    return f"{sum(own)} of {len(own)}"


def _did(answer: Answer) -> str:
    called = ", ".join(_shown(call) for call in answer.calls)
    words = " ".join(answer.said.split())
    return called or f"nothing{f', {answer.invalid} broken' if answer.invalid else ''}; said {words[:80]!r}"


def _shown(call: Call) -> str:
    given = ", ".join(
        f"{name}={value!r}" for name, value in call.arguments.items() if value not in (None, 0, "", False)
    )
    return f"{call.tool}({given})"
