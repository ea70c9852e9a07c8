"""A second model goes on where the first one broke off, and repeats nothing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.orchestrator.continuation import Joint, continued


def joined(said: str, new: str, cuts: list[int] | None = None) -> str:
    joint = Joint(said)
    marks = [0, *sorted(cut % (len(new) + 1) for cut in cuts or []), len(new)]
    return said + "".join([joint.feed(new[a:b]) for a, b in itertools.pairwise(marks)]) + joint.close()


@pytest.mark.parametrize(
    ("said", "new", "whole"),
    [
        ("The weather is", " sunny today.", "The weather is sunny today."),
        ("The weather is", "sunny today.", "The weather is sunny today."),
        ("The weather is ", "sunny today.", "The weather is sunny today."),
        ("The weather is", "The weather is sunny today.", "The weather is sunny today."),
        ("The weather is ", "the weather IS sunny today.", "The weather is sunny today."),
        ("The weather is", "is sunny today.", "The weather is sunny today."),
        ("It is noon. The weather is", "The weather is sunny today.", "It is noon. The weather is sunny today."),
        ("The weath", "The weather is sunny.", "The weather is sunny."),
        ("It is noon.", "It is noon. Have a nice day.", "It is noon. Have a nice day."),
        ("It is noon.", "Have a nice day.", "It is noon. Have a nice day."),
        ("It is noon", ", and sunny.", "It is noon, and sunny."),
        ("It is noon", "It is nothing else.", "It is noon It is nothing else."),
        ("今日は", "晴れです。", "今日は晴れです。"),
        ("", "It is noon.", "It is noon."),
        ("It is noon", "", "It is noon"),
        ("It is noon", "It is noon", "It is noon"),
    ],
)
def test_nothing_is_said_twice(said, new, whole):
    assert joined(said, new) == whole


def test_text_that_is_no_repetition_is_not_held_back():
    joint = Joint("The weather is")
    assert joint.feed(" sunny ") == " sunny "
    assert joint.feed("tod") == "tod"


WORDS = st.lists(st.sampled_from(["it", "is", "noon", "noo", "it's", ".", ",", " ", " ", "'"]), max_size=12).map(
    "".join
)


@given(WORDS, WORDS, st.lists(st.integers(0, 50), max_size=6))
def test_however_a_continuation_is_split_the_same_is_said(said, new, cuts):
    assert joined(said, new, cuts) == joined(said, new)
    assert joined(said, new, list(range(len(new)))) == joined(said, new)


@given(st.lists(st.sampled_from("one two three four five six".split()), min_size=2, unique=True), st.data())
def test_what_is_repeated_from_anywhere_is_cut(words, data):
    broke = data.draw(st.integers(1, len(words) - 1))
    again = data.draw(st.integers(0, broke))
    said, new = " ".join(words[:broke]), " ".join(words[again:])
    assert joined(said, new) == " ".join(words)


def test_the_request_to_go_on_holds_what_was_said():
    request = {"messages": [{"role": "user", "content": "How is the weather?"}], "max_tokens": 9}
    again = continued(request, "It is")
    assert again["max_tokens"] == 9
    assert again["messages"][:2] == [*request["messages"], {"role": "assistant", "content": "It is"}]
    assert [message["role"] for message in again["messages"]] == ["user", "assistant", "user"]
    assert len(request["messages"]) == 1
