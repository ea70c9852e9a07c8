"""Reasoning: switched as each family needs it, chosen rarely, and never heard."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.orchestrator.reasoning import PLAIN, VENICE, ThinkFilter, adapt, family_of, wants_reasoning

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


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Think about it: which of the two is cheaper?", "en"),
        ("Which one should I take? Think carefully.", "en"),
        ("Please take your time and tell me", "en"),
        ("I want you to think carefully", "en"),
        ("Can you think it through for me?", "en"),
        ("Plan a birthday party for eight children", "en"),
        ("Could you help me plan my weekend in Lisbon?", "en"),
        ("Make a plan for the garden", "en"),
        ("Figure out the best order for the three errands", "en"),
        ("What are the pros and cons of a heat pump?", "en"),
        ("What is 12 times 7 plus 30 minus 4?", "en"),
        ("If a train leaves at 3 and drives 60 miles an hour, how far is it at 5?", "en"),
        ("Tom has twelve apples and gives three to each of two friends. How many are left over?", "en"),
        ("Denk bitte gut darüber nach", "de"),
        ("Überleg mal genau, was wir brauchen", "de"),
        ("Plane einen Ausflug für Sonntag", "de"),
        ("Réfléchis bien", "fr"),
        ("Piénsalo bien", "es"),
        ("Denk er goed over na", "nl"),
    ],
)
def test_reasoning_is_wanted(text, language):
    assert wants_reasoning(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What do you think about it?", "en"),
        ("I'll think about it", "en"),
        ("I need to think about it", "en"),
        ("I'll sit down and think about it", "en"),
        ("Don't think about it", "en"),
        ("What time is it in Tokyo?", "en"),
        ("Set a timer for 5 minutes and 30 seconds", "en"),
        ("Set three timers for 5, 10 and 15 minutes", "en"),
        ("What's 12 times 8?", "en"),
        ("What is 15 percent of 80?", "en"),
        ("What's the plan for today?", "en"),
        ("Do I have plans on Saturday?", "en"),
        ("How many people live in Portugal?", "en"),
        ("Play the 3 best songs of 1999", "en"),
        ("Turn on the light if it is dark", "en"),
        ("Wie spät ist es?", "de"),
        ("Stell einen Wecker auf 7 Uhr 30", "de"),
        ("Ich denke noch darüber nach", "de"),
        ("", "en"),
        ("Quelle heure est-il ?", "fr"),
        ("何時ですか", "ja"),
    ],
)
def test_reasoning_is_not_wanted(text, language):
    assert not wants_reasoning(text, language)


def filtered(text: str, cuts: list[int] | None = None, *, complete: bool = True, **options) -> str:
    thoughts = ThinkFilter(**options)
    marks = [0, *sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(marks)]
    return "".join([thoughts.feed(piece) for piece in pieces]) + thoughts.close(complete=complete)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("<think>Hm.</think>It is noon.", "It is noon."),
        ("<think>\n\n</think>\n\nIt is noon.", "It is noon."),
        ("It is <think>what?</think>noon.", "It is noon."),
        ("<think>It never ends", ""),
        ("It is noon.<think>Or is it", "It is noon."),
        ("It is</think> noon.", "It is noon."),
        ("[THINK]Hm.[/THINK]It is [noon].", "It is [noon]."),
        ("<thinking>Hm <think> hm</thinking>It is noon.", "It is noon."),
        ("2 < 3 and 4 <th", "2 < 3 and 4 <th"),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is noon.<|return|>",
            "It is noon.",
        ),
        ("<|start|>assistant<|channel|>final<|message|>It is noon.", "It is noon."),
        ("<|channel|>analysis<|message|>It never ends", ""),
        ("<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}<|call|>", ""),
    ],
)
def test_thoughts_are_not_heard(text, heard):
    assert filtered(text) == heard


def test_a_template_that_opens_the_thought_is_waited_for():
    assert filtered("Hm, noon?</think>\nIt is noon.", begins_inside=True) == "It is noon."
    assert filtered("<think>Hm.</think>It is noon.", begins_inside=True) == "It is noon."


def test_without_any_tag_it_was_an_answer_if_the_model_had_finished():
    assert filtered("It is noon.", begins_inside=True) == "It is noon."
    assert filtered("Hm, let me see", begins_inside=True, complete=False) == ""


def test_a_server_that_keeps_thoughts_apart_is_not_waited_for():
    thoughts = ThinkFilter(begins_inside=True)
    thoughts.parsed()
    assert thoughts.feed("It is noon.") == "It is noon."


TAGS = [
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<thinking>",
    "</thinking>",
    "<|channel|>",
    "<|start|>",
    "<|end|>",
]
TEXTS = st.lists(
    st.sampled_from([*TAGS, "<|message|>", "final", "analysis", "<", "[", "<th", "ink>", " ", "Hi. "])
).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200)), st.booleans(), st.booleans())
def test_however_an_answer_is_split_the_same_is_heard(text, cuts, begins_inside, complete):
    options = {"begins_inside": begins_inside, "complete": complete}
    whole = filtered(text, **options)
    assert filtered(text, cuts, **options) == whole
    assert filtered(text, list(range(len(text))), **options) == whole
    assert not any(tag in whole for tag in ("<think>", "</think>", "<|channel|>")) or "<<" in text or "<th" in text


@given(st.text(alphabet="abc <[|>.\n", max_size=60))
def test_text_without_tags_is_heard_as_it_is(text):
    assert filtered(text) == text.lstrip()
