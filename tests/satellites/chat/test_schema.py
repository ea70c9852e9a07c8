import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.writer import WrittenRequest
from satellites.chat.schema import MAX_MESSAGES, BadRequest, parse

HELLO = {"role": "user", "content": "Hello"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "2"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def written(*messages: dict[str, Any], **fields: Any) -> WrittenRequest:
    return parse(json.dumps({"model": "passfel", "messages": messages, **fields}).encode()).written()


def refused(*messages: dict[str, Any], **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        written(*messages, **fields)
    return caught.value


def test_system_messages_become_instructions():
    request = written(
        {"role": "system", "content": "Be brief."},
        HELLO,
        {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
    )
    assert request.instructions == "Be brief.\nIn French."
    assert request.messages == [HELLO]


def test_parts_that_are_all_text_become_one_text():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert written({"role": "user", "content": parts}).messages == [{"role": "user", "content": "one\ntwo"}]


def test_an_image_stays_a_part():
    parts = [{"type": "text", "text": "What is this?"}, IMAGE]
    request = written({"role": "user", "content": parts})
    assert request.shows_image
    assert request.messages[0]["content"][0] == parts[0]
    assert request.messages[0]["content"][1]["image_url"]["url"] == IMAGE["image_url"]["url"]


def test_calls_and_their_results_are_passed_on():
    request = written(HELLO, CALLING, RESULT, tools=[TOOL], tool_choice="auto")
    assert request.messages[1] == {"role": "assistant", "tool_calls": [CALL]}
    assert request.messages[2] == RESULT
    assert request.functions == [TOOL]
    assert request.tool_choice == "auto"


def test_a_function_without_parameters_takes_none():
    (function,) = written(HELLO, tools=[{"type": "function", "function": {"name": "ring"}}]).functions
    assert function["function"]["parameters"] == {"type": "object", "properties": {}}


def test_sampling_is_passed_on_and_limits_are_ours():
    request = written(HELLO, temperature=0.5, stop="\n", seed=7, max_tokens=5, max_completion_tokens=9, top_p=None)
    assert request.sampling == {"temperature": 0.5, "stop": ["\n"], "seed": 7}
    assert request.max_tokens == 9


def test_a_form_is_passed_on_unless_it_is_plain_text():
    assert "response_format" not in written(HELLO, response_format={"type": "text"}).sampling
    assert written(HELLO, response_format={"type": "json_object"}).sampling["response_format"] == {
        "type": "json_object"
    }


def test_unknown_fields_are_ignored_wherever_they_are():
    request = written({**HELLO, "mood": "good"}, service_tier="auto", brand_new={"a": [1]}, n=1, store=False)
    assert request.messages == [HELLO]
    assert request.sampling == {}


@pytest.mark.parametrize(
    ("messages", "fields", "param", "code"),
    [
        ([], {}, "messages", "invalid_value"),
        ([HELLO] * (MAX_MESSAGES + 1), {}, "messages", "invalid_value"),
        ([{"role": "user"}], {}, "messages[0].content", "missing_required_parameter"),
        ([{"content": "Hello"}], {}, "messages[0].role", "invalid_value"),
        ([{"role": "king", "content": "Hello"}], {}, "messages[0].role", "invalid_value"),
        ([{"role": "user", "content": 1}], {}, "messages[0].content", "invalid_value"),
        ([{"role": "user", "content": []}], {}, "messages[0].content", "invalid_value"),
        ([{"role": "user", "content": [{"type": "smell"}]}], {}, "messages[0].content[0].type", "invalid_value"),
        ([{"role": "user", "content": [{"type": "text"}]}], {}, "messages[0].content[0].text", "missing_required_parameter"),
        ([{"role": "system", "content": [IMAGE]}, HELLO], {}, "messages[0].content[0].type", "invalid_value"),
        ([{"role": "system", "content": "Be brief."}], {}, "messages", "invalid_value"),
        ([HELLO, {"role": "assistant", "content": "Hi"}], {}, "messages", "invalid_value"),
        ([HELLO, {"role": "assistant"}, HELLO], {}, "messages[1].content", "invalid_value"),
        ([HELLO, RESULT], {}, "messages[1].tool_call_id", "invalid_value"),
        ([HELLO, CALLING, HELLO], {}, "messages[2]", "invalid_value"),
        ([HELLO, CALLING, RESULT, RESULT], {}, "messages[3].tool_call_id", "invalid_value"),
        ([HELLO], {"n": 2}, "n", "unsupported_value"),
        ([HELLO], {"modalities": ["text", "audio"]}, "modalities", "unsupported_value"),
        ([HELLO], {"functions": []}, "functions", "unsupported_value"),
        ([HELLO], {"temperature": 3}, "temperature", "invalid_value"),
        ([HELLO], {"temperature": "hot"}, "temperature", "invalid_value"),
        ([HELLO], {"max_tokens": 0}, "max_tokens", "invalid_value"),
        ([HELLO], {"stop": ["a"] * 5}, "stop", "invalid_value"),
        ([HELLO], {"stop": [1]}, "stop[0]", "invalid_value"),
        ([HELLO], {"stream": "yes"}, "stream", "invalid_value"),
        ([HELLO], {"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ([HELLO], {"tools": [{"type": "function", "function": {"name": "two words"}}]}, "tools[0].function.name", "invalid_value"),
        ([HELLO], {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "invalid_value"),
        ([HELLO], {"tools": [TOOL, TOOL]}, "tools", "invalid_value"),
        ([HELLO], {"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ([HELLO], {"tool_choice": "perhaps"}, "tool_choice", "invalid_value"),
        ([HELLO], {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "no"}}}, "tool_choice.function.name", "invalid_value"),
        ([HELLO], {"response_format": {"type": "poem"}}, "response_format.type", "invalid_value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(messages, fields, param, code):
    problem = refused(*messages, **fields)
    assert (problem.param, problem.code) == (param, code)
    assert param in str(problem)


def test_nothing_is_fetched_for_a_message():
    part = {"type": "image_url", "image_url": {"url": "http://192.0.2.7/cat.png"}}
    problem = refused({"role": "user", "content": [part]})
    assert problem.param == "messages[0].content[0].image_url.url"
    assert "data:image" in str(problem)


def test_arguments_of_a_call_must_be_json():
    broken = {**CALLING, "tool_calls": [{**CALL, "function": {"name": "add", "arguments": "{a"}}]}
    assert refused(HELLO, broken, RESULT).param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"messages":' + b"[" * 100_000, b"1" * 10_000]
)
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(BadRequest):
        parse(body)


def understood(body: bytes) -> WrittenRequest | BadRequest:
    try:
        return parse(body).written()
    except BadRequest as problem:
        return problem


names = st.sampled_from(
    "messages role content tool_calls tool_call_id id function name arguments type text image_url url tools tool_choice"
    " parameters stop stream stream_options include_usage temperature max_tokens seed n user response_format".split()
)
kinds = st.sampled_from("user assistant system tool developer function text image_url required auto none {}".split())
anything = st.recursive(
    kinds | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, anything, max_size=4))
def test_any_json_is_understood_or_refused(body):
    assert str(understood(json.dumps(body).encode()))


@given(
    st.lists(st.fixed_dictionaries({"role": kinds, "content": anything}, optional={"tool_calls": anything}), max_size=3)
)
def test_in_any_messages_the_one_at_fault_is_named(messages):
    outcome = understood(json.dumps({"messages": messages}).encode())
    if isinstance(outcome, BadRequest):
        assert outcome.param is not None
        assert outcome.param.startswith("messages")


@given(st.binary(max_size=50))
def test_any_bytes_are_refused(body):
    assert isinstance(understood(body), BadRequest)
