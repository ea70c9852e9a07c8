"""What leaves of a model's words, chunk by chunk."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from pipeline.orchestrator.guard import Kind, ModelMisbehaved
from pipeline.orchestrator.reply import Calls, TextWatch, repeated


def piece(index: int | None, name: str | None = None, arguments: object = None, id: str | None = None):  # noqa: A002
    return ChoiceDeltaToolCall.model_construct(
        index=index,
        id=id,
        function=ChoiceDeltaToolCall.model_construct(name=name, arguments=arguments),
    )


def assembled(*pieces) -> list[tuple[str, str]]:
    calls = Calls()
    for one in pieces:
        calls.feed([one])
    complete = calls.complete("tool_calls")
    assert [call.index for call in complete] == list(range(len(complete)))
    assert len({call.id for call in complete}) == len(complete)
    return [(call.function.name, call.function.arguments) for call in complete]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([piece(0, "f", '{"a"', "x"), piece(0, None, ": 1}")], [("f", '{"a": 1}')]),
        ([piece(0, "f", "{}", "x"), piece(1, "g", "{}", "y")], [("f", "{}"), ("g", "{}")]),
        ([piece(0, "f", "{}", "x"), piece(1, "g", "{}", "x")], [("f", "{}"), ("g", "{}")]),
        ([piece(1, "g", '{"a"'), piece(3, "f", "{}"), piece(1, None, ": 1}")], [("g", '{"a": 1}'), ("f", "{}")]),
        ([piece(0, "f", "{}", "x"), piece(0, "g", "{}", "y")], [("f", "{}"), ("g", "{}")]),
        ([piece(None, "f", "{"), piece(None, None, "}"), piece(None, "g", "{}")], [("f", "{}"), ("g", "{}")]),
        ([piece(0, "f"), piece(0, "f", "{"), piece(0, "f", "}")], [("f", "{}")]),
        ([piece(0, "get_"), piece(0, "time")], [("get_time", "{}")]),
        ([piece(0, "f", {"a": 1})], [("f", '{"a": 1}')]),
    ],
)
def test_a_call_is_put_together_however_a_server_streams_it(pieces, whole):
    assert assembled(*pieces) == whole


@given(st.text(max_size=20), st.lists(st.integers(0, 40)))
def test_arguments_split_anywhere_are_the_same(value, cuts):
    import json

    arguments = json.dumps({"value": value})
    marks = [0, *sorted(cut % len(arguments) for cut in cuts), len(arguments)]
    pieces = [piece(0, None, arguments[a:b]) for a, b in itertools.pairwise(marks)]
    assert assembled(piece(0, "f", None, "x"), *pieces) == [("f", arguments)]


def watched(text: str, step: int, **options) -> str:
    watch = TextWatch(**options)
    return "".join([watch.feed(text[at : at + step]) for at in range(0, len(text), step)]) + watch.close()


@pytest.mark.parametrize("step", [1, 4, 7, 50])
@pytest.mark.parametrize(
    "unit", ["I can help you. ", "ha", "\n", "It is sunny in Lisbon and it is sunny in Porto too. "]
)
def test_a_loop_is_cut_within_ten_rounds_of_a_sentence(step, unit):
    text = "Well. " + unit * max(10, 160 // len(unit))
    with pytest.raises(ModelMisbehaved) as misbehaved:
        watched(text, step)
    assert misbehaved.value.kind is Kind.LOOP


@pytest.mark.parametrize(
    "text",
    [
        "Ha ha ha ha! That is funny.",
        "One, two, three, four, five, six, seven, eight, nine, ten. " * 2,
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
        "".join(f"{n}. Wait {n} minutes. " for n in range(60)),
        "-" * 60,
    ],
)
def test_what_is_no_loop_passes(text):
    assert watched(text, 3) == text


@given(st.text(alphabet="ab", min_size=1, max_size=30), st.integers(0, 12))
def test_a_repetition_is_found_exactly_where_it_is_one(unit, times):
    text = "x" + unit * times
    found = repeated(text)
    if found is None:
        assert times < 5 or len(unit) * times < 150
    else:
        assert text.endswith(found * 5)
        assert len(found) * max(5, -(-120 // len(found))) <= len(text)


@pytest.mark.parametrize("step", [1, 3, 100])
def test_a_page_is_no_answer_unless_one_may_ask_for_it(step):
    page = "  <!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
    with pytest.raises(ModelMisbehaved) as misbehaved:
        watched(page, step)
    assert misbehaved.value.kind is Kind.HTML
    assert watched(page, step, pages=True) == page


@pytest.mark.parametrize("text", ["<", "<h", "<html", "<hr>", "<3 you too", "a <html> tag", ""])
def test_what_only_begins_like_a_page_passes(text):
    if text == "<html":
        with pytest.raises(ModelMisbehaved):
            watched(text, 1)
    else:
        assert watched(text, 1) == text
