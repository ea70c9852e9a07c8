"""An answer put together from a stream, whatever that holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.answer_reader import Answer


def answer(*deltas: dict, status: int = 200) -> Answer:
    read = Answer(status)
    for delta in deltas:
        read.add({"choices": [{"delta": delta}]})
    return read


def test_text_and_calls_are_put_together():
    read = answer(
        {"role": "assistant", "content": ""},
        {"content": "One "},
        {"content": "moment."},
        {"tool_calls": [{"index": 0, "function": {"name": "set_timer", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"minutes"'}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "get_time", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 5}"}}]},
    )
    read.add({"choices": [], "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}})
    assert read.text == "One moment."
    assert [(call.name, call.arguments, call.pieces) for call in read.calls.values()] == [
        ("set_timer", '{"minutes": 5}', 2),
        ("get_time", "{}", 1),
    ]
    assert (read.prompt_tokens, read.cached_tokens) == (9, 4)


@pytest.mark.parametrize(
    ("deltas", "thought", "inside"),
    [
        ([{"reasoning_content": "17 times 3"}, {"content": "51"}], "17 times 3", False),
        ([{"reasoning": "17 times 3"}, {"content": "51"}], "17 times 3", False),
        ([{"content": "<think>17 times 3</think>51"}], "17 times 3", False),
        ([{"content": "<think>17 times"}], "17 times", False),
        ([{"content": "17 times 3</th"}, {"content": "ink>51"}], "17 times 3", True),
        ([{"content": "<think>\n\n</think>51"}], "", False),
        ([{"content": "51"}], "", False),
    ],
)
def test_thoughts_are_told_from_the_answer(deltas, thought, inside):
    assert answer(*deltas).thinking == thought
    assert answer(*deltas).begins_inside is inside


@pytest.mark.parametrize(
    ("status", "refused"), [(200, False), (400, True), (422, True), (500, True), (401, False), (503, False)]
)
def test_a_refusal_is_told_from_trouble(status, refused):
    assert Answer(status).refused is refused
    assert not Answer(status).usable


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "tool_calls", "function", "name", "index", "usage", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=5))
def test_no_stream_breaks_it(events):
    read = Answer(200)
    for event in events:
        read.add(event)
    assert isinstance(read.text, str)
    assert read.prompt_tokens is None or isinstance(read.prompt_tokens, int)
    assert isinstance(read.thinking + str(read.usable) + str(read.begins_inside), str)
