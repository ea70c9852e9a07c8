"""Arithmetic, exactly: a language model guesses, this computes."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

LONGEST: Final = 200
MOST_DIGITS: Final = 60
"""Digits of a result; nobody listens to more."""
SPOKEN_DIGITS: Final = 6
"""Decimal places that are said."""

_WORDS: Final = (
    (r"\bto the power of\b", "^"), (r"\bmultiplied by\b|\btimes\b|[x×·](?=\s*[\d(.])", "*"),
    (r"\bdivided by\b|\bover\b|[÷:]", "/"), (r"\bplus\b|\band\b", "+"), (r"\bminus\b|\bless\b|[−–]", "-"),
    (r"\bpercent of\b|% of\b", "/100*"), (r"\bpercent\b|%", "/100"), (r"\bhalf of\b", "1/2*"),
    (r"\b(the )?square root of\b", "sqrt"), (r"\bsquared\b", "^2"), (r"\bcubed\b", "^3"), (r"\*\*", "^"),
    (r"(?<=\d),(?=\d{3}\b)", ""), (r"\bpi\b|π", str(Fraction(math.pi).limit_denominator(10**12))),
)  # fmt: skip
"""What is said, and what it means."""
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|sqrt|[-+*/^()])")


class Calculator:
    """Computes."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.calculate, effect=Effect.READ)]

    async def calculate(self, context: Context, expression: str) -> Result:
        """Work out an arithmetic expression exactly.

        Args:
            expression: such as 17 * 23, 15 percent of 80, or the square root of 2.
        """
        value = evaluate(expression)
        return Result(f"That's {spoken(value)}.", {"value": spoken(value), "expression": expression})


def evaluate(expression: str) -> Fraction:
    """Compute an expression.

    Raises:
        TryAgain: it is none.
        Failed: its value does not exist, or is beyond all use.
    """
    if len(expression) > LONGEST:
        raise TryAgain(f"An expression may have {LONGEST} characters.")
    text = expression.lower().strip().rstrip("=?. ")
    for words, sign in _WORDS:
        text = re.sub(words, f" {sign} " if sign else "", text)
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TryAgain(f"{expression!r} is no arithmetic: use numbers, + - * / ^ and brackets.")
        tokens.append(match[1])
        at = match.end()
    return _Parser(tokens, expression).value()


def spoken(value: Fraction) -> str:
    """A number as it is said: rounded to `SPOKEN_DIGITS` places, without needless zeros."""
    with localcontext() as context:
        context.prec = MOST_DIGITS + SPOKEN_DIGITS
        rounded = round(Decimal(value.numerator) / Decimal(value.denominator), SPOKEN_DIGITS)
    said = f"{rounded:f}".rstrip("0").rstrip(".")
    return "0" if rounded == 0 else said


class _Parser:
    """Recursive descent: sum, product, sign, power, atom; a power binds to the right."""

    def __init__(self, tokens: Sequence[str], expression: str) -> None:
        self._tokens = list(tokens)
        self._expression = expression

    def value(self) -> Fraction:
        value = self._sum()
        if self._tokens:
            raise self._wrong()
        return value

    def _sum(self) -> Fraction:
        value = self._product()
        while self._next() in ("+", "-"):
            value = self._bounded(value + self._product() if self._take() == "+" else value - self._product())
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while self._next() in ("*", "/"):
            value = value * self._signed() if self._take() == "*" else _divided(value, self._signed())
            self._bounded(value)
        return value

    def _signed(self) -> Fraction:
        if self._next() in ("+", "-"):
            return self._signed() if self._take() == "+" else -self._signed()
        return self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if self._next() != "^":
            return base
        self._take()
        return self._bounded(_power(base, self._signed()))

    def _atom(self) -> Fraction:
        part = self._take()
        if part == "(":
            value = self._sum()
            if self._take() != ")":
                raise self._wrong()
            return value
        if part == "sqrt":
            return _power(self._atom(), Fraction(1, 2))
        if part is None or not (part[0].isdigit() or part[0] == "."):
            raise self._wrong()
        return Fraction(part)

    def _next(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def _take(self) -> str | None:
        return self._tokens.pop(0) if self._tokens else None

    def _wrong(self) -> TryAgain:
        return TryAgain(f"{self._expression!r} is no arithmetic: use numbers, + - * / ^ and brackets.")

    def _bounded(self, value: Fraction) -> Fraction:
        if value and abs(math.log10(abs(value.numerator)) - math.log10(value.denominator)) > MOST_DIGITS:
            raise Failed("Sorry, that number is too long to say.")
        return value


def _divided(value: Fraction, by: Fraction) -> Fraction:
    if by == 0:
        raise Failed("Nothing can be divided by zero.")
    return value / by


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if base == 0 and exponent < 0:
        raise Failed("Nothing can be divided by zero.")
    digits = abs(math.log10(abs(base))) if base else 0.0
    if abs(exponent) > 10_000 or digits * abs(float(exponent)) > MOST_DIGITS:
        raise Failed("Sorry, that number is too long to say.")
    if exponent.denominator == 1:
        return base ** int(exponent)
    if base < 0:
        raise Failed("That has no real value.")
    root = float(base) ** float(exponent)
    exact = Fraction(round(root))
    return exact if exact**exponent.denominator == base**exponent.numerator else Fraction(root)
