import pytest

from satellites.sip.phrases import PHRASES, Wish, is_farewell, wants_message


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


PEOPLE = ("Ana", "Mary Ann", "Ben")


@pytest.mark.parametrize(
    ("language", "text", "to"),
    [
        ("en", "Leave a message for Ana.", "Ana"),
        ("en", "Can I leave a message, please?", None),
        ("en", "I would like to leave a voice message for mary ann", "Mary Ann"),
        ("en", "Please take a message for the neighbours", None),
        ("en", "Leave a message for Anna, please.", "Ana"),
        ("de", "Ich möchte eine Nachricht für Ben hinterlassen.", "Ben"),
        ("fr", "Je voudrais laisser un message pour Ana.", "Ana"),
        ("es", "Quiero dejar un mensaje para Ben.", "Ben"),
    ],
)
def test_who_wants_to_leave_a_message_is_understood(language, text, to):
    assert wants_message(text, PHRASES[language], PEOPLE) == Wish(to)


@pytest.mark.parametrize("text", ["Did anybody leave a message?", "Leave me alone.", "Read my messages.", "For Ana"])
def test_what_only_mentions_messages_leaves_none(text):
    assert wants_message(text, PHRASES["en"], PEOPLE) is None
