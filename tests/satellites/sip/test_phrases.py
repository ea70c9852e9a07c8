import pytest

from satellites.sip.phrases import PHRASES, is_farewell


@pytest.mark.parametrize(
    "text",
    ["Goodbye.", "Okay, thank you, bye bye!", "Bye", "Hang up.", "Please hang up the phone.", "That's all, good bye."],
)
def test_a_goodbye_is_understood(text):
    assert is_farewell(text, PHRASES["en"])


@pytest.mark.parametrize(
    "text",
    [
        "How do you say goodbye in French?",
        "Say goodbye.",
        "What does the word bye",
        "Is the baby asleep?",
        "Play the song that has the chorus with hello hello and goodbye",
        "Buy milk.",
        "",
        "Did somebody hang up the picture in the hall?",
    ],
)
def test_talk_about_a_goodbye_is_none(text):
    assert not is_farewell(text, PHRASES["en"])


@pytest.mark.parametrize(
    ("language", "text"),
    [("de", "Danke, tschüss!"), ("de", "Auf Wiederhören."), ("fr", "Merci, au revoir."), ("es", "Adiós")],
)
def test_other_languages_say_goodbye_in_their_own_way(language, text):
    assert is_farewell(text, PHRASES[language])
