"""What sensors tell: how something is now, how it usually is, and whether that is odd."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.context.builder import Question, Section, within
from pipeline.context.stems import stems
from pipeline.store.readings import Readings, Series, Summary
from tools.wording import spoken_length

ODD: Final = 4.0
"""Standard deviations from what is usual."""
STALE: Final = timedelta(hours=2)
"""A sensor that was not heard of for so long is told of as silent."""

_MOST_SERIES = 3
_SOME_HOURS = 24
# What is measured says little about where: a question must name something else too, or nothing else.
_KINDS = stems(
    "temperature humidity pressure power energy sensor level value battery price current temperatur "
    "feuchtigkeit druck leistung température humidité pression temperatura humedad presión the and for with"
)
_EQUAL = 0.99


class Measured:
    """Readings that matter to a question."""

    name = "readings"

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    async def gather(self, question: Question) -> Section:
        """Return how what the question names is now and usually."""
        known = await self._readings.series(seconds=question.seconds)
        named = meant(question.text, known, room=question.caller.room)
        if not named:
            return Section()
        found = await self._readings.summaries([each.id for each in named], seconds=question.seconds)
        order = {each.id: place for place, each in enumerate(named)}
        found.sort(key=lambda each: order[each.id])
        now = datetime.now(UTC)
        told = [described(each, now) for each in found]
        answer = " ".join(told[:1])
        return Section(within(told, question.budget.readings), answer=answer, similarity=_EQUAL if told else 0.0)


def meant(question: str, known: Sequence[Series], *, room: str | None) -> list[Series]:
    """The series that a question names, the closest first.

    "Is the freezer behaving oddly?" means the freezer's temperature; "how warm is it?" means nothing by itself.
    """
    asked = stems(question)
    scored = []
    for series in known:
        words = stems(series.name) | (stems(series.room) if series.room else set())
        shared = asked & words
        here = bool(room and series.room and room.lower() == series.room.lower())
        if shared - _KINDS or (here and shared):
            scored.append((len(shared) + here, -len(words), series))
    scored.sort(key=lambda each: each[:2], reverse=True)
    best = scored[0][0] if scored else 0
    return [series for score, _, series in scored if score == best][:_MOST_SERIES]


def described(summary: Summary, now: datetime) -> str:
    """Tell it in a sentence or three that can be spoken."""
    unit = f" {summary.unit}" if summary.unit else ""
    ago = now - summary.at
    when = "now" if ago < timedelta(minutes=10) else f"{spoken_length(_rounded(ago))} ago"
    told = f"{summary.name} {'is' if when == 'now' else 'was'} {_number(summary.value)}{unit} {when}."
    if summary.usual_mean is None or summary.usual_low is None or summary.usual_high is None:
        if summary.day_low is not None and summary.day_high is not None and summary.day_low != summary.day_high:
            told += f" In the last day it was between {_number(summary.day_low)} and {_number(summary.day_high)}{unit}."
        return told + _silent(ago)
    usual = f"between {_number(summary.usual_low)} and {_number(summary.usual_high)}{unit}"
    odd = oddness(summary)
    if odd:
        mean = _number(summary.usual_mean)
        told += f" That is unusually {odd}: in the two weeks before it was {usual}, {mean} on average."
    else:
        told += f" That is as usual: in the two weeks before it was {usual}."
    return told + _silent(ago)


def oddness(summary: Summary) -> str:
    """Tell whether a value is unusually "high" or "low"; empty where it is neither, or too little is known."""
    if summary.usual_mean is None or summary.hours < _SOME_HOURS:
        return ""
    assert summary.usual_low is not None
    assert summary.usual_high is not None
    away = summary.value - summary.usual_mean
    spread = max(summary.usual_spread or 0.0, abs(summary.usual_mean) * 1e-3, 1e-9)
    beyond = summary.value > summary.usual_high or summary.value < summary.usual_low
    if not beyond or abs(away) < ODD * spread:
        return ""
    return "high" if away > 0 else "low"


def _silent(ago: timedelta) -> str:
    return " Nothing was heard of it since." if ago > STALE else ""


def _rounded(ago: timedelta) -> float:
    seconds = ago.total_seconds()
    return round(seconds / 3600) * 3600 if seconds > 2 * 3600 else round(seconds / 60) * 60


def _number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 1 if abs(value) >= 1 else digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
