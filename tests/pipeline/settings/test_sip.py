import pytest
from pydantic import ValidationError

from pipeline.settings import Settings
from pipeline.settings.sip import Sip

ACCOUNT = {"server": "fritz.box", "user": "620"}


def test_the_telephone_is_off_and_lets_nobody_in():
    chosen = Settings().sip
    assert not chosen.enabled
    assert chosen.guests == "refuse"
    assert not chosen.outbound.people


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pin": "12"}, "4 to 12 digits"),
        ({"pin": "abcd"}, "4 to 12 digits"),
        ({"listen": "fritz.box"}, "is no address"),
        ({"networks": ("192.168.1.1/24",)}, "is no network"),
        ({"rtp_ports": (10_000, 10_002)}, "at least 16 ports"),
        ({"rtp_ports": (80, 9000)}, "between 1024"),
        ({"outbound": {"account": "box"}}, "not below sip.accounts"),
        ({"accounts": {"box": ACCOUNT | {"server": "fritz.box;transport=tcp"}}}, "is no host"),
        ({"accounts": {"box": ACCOUNT | {"user": "620;x=y"}}}, "pattern"),
        ({"accounts": {"box": ACCOUNT | {"password": 'a"b'}}}, "may not hold"),
        ({"accounts": {"a b": ACCOUNT}}, "pattern"),
        ({"certificate": "/x\nmodule evil.so"}, "one line"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(wrong, said):
    with pytest.raises(ValidationError) as caught:
        Sip(**wrong)
    assert said in str(caught.value)


def test_a_wrong_password_or_pin_is_not_repeated():
    with pytest.raises(ValidationError) as caught:
        Sip(pin="77x7777", accounts={"box": ACCOUNT | {"password": 'hunter"2'}})
    assert "77x7777" not in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_a_password_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("PASSFEL_SIP__ACCOUNTS__BOX__PASSWORD", "secret")
    chosen = Settings(sip={"accounts": {"box": ACCOUNT}})
    password = chosen.sip.accounts["box"].password
    assert password is not None
    assert password.get_secret_value() == "secret"
    assert "secret" not in repr(chosen.sip)
