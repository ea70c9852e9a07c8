"""The sentences that answer commands, in the language of the templates."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, Final

from jinja2 import Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from loguru import logger

from tools.outcomes import Outcome, Status
from tools.wording import begun

ANY: Final = "any"
"""The key of what is said whatever the intent."""

_MISSING: Final = re.compile(r"\bNone\b")
_THEIR_NAMES: Final[Mapping[str, str]] = {
    "StopTalking": "HassNevermind",
    "SetVolume": "HassSetVolume",
    "Louder": "HassSetVolumeRelative",
    "Quieter": "HassSetVolumeRelative",
}
"""Home Assistant's names of what the conversation does itself."""


class Replies:
    """The sentences of one language.

    Args:
        language: what tools say is English, and needs no template there.
        own: our file of the language. Its `replies` have a Jinja template for an intent, or one for each status of
            its outcome.
        theirs: Home Assistant's file, or None where it has none.
    """

    def __init__(self, language: str, own: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> None:
        self._english = language == "en"
        self._own: Mapping[str, Any] = own.get("replies", {})
        self._names: Mapping[str, Any] = own
        self._decimal_comma = own.get("sums", {}).get("decimal") == ","
        self._theirs: Mapping[str, Mapping[str, str]] = theirs["responses"]["intents"] if theirs else {}
        environment = SandboxedEnvironment(autoescape=False)
        environment.filters["capitalize_first"] = begun
        environment.globals |= {
            "day_of": self._day_of, "number": self._number, "listed": self._listed, "length_of": self._length_of,
            "moment_of": self._moment_of, "told": _told,
        }  # fmt: skip
        self._template = cache(environment.from_string)

    def say(
        self, intent: str, response: str, slots: Mapping[str, Any], words: Mapping[str, str], outcome: Outcome | None
    ) -> str | None:
        """The sentence that answers a command.

        Args:
            intent: its intent.
            response: which of Home Assistant's sentences its template asks for.
            slots: what was understood.
            words: the same as it was said.
            outcome: what its tool told; None where the conversation did it.

        Returns:
            The sentence, which is empty where none is wanted; the tool's own where the language has none; None where
            there is no tool either.
        """
        if outcome is None:
            own = self._own.get(intent)
            spoken = {"slots": dict(words)}
            return self._theirs_for(intent, response, spoken) if own is None else self._rendered(str(own), spoken)
        if self._english:
            return outcome.say
        told = {"values": slots, "slots": words, "data": outcome.data, **self._named(outcome.data)}
        if said := self._own_for(intent, outcome.status, told):
            return said
        if outcome.status is not Status.DONE:
            return outcome.say
        theirs = {"slots": {**words, **_their_slots(outcome.data)}, "state": None}
        return self._theirs_for(intent, response, theirs) or outcome.say

    def _own_for(self, intent: str, status: Status, told: Mapping[str, Any]) -> str | None:
        for key in (intent, ANY):
            own = self._own.get(key)
            template = own.get(status.value) if isinstance(own, dict) else own if status is Status.DONE else None
            if template is not None:
                return self._rendered(template, told)
        return None

    def _theirs_for(self, intent: str, response: str, told: Mapping[str, Any]) -> str | None:
        template = self._theirs.get(_THEIR_NAMES.get(intent, intent), {}).get(response)
        said = None if template is None else self._rendered(template, told)
        if said and _MISSING.search(said):
            # It wants to tell the state of something that is not theirs here.
            return None
        # They are written to be shown one by one; here another sentence may follow.
        return f"{said}." if said and said[-1].isalnum() else said

    def _rendered(self, source: str, told: Mapping[str, Any]) -> str | None:
        template: Template = self._template(source)
        try:
            return " ".join(template.render(told).split())
        except (TemplateError, TypeError, ValueError) as error:
            # The templates of sixty languages expect what our tools may not tell.
            logger.warning(f"the sentence {source!r} cannot be said: {error}")
            return None

    def _named(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What our own templates speak of besides: a date in parts, a number and a list as this language has them."""
        named: dict[str, Any] = {}
        if "date" in data:
            day = date.fromisoformat(data["date"])
            named |= {"date": day, "weekday": self._names["weekdays"][day.weekday()]}
            named["month"] = self._names["months"][day.month - 1]
        if "value" in data:
            named["value"] = self._number(str(data["value"]))
        if data.get("items"):
            named["items"] = self._listed(data["items"])
        return named

    def _listed(self, items: Sequence[str]) -> str:
        *others, last = items
        return f"{', '.join(others)} {self._names['and']} {last}" if others else last

    def _length_of(self, seconds: float) -> str:
        """A length of time in words, without the seconds of hours."""
        whole = round(seconds / 60) * 60 if seconds >= 3600 else round(seconds)
        counts = {"days": whole // 86400, "hours": whole % 86400 // 3600, "minutes": whole % 3600 // 60}
        counts["seconds"] = whole % 60
        units: Mapping[str, Sequence[str]] = self._names["spoken"]["units"]
        said = [f"{count} {units[unit][count != 1]}" for unit, count in counts.items() if count]
        return self._listed(said) if said else f"0 {units['seconds'][1]}"

    def _moment_of(self, timer: Mapping[str, Any]) -> str:
        """When something is due, and how it comes again."""
        spoken: Mapping[str, Any] = self._names["spoken"]
        due = datetime.fromisoformat(timer["at"])
        today = (due - timedelta(seconds=timer["left"])).date()
        weekday = self._names["weekdays"][due.weekday()]
        away = (due.date() - today).days
        day = spoken["days"].get(str(away)) or spoken["weekday" if away < 7 else "date"].format(
            weekday=weekday, day=due.day, month=self._names["months"][due.month - 1]
        )
        at = spoken["time" if due.minute else "hour"].format(hour=due.hour, minute=due.minute)
        again = spoken["repeats"].get(timer.get("repeat") or "", "").format(weekday=weekday)
        return f"{day} {at}{again}".strip()

    def _number(self, number: str) -> str:
        return number.replace(".", ",") if self._decimal_comma else number

    def _day_of(self, moment: str) -> str:
        """The day of the week of a moment in ISO's form."""
        return str(self._names["weekdays"][date.fromisoformat(moment[:10]).weekday()])


def _told(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The timers that somebody asked about; programs are told of all."""
    timers: Sequence[Mapping[str, Any]] = data.get("timers", ())
    return [timer for timer in timers if timer["id"] in data["told"]] if "told" in data else timers


def _their_slots(data: Mapping[str, Any]) -> dict[str, Any]:
    """What Home Assistant's templates speak of, made of what a tool told."""
    slots: dict[str, Any] = {}
    if "time" in data:
        slots["time"] = time.fromisoformat(data["time"])
    if "date" in data:
        slots["date"] = date.fromisoformat(data["date"])
    if "timers" in data:
        slots["timers"] = [_their_timer(timer) for timer in data["timers"] if timer["kind"] == "timer"]
    if "stopped" in data:
        slots["canceled"] = len(data["stopped"])
    return slots


def _their_timer(timer: Mapping[str, Any]) -> dict[str, Any]:
    left, length = int(timer["left"]), int(timer["seconds"])
    return {
        "is_active": True,
        "name": timer["name"],
        "area": "",
        "total_seconds_left": left,
        **{f"rounded_{unit}_left": value for unit, value in _parts(left).items()},
        **{f"start_{unit}": value for unit, value in _parts(length).items()},
    }


def _parts(seconds: int) -> dict[str, int]:
    # Nobody wants the seconds of an hour.
    whole = round(seconds / 60) * 60 if seconds >= 3600 else seconds
    return {"hours": whole // 3600, "minutes": whole % 3600 // 60, "seconds": whole % 60}
