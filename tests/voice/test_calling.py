import pytest

from voice.calling import without_call


@pytest.mark.parametrize(
    ("heard", "asked"),
    [
        ("Okay, Naboo what time is it?", "What time is it?"),
        ("OK Nabu, turn on the light.", "Turn on the light."),
        ("Okay, now, boo. Stop.", "Stop."),
        ("Hey, McRought, what time is it?", "What time is it?"),
        ("Hey, make-roft. Stop.", "Stop."),
        ("Hey Jarvis! Louder.", "Louder."),
        ("Alexa, how long is left?", "How long is left?"),
        ("Okay, Naboo.", ""),
    ],
)
def test_what_is_asked_begins_behind_the_wake_word(heard: str, asked: str) -> None:
    assert without_call(heard) == asked


@pytest.mark.parametrize(
    "heard", ["Okay, now what?", "Alexa is coming tomorrow.", "Okay.", "Call Nabu.", "A microwave, please.", ""]
)
def test_other_words_stay(heard: str) -> None:
    assert without_call(heard) == heard
