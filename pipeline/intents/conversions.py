"""Conversions as they are spoken: "how many cups are in a liter" is 1 liter in cups."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.intents.sums import NumberWords, compiled, rewritten

_AMOUNT: Final = r"(?P<amount>-?\d+(?:\.\d+)?)"


@dataclass(frozen=True, slots=True)
class Conversion:
    """An amount, its unit, and the unit wanted, as the calculator names them."""

    value: float
    from_unit: str
    to_unit: str


class SpokenConversions:
    """Reads conversions.

    Args:
        numbers: those of the language.
        data: `units`, a pattern for each unit and the calculator's name of it; `amounts`, rewrites of words that stand
            for a number; and the `questions`, in which `{amount}`, `{from}` and `{to}` stand for the three parts.
    """

    def __init__(self, numbers: NumberWords, data: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._units: list[tuple[re.Pattern[str], str]] = [
            (re.compile(pattern, re.IGNORECASE), name) for pattern, name in data["units"].items()
        ]
        self._amounts = compiled(data["amounts"])
        unit = "|".join(sorted(data["units"], key=len, reverse=True))
        parts = {"amount": _AMOUNT, "from": f"(?P<from>{unit})", "to": f"(?P<to>{unit})"}
        self._questions = [
            re.compile(re.sub(r"\{(amount|from|to)\}", lambda part: parts[part[1]], question), re.IGNORECASE)
            for question in data["questions"]
        ]

    def read(self, command: str) -> Conversion | None:
        """The conversion that a command asks for, or None where it does not."""
        said = rewritten(self._numbers.as_digits(command), self._amounts)
        for question in self._questions:
            if found := question.fullmatch(said):
                source, target = self._named(found["from"]), self._named(found["to"])
                return Conversion(float(found["amount"]), source, target) if source != target else None
        return None

    def _named(self, unit: str) -> str:
        return next(name for pattern, name in self._units if pattern.fullmatch(unit))
