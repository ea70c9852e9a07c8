"""Arithmetic, exactly, and units: a language model guesses, this computes."""

import asyncio
import math
import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

if TYPE_CHECKING:
    from pint import Unit, UnitRegistry

LONGEST: Final = 200
MOST_DIGITS: Final = 60
"""Digits of a result; nobody listens to more."""
PLACES: Final = 6
"""Decimal places of a result."""
SPOKEN_PLACES: Final = 4
"""Decimal places that are said."""
SPOKEN_DIGITS: Final = 3
"""Digits of a converted amount that are said."""
LARGEST_AMOUNT: Final = 1e15
"""Beyond this a converted amount is not exact."""
SMALLEST: Final = Fraction(1, 10**12)
"""Nobody asks for less, but for nothing."""
MOST_BITS: Final = 20_000
"""Bits of an exact power; a longer one would keep everybody waiting."""
DEEPEST: Final = 40
"""Brackets and roots in an expression."""

_WORDS: Final = (
    (r"\bto the power of\b", "^"), (r"\bmultiplied by\b|\btimes\b|[x×·](?=\s*[\d(.])", "*"),
    (r"\bdivided by\b|\bover\b|[÷:]", "/"), (r"\bplus\b|\band\b", "+"), (r"\bminus\b|\bless\b|[−–]", "-"),
    (r"\bpercent of\b|% of\b", "/100*"), (r"\bpercent\b", "%"), (r"\bhalf of\b", "1/2*"),
    (r"\b(the )?square root of\b", "sqrt"), (r"\bsquared\b", "^2"), (r"\bcubed\b", "^3"), (r"\*\*", "^"),
    (r"(?<=\d),(?=\d{3}\b)", ""), (r"\bpi\b|π", str(Fraction(math.pi).limit_denominator(10**12))),
)  # fmt: skip
"""What is said, and what it means."""
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|sqrt|[-+*/^()%])")

_UNIT_NAME = re.compile(r"[a-zµ_]{1,30}(?: ?[/ ] ?[a-zµ_]{1,30}){0,4}", re.IGNORECASE)
_UNIT_WORDS: Final = {
    "c": "degree_Celsius", "f": "degree_Fahrenheit", "celsius": "degree_Celsius", "fahrenheit": "degree_Fahrenheit",
    "centigrade": "degree_Celsius", "k": "kelvin", "kilo": "kilogram", "kilos": "kilogram", "kph": "kilometer_per_hour",
    "kmh": "kilometer_per_hour", "stick": "US_stick", "sticks": "US_stick",
}  # fmt: skip
"""What is said and pint would take for something else, such as farads, kiloseconds and the like."""
_PLURALS: Final = {"foot": "feet", "inch": "inches", "stone": "stone", "kelvin": "kelvin", "hertz": "hertz"}


class Calculator:
    """Computes."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.calculate, effect=Effect.READ), tool(self.convert_units, effect=Effect.READ)]

    async def calculate(self, context: Context, expression: str) -> Result:
        """Work out an arithmetic expression exactly.

        Args:
            expression: such as 17 * 23, 15 percent of 80, or the square root of 2.
        """
        value = evaluate(expression)
        said, exact = spoken(value, SPOKEN_PLACES), spoken(value)
        about = "" if Fraction(said) == value else "about "
        return Result(f"That's {about}{said}.", {"value": exact, "expression": expression})

    async def convert_units(self, context: Context, value: float, from_unit: str, to_unit: str) -> Result:
        """Convert an amount to another unit: lengths, weights, volumes, temperatures, speeds and more.

        Args:
            value: how much.
            from_unit: its unit, such as miles, cups or degrees Fahrenheit.
            to_unit: the unit wanted, such as kilometers.
        """
        # Loading the units takes a fifth of a second, once.
        amount, source, target = await asyncio.to_thread(converted, value, from_unit, to_unit)
        said = _rounded(amount)
        about = "" if math.isclose(float(said), amount, rel_tol=1e-9) else "about "
        told = (
            f"{spoken(Fraction(value))} {_unit_said(source, value)} is {about}{said} {_unit_said(target, float(said))}."
        )
        return Result(told, {"value": round(amount, PLACES), "unit": str(target)})


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
    if text.count("(") + text.count("sqrt") > DEEPEST:
        raise TryAgain(f"An expression may have {DEEPEST} brackets and roots.")
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TryAgain(f"{expression!r} is no arithmetic: use numbers, + - * / ^ and brackets.")
        tokens.append(match[1])
        at = match.end()
    return _Parser(tokens, expression).value()


def spoken(value: Fraction, places: int = PLACES) -> str:
    """A number as it is said: rounded to so many decimal places, or a small one to its first digits.

    Raises:
        Failed: it is too small to be said, and not zero.
    """
    if 0 < abs(value) < SMALLEST:
        raise Failed("Sorry, that number is too small to say.")
    if 0 < abs(value) < Fraction(1, 1000):
        places = 2 - math.floor(math.log10(abs(value)))
    with localcontext() as context:
        context.prec = MOST_DIGITS + places
        rounded = round(Decimal(value.numerator) / Decimal(value.denominator), places)
    said = f"{rounded:f}"
    said = said.rstrip("0").rstrip(".") if "." in said else said
    return "0" if rounded == 0 else said


def converted(value: float, from_unit: str, to_unit: str) -> tuple[float, "Unit", "Unit"]:
    """Convert an amount; the first call loads the units and takes some 200 ms.

    Returns:
        The amount, and the two units as they were understood.

    Raises:
        TryAgain: there is no such unit.
        Failed: one is no measure of what the other measures.
    """
    import pint  # noqa: PLC0415 - most conversations never need it

    units = _units()
    source, target = _unit(units, from_unit), _unit(units, to_unit)
    if source.dimensionality != target.dimensionality:
        # Cooks say ounces for fluid ounces.
        fluid = units.Unit("fluid_ounce")
        source = fluid if str(source) == "ounce" and target.is_compatible_with(fluid) else source
        target = fluid if str(target) == "ounce" and source.is_compatible_with(fluid) else target
    try:
        amount = float(units.Quantity(value, source).to(target).magnitude)
    except pint.DimensionalityError:
        raise Failed(f"Sorry, {from_unit} can't be turned into {to_unit}.") from None
    if max(abs(amount), abs(value)) > LARGEST_AMOUNT:
        raise Failed("Sorry, that number is too long to say.")
    return amount, source, target


@cache
def _units() -> "UnitRegistry[Any]":
    import pint  # noqa: PLC0415 - see above

    units: UnitRegistry[Any] = pint.UnitRegistry()
    units.define("US_stick = 8 * tablespoon")
    return units


def _unit(units: "UnitRegistry[Any]", said: str) -> "Unit":
    """The unit that somebody names, as pint knows it or in a spelling of our own."""
    name = " ".join(said.replace("°", " ").replace(".", " ").split())
    name = re.sub(r"^degrees? (?=[a-z])", "", name, flags=re.IGNORECASE)
    if _UNIT_NAME.fullmatch(name) is None:
        raise TryAgain(f"{said!r} is no unit: name one, such as kilometers, cups or celsius.")
    for spelling in (_UNIT_WORDS.get(name.lower(), name), name.replace(" ", "_"), name.lower().replace(" ", "_")):
        try:
            return units.Unit(spelling)
        except Exception:  # noqa: BLE001, S112 - pint's parser fails in many ways at what is no unit
            continue
    raise TryAgain(f"{said!r} is no unit: name one, such as kilometers, cups or celsius.")


def _rounded(amount: float) -> str:
    """An amount as it is said: to three digits, or to whole ones where it has more."""
    if amount == 0 or abs(amount) >= 10 ** (SPOKEN_DIGITS - 1):
        return str(round(amount))
    return spoken(Fraction(amount), SPOKEN_DIGITS - 1 - math.floor(math.log10(abs(amount))))


def _unit_said(unit: "Unit", amount: float) -> str:
    """A unit in words: "degrees Celsius", "miles per hour", "square meters"."""
    said = re.sub(r"\bUS_", "", str(unit)).replace(" / ", " per ").replace("_", " ")
    said = re.sub(r"^(\w+) \*\* 2", r"square \1", said)
    said = re.sub(r"^(\w+) \*\* 3", r"cubic \1", said)
    if amount == 1:
        return said
    if said.startswith("degree "):
        return f"degrees {said.removeprefix('degree ')}"
    what, per, each = said.partition(" per ")
    *before, last = what.split()
    return " ".join([*before, _PLURALS.get(last, f"{last}s")]) + per + each


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
        of_a_share = self._tokens[1:2] == ["%"]
        value = self._product()
        while self._next() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            share = None if of_a_share else self._share()
            value = self._bounded(value + sign * (self._product() if share is None else value * share))
        return value

    def _share(self) -> Fraction | None:
        """Take a percentage that stands alone: 80 minus 15 percent means percent of the 80."""
        match self._tokens:
            case [number, "%", *rest] if number[0] in ".0123456789" and (not rest or rest[0] in "+-)"):
                del self._tokens[:2]
                return Fraction(number) / 100
        return None

    def _product(self) -> Fraction:
        value = self._signed()
        while self._next() in ("*", "/"):
            value = value * self._signed() if self._take() == "*" else _divided(value, self._signed())
            self._bounded(value)
        return value

    def _signed(self) -> Fraction:
        if self._next() in ("+", "-"):
            return self._signed() if self._take() == "+" else -self._signed()
        value = self._power()
        while self._next() == "%":
            self._take()
            value /= 100
        return value

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
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator == 1 and bits * abs(exponent) <= MOST_BITS:
        return base ** int(exponent)
    if base < 0 and exponent.denominator != 1:
        raise Failed("That has no real value.")
    power = Fraction(float(base) ** float(exponent))
    whole = Fraction(round(power))
    # A root is exact where its power is what it was taken of.
    small = max(exponent.denominator, abs(exponent.numerator)) <= DEEPEST
    return whole if small and whole**exponent.denominator == base**exponent.numerator else power
