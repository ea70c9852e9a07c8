from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.intents.matching import LONGEST, LocalIntents, Match

ENGLISH = LocalIntents("en")

TOOLS: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "get_time": [
        ("What time is it?", {}), ("what time is it right now", {}), ("What's the time?", {}), ("Time, please.", {}),
        ("Can you tell me the time, please?", {}), ("Hey Passfel, what time is it?", {}), ("Do you have the time?", {}),
        ("Okay, what's the current time?", {}), ("Um, what time is it now?", {}), ("What time is it, Passfel?", {}),
        ("Could you please tell me what time it is?", {}), ("Do you know what time it is?", {}), ("So, what’s the time?", {}),
        ("What time is it in Tokyo?", {"place": "Tokyo"}), ("What's the time in New York?", {"place": "New York"}),
        ("What's the local time in London right now?", {"place": "London"}),
    ],
    "get_date": [
        ("What day is it?", {"day": "today"}), ("What's today's date?", {"day": "today"}), ("What's the date?", {"day": "today"}),
        ("What is the date?", {"day": "today"}), ("What day is it tomorrow?", {"day": "tomorrow"}), ("Which day is it today?", {"day": "today"}),
        ("What day was it yesterday?", {"day": "yesterday"}), ("What's the date tomorrow?", {"day": "tomorrow"}),
        ("What day is tomorrow?", {"day": "tomorrow"}), ("Tell me what day it is.", {"day": "today"}), ("What day of the week is it?", {"day": "today"}),
        ("What year is it?", {"day": "today"}), ("Can you tell me today's date?", {"day": "today"}), ("What date was it yesterday?", {"day": "yesterday"}),
    ],
    "set_timer": [
        ("Set a timer for 10 minutes.", {"minutes": 10}), ("Set a ten minute timer.", {"minutes": 10}), ("five minute timer", {"minutes": 5}),
        ("Start a timer for thirty seconds", {"seconds": 30}), ("Set a timer for 1 hour", {"hours": 1}), ("Set a timer for an hour.", {"hours": 1}),
        ("Set a timer for 1 hour and 20 minutes, please.", {"hours": 1, "minutes": 20}), ("Set a timer for a minute", {"minutes": 1}),
        ("Could you set a timer for five minutes?", {"minutes": 5}), ("Set a 5-minute timer", {"minutes": 5}), ("Timer, 10 minutes.", {"minutes": 10}),
        ("Set a timer for half an hour", {"minutes": 30}), ("Set a timer for 5 seconds.", {"seconds": 5}), ("Timer for 3 minutes", {"minutes": 3}),
        ("Set a timer for an hour and a half", {"hours": 1, "minutes": 30}), ("Set a timer for two and a half minutes", {"minutes": 2, "seconds": 30}),
        ("Set a timer for one and a half hours", {"hours": 1, "minutes": 30}), ("Set a timer for 3 minutes and 30 seconds", {"minutes": 3, "seconds": 30}),
        ("Set a timer for a quarter of an hour", {"minutes": 15}), ("Set a timer for 90 minutes", {"minutes": 90}), ("Set a 120 second timer", {"seconds": 120}),
        ("Passfel, start a 20 minute countdown", {"minutes": 20}), ("Count down from 30 seconds", {"seconds": 30}), ("Set timer to 15 minutes", {"minutes": 15}),
        ("I'd like you to set a timer for 25 minutes", {"minutes": 25}), ("Set another timer for 4 minutes", {"minutes": 4}), ("Wake me up in twenty minutes", {"minutes": 20}),
        ("Let me know in ten minutes", {"minutes": 10}), ("Set an alarm for twenty minutes", {"minutes": 20}), ("Set a timer for a couple of minutes", {"minutes": 2}),
        ("Set a pasta timer for 8 minutes", {"name": "pasta", "minutes": 8}), ("Create an egg timer for 7 minutes", {"name": "egg", "minutes": 7}),
        ("Set a 10 minute timer for the bread", {"name": "bread", "minutes": 10}), ("Start a timer called laundry for 40 minutes", {"name": "laundry", "minutes": 40}),
        ("Set a timer for 12 minutes for the rice", {"name": "rice", "minutes": 12}), ("Set a 5 minute tea timer", {"name": "tea", "minutes": 5}),
        ("Set a timer for the pizza for fifteen minutes", {"name": "pizza", "minutes": 15}),
    ],
    "cancel_timer": [
        ("Delete my seven o'clock alarm.", {"kind": "alarm", "time": "7"}), ("Stop every timer that's running", {"all_of_them": True}),
        ("Cancel the timer.", {}), ("Stop the timer", {}), ("Cancel the pasta timer", {"name": "pasta"}), ("Turn off the timer, please", {}),
        ("Cancel my 10 minute timer", {"minutes": 10}), ("Cancel all timers", {"all_of_them": True}), ("Stop all the timers", {"all_of_them": True}),
        ("Turn off the alarm.", {"kind": "alarm"}), ("Cancel my alarm", {"kind": "alarm"}), ("Delete the reminder", {"kind": "reminder"}),
        ("Can you stop the egg timer please?", {"name": "egg"}), ("Never mind the timer", {}), ("Cancel all alarms", {"kind": "alarm", "all_of_them": True}),
    ],
    "timer_status": [
        ("How much time is left?", {}), ("How long is left on the timer?", {}), ("How long is left?", {}), ("How much longer?", {}),
        ("How long is left on the pasta timer?", {"name": "pasta"}), ("Check my timers", {}), ("When does the timer end?", {}),
        ("How much time is left on my timer?", {}), ("How many minutes are left?", {}), ("How long do I have left?", {}), ("Is the timer still running?", {}),
        ("What's left on the egg timer?", {"name": "egg"}), ("What alarms do I have?", {"kind": "alarm"}), ("When is my alarm?", {"kind": "alarm"}),
        ("What are my reminders?", {"kind": "reminder"}), ("When will the rice timer be done?", {"name": "rice"}),
    ],
    "change_timer": [
        ("Add 5 minutes to the timer", {"minutes": 5}), ("Add 30 seconds to my timer", {"seconds": 30}), ("Take 2 minutes off the timer", {"minutes": -2}),
        ("Add five minutes.", {"minutes": 5}), ("Five more minutes, please.", {"minutes": 5}), ("Extend the timer by ten minutes", {"minutes": 10}),
        ("Make the timer two minutes longer", {"minutes": 2}), ("Add a minute to the pasta timer", {"name": "pasta", "minutes": 1}),
        ("Add two minutes to the Pasta timer.", {"name": "Pasta", "minutes": 2}), ("Give the timer five more minutes.", {"minutes": 5}),
        ("Shorten the timer by 1 minute", {"minutes": -1}), ("Remove 5 minutes from the egg timer", {"name": "egg", "minutes": -5}), ("Give me another 10 minutes", {"minutes": 10}),
    ],
    "set_alarm": [
        ("Wake me up tomorrow at seven.", {"time": "7", "day": "tomorrow"}), ("Set an alarm for seven thirty every weekday.", {"time": "7:30", "repeat": "weekdays"}),
        ("Wake me up at 7.", {"time": "7"}), ("Set an alarm for 7:30 a.m.", {"time": "7:30 am"}), ("Set an alarm for half past six", {"time": "6:30"}),
        ("Wake me at quarter to eight", {"time": "quarter to 8"}), ("Set an alarm for seven in the morning", {"time": "7 am"}), ("Set my alarm for six thirty", {"time": "6:30"}),
        ("Set an alarm for noon", {"time": "12:00"}), ("Wake me up at 6 o'clock, please", {"time": "6"}), ("Set an alarm at 9 pm", {"time": "9 pm"}),
        ("Can you wake me up at quarter past five?", {"time": "5:15"}), ("Set an alarm for 730.", {"time": "7:30"}),
    ],
    "snooze": [("Snooze.", {}), ("Snooze for five minutes.", {"minutes": 5})],
    "set_reminder": [
        ("Remind me to call Mum tomorrow at 9", {"text": "call Mum", "time": "9", "day": "tomorrow"}),
        ("Remind me tomorrow at nine to call the bank.", {"text": "call the bank", "time": "9", "day": "tomorrow"}), ("Remind me to water the plants on Friday.", {"text": "water the plants", "day": "friday"}),
        ("In twenty minutes remind me to take the Cake out.", {"text": "take the Cake out", "minutes": 20}),
        ("Remind me to call the plumber at 6 pm", {"text": "call the plumber", "time": "6 pm"}), ("Remind me in 20 minutes to check the oven.", {"text": "check the oven", "minutes": 20}),
        ("Remind me to take out the bins in ten minutes", {"text": "take out the bins", "minutes": 10}), ("Remind me to call Mum in an hour", {"text": "call Mum", "minutes": 60}),
        ("Remind me to look at the roast at 5", {"text": "look at the roast", "time": "5"}), ("Set a reminder to water the plants at 8 in the evening", {"text": "water the plants", "time": "8 pm"}),
        ("At half past three remind me to pick up Anna", {"text": "pick up Anna", "time": "3:30"}), ("In half an hour, remind me to turn off the oven", {"text": "turn off the oven", "minutes": 30}),
    ],
    "add_to_list": [
        ("Add milk to the shopping list.", {"item": "milk", "list_name": "shopping"}), ("Put eggs on my list", {"item": "eggs"}),
        ("Can you add olive oil to the list, please?", {"item": "olive oil"}), ("Add call the bank to my to-do list", {"item": "call the bank", "list_name": "to-do"}),
        ("Please put two bottles of water on the shopping list", {"item": "two bottles of water", "list_name": "shopping"}),
        ("Add Nutella to the grocery list", {"item": "Nutella", "list_name": "shopping"}), ("Put sunscreen on the packing list", {"item": "sunscreen", "list_name": "packing"}),
        ("Add mac and cheese to the shopping list", {"item": "mac and cheese", "list_name": "shopping"}), ("Write toothpaste on the list", {"item": "toothpaste"}),
    ],
    "remove_from_list": [
        ("Take milk off the shopping list", {"item": "milk", "list_name": "shopping"}), ("Remove eggs from the list", {"item": "eggs"}),
        ("Cross bread off my shopping list", {"item": "bread", "list_name": "shopping"}), ("Delete butter from my list, please", {"item": "butter"}),
    ],
    "call_person": [
        ("Call Ana.", {"who": "Ana"}), ("Please call aunt Mary", {"who": "aunt Mary"}),
        ("Call Ana and tell her dinner is ready.", {"who": "Ana", "message": "dinner is ready"}),
        ("Call Ben and say that we need milk and bread", {"who": "Ben", "message": "we need milk and bread"}),
    ],
    "put_through": [
        ("Put me through to Ana.", {"who": "Ana"}), ("Can you connect me with Ben, please?", {"who": "Ben"}),
        ("Transfer my call to aunt Mary", {"who": "aunt Mary"}),
    ],
    "read_messages": [
        ("Do I have any messages?", {}), ("Read me my messages.", {}), ("Did anybody call?", {}),
        ("Are there any new messages for us?", {}),
    ],
    "read_list": [
        ("What's on my shopping list?", {"list_name": "shopping"}), ("Read me the shopping list", {"list_name": "shopping"}), ("What do we need to buy?", {}),
        ("What is on the to-do list?", {"list_name": "to-do"}), ("Is there anything on the list?", {}), ("Can you read me my list?", {}),
    ],
    "clear_list": [
        ("Clear the shopping list", {"list_name": "shopping"}), ("Empty my shopping list.", {"list_name": "shopping"}), ("Delete everything on the list", {}),
    ],
    "calculate": [
        ("What is 12 times 9?", {"expression": "12 * 9"}), ("What's 15% of 80?", {"expression": "15% of 80"}), ("What is twelve times nine?", {"expression": "12 * 9"}),
        ("How much is 3 plus 4?", {"expression": "3 + 4"}), ("Calculate 17*23", {"expression": "17*23"}), ("7 times 8", {"expression": "7 * 8"}),
        ("What is the square root of 16?", {"expression": "sqrt 16"}), ("What's 100 divided by 8?", {"expression": "100 / 8"}), ("Multiply 6 by 7", {"expression": "6 * 7"}),
        ("what is 1,000 minus 1", {"expression": "1000 - 1"}), ("What is fifteen percent of eighty?", {"expression": "15 % of 80"}), ("What's 5 squared?", {"expression": "5 ^ 2"}),
        ("What's two plus two?", {"expression": "2 + 2"}), ("How much is 3.5 times 4?", {"expression": "3.5 * 4"}), ("What's one hundred and five minus twenty-five?", {"expression": "105 - 25"}),
        ("What is half of 90?", {"expression": "0.5 * 90"}), ("2 to the power of 10", {"expression": "2 ^ 10"}), ("What's 3 x 4?", {"expression": "3 x 4"}),
    ],
    "get_weather": [
        ("What's the weather like?", {}), ("Will it rain tomorrow?", {"when": "tomorrow", "about": "rain"}), ("How's the weather today?", {"when": "today"}),
        ("Do I need an umbrella?", {"about": "rain"}), ("Will I need a coat tomorrow?", {"when": "tomorrow", "about": "temperature"}), ("Is it cold outside?", {"about": "temperature"}), ("What's the forecast for the weekend?", {"when": "weekend"}),
        ("What's the weather in Paris?", {"place": "Paris"}), ("What's the weather tomorrow in New York?", {"place": "New York", "when": "tomorrow"}),
        ("What will the weather be in Paris on Friday?", {"place": "Paris", "when": "friday"}), ("When does the sun set?", {"about": "sun"}),
        ("Is it going to snow this weekend?", {"when": "weekend", "about": "snow"}), ("How windy is it?", {"about": "wind"}), ("How's the weather in the Algarve?", {"place": "Algarve"}),
    ],
    "weather_alerts": [("Are there any weather warnings?", {})],
    "list_events": [("What's on my calendar today?", {"when": "today"}), ("What's my next appointment?", {"when": "next"}), ("Do I have any meetings on Friday?", {"when": "friday"})],
    "add_event": [("Put dentist on my calendar for Friday at nine.", {"title": "dentist", "when": "friday", "time": "9"})],
    "free_time": [("Am I free tomorrow at 3 pm?", {"when": "tomorrow", "time": "3 pm"})],
    "delete_event": [("Cancel my dentist appointment.", {"title": "dentist"})],
    "get_news": [("What's in the news?", {}), ("Any news about the elections?", {"about": "the elections"})],
    "more_news": [("Tell me more about the second one.", {"which": "second"})],
    "get_price": [("What's the price of bitcoin?", {"what": "bitcoin"}), ("How is Apple stock doing?", {"what": "Apple"})],
    "convert_currency": [("How much is $100 in euros?", {"amount": 100.0, "from_currency": "USD", "to_currency": "EUR"}), ("How much is $ 100 in euros", {"amount": 100.0, "from_currency": "USD", "to_currency": "EUR"}), ("How much is €2,500.50 in dollars?", {"amount": 2500.5, "from_currency": "EUR", "to_currency": "USD"})],
    "look_up": [("Look up Ada Lovelace.", {"about": "Ada Lovelace"})],
    "get_fact": [("How tall is the Eiffel Tower?", {"about": "the Eiffel Tower", "fact": "height"}), ("When was Marie Curie born?", {"about": "Marie Curie", "fact": "born"})],
    "do_not_disturb": [("Do not disturb me for two hours.", {"hours": 2}), ("Don't disturb me until 6 pm.", {"until": "6 pm"})],
    "convert_units": [
        ("How many kilometers are ten miles?", {"value": 10.0, "from_unit": "mile", "to_unit": "kilometer"}),
        ("How many feet are in a mile?", {"value": 1.0, "from_unit": "mile", "to_unit": "foot"}),
        ("Convert five and a half kilos to pounds, please.", {"value": 5.5, "from_unit": "kilogram", "to_unit": "pound"}),
        ("What's 350 degrees Fahrenheit in Celsius?", {"value": 350.0, "from_unit": "fahrenheit", "to_unit": "celsius"}),
        ("half a pound in grams", {"value": 0.5, "from_unit": "pound", "to_unit": "gram"}),
    ],
}  # fmt: skip
CONVERSATION = {
    "Repeat": ["Repeat that.", "Can you say that again?", "What did you say?", "Come again?", "I didn't catch that.", "Say that again, please.", "One more time."],
    "StopTalking": ["Stop.", "Never mind.", "Be quiet.", "That's enough.", "Cancel.", "Stop talking.", "Okay, stop.", "Forget it.", "Stop! Stop! Stop!"],
    "Louder": ["Louder.", "Turn it up.", "Speak up", "Turn up the volume, please.", "A bit louder please.", "I can't hear you.", "Can you speak louder?"],
    "Quieter": ["Quieter please", "Turn it down.", "You're too loud.", "Turn the volume down", "Not so loud!", "Could you be a little quieter?"],
    "SetVolume": ["Set the volume to 30 percent.", "Volume 50%", "Turn the volume up to 80", "Set the volume to 3 out of 10", "Full volume"],
    "NoHome": [
        "Turn on the lamp.", "Turn off all the lights", "Switch the kitchen light on", "Set the thermostat to 20 degrees", "Lights off.", "Turn on the TV",
        "Turn off the lights in the living room", "Dim the bedroom lights", "Close the blinds", "Lock the front door", "Is the front door locked?", "Start the vacuum",
        "Set the bedroom light to 40 percent", "Open the garage door, please", "Turn the heating up", "Can you turn the fan off?",
    ],
    "NoMusic": ["Play some music.", "Next song", "Pause the music", "Play some jazz", "Skip this song"],
    "NoPause": ["Pause the timer.", "Resume the pasta timer"],
    "WhoAreYou": ["Who are you?", "What's your name?"],
    "WhatCanYouDo": ["What can you do?", "Help."],
}  # fmt: skip
FOR_THE_MODEL = [
    "How tall is he?", "How much is it in euros?", "And on Sunday I would like to sleep in.",
    "How many miles is it to Lisbon?", "What's the time in minutes?", "How many cups of tea do people drink in a day?", "How many feet do spiders have?",
    "Turn on the light in the novel I am writing about", "What time is it in the story?", "What is love?", "Why is the sky blue?",
    "What time is it when an elephant sits on the fence?", "What's the weather like if I go to Mars?",
    "Tell me a story about a timer that wanted to be a clock", "Get me an iced mocha with cream and sugar.", "I would like a coffee.",
    "What is 5?", "Who was the first person on the moon?", "Add the fact that I like cheese because it is tasty to my memory",
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.",
    "Set the table for four people", "What does it mean to turn on a light?", "How long is the Nile?", "Remind me who wrote Hamlet",
    "What's the time complexity of quicksort?", "Do you like music?", "Stop and think about the meaning of life", "", "?", "...",
    "Give me a 20-ounce dark roast coffee", "What day was the moon landing?", "My lamp is broken", "The timer is annoying me",
    "How do I set a timer on my oven?", "Could you explain photosynthesis?", "What is the capital of France?", "Please.",
    "When I say stop, what do you do?", "Is the volume of a sphere four thirds pi r cubed?", "Volume 2 of the book is missing",
    "I turned on the light and saw a ghost", "The lights in Paris are beautiful", "Who invented the light bulb?", "Why do people turn off the lights when they leave?",
    "What is the speed of light?", "Should I turn on the light when I read?", "How much does a smart light cost?", "What happened on 9/11?", "What is 9/11?", "What's 24/7?",
    "I set a timer for five minutes yesterday", "What would happen if you set a timer for ten years?", "How long is a piece of string?", "How much longer will the war last?",
    "Is five more than three?", "I need five more minutes to think about what you said", "I will be home in 5 minutes", "See you in ten minutes",
    "What is on the other side of the moon?", "Add some humour to the poem", "Add a paragraph about dogs to the end", "Put yourself in my shoes",
    "What did you say about the Romans?", "Can you repeat the first line of the poem?", "Stop me if you have heard this one", "Tell me about the weather in the eighteenth century",
    "Will it rain in the film?", "What's the weather like on Jupiter's moons?", "What is a good time to visit Japan?", "What time does the sun rise on Mars?",
    "Play a game with me", "Who plays the next song in the musical?", "Wake me up before you go-go is a great song", "Wake me up at the break of dawn",
    "Tomorrow is another day", "What is the next date of a solar eclipse?", "How many timers does a kitchen need?",
    "Two plus two is what the teacher asked me yesterday", "Multiply the loaves and the fishes", "I am too loud and nobody likes me", "Set a timer for ten minutes if it rains", "What is the shopping list of a vegan?", "Write a shopping list for a birthday party", "Clear my mind", "The light.", "Next.", "Pause.", "5.",
]  # fmt: skip


def _called(text: str) -> list[tuple[str | None, dict[str, Any]]]:
    return [(match.tool, dict(match.arguments)) for match in ENGLISH.match_all(text)]


@pytest.mark.parametrize(
    ("text", "tool", "arguments"), [(text, tool, expected) for tool, cases in TOOLS.items() for text, expected in cases]
)
def test_a_plain_command_becomes_a_call(text: str, tool: str, arguments: dict[str, Any]) -> None:
    assert _called(text) == [(tool, arguments)]


@pytest.mark.parametrize(
    ("text", "intent"), [(text, intent) for intent, texts in CONVERSATION.items() for text in texts]
)
def test_what_needs_no_tool_is_recognized(text: str, intent: str) -> None:
    assert [(match.intent, match.tool) for match in ENGLISH.match_all(text)] == [(intent, None)]


@pytest.mark.parametrize("text", FOR_THE_MODEL)
def test_everything_else_is_for_the_model(text: str) -> None:
    assert ENGLISH.match_all(text) == []


def test_two_commands_are_both_recognized_in_their_order() -> None:
    matches = ENGLISH.match_all("Turn off the lights and set a timer for ten minutes.")
    assert [match.intent for match in matches] == ["NoHome", "HassStartTimer"]
    matches = ENGLISH.match_all("Set a timer for 1 hour and 5 minutes, and add milk to the shopping list.")
    assert [match.tool for match in matches] == ["set_timer", "add_to_list"]
    matches = ENGLISH.match_all("What time is it? And set a timer for five minutes, then turn it up.")
    assert [match.intent for match in matches] == ["HassGetCurrentTime", "HassStartTimer", "Louder"]


@pytest.mark.parametrize(
    "text",
    [
        "Set a timer for ten minutes and tell me a joke",
        "Tell me a joke and set a timer for ten minutes",
        "What time is it and why is it so late?",
        "Stop and set a timer and what time is it and turn it up and louder and stop",
    ],
)
def test_a_command_beside_something_else_is_for_the_model(text: str) -> None:
    assert ENGLISH.match_all(text) == []


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Add milk, eggs and bread to the shopping list", ["milk", "eggs", "bread"]),
        ("Put salt and olive oil on my list", ["salt", "olive oil"]),
        ("Take apples, pears, and plums off the shopping list.", ["apples", "pears", "plums"]),
        (
            "Add milk and bread and butter and honey and coffee and sugar and flour to the shopping list",
            ["milk", "bread", "butter", "honey", "coffee", "sugar", "flour"],
        ),
    ],
)
def test_several_items_are_one_call(text: str, items: list[str]) -> None:
    (match,) = ENGLISH.match_all(text)
    assert [match.arguments["item"], *match.arguments["others"]] == items


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("and milk to the shopping list", "Add milk to the shopping list."),
        ("At 30 seconds to my timer.", "Add 30 seconds to my timer."),
        ("I'd call the plumber to my to-do lists.", "Add call the plumber to my to-do list"),
        ("Remime me in 5 seconds to water the plants", "Remind me in 5 seconds to water the plants"),
        ("And half an hour, remind me to turn off the oven.", "In half an hour, remind me to turn off the oven"),
        ("Reme the shopping list.", "Read me the shopping list"),
        ("Set in alarm for 730.", "Set an alarm for 730."),
        ("Wake me that quarter to eight.", "Wake me at quarter to eight"),
        ("It's news for 5 minutes", "Snooze for 5 minutes"),
        ("A passful. What time is it?", "Passfel, what time is it?"),
        ("What's the weather life?", "What's the weather like?"),
        ("Stop what time is it?", "What time is it?"),
        ("Wait, stop set a timer for ten minutes.", "Set a timer for ten minutes."),
    ],
)
def test_what_the_recognizer_mishears_is_understood(heard: str, said: str) -> None:
    assert _called(said)
    assert _called(heard) == _called(said)


@pytest.mark.parametrize(
    "text",
    [
        "I'd like to know how to add milk to my list", "And tell me how to add things to the shopping list",
        "It's news to me", "I moved everything to my lists", "A passport is needed", "At five",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_command_is_for_the_model(text: str) -> None:
    assert ENGLISH.match_all(text) == []


def test_the_volume_is_understood_as_a_percentage() -> None:
    levels = {
        "Set the volume to thirty percent": 30, "Volume 50%": 50, "Set the volume to 3 out of 10": 30, "Full volume": 100,
    }  # fmt: skip
    assert {text: ENGLISH.match_all(text)[0].slots["percent"] for text in levels} == levels


def test_a_long_text_is_for_the_model_however_it_begins() -> None:
    command = "Set a timer for ten minutes"
    assert ENGLISH.match_all(command + " " * (LONGEST - len(command)))
    assert ENGLISH.match_all(command + " " * (LONGEST - len(command) + 1)) == []


def test_a_language_without_templates_leaves_everything_to_the_model() -> None:
    nobody = LocalIntents("tlh")
    assert nobody.match_all("What time is it?") == []
    assert nobody.say(Match("HassGetCurrentTime"), None) is None


WORDS = "set a timer for ten minutes and half an hour 5 pasta the remind me to at in add milk , list take off . turn on what's by stop 12 times"


@settings(deadline=None)
@given(st.one_of(st.text(max_size=400), st.lists(st.sampled_from(WORDS.split()), max_size=40).map(" ".join)))
def test_no_words_break_it(text: str) -> None:
    for match in ENGLISH.match_all(text):
        assert match.intent
        assert match.tool is None or match.arguments is not None


HOUSE = {
    "Turn on the bed light.": ("turn_on", {"name": "the bed light"}),
    "Turn off all the lights.": ("turn_off", {"name": "all the lights"}),
    "Dim the ceiling lights to 20 percent.": ("set_light", {"name": "the ceiling lights", "brightness": 20.0}),
    "Make the bed light red.": ("set_light", {"name": "the bed light", "color": "red"}),
    "Set the temperature in the living room to 20 degrees.": (
        "set_temperature",
        {"room": "the living room", "degrees": 20.0},
    ),
    "Open the garage door.": ("open_cover", {"name": "the garage door"}),
    "Unlock the front door.": ("unlock_door", {"name": "the front door"}),
    "Is the front door locked?": ("home_status", {"name": "the front door", "asked": "locked"}),
    "What's on in the kitchen?": ("home_status", {"room": "the kitchen"}),
    "What's the temperature in the living room?": ("home_status", {"name": "temperature", "room": "the living room"}),
    "Pause the music.": ("control_media", {"action": "pause"}),
}


@pytest.fixture(scope="module")
def furnished() -> LocalIntents:
    made = LocalIntents("en")
    made.furnish([("Bed Light", "light"), ("Front Door", "lock")], ["Kitchen", "Living Room"])
    return made


@pytest.mark.parametrize("text", HOUSE)
def test_a_house_that_is_known_is_commanded(furnished: LocalIntents, text: str) -> None:
    assert [(match.tool, match.arguments) for match in furnished.match_all(text)] == [HOUSE[text]]


def test_several_things_are_several_calls(furnished: LocalIntents) -> None:
    both = furnished.match_all("Turn on the fan and the bed light")
    assert [match.arguments for match in both] == [{"name": "the fan"}, {"name": "the bed light"}]
    two = furnished.match_all("Turn on the fan and close the kitchen window")
    assert [match.tool for match in two] == ["turn_on", "close_cover"]


TALK = [
    "Come on", "Hold on", "Carry on", "Go on",
    "Move on", "Unemployment at 5 percent", "I set the table for two", "We talked about timers all day",
    "My alarm went off at seven", "I turned the light off before I left", "Add a little salt to the soup", "The kitchen is cold in winter",
    "I put milk on the list yesterday", "She said turn off the lights and go to bed", "We should add milk to our diet", "Remember when we went to Lisbon?",
    "He cancelled the meeting yesterday", "Let's set the record straight", "I'll be there in ten minutes", "Ten minutes ago I saw a bird",
    "It's ten past seven", "Open your heart", "Close your eyes", "Make it snow",
    "I need to move on", "Tomorrow morning at seven we leave", "In half an hour the film begins", "Every Monday at seven she runs",
    "Eight minutes", "No, I mean the other film", "And butter", "It is on",
    "The milk is on the table", "I like it brighter", "How many days are in a week of holidays", "When is the best time to plant roses?",
    "What date did the war end?", "Thank you for the music is a song", "Good morning Vietnam is a film", "That's off",
    "Dinner is at half past seven", "the windows are dirty", "Two weeks until we fly", "Move my heart to tears",
    "Cancel culture is a thing", "Undo the knot", "Wake me when September ends", "Remind me of home",
    "The first of December is a Tuesday",
]  # fmt: skip


@pytest.mark.parametrize("text", [*TALK, *FOR_THE_MODEL])
def test_nobody_who_only_talks_commands_the_house(furnished: LocalIntents, text: str) -> None:
    assert furnished.match_all(text) == []


@pytest.mark.parametrize("text", ["Turn on the light in the novel I am writing about", "Turn it off."])
def test_what_is_no_thing_is_for_the_model(furnished: LocalIntents, text: str) -> None:
    assert [match.tool for match in furnished.match_all(text)] == []
