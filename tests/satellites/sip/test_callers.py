import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.caller import Permission
from pipeline.settings.sip import Sip
from pipeline.toolbox import allowed
from satellites.sip.callers import HOUR, MOST_WRONG, Directory, Keys, Pins, number_of, shown
from tools.tool import Effect


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("sip:+49 170 1234567@provider.example;user=phone", "+491701234567"),
        ("<sip:00491701234567@x>", "+491701234567"),
        ("sip:0170/1234567@fritz.box", "+491701234567"),
        ("tel:+49-170-1234567", "+491701234567"),
        ("sip:**610@fritz.box", "**610"),
        ("sip:Ana%2Bhome@10.0.0.2", "ana+home"),
        ("sip:anonymous@anonymous.invalid", ""),
        ("sip:10.0.0.2:5060", ""),
        ("", ""),
        ("sips:100@host", "100"),
    ],
)
def test_a_number_has_one_form(address, number):
    assert number_of(address, "49") == number


@given(st.text(max_size=100))
def test_any_address_gives_something_printable_and_short(text):
    number = number_of(text)
    assert len(number) <= 64
    assert not any(ord(each) <= 32 for each in number)


def test_a_log_shows_the_last_digits_only():
    assert shown("+491701234567") == "…4567"
    assert shown("100") == "100"
    assert shown("") == "anonymous"


def directory(**settings) -> Directory:
    return Directory(Sip(people={"+491701234567": "ana"}, country="49", **settings))


def test_a_known_number_is_its_person_with_all_that_people_of_the_house_may():
    admission = directory().admit("sip:01701234567@fritz.box", trusted=True)
    caller = admission.caller(proven=False)
    assert (admission.kind, caller.person, caller.resumes) == ("person", "ana", True)
    assert caller.may(Permission.SECURE)


def test_a_stranger_is_refused_where_no_guests_are_wanted():
    assert directory().admit("sip:+49301111@x", trusted=True).kind == "refused"
    assert directory().admit("sip:anonymous@x", trusted=True).kind == "refused"


def test_a_guest_is_told_what_anybody_may_know_and_nothing_else():
    caller = directory(guests="limited").admit("sip:+49301111@x", trusted=True).caller(proven=False)
    assert allowed(caller) == {Effect.READ}
    assert caller.person is None
    assert not caller.resumes
    assert not caller.may(Permission.PRIVATE)


def test_a_known_number_from_nowhere_is_refused():
    assert directory(guests="limited").admit("sip:+491701234567@x", trusted=False).kind == "refused"


def test_with_a_pin_a_known_number_alone_proves_nothing():
    admission = directory(pin=SecretStr("4711")).admit("sip:+491701234567@x", trusted=True)
    assert admission.asks_pin
    assert allowed(admission.caller(proven=False)) == {Effect.READ}
    assert admission.caller(proven=False).person is None
    assert admission.caller(proven=True).person == "ana"
    assert admission.caller(proven=True).may(Permission.PRIVATE)


def test_a_guest_who_knows_the_pin_is_of_the_house_and_nobody_in_particular():
    caller = directory(pin=SecretStr("4711"), guests="limited").admit("sip:5@x", trusted=True).caller(proven=True)
    assert caller.may(Permission.CONTROL)
    assert caller.person is None
    assert caller.device == "sip:guest"


def test_a_person_has_a_number():
    assert directory().number("Ana") == "+491701234567"
    assert directory().number("nobody") is None


@pytest.mark.parametrize(
    ("messages", "guests", "quiet", "stranger", "person"),
    [
        ((), "refuse", True, "refused", "talks"),
        (("unlisted",), "refuse", False, "message", "talks"),
        (("unlisted",), "limited", False, "talks", "talks"),
        (("quiet",), "refuse", False, "refused", "talks"),
        (("quiet",), "refuse", True, "message", "message"),
        (("unlisted", "quiet"), "limited", True, "message", "message"),
    ],
)
def test_who_is_asked_for_a_message(messages, guests, quiet, stranger, person):
    known = Directory(Sip(people={"100": "ana"}, messages=messages, guests=guests))

    def outcome(number):
        admitted = known.admit(f"sip:{number}@x", trusted=True, quiet=quiet)
        return "refused" if admitted.kind == "refused" else "message" if admitted.leaves_message else "talks"

    assert (outcome("666"), outcome("100")) == (stranger, person)
    assert known.admit("sip:100@x", trusted=False, quiet=quiet).kind == "refused"


def test_a_pin_is_checked_and_guessing_is_given_up_on():
    pins = Pins(SecretStr("4711"))
    assert pins.check("4711", 0.0)
    assert not any(pins.check(str(guess), 0.0) for guess in range(1000, 1000 + MOST_WRONG))
    assert pins.locked(0.0)
    assert not pins.check("4711", 0.0)
    assert pins.check("4711", HOUR + 1)


def test_without_a_pin_nothing_is_right():
    assert not Pins(None).check("", 0.0)
    assert Pins(None).length == 0


def test_keys_are_collected_until_there_are_enough_or_the_hash_key():
    keys = Keys(4)
    assert [keys.press(key) for key in "4711"] == [None, None, None, "4711"]
    assert [keys.press(key) for key in "47#"] == [None, None, "47"]
    assert [keys.press(key) for key in "9*4711"][-1] == "4711"
    assert keys.press("#") is None
    assert keys.press("A") is None
