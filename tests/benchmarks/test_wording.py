import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.wording import normalised, slots_heard, word_errors

WORDS = st.lists(st.sampled_from(["a", "latte", "with", "milk", "and", "sugar"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("What's the weather like?", ["whats", "the", "weather", "like"]),
        ("a 16-ounce mocha", ["a", "sixteen", "ounce", "mocha"]),
        ("16oz", ["sixteen", "ounce"]),
        ("twenty-five", ["twenty", "five"]),
        ("25", ["twenty", "five"]),
        ("Mr. Dashwood", ["mister", "dashwood"]),
        ("cold-hearted", ["cold", "hearted"]),
    ],
)
def test_what_is_said_the_same_is_written_the_same(written: str, words: list[str]) -> None:
    assert normalised(written) == words


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("Turn on the lamp.", 0),
        ("turn on lamp", 1),
        ("turn on the damp", 1),
        ("turn on the the lamp", 1),
        ("", 4),
        ("Turn on the lamp. Turn on the lamp.", 4),
    ],
)
def test_insertions_deletions_and_replacements_are_errors(heard: str, errors: int) -> None:
    assert word_errors("turn on the lamp", heard) == (errors, 4)


@given(WORDS, WORDS)
def test_errors_are_a_distance(said: str, heard: str) -> None:
    errors, words = word_errors(said, heard)
    assert errors == word_errors(heard, said)[0]
    assert abs(len(heard.split()) - words) <= errors <= max(len(heard.split()), words)
    assert (errors == 0) == (said == heard)


def test_a_slot_value_is_heard_as_whole_consecutive_words() -> None:
    values = ("sixteen ounce", "brown sugar", "milk")
    assert slots_heard(values, "A 16-ounce mocha with brown sugar and milk.") == 3
    assert slots_heard(values, "sixteen mocha ounces, brown and sugar, buttermilk") == 0
