import pytest

from pipeline.context.plain_facts import plain_facts


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        ("I'm allergic to nuts.", ["I'm allergic to nuts"]),
        ("By the way, my wife's name is Anna. What's the time?", ["my wife's name is Anna"]),
        ("Well, I live in Porto and I really love it.", ["I live in Porto and I really love it"]),
        ("We have two cats.", ["We have two cats"]),
        ("I don't like mushrooms.", ["I don't like mushrooms"]),
        (
            "Ich bin allergisch gegen Nüsse. Mein Hund heißt Momo.",
            ["Ich bin allergisch gegen Nüsse", "Mein Hund heißt Momo"],
        ),
        ("Je m'appelle Luc. J'aime le jazz.", ["Je m'appelle Luc", "J'aime le jazz"]),
        ("Soy alérgica a los frutos secos.", ["Soy alérgica a los frutos secos"]),
    ],
)
def test_what_somebody_says_of_themselves_is_found(said: str, facts: list[str]) -> None:
    assert plain_facts(said) == facts


@pytest.mark.parametrize(
    "said",
    [
        "Turn on the light.",
        "Am I allergic to nuts?",
        "I'd like a pizza.",
        "I like that.",
        "I like it a lot.",
        "I love you.",
        "I am a bit tired.",
        "My train is late today.",
        "If I lived in Porto, I would swim.",
        "I am at home.",
        "My wife is in the kitchen right now.",
        "Set a timer for ten minutes.",
        "I have to go.",
        "my " + "very " * 40 + "long story is this",
    ],
)
def test_orders_questions_and_what_is_only_now_are_none(said: str) -> None:
    assert plain_facts(said) == []
