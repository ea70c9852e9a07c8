import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.endpointing import DANGLING_PATIENCE, FRAGMENT_PATIENCE, LONGEST, SHORTEST, patience


@pytest.mark.parametrize(
    "text",
    ["What time is it?", "Turn on the lamp.", "Set a timer for ten minutes.", "How is the weather?", "Yes.", "No."],
)
def test_a_finished_sentence_is_answered_at_once(text: str) -> None:
    assert patience(text, 0.97) <= SHORTEST


@pytest.mark.parametrize(
    "text",
    [
        "I want a coffee with", "Give me a", "Turn on the lamp and", "Turn on the...", "And so my fellow Americans,",
        "Remind me to", "S.", "Put milk and um", "I would like -",
    ],
)  # fmt: skip
def test_words_that_need_more_are_waited_for(text: str) -> None:
    assert patience(text, 0.97) >= DANGLING_PATIENCE


@pytest.mark.parametrize("text", ["And so my fellow Americans.", "If it rains tomorrow.", "Because of the snow."])
def test_a_clause_without_its_main_clause_is_waited_for(text: str) -> None:
    assert patience(text, 0.97) >= FRAGMENT_PATIENCE


@pytest.mark.parametrize("text", ["I would like to hear about this.", "Tell me about that.", "Give me it."])
def test_an_article_that_whisper_takes_for_a_pronoun_is_waited_for(text: str) -> None:
    assert patience(text, 0.97) >= FRAGMENT_PATIENCE


def test_a_question_that_smart_turn_doubts_does_not_wait_long() -> None:
    assert patience("What's the weather like?", 0.02) <= 0.8


def test_a_statement_that_smart_turn_doubts_waits_longer_than_one_it_believes() -> None:
    assert patience("He was not an ill-disposed young man.", 0.05) > 2 * patience("I want a latte.", 0.97)


def test_a_question_may_end_with_a_preposition() -> None:
    assert patience("Who is it from?", 0.95) < 1.0


def test_other_languages_have_words_that_need_more() -> None:
    assert patience("Schalte das Licht an und", 0.97, "de") >= DANGLING_PATIENCE
    assert patience("Wie spät ist es?", 0.97, "de") <= SHORTEST


@given(st.text(), st.floats(0, 1), st.sampled_from(["en", "de", "fr", "xx"]))
def test_patience_is_always_bounded(text: str, probability: float, language: str) -> None:
    assert 0.3 <= patience(text, probability, language) <= LONGEST


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_surer_the_end_the_shorter_the_wait(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert patience("I want a coffee.", high) <= patience("I want a coffee.", low)
