"""What is known of a server: said in a line, made into a way to reason, and kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines import capabilities
from pipeline.engines.capabilities import MAX_AGE, MAX_KEPT, Capabilities, Switch, remember, remembered
from pipeline.engines.families import PLAIN, family_of

KNOWN = Capabilities(
    server="vLLM 0.32.0",
    model="tiny",
    models=("tiny",),
    context=8192,
    calls_freely=True,
    calls_required=True,
    calls_named=False,
    streams_calls=True,
    reasons=True,
    reasons_if_told=True,
    reasoning_off=Switch.TEMPLATE,
    priorities=False,
    caches_prefixes=True,
    sees=None,
)


def test_a_person_can_read_it():
    assert KNOWN.summary() == (
        "vLLM 0.32.0 serves tiny: 8,192 tokens of context; calls tools where that is auto or required; "
        "calls no tools where that is named; streams calls; reasons unless enable_thinking stops it; "
        "takes no priorities; caches prefixes; unknown: images"
    )


def test_of_an_unknown_server_nothing_is_claimed():
    assert Capabilities().summary() == (
        "an unknown server serves no model: unknown: calls when free, calls when required, calls when named, "
        "streaming of calls, reasoning, priorities, prefix caching, images"
    )


@pytest.mark.parametrize(
    ("found", "family"),
    [
        (Capabilities(model="Qwen/Qwen3-8B"), "qwen"),
        (Capabilities(model="house-model"), "plain"),
        (Capabilities(model="house-model", reasons=True, reasoning_off=Switch.TEMPLATE), "qwen"),
        (Capabilities(model="house-model", reasons=True, reasoning_off=Switch.INSTRUCTION), "smollm3"),
        (Capabilities(model="house-model", reasons=True, reasoning_off=Switch.EFFORT), "gpt-oss"),
        (Capabilities(model="house-model", reasons=False, reasons_if_told=True), "qwen"),
        (Capabilities(model="Qwen/Qwen3-8B", reasons=False, reasons_if_told=False), "plain"),
        (Capabilities(model="zai-org/GLM-4.5-Air", reasons=True, reasoning_off=Switch.TEMPLATE), "glm"),
        (Capabilities(model="Llama-3_3-Nemotron-Super-49B-v1_5", reasons=True, reasoning_off=Switch.TEMPLATE), "qwen"),
    ],
)
def test_what_was_found_goes_before_what_the_name_says(found, family):
    assert found.family().name == family


def test_reasoning_that_begins_without_a_tag_is_known_to():
    found = Capabilities(model="house-model", reasons=True, begins_inside=True)
    assert found.family().begins_inside
    assert Capabilities(model="house-model", reasons=False).family() == PLAIN
    assert family_of("house-model") == PLAIN


def test_what_is_kept_is_there_again(tmp_path):
    file = tmp_path / "cache" / "capabilities.json"
    assert remembered(file, "a") is None
    remember(file, "a", KNOWN)
    remember(file, "b", Capabilities())
    assert remembered(file, "a") == KNOWN
    assert remembered(file, "b") == Capabilities()
    assert remembered(file, "c") is None


def test_only_the_latest_are_kept(tmp_path):
    file = tmp_path / "capabilities.json"
    for number in range(MAX_KEPT + 3):
        remember(file, str(number), KNOWN)
    assert remembered(file, "2") is None
    assert remembered(file, "3") == KNOWN
    assert len(json.loads(file.read_text())) == MAX_KEPT


def test_what_is_old_is_not_believed(tmp_path, monkeypatch):
    file = tmp_path / "capabilities.json"
    remember(file, "a", KNOWN)
    now = capabilities.time.time()
    monkeypatch.setattr(capabilities.time, "time", lambda: now + MAX_AGE + 1)
    assert remembered(file, "a") is None


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", '{"a": 3}', '{"a": {}}', '{"a": {"at": "x", "capabilities": {}}}', '{"a": {"at": 1e99}}', "\x00"],
)
def test_a_damaged_file_holds_nothing_and_is_replaced(tmp_path, damaged):
    file = tmp_path / "capabilities.json"
    file.write_text(damaged)
    assert remembered(file, "a") is None
    remember(file, "a", KNOWN)
    assert remembered(file, "a") == KNOWN


def test_what_cannot_be_kept_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file" / "capabilities.json", "a", KNOWN)
    assert remembered(tmp_path / "file" / "capabilities.json", "a") is None


answers = st.none() | st.booleans()


@given(
    st.builds(
        Capabilities,
        calls_freely=answers,
        calls_required=answers,
        streams_calls=answers,
        reasons=answers,
        reasons_if_told=answers,
        reasoning_off=st.none() | st.sampled_from(Switch),
        priorities=answers,
        sees=answers,
    )
)
def test_every_combination_can_be_said(found):
    line = found.summary()
    assert "\n" not in line
    assert "; ;" not in line
    assert ("unknown: " in line) == any(value is None for value in found._asked().values())
