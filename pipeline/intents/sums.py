"""Sums as they are spoken: "what is twelve times nine" is 12 * 9."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from num2words import num2words

LARGEST: Final = 1000
"""Numbers up to this are known as words; whoever hears larger ones writes digits."""
LONGEST: Final = 6
"""Words of one number."""

Rewrites = Sequence[tuple[re.Pattern[str], str]]
"""Patterns and what takes their place, in order."""

HYPHEN = re.compile(r"(?<=[^\W\d])-(?=[^\W\d])")
_NUMBER: Final = r"(?:\d+(?:\.\d+)?|\.\d+)"
_TERM: Final = rf"-?\s?(?:sqrt\s?)?-?\(*{_NUMBER}\s?%?\)*(?:\s?\^\s?-?{_NUMBER})?\)*"
_SUM = re.compile(rf"{_TERM}(?:\s?(?:[-+*/×÷·−:]|x(?=\s?\d)|% of)\s?{_TERM})*", re.IGNORECASE)
_OPERATOR = re.compile(r"[+*/^×÷·−]|(?<=\d)\s?[-:x]\s?(?=\d)|sqrt|% of", re.IGNORECASE)
_NAME = re.compile(r"\d+[-/:x]\d+(?:[-/:]\d+)?", re.IGNORECASE)
"""9/11, 24/7, 10:30, 4x4: a sum only where somebody says that it is to be computed."""


def compiled(pairs: Iterable[Sequence[str]]) -> Rewrites:
    """Rewrites from a file of sentences."""
    return [(re.compile(pattern, re.IGNORECASE), replacement) for pattern, replacement in pairs]


def rewritten(text: str, rewrites: Rewrites) -> str:
    """A text after all of them."""
    for pattern, replacement in rewrites:
        text = pattern.sub(replacement, text)
    return text


class NumberWords:
    """The numbers of a language as words.

    Args:
        language: as `num2words` names it.
        variants: other ways to say them, as rewrites of how `num2words` does.
    """

    def __init__(self, language: str, variants: Iterable[Sequence[str]]) -> None:
        other = compiled(variants)
        self._numbers: dict[str, int] = {}
        for number in range(LARGEST + 1):
            words = HYPHEN.sub(" ", num2words(number, lang=language))
            self._numbers[words] = number
            for pattern, replacement in other:
                self._numbers.setdefault(pattern.sub(replacement, words), number)

    def as_digits(self, text: str) -> str:
        """The text with the numbers in it as digits, the longest first."""
        words, said, at = HYPHEN.sub(" ", text).split(), [], 0
        while at < len(words):
            for length in range(min(LONGEST, len(words) - at), 0, -1):
                number = self._numbers.get(" ".join(words[at : at + length]).lower())
                if number is not None:
                    break
            said.append(words[at] if number is None else str(number))
            at += length
        return " ".join(said)


class SpokenSums:
    """Reads sums.

    Args:
        numbers: those of the language.
        data: `asked` and `computed`, which begin a question; `after`, which may end it; `operators`, and whether the
            comma is the `decimal` sign.
    """

    def __init__(self, numbers: NumberWords, data: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._asked = re.compile(f"(?:{data['asked']})", re.IGNORECASE)
        self._computed = re.compile(data["computed"], re.IGNORECASE)
        self._after = re.compile(data["after"], re.IGNORECASE)
        self._operators = compiled(data["operators"])
        comma = data.get("decimal") == ","
        self._signs = compiled(
            [[r"(?<=\d)\.(?=\d{3}\b)", ""], [r"(?<=\d),(?=\d)", "."]] if comma else [[r"(?<=\d),(?=\d{3}\b)", ""]]
        )

    def read(self, command: str) -> str | None:
        """The sum as the calculator takes it, or None where the words are none."""
        asked = self._asked.match(command)
        said = self._after.sub("", command[asked.end() :] if asked else command)
        said = rewritten(self._numbers.as_digits(rewritten(said, self._signs)), self._operators).strip()
        if not _SUM.fullmatch(said) or not _OPERATOR.search(said):
            return None
        return said if not _NAME.fullmatch(said) or self._computed.match(command) else None
