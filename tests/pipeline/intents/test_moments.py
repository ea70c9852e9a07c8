"""Moments and lengths are read in any order and wording; what is none is left alone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.intents.moments import Moment
from pipeline.intents.phrases import Phrases, read_sentences

PHRASES = {language: Phrases(language, read_sentences(language)) for language in ("en", "de", "fr", "es")}

MOMENTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("en", "at six thirty tomorrow morning", {"time": "6:30 am", "day": "tomorrow"}),
    ("en", "tomorrow evening at eight", {"time": "8 pm", "day": "tomorrow"}),
    ("en", "twenty past seven", {"time": "20 past 7"}),
    ("en", "7:30pm", {"time": "7:30pm"}),
    ("en", "seven every monday", {"time": "7", "day": "monday", "repeat": "weekly"}),
    ("en", "8 o'clock on saturday and sunday", {"time": "8", "repeat": "weekends"}),
    ("en", "monday to friday at 6:45", {"time": "6:45", "repeat": "weekdays"}),
    ("en", "tonight", {"time": "21:00", "day": "today"}),
    ("en", "on the 3rd of May at noon", {"time": "12:00", "day": "may 3"}),
    ("en", "friday", {"day": "friday"}),
    ("en", "in a quarter of an hour", {}),
    ("en", "at the break of dawn", None),
    ("en", "before you go-go", None),
    ("en", "tomorrow and on friday at nine", None),
    ("en", "", None),
    ("de", "morgen früh um halb sieben", {"time": "6:30 am", "day": "tomorrow"}),
    ("de", "werktags um 6 Uhr 45", {"time": "6:45", "repeat": "weekdays"}),
    ("de", "heute Abend um zehn nach acht", {"time": "10 past 8 pm", "day": "today"}),
    ("de", "am 24. Dezember um 18 Uhr", {"time": "18", "day": "december 24"}),
    ("de", "im Morgengrauen", None),
    ("fr", "demain à sept heures moins le quart", {"time": "quarter to 7", "day": "tomorrow"}),
    ("fr", "tous les lundis à sept heures", {"time": "7", "day": "monday", "repeat": "weekly"}),
    ("fr", "un jour peut-être", None),
    ("es", "mañana por la mañana a las siete y cuarto", {"time": "7:15 am", "day": "tomorrow"}),
    ("es", "todos los lunes a las siete", {"time": "7", "day": "monday", "repeat": "weekly"}),
    ("es", "algún día", None),
]
LENGTHS: list[tuple[str, str, float | None]] = [
    ("en", "an hour and a half", 5400), ("en", "two and a half hours", 9000), ("en", "half an hour", 1800), ("en", "1 hour 30", 5400),
    ("en", "like twenty minutes", 1200), ("en", "three quarters of an hour", 2700), ("en", "5 mins", 300), ("en", "ten", None), ("en", "a while", None), ("en", "999 minutes", None),
    ("de", "anderthalb Stunden", 5400), ("de", "eine Dreiviertelstunde", 2700), ("de", "zwei Minuten und dreißig Sekunden", 150), ("de", "eine Weile", None),
    ("fr", "une heure et demie", 5400), ("fr", "trois quarts d'heure", 2700), ("fr", "un moment", None),
    ("es", "una hora y media", 5400), ("es", "tres cuartos de hora", 2700), ("es", "media hora", 1800), ("es", "un rato", None),
]  # fmt: skip


@pytest.mark.parametrize(("language", "words", "arguments"), MOMENTS)
def test_a_moment_is_read_as_the_tools_take_it(language: str, words: str, arguments: dict[str, Any] | None) -> None:
    moment = PHRASES[language].moment(words)
    assert (moment.arguments if moment else None) == arguments


@pytest.mark.parametrize(("language", "words", "seconds"), LENGTHS)
def test_a_length_is_read_in_seconds(language: str, words: str, seconds: float | None) -> None:
    assert PHRASES[language].length(words) == seconds


@pytest.mark.parametrize(
    ("words", "text", "moment"),
    [
        ("to call Mum tomorrow at 5", "call Mum", Moment(time="5", day="tomorrow")),
        ("every friday at six pm to water the plants", "water the plants", Moment("6 pm", "friday", "weekly")),
        ("to look at the roast at 5", "look at the roast", Moment(time="5")),
        ("in half an hour to turn off the oven", "turn off the oven", Moment(seconds=1800)),
        ("to buy 7", "buy 7", None),
        ("to be on time", "be on time", None),
    ],
)
def test_a_reminder_is_told_from_its_moment(words: str, text: str, moment: Moment | None) -> None:
    assert PHRASES["en"].reminder(words) == (text, moment)


def test_what_is_no_reminder_has_no_text() -> None:
    assert PHRASES["en"].reminder("who wrote Hamlet") is None


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        ("Yeah, go ahead.", True), ("Um, yes please, do it.", True), ("Sure, thanks!", True), ("No, don't do it.", False),
        ("Please don't.", False), ("Yes, no.", None), ("Yes, it is raining.", None), ("Thanks.", None), ("", None),
    ],
)  # fmt: skip
def test_a_yes_is_understood_in_as_many_words_as_people_take(answer: str, agrees: bool | None) -> None:
    assert PHRASES["en"].agrees(answer) is agrees


@pytest.mark.parametrize("answer", ["Oui, vas-y.", "Ouais d'accord merci"])
def test_a_yes_is_understood_in_another_language(answer: str) -> None:
    assert PHRASES["fr"].agrees(answer) is True


@settings(deadline=None)
@given(st.sampled_from(sorted(PHRASES)), st.text(max_size=80))
def test_no_words_break_it(language: str, words: str) -> None:
    moment = PHRASES[language].moment(words)
    assert moment is None or moment != Moment()
    assert (PHRASES[language].length(words) or 1) > 0
    PHRASES[language].reminder(words)
