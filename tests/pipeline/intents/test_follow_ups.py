"""People go on from what was said before, and only where they do is it taken so."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.intents.follow_ups import Said
from pipeline.intents.matching import LocalIntents

TIMER = "Set a timer for five minutes."
PASTA = "Set a pasta timer for 8 minutes"
ALARM = "Wake me up tomorrow at seven."
LIGHT = "Turn on the bed light"
MILK = "Add milk to the shopping list"
SET_FIVE = ("set_timer", {"minutes": 5})
STOP_FIVE = ("cancel_timer", {"minutes": 5})

FOLLOWED: list[tuple[list[str], str, list[tuple[str, dict[str, Any]]]]] = [
    ([TIMER], "No, I mean eight minutes.", [STOP_FIVE, ("set_timer", {"minutes": 8})]),
    ([TIMER], "No, eight.", [STOP_FIVE, ("set_timer", {"minutes": 8})]),
    ([TIMER], "Make it an hour and a half", [STOP_FIVE, ("set_timer", {"hours": 1, "minutes": 30})]),
    ([TIMER], "Cancel that.", [STOP_FIVE]),
    ([TIMER], "And another one for the eggs, six minutes.", [("set_timer", {"name": "eggs", "minutes": 6})]),
    ([PASTA], "Sorry, I meant nine minutes", [("cancel_timer", {"minutes": 8, "name": "pasta"}), ("set_timer", {"minutes": 9, "name": "pasta"})]),
    ([ALARM], "No, at eight.", [("cancel_timer", {"kind": "alarm", "time": "7"}), ("set_alarm", {"time": "8", "day": "tomorrow"})]),
    ([LIGHT], "Turn it off again.", [("turn_off", {"name": "the bed light"})]),
    ([LIGHT], "Make it blue", [("set_light", {"name": "the bed light", "color": "blue"})]),
    ([LIGHT], "set it to 20 percent", [("set_light", {"name": "the bed light", "brightness": 20})]),
    ([LIGHT], "a bit darker please", [("set_light", {"name": "the bed light", "change": -25})]),
    ([LIGHT], "and the fan too", [("turn_on", {"name": "fan"})]),
    ([LIGHT, "Make it blue", "turn it off"], "Is it on?", [("home_status", {"name": "the bed light", "asked": "on"})]),
    ([LIGHT], "No, the kitchen light", [("turn_off", {"name": "the bed light"}), ("turn_on", {"name": "kitchen light"})]),
    ([MILK], "and butter and eggs", [("add_to_list", {"item": "butter", "list_name": "shopping", "others": ["eggs"]})]),
    ([MILK], "Add tomatoes.", [("add_to_list", {"item": "tomatoes", "list_name": "shopping"})]),
    ([MILK], "Undo that", [("remove_from_list", {"item": "milk", "list_name": "shopping"})]),
    (["Will it rain tomorrow?"], "And on Sunday?", [("get_weather", {"about": "rain", "when": "sunday"})]),
]  # fmt: skip
ANSWERED: list[tuple[str, str, tuple[str, dict[str, Any]]]] = [
    ("Set a timer", "Ten minutes.", ("set_timer", {"minutes": 10})),
    ("Set a pasta timer", "eight and a half minutes", ("set_timer", {"name": "pasta", "minutes": 8, "seconds": 30})),
    ("Wake me up", "tomorrow at half past six", ("set_alarm", {"time": "6:30", "day": "tomorrow"})),
    ("Set an alarm for Friday", "at nine", ("set_alarm", {"day": "friday", "time": "9"})),
    ("Remind me to call Ana", "In half an hour.", ("set_reminder", {"text": "call Ana", "minutes": 30})),
    ("Cancel the timer", "The pasta timer.", ("cancel_timer", {"name": "pasta"})),
    ("Cancel the timer", "The ten minute one.", ("cancel_timer", {"minutes": 10})),
    ("Set the temperature to 21 degrees", "The ecobee.", ("set_temperature", {"degrees": 21, "name": "ecobee"})),
]
NOT_FOLLOWED = [
    ([], "Cancel that."), ([], "Turn it off."), ([], "No, eight minutes."), ([], "And butter and eggs."), ([], "Ten minutes."),
    (["Why is the sky blue?"], "No, eight minutes."), ([TIMER], "No, I love you."), ([TIMER], "No, that was my brother."),
    ([TIMER], "And then we went home."), ([LIGHT], "I put it on the table."), ([LIGHT], "It is raining."),
    ([MILK], "And what do you think about that?"), ([MILK], "And I said that to him."), ([TIMER], "Ten minutes."),
    ([TIMER, "Tell me a story."], "Make it eight minutes."), ([MILK], "Add a paragraph about why dogs bark"),
]  # fmt: skip


@pytest.fixture(scope="module")
def english() -> LocalIntents:
    made = LocalIntents("en")
    made.furnish([("Bed Light", "light"), ("Fan", "fan")], ["Kitchen"])
    return made


def called(intents: LocalIntents, before: list[str], text: str, *, asked: bool = False) -> list[tuple[Any, Any]]:
    matches = intents.match_all(text, [Said(each) for each in before], asked=asked)
    return [(match.tool, dict(match.arguments)) for match in matches if match.tool]


@pytest.mark.parametrize(("before", "text", "calls"), FOLLOWED)
def test_what_goes_on_from_the_turn_before_is_understood(
    english: LocalIntents, before: list[str], text: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    assert called(english, before, text) == calls


@pytest.mark.parametrize(("command", "answer", "call"), ANSWERED)
def test_an_answer_to_a_question_completes_the_command(
    english: LocalIntents, command: str, answer: str, call: tuple[str, dict[str, Any]]
) -> None:
    assert called(english, [command], answer, asked=True) == [call]


@pytest.mark.parametrize(("before", "text"), NOT_FOLLOWED)
def test_what_is_something_else_is_no_following(english: LocalIntents, before: list[str], text: str) -> None:
    assert called(english, before, text) == []


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("Set a timer for five minutes, no, eight minutes.", [("set_timer", {"minutes": 8})]),
        ("Wake me at seven, no wait, at eight", [("set_alarm", {"time": "8"})]),
        ("Add milk to the list, I mean bread", [("add_to_list", {"item": "bread"})]),
        ("Turn the bed light red and set it to 20 percent", [
            ("set_light", {"name": "the bed light", "color": "red"}), ("set_light", {"name": "the bed light", "brightness": 20}),
        ]),
        ("Cancel the rice timer and the egg timer", [("cancel_timer", {"name": "rice"}), ("cancel_timer", {"name": "egg"})]),
    ],
)  # fmt: skip
def test_who_corrects_themselves_means_the_second(
    english: LocalIntents, text: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    assert called(english, [], text) == calls


@pytest.mark.parametrize(
    ("language", "command", "text", "calls"),
    [
        ("de", "Stell einen Timer auf fünf Minuten", "Nein, ich meine acht Minuten.", ["cancel_timer", "set_timer"]),
        ("de", "Setz Milch auf die Einkaufsliste", "und Eier", ["add_to_list"]),
        ("de", "Stell einen Timer auf fünf Minuten", "Abbrechen.", ["cancel_timer"]),
        ("fr", "Mets un minuteur de cinq minutes", "Non, je veux dire huit minutes", ["cancel_timer", "set_timer"]),
        ("fr", "Mets un minuteur de cinq minutes", "Annule.", ["cancel_timer"]),
        ("es", "Pon un temporizador de cinco minutos", "No, quiero decir ocho minutos", ["cancel_timer", "set_timer"]),
        ("es", "Pon un temporizador de cinco minutos", "Cancélalo.", ["cancel_timer"]),
    ],
)
def test_people_go_on_in_other_languages_too(language: str, command: str, text: str, calls: list[str]) -> None:
    intents = LocalIntents(language)
    assert [tool for tool, _ in called(intents, [command], text)] == calls
    assert not called(intents, [], text)


SAID = "no i mean make it eight minutes and the other one too turn off cancel that add butter milk tomorrow at seven".split()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(SAID), max_size=8).map(" ".join), max_size=6), st.booleans())
def test_no_conversation_breaks_it(english: LocalIntents, texts: list[str], asked: bool) -> None:
    *before, last = [TIMER, *texts]
    for match in english.match_all(last, [Said(text, asked) for text in before], asked=asked):
        assert match.intent
