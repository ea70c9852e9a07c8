"""Moments and lengths of time as people say them: "tomorrow evening at eight", "every Monday at seven", "an hour and a
half".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.intents.sums import HYPHEN, NumberWords, Rewrites, compiled, rewritten

MOST_WORDS: Final = 24
"""Words among which a moment is looked for; what somebody says longer is no reminder."""
UNITS: Final[Mapping[str, int]] = {"hours": 3600, "minutes": 60, "seconds": 1}
"""Seconds of each unit that the timers take."""
_LONGEST: Final = 300
"""Of any unit: nobody counts further."""
_HALF: Final = re.compile(r" ?[ap]m$")
_HOUR: Final = re.compile(r"(?:.+ (?:to|past) )?(\d{1,2})")
_BARE: Final = re.compile(r"[\d .:]+")

TimeOfDay = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is to be, as far as somebody said so, in the words that the tools take."""

    time: str | None = None
    day: str | None = None
    repeat: str | None = None
    seconds: float | None = None
    """From now on."""
    half: str | None = None
    """`am` or `pm`, where a part of the day was said and the time leaves it open."""

    @property
    def arguments(self) -> dict[str, str]:
        """What tools are told of it: time, day and repeat, where they were said."""
        said = {"time": self.time, "day": self.day, "repeat": self.repeat}
        return {name: value for name, value in said.items() if value is not None}


class SpokenMoments:
    """Reads the moments and lengths of one language.

    Args:
        numbers: those of the language.
        time_of_day: reads what is left once day, part of the day and repetition are taken out.
        data: `words`, patterns and what each says of a `Moment`, where `{weekday}` and `{month}` stand for each of
            them; `weekdays` and `months`, patterns with the tools' names of them; `links`, which stand before those;
            `from_now`, which stands before a length; `loose`, links that a reminder's text may hold as well; `lengths`,
            rewrites that bring a length into the form "1.5 hours 3 minutes"; `and`, which joins days; `ordinals`, the
            days of a month in words.
    """

    def __init__(self, numbers: NumberWords, time_of_day: TimeOfDay, data: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._time_of_day = time_of_day
        links = f"(?:(?:{data['links']}) )*"
        self._words = [
            (re.compile(rf"(?:^|(?<= )){links}(?:{pattern})(?= |$)", re.IGNORECASE), said)
            for pattern, said in _for_each_name(data["words"], weekday=data["weekdays"], month=data["months"])
        ]
        day = "|".join(data["weekdays"])
        self._day = re.compile(rf"\b(?:{day})\b", re.IGNORECASE)
        self._several = re.compile(
            rf"\b(?:{day})(?:(?:,|,? (?:{data['and']}))(?: (?:{data['links']}))? (?:{day})\b)+", re.IGNORECASE
        )
        self._links = re.compile(rf"^{links}", re.IGNORECASE)
        self._led = re.compile(rf"(?:{data['links']}|{data['from_now']}) ", re.IGNORECASE)
        self._from_now = re.compile(rf"(?:{data['from_now']}) ", re.IGNORECASE)
        self._loose = re.compile(rf"(?:{data['loose']})\b", re.IGNORECASE)
        self._ordinals: Sequence[str] = data.get("ordinals", ())
        ordinals, month = "|".join(sorted(self._ordinals, key=len, reverse=True)), "|".join(data["months"])
        # "The second" is a day only beside its month.
        self._ordinal = re.compile(
            rf"\b(?:{ordinals})\b(?= (?:of )?(?:{month}))|(?P<month>\b(?:{month}) (?:the )?)(?:{ordinals})\b"
            if ordinals
            else r"(?!)"
        )
        self._lengths: Rewrites = compiled(data["lengths"])

    def length(self, words: str) -> float | None:
        """Seconds of a length of time; None where the words are none."""
        said = rewritten(self._plain(words), self._lengths)
        seconds, rest = 0.0, said
        while rest:
            part = re.match(r"(\d+(?:\.\d+)?) (hours|minutes|seconds)(?: |$)", rest)
            if part is None or float(part[1]) > _LONGEST:
                return None
            seconds += float(part[1]) * UNITS[part[2]]
            rest = rest[part.end() :]
        return seconds or None

    def read(self, words: str) -> Moment | None:
        """The moment that all of these words name; None where they name none."""
        said = self._plain(words)
        if found := self._from_now.match(said):
            seconds = self.length(said[found.end() :])
            return None if seconds is None else Moment(seconds=seconds)
        moment, default = Moment(), None
        for pattern, meant in self._words:
            if found := pattern.search(said):
                told = {name: found.expand(value) for name, value in meant.items()}
                default = told.pop("time", default)
                if any(getattr(moment, name) not in (None, value) for name, value in told.items()):
                    return None
                moment = replace(moment, **{**_said(moment), **told})
                said = " ".join(f"{said[: found.start()]} {said[found.end() :]}".split())
        said = self._links.sub("", f"{said} ").strip()
        if not said:
            return replace(moment, time=default) if moment != Moment() else None
        time = self._time_of_day(said)
        return None if time is None else replace(moment, time=_in_half(time, moment.half))

    def read_all(self, words: str) -> list[Moment]:
        """The moments of several weekdays: "every Monday and Thursday at seven"; empty where words are no moments."""
        if (moment := self.read(words)) is not None:
            return [moment]
        if (days := self._several.search(words)) is None:
            return []
        each = [self.read(f"{words[: days.start()]}{day}{words[days.end() :]}") for day in self._day.findall(days[0])]
        return [moment for moment in each if moment is not None] if None not in each else []

    def split(self, words: str, link: re.Pattern[str]) -> tuple[str, Moment] | None:
        """A text and the moment before or behind it: "tomorrow at nine to call Ana", "to call Ana tomorrow".

        Args:
            link: stands before the text.
        """
        spoken = words.split()
        if len(spoken) > MOST_WORDS:
            return None
        if begins := link.match(words):
            text = words[begins.end() :].split()
            for at in range(1, len(text)):
                behind = " ".join(text[at:])
                if not self._loose.match(behind) and not _BARE.fullmatch(behind) and (moment := self.read(behind)):
                    return " ".join(text[:at]), moment
            return None
        for at in range(len(spoken) - 1, 0, -1):
            text_after, begins = " ".join(spoken[at:]), link.match(" ".join(spoken[at:]))
            if (begins or spoken[at - 1].endswith(",")) and (moment := self.read(" ".join(spoken[:at]))):
                return text_after[begins.end() if begins else 0 :], moment
        return None

    def ends(self, words: str) -> bool:
        """Whether words end in a moment that a preposition leads to: "the lights in ten minutes", "the fan at noon"."""
        spoken = words.split()
        endings = (" ".join(spoken[at:]) for at in range(1, len(spoken)))
        return any(self._led.match(ending) and self.read(ending) for ending in endings)

    def _plain(self, words: str) -> str:
        said = self._ordinal.sub(self._day_number, HYPHEN.sub(" ", words.replace(",", " ").lower()))
        return self._numbers.as_digits(said).strip(" .")

    def _day_number(self, found: re.Match[str]) -> str:
        before = found["month"] or ""
        return f"{before}{self._ordinals.index(found[0].removeprefix(before)) + 1}"


def _said(moment: Moment) -> dict[str, Any]:
    return {"day": moment.day, "repeat": moment.repeat, "half": moment.half}


def _for_each_name(
    words: Sequence[tuple[str, Mapping[str, str]]], **names: Mapping[str, str]
) -> list[tuple[str, Mapping[str, str]]]:
    """The patterns with each name in the place of `{weekday}` or `{month}`."""
    every = list(words)
    for kind, each_name in names.items():
        place = f"{{{kind}}}"
        every = [
            (pattern.replace(place, f"(?:{spoken})"), {key: value.replace(place, name) for key, value in said.items()})
            for pattern, said in every
            for spoken, name in (each_name.items() if place in pattern else [("", "")])
        ]
    return every


def _in_half(time: str, half: str | None) -> str:
    """A time of day in the half of the day that was said: "8" in the evening is 8 pm."""
    hour = _HOUR.match(time)
    if half is None or hour is None or _HALF.search(time) or not 1 <= int(hour[1]) <= 12:
        return time
    return f"{time} {half}"
