"""Reasoning is switched as each family of models needs it."""

import json

import pytest

from pipeline.engines.families import PLAIN, VENICE, adapt, family_of

REQUEST = {
    "messages": [{"role": "system", "content": "You are the voice of this home."}, {"role": "user", "content": "Hi"}],
    "max_tokens": 400,
}
OFF = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5-FP8", "nemotron-super"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron-super"),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", "nemotron-3"),
        ("nvidia/Nemotron-3.5-Lightning-30B-A3B", "nemotron-3"),
        ("Qwen/Qwen3.6-35B-A3B", "qwen"),
        ("Qwen/Qwen3-30B-A3B", "qwen"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "always"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "instruct"),
        ("Qwen/Qwen2.5-72B-Instruct", "instruct"),
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("zai-org/GLM-4.5-Air", "glm"),
        ("mistralai/Mixtral-8x22B-Instruct-v0.1", "plain"),
        ("SmolLM2-135M-Instruct", "plain"),
    ],
)
def test_a_model_is_known_by_its_name(model, family):
    assert family_of(model).name == family


def test_venice_is_known_by_its_address():
    assert family_of("qwen3-235b", url="https://api.venice.ai/api/v1") is VENICE
    assert family_of("qwen3-235b", url="https://venice.ai.example.com/v1").name == "qwen"


def test_a_template_is_told_and_the_prompt_stays():
    family = family_of("Qwen/Qwen3.6-35B-A3B")
    off, on = adapt(REQUEST, family, False), adapt(REQUEST, family, True, 300)
    assert off == {**REQUEST, "extra_body": OFF}
    assert on["extra_body"] == {"chat_template_kwargs": {"enable_thinking": True}, "thinking_token_budget": 300}
    assert on["messages"] == REQUEST["messages"]
    assert on["max_tokens"] == 700, "thoughts count as part of the answer"


def test_a_switch_in_the_system_prompt_ends_it():
    family = family_of("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5")
    off, on = adapt(REQUEST, family, False), adapt(REQUEST, family, True)
    assert off["messages"][0]["content"] == "You are the voice of this home.\n/no_think"
    assert on["messages"] == REQUEST["messages"]
    assert REQUEST["messages"][0]["content"] == "You are the voice of this home.", "the caller's request stays"
    bare = adapt({"messages": [{"role": "user", "content": "Hi"}]}, family, False)
    assert bare["messages"][0] == {"role": "system", "content": "/no_think"}


def test_effort_is_low_where_reasoning_cannot_be_off():
    family = family_of("gpt-oss-120b")
    assert adapt(REQUEST, family, False)["reasoning_effort"] == "low"
    assert adapt(REQUEST, family, True)["reasoning_effort"] == "medium"


def test_venice_adds_no_prompt_of_its_own():
    parameters = adapt(REQUEST, VENICE, False)["extra_body"]["venice_parameters"]
    assert parameters == {
        "include_venice_system_prompt": False,
        "disable_thinking": True,
        "strip_thinking_response": True,
        "enable_web_search": "off",
    }
    assert adapt(REQUEST, VENICE, True)["extra_body"]["venice_parameters"]["disable_thinking"] is False


def test_what_the_request_says_stays_and_a_plain_model_is_left_alone():
    request = {**REQUEST, "extra_body": {"id_slot": 2, "chat_template_kwargs": {"tools_in_user_message": True}}}
    body = adapt(request, family_of("glm-4.5-air"), False)["extra_body"]
    assert body == {"id_slot": 2, "chat_template_kwargs": {"tools_in_user_message": True, "enable_thinking": False}}
    assert adapt(request, PLAIN, True) == request
    assert adapt(request, PLAIN, False) == request


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("model", ["Nemotron-Super-49B", "Qwen3.6", "gpt-oss", "SmolLM2"])
def test_the_same_setting_gives_the_same_prompt(model, on):
    longer = {**REQUEST, "messages": [*REQUEST["messages"], {"role": "assistant", "content": "Hello."}]}
    first, second = (adapt(request, family_of(model), on) for request in (REQUEST, longer))
    prefix = json.dumps(first["messages"])[:-1]
    assert json.dumps(second["messages"]).startswith(prefix)
