"""How each family of models is told whether to reason before it answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BUDGET = 500
"""Tokens of reasoning; Nemotron-3-Nano rose from 50 to 76 points on BigBench-Audio with as many."""


@dataclass(frozen=True, slots=True)
class Family:
    """How models of one kind are told whether to reason. The words are added to what a request says already."""

    name: str
    models: str
    """Matches a model's name, wherever and in whatever case; empty where it cannot be told from the name."""
    on: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a request, and under `extra_body` those that the OpenAI client does not know."""
    off: Mapping[str, Any] = field(default_factory=dict)
    instruction_on: str = ""
    """Ends the system prompt. Only this moves the prefix that a server keeps, so each setting has one of its own."""
    instruction_off: str = ""
    budget: str = ""
    """The field of `extra_body` that caps the tokens of reasoning."""
    reasons: bool = True
    """Whether it can reason, so that `on` is worth something."""
    begins_inside: bool = False
    """Its chat template opens the reasoning, so that the model writes only the closing tag."""


_TEMPLATE_ON = {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}
_TEMPLATE_OFF = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
_VENICE = {"include_venice_system_prompt": False, "strip_thinking_response": True, "enable_web_search": "off"}

PLAIN = Family("plain", "", reasons=False)
"""Models that do not reason, or that nothing is known of."""
VENICE = Family(
    "venice",
    "",
    on={"extra_body": {"venice_parameters": _VENICE | {"disable_thinking": False}}},
    off={"extra_body": {"venice_parameters": _VENICE | {"disable_thinking": True}}},
)
"""Any model at Venice.ai, whose own system prompt is on by default."""
FAMILIES = (
    Family("instruct", r"qwen3[^/]*instruct|qwen2", reasons=False),
    Family("always", r"deepseek-r1|qwq|qwen3[^/]*thinking", begins_inside=True),
    Family("nemotron-3", r"nemotron-3", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("nemotron-super", r"nemotron-(super|nano)", instruction_off="/no_think"),
    Family("smollm3", r"smollm3", instruction_on="/think", instruction_off="/no_think"),
    Family("qwen", r"qwen-?3", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("glm", r"glm-?(4\.[5-9]|[5-9])", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("gpt-oss", r"gpt-oss", {"reasoning_effort": "medium"}, {"reasoning_effort": "low"}),
)
"""The first that matches a model's name is its family."""


def family_of(model: str, *, url: str = "") -> Family:
    """Tell a model's family by its name, and a service that has its own way by its address."""
    if re.match(r"https://([a-z0-9-]+\.)*venice\.ai(/|$)", url):
        return VENICE
    return next((family for family in FAMILIES if re.search(family.models, model, re.IGNORECASE)), PLAIN)


def adapt(request: Mapping[str, Any], family: Family, on: bool, budget: int | None = BUDGET) -> dict[str, Any]:
    """Rewrite a chat completion request so that the model reasons, for `budget` tokens at most, or does not.

    What the request says itself wins. The same request and setting give the same prompt, byte for byte. Reasoning
    counts as part of the answer's length, so the longest answer grows by the budget.
    """
    adapted = _merged(family.on if on else family.off, request)
    instruction = family.instruction_on if on else family.instruction_off
    if instruction:
        adapted["messages"] = _instructed(request["messages"], instruction)
    if on and family.reasons and budget is not None:
        if family.budget:
            adapted = _merged({"extra_body": {family.budget: budget}}, adapted)
        for limit in ("max_tokens", "max_completion_tokens"):
            if isinstance(adapted.get(limit), int):
                adapted[limit] += budget
    return adapted


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            merged[key] = _merged(below[key], above[key])
    return merged


def _instructed(messages: list[Any], instruction: str) -> list[Any]:
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
