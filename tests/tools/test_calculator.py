import contextlib
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tools.calling import Caller
from tools.calculator import Calculator, converted, evaluate, spoken
from tools.outcomes import Status
from tools.tool import Failed, TryAgain


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("12 times 9", "108"), ("17*23", "391"), ("15 percent of 80", "12"), ("15% of 80", "12"), ("10/3", "about 3.3333"),
        ("the square root of 2", "about 1.4142"), ("square root of 16", "4"), ("2 to the power of 10", "1024"),
        ("1,000 times 1,000", "1000000"), ("-3 plus 5", "2"), ("12 x 9", "108"), ("(1 + 2) * 3", "9"), ("2^3^2", "512"),
        ("7 squared minus 1", "48"), ("0.1 + 0.2", "0.3"), ("half of 9", "4.5"), ("100 divided by 8", "12.5"),
        ("5 minus 5", "0"), ("8^(1/3)", "2"), ("2 + 3 * 4", "14"), ("3 cubed", "27"), ("20 over 5 ?", "4"),
        ("80 minus 15 percent", "68"), ("200 + 10%", "220"), ("10% + 5%", "0.15"), ("10 + 15 % of 80", "22"),
        ("(50 + 50) - 10 %", "90"), ("1 / 10000000", "0.0000001"), ("2^-3", "0.125"), ("sqrt 16", "4"),
    ],
)  # fmt: skip
async def test_arithmetic_is_exact(said: str, value: str) -> None:
    assert await Caller(Calculator().tools()).ask("calculate", expression=said) == f"That's {value}."


@pytest.mark.parametrize(
    "said", ["hello", "2 +", "(3", "3 4", "2 apples", "", "__import__('os')", "1" * 300, "10 % 3", "(" * 190 + "1"]
)
def test_what_is_no_arithmetic_is_refused(said: str) -> None:
    with pytest.raises(TryAgain):
        evaluate(said)


@pytest.mark.parametrize("said", ["1/0", "0^-1", "9^9^9", "(0-4)^0.5", "10^61", "2^99999", "(-8)^(1/3)"])
def test_what_has_no_useful_value_is_said_to_have_none(said: str) -> None:
    with pytest.raises(Failed):
        evaluate(said)


def test_what_is_too_small_is_not_said_to_be_nothing() -> None:
    with pytest.raises(Failed, match="too small"):
        spoken(evaluate("1 / 10^20"))


@pytest.mark.parametrize("said", ["(1.000001^10000)^10000", "(10^60)^0.333333333", "((1.5^300)^0.001)^300"])
@pytest.mark.timeout(10)
def test_no_power_keeps_everybody_waiting(said: str) -> None:
    assert evaluate(said) == pytest.approx(float(eval(said.replace("^", "**"))), rel=1e-6)


async def test_a_person_hears_why() -> None:
    outcome = await Caller(Calculator().tools()).call("calculate", expression="5 divided by 0")
    assert (outcome.status, outcome.say) == (Status.FAILED, "Nothing can be divided by zero.")


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from("+-*"))
def test_whole_numbers_are_computed_like_python_does(one: int, other: int, sign: str) -> None:
    expected = {"+": one + other, "-": one - other, "*": one * other}[sign]
    assert evaluate(f"({one}) {sign} ({other})") == expected
    assert spoken(Fraction(expected)) == str(expected)


@pytest.mark.parametrize(
    ("value", "source", "target", "said"),
    [
        (350, "degrees Fahrenheit", "celsius", "350 degrees Fahrenheit is about 177 degrees Celsius."),
        (-40, "C", "F", "-40 degrees Celsius is -40 degrees Fahrenheit."),
        (0, "°C", "°F", "0 degrees Celsius is 32 degrees Fahrenheit."),
        (2, "cups", "ml", "2 cups is about 473 milliliters."),
        (3, "tbsp", "teaspoons", "3 tablespoons is 9 teaspoons."),
        (1, "stick", "tablespoons", "1 stick is 8 tablespoons."),
        (8, "oz", "ml", "8 fluid ounces is about 237 milliliters."),
        (8, "oz", "grams", "8 ounces is about 227 grams."),
        (5, "miles", "km", "5 miles is about 8.05 kilometers."),
        (6, "feet", "inches", "6 feet is 72 inches."),
        (70, "kilos", "pounds", "70 kilograms is about 154 pounds."),
        (100, "km/h", "mph", "100 kilometers per hour is about 62.1 miles per hour."),
        (3, "square feet", "square meters", "3 square feet is about 0.279 square meters."),
        (0.5, "Kg", "grams", "0.5 kilograms is 500 grams."),
    ],
)
async def test_amounts_are_converted_and_said_as_people_say_them(
    value: float, source: str, target: str, said: str
) -> None:
    caller = Caller(Calculator().tools())
    assert await caller.ask("convert_units", value=value, from_unit=source, to_unit=target) == said


@pytest.mark.parametrize(
    ("source", "target", "status"),
    [
        ("cups", "grams", Status.FAILED), ("light years", "nm", Status.FAILED), ("bananas", "kg", Status.INVALID),
        ("meter**99999", "m", Status.INVALID), ("9**9**9**9", "m", Status.INVALID), ("", "m", Status.INVALID),
    ],
)  # fmt: skip
async def test_what_cannot_be_converted_is_refused(source: str, target: str, status: Status) -> None:
    outcome = await Caller(Calculator().tools()).call("convert_units", value=1, from_unit=source, to_unit=target)
    assert outcome.status is status


@given(st.text(max_size=30), st.text(alphabet="abcmkgft /*^.°23()", max_size=12))
@example("A/", "m")
@example("per", "m")
@example("m/s/_", "in")
def test_no_name_of_a_unit_breaks_it(source: str, target: str) -> None:
    with contextlib.suppress(TryAgain, Failed):
        converted(1, source, target)


@given(st.text(alphabet="0123456789+-*/^(). sqrt%", max_size=60))
def test_no_expression_hangs_or_breaks_it(said: str) -> None:
    with contextlib.suppress(TryAgain, Failed):
        spoken(evaluate(said))
