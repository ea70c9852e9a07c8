from hypothesis import given
from hypothesis import strategies as st

from satellites.pairing.codes import DIGITS, MOST_GUESSES, SECONDS, Codes, Redeemed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}}"


def test_a_code_lets_one_device_in_once() -> None:
    codes = Codes(Clock())
    code = codes.make()
    assert len(code) == DIGITS
    assert codes.redeem(f" {code[:3]}-{code[3:]} ") is Redeemed.RIGHT
    assert codes.redeem(code) is Redeemed.ENDED


def test_a_code_is_soon_too_old() -> None:
    clock = Clock()
    codes = Codes(clock)
    code = codes.make()
    clock.now = SECONDS
    assert codes.redeem(code) is Redeemed.ENDED


def test_a_new_code_ends_the_last_one() -> None:
    codes = Codes(Clock())
    first, second = codes.make(), codes.make()
    while first == second:
        second = codes.make()
    assert codes.redeem(first) is Redeemed.WRONG
    assert codes.redeem(second) is Redeemed.RIGHT


def test_guessing_ends_a_code() -> None:
    codes = Codes(Clock())
    code = codes.make()
    for _ in range(MOST_GUESSES):
        assert codes.redeem(wrong(code)) is Redeemed.WRONG
    assert codes.redeem(code) is Redeemed.ENDED


@given(st.text(max_size=20))
def test_no_text_but_the_code_is_right(typed: str) -> None:
    codes = Codes(Clock())
    code = codes.make()
    is_code = "".join(filter(str.isdecimal, typed)) == code
    assert (codes.redeem(typed) is Redeemed.RIGHT) == is_code
