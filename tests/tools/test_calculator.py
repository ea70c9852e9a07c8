import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import Caller
from tools.calculator import Calculator, evaluate, spoken
from tools.outcomes import Status
from tools.tool import Failed, TryAgain


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("12 times 9", "108"), ("17*23", "391"), ("15 percent of 80", "12"), ("15% of 80", "12"), ("10/3", "3.333333"),
        ("the square root of 2", "1.414214"), ("square root of 16", "4"), ("2 to the power of 10", "1024"),
        ("1,000 times 1,000", "1000000"), ("-3 plus 5", "2"), ("12 x 9", "108"), ("(1 + 2) * 3", "9"), ("2^3^2", "512"),
        ("7 squared minus 1", "48"), ("0.1 + 0.2", "0.3"), ("half of 9", "4.5"), ("100 divided by 8", "12.5"),
        ("5 minus 5", "0"), ("8^(1/3)", "2"), ("2 + 3 * 4", "14"), ("3 cubed", "27"), ("20 over 5 ?", "4"),
    ],
)  # fmt: skip
async def test_arithmetic_is_exact(said: str, value: str) -> None:
    assert await Caller(Calculator().tools()).ask("calculate", expression=said) == f"That's {value}."


@pytest.mark.parametrize("said", ["hello", "2 +", "(3", "3 4", "2 apples", "", "__import__('os')", "1" * 300])
def test_what_is_no_arithmetic_is_refused(said: str) -> None:
    with pytest.raises(TryAgain):
        evaluate(said)


@pytest.mark.parametrize("said", ["1/0", "0^-1", "9^9^9", "(0-4)^0.5", "10^61", "2^99999"])
def test_what_has_no_useful_value_is_said_to_have_none(said: str) -> None:
    with pytest.raises(Failed):
        evaluate(said)


async def test_a_person_hears_why() -> None:
    outcome = await Caller(Calculator().tools()).call("calculate", expression="5 divided by 0")
    assert (outcome.status, outcome.say) == (Status.FAILED, "Nothing can be divided by zero.")


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from("+-*"))
def test_whole_numbers_are_computed_like_python_does(one: int, other: int, sign: str) -> None:
    expected = {"+": one + other, "-": one - other, "*": one * other}[sign]
    assert evaluate(f"({one}) {sign} ({other})") == expected
    assert spoken(Fraction(expected)) == str(expected)


@given(st.text(alphabet="0123456789+-*/^(). sqrt%", max_size=60))
def test_no_expression_hangs_or_breaks_it(said: str) -> None:
    with contextlib.suppress(TryAgain, Failed):
        spoken(evaluate(said))
