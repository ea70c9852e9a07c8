import pytest

from pipeline.context.secrets import WITHHELD, holds_secret, kept


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("My PIN is 4711.", "4711"),
        ("Remember that the alarm code is 90210", "90210"),
        ("the password for the wifi is correct horse battery staple.", "horse"),
        ("Your one-time code is 123 456.", "456"),
        ("123456 is your verification code.", "123456"),
        ("Mein Passwort lautet Sonnenblume7.", "Sonnenblume7"),
        ("die Geheimzahl ist vier sieben eins eins", "sieben"),
        ("Mon mot de passe est soleil.", "soleil"),
        ("Mi contraseña es girasol.", "girasol"),
        ("my pin is four seven one one and I like tea.", "seven"),
        ("PIN 4711", "4711"),
        ("My card is 4111 1111 1111 1111.", "1111"),
        ("The account is DE89 3704 0044 0532 0130 00.", "3704"),
        ("use the key sk-abcdefghijklmnop1234", "abcdefghijkl"),
        ("The code for the gate is 1379.", "1379"),
    ],
)
def test_a_secret_is_left_out(text: str, secret: str) -> None:
    assert holds_secret(text)
    assert secret not in kept(text)
    assert WITHHELD in kept(text)


@pytest.mark.parametrize(
    "text",
    [
        "My birthday is the 3rd of May 1984.",
        "The dentist's number is 030 1234567.",
        "Anna's favourite colour is green.",
        "I set a timer for 25 minutes.",
        "The pin on the map is near the church.",
        "Call me at half past seven.",
        "We write code in the evening.",
        "The heating was serviced on 2026-03-14.",
        "Das Passwort habe ich vergessen.",
    ],
)
def test_what_is_no_secret_stays_as_it_was(text: str) -> None:
    assert kept(text) == text


def test_what_surrounds_a_secret_stays() -> None:
    assert kept("my pin is 4711 and I like tea.") == f"my pin is {WITHHELD} and I like tea."


def test_what_no_database_can_hold_is_taken_out() -> None:
    assert kept("a\x00b") == "ab"
    assert kept("half \ud83d of it").encode()
