from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.intents import LocalIntents, Match
from tools.outcomes import Outcome, Status

ENGLISH = LocalIntents("en")
GERMAN, FRENCH, SPANISH = LocalIntents("de"), LocalIntents("fr"), LocalIntents("es")

TOOLS: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "get_time": [
        ("What time is it?", {}), ("what time is it right now", {}), ("What's the time?", {}),
        ("Can you tell me the time, please?", {}), ("Hey Passfel, what time is it?", {}), ("Do you have the time?", {}),
        ("Okay, what's the current time?", {}), ("What time is it in Tokyo?", {"place": "tokyo"}),
        ("What's the time in New York?", {"place": "new york"}), ("Um, what time is it now?", {}),
    ],
    "get_date": [
        ("What day is it?", {"day": "today"}), ("What's today's date?", {"day": "today"}),
        ("What is the date?", {"day": "today"}), ("What day is it tomorrow?", {"day": "tomorrow"}),
        ("What day was it yesterday?", {"day": "yesterday"}), ("What's the date tomorrow?", {"day": "tomorrow"}),
        ("Which day is it today?", {"day": "today"}),
    ],
    "set_timer": [
        ("Set a timer for 10 minutes.", {"minutes": 10}), ("Set a ten minute timer.", {"minutes": 10}),
        ("Start a timer for thirty seconds", {"seconds": 30}), ("Set a timer for 1 hour", {"hours": 1}),
        ("Set a timer for 1 hour and 20 minutes, please.", {"hours": 1, "minutes": 20}),
        ("Could you set a timer for five minutes?", {"minutes": 5}), ("Set a 5-minute timer", {"minutes": 5}),
        ("Set a pasta timer for 8 minutes", {"name": "pasta", "minutes": 8}),
        ("Set a timer for half an hour", {"minutes": 30}), ("Set a timer for 5 seconds.", {"seconds": 5}),
        ("10 minute timer", {"minutes": 10}), ("Timer for 3 minutes", {"minutes": 3}),
        ("Create an egg timer for 7 minutes", {"name": "egg", "minutes": 7}),
        ("Set a 10 minute timer for the bread", {"name": "bread", "minutes": 10}),
    ],
    "cancel_timer": [
        ("Cancel the timer.", {}), ("Stop the timer", {}), ("Cancel the pasta timer", {"name": "pasta"}),
        ("Cancel my 10 minute timer", {"minutes": 10}), ("Cancel all timers", {"all_of_them": True}),
        ("Turn off the alarm.", {"kind": "alarm"}), ("Cancel my alarm", {"kind": "alarm"}),
    ],
    "timer_status": [
        ("How much time is left?", {}), ("How long is left on the timer?", {}), ("How long is left?", {}),
        ("How long is left on the pasta timer?", {"name": "pasta"}), ("Check my timers", {}),
        ("When does the timer end?", {}),
    ],
    "change_timer": [
        ("Add 5 minutes to the timer", {"minutes": 5}), ("Add 30 seconds to my timer", {"seconds": 30}),
        ("Take 2 minutes off the timer", {"minutes": -2}),
    ],
    "set_alarm": [
        ("Wake me up at 7.", {"time": "7"}), ("Set an alarm for 7:30 a.m.", {"time": "7:30 am"}),
        ("Set an alarm for half past six", {"time": "half past six"}), ("Wake me at quarter to eight", {"time": "quarter to eight"}),
    ],
    "set_reminder": [
        ("Remind me to call the plumber at 6 pm", {"text": "call the plumber", "time": "6 pm"}),
        ("Remind me in 20 minutes to check the oven.", {"text": "check the oven", "minutes": 20}),
        ("Remind me to take out the bins in ten minutes", {"text": "take out the bins", "minutes": 10}),
    ],
    "add_to_list": [
        ("Add milk to the shopping list.", {"item": "milk"}), ("Put eggs on my shopping list", {"item": "eggs"}),
        ("Can you add olive oil to the list, please?", {"item": "olive oil"}),
        ("Please put two bottles of water on the shopping list", {"item": "two bottles of water"}),
    ],
    "remove_from_list": [("Take milk off the shopping list", {"item": "milk"}), ("Remove eggs from the list", {"item": "eggs"})],
    "read_list": [("What's on my shopping list?", {}), ("Read me the shopping list", {}), ("What do we need to buy?", {})],
    "clear_list": [("Clear the shopping list", {}), ("Empty my shopping list.", {}), ("Delete everything on the list", {})],
    "calculate": [
        ("What is 12 times 9?", {"expression": "12 times 9"}), ("What's 15% of 80?", {"expression": "15% of 80"}),
        ("How much is 3 plus 4?", {"expression": "3 plus 4"}), ("Calculate 17*23", {"expression": "17*23"}),
        ("What is the square root of 16?", {"expression": "the square root of 16"}),
        ("What's 100 divided by 8?", {"expression": "100 divided by 8"}), ("what is 1,000 minus 1", {"expression": "1,000 minus 1"}),
    ],
}  # fmt: skip
CONVERSATION = {
    "Repeat": ["Repeat that.", "Can you say that again?", "What did you say?", "Come again?"],
    "StopTalking": ["Stop.", "Never mind.", "Be quiet.", "That's enough.", "Cancel."],
    "Louder": ["Louder.", "Turn it up.", "Speak up", "Turn up the volume, please."],
    "Quieter": ["Quieter please", "Turn it down.", "You're too loud.", "Turn the volume down"],
    "SetVolume": ["Set the volume to 30 percent.", "Volume 50%", "Turn the volume up to 80"],
    "NoHome": ["Turn on the lamp.", "Turn off all the lights", "Switch the kitchen light on", "Set the thermostat to 20 degrees"],
    "NoWeather": ["What's the weather like?", "Will it rain tomorrow?", "How's the weather today?", "Do I need an umbrella?"],
    "NoMusic": ["Play some music.", "Next song"],
    "WhoAreYou": ["Who are you?", "What's your name?"],
    "WhatCanYouDo": ["What can you do?", "Help."],
}  # fmt: skip
FOR_THE_MODEL = [
    "Turn on the light in the novel I am writing about", "What time is it in the story?", "What is love?", "Why is the sky blue?",
    "What time is it when an elephant sits on the fence?", "What's the weather like if I go to Mars?", "How many days are in a week?",
    "Tell me a story about a timer that wanted to be a clock", "Get me an iced mocha with cream and sugar.", "I would like a coffee.",
    "What is 5?", "Who was the first person on the moon?", "Add the fact that I like cheese because it is tasty to my memory",
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.",
    "Set the table for four people", "What does it mean to turn on a light?", "How long is the Nile?", "Remind me who wrote Hamlet",
    "What's the time complexity of quicksort?", "Do you like music?", "Stop and think about the meaning of life", "", "?", "...",
    "Give me a 20-ounce dark roast coffee", "What day was the moon landing?", "My lamp is broken", "The timer is annoying me",
    "How do I set a timer on my oven?", "Could you explain photosynthesis?", "What is the capital of France?",
    "When I say stop, what do you do?", "Is the volume of a sphere four thirds pi r cubed?", "Volume 2 of the book is missing",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "tool", "arguments"), [(text, tool, expected) for tool, cases in TOOLS.items() for text, expected in cases]
)
def test_a_plain_command_becomes_a_call(text: str, tool: str, arguments: dict[str, Any]) -> None:
    matches = ENGLISH.match_all(text)
    assert [match.tool for match in matches] == [tool]
    assert dict(matches[0].arguments) == arguments


@pytest.mark.parametrize(
    ("text", "intent"), [(text, intent) for intent, texts in CONVERSATION.items() for text in texts]
)
def test_what_the_conversation_does_itself_is_recognized(text: str, intent: str) -> None:
    assert [(match.intent, match.tool) for match in ENGLISH.match_all(text)] == [(intent, None)]


@pytest.mark.parametrize("text", FOR_THE_MODEL)
def test_everything_else_is_for_the_model(text: str) -> None:
    assert ENGLISH.match_all(text) == []


def test_two_commands_at_once_are_both_recognized() -> None:
    matches = ENGLISH.match_all("Turn off the lights and set a timer for ten minutes.")
    assert [match.intent for match in matches] == ["NoHome", "HassStartTimer"]
    assert ENGLISH.match_all("Set a timer for ten minutes and tell me a joke") == []


@pytest.mark.parametrize(
    ("intents", "text", "tool", "arguments"),
    [
        (GERMAN, "Wie spät ist es?", "get_time", {}), (GERMAN, "Stelle einen Timer auf 10 Minuten.", "set_timer", {"minutes": 10}),
        (GERMAN, "Setze Milch auf die Einkaufsliste", "add_to_list", {"item": "milch"}),
        (FRENCH, "Quelle heure est-il ?", "get_time", {}), (FRENCH, "Annule le minuteur", "cancel_timer", {}),
        (SPANISH, "¿Qué hora es?", "get_time", {}), (SPANISH, "Cancela el temporizador", "cancel_timer", {}),
    ],
)  # fmt: skip
def test_home_assistants_templates_cover_other_languages(
    intents: LocalIntents, text: str, tool: str, arguments: dict[str, Any]
) -> None:
    matches = intents.match_all(text)
    assert [match.tool for match in matches] == [tool]
    assert dict(matches[0].arguments) == arguments


@pytest.mark.parametrize(("intents", "said"), [(GERMAN, "Es ist 14:05"), (FRENCH, "Il est 14:05")])
def test_another_language_is_answered_in_it(intents: LocalIntents, said: str) -> None:
    outcome = Outcome("", "get_time", {}, Status.DONE, "It's 2:05 PM.", {"time": "14:05"})
    assert intents.say(Match("HassGetCurrentTime", tool="get_time"), outcome) == said


def test_timers_are_told_in_another_language() -> None:
    timer = {"id": "1", "kind": "timer", "name": "", "due": 0, "seconds": 600, "device": "kitchen", "left": 300}
    outcome = Outcome("", "timer_status", {}, Status.DONE, "", {"timers": [timer]})
    said = GERMAN.say(Match("HassTimerStatus", tool="timer_status"), outcome)
    assert said is not None
    assert "5 Minuten" in said


def test_a_language_without_templates_leaves_everything_to_the_model() -> None:
    assert LocalIntents("tlh").match_all("What time is it?") == []


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_words_break_it(text: str) -> None:
    for intents in (ENGLISH, GERMAN):
        intents.match_all(text)
