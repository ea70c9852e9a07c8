"""Whether calls do what was wanted, however they put it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.tool_choice.requests import Call, Request
from tools.calculator import converted, evaluate
from tools.clock import time_of_day
from tools.tool import Failed, Tool, TryAgain

ANYTHING = "*"
"""Stands for words that may be any."""
_ARTICLES = re.compile(r"\b(the|a|an|my|some|to)\b")


def right_tools(request: Request, made: Sequence[Call]) -> bool:
    """Whether the tools that were called are those of one of the wanted sets."""
    names = sorted(call.tool for call in made)
    return any(names == sorted(call.tool for call in wanted) for wanted in request.wanted)


def right_calls(request: Request, made: Sequence[Call], tools: Mapping[str, Tool]) -> bool:
    """Whether the arguments are right, too."""
    meant = [meaning(call, tools) for call in made]
    return any(_same(meant, [meaning(call, tools) for call in wanted]) for wanted in request.wanted)


def meaning(call: Call, tools: Mapping[str, Tool]) -> dict[str, Any]:
    """What a call comes to, so that two ways to put the same are equal.

    Raises:
        pydantic.ValidationError: the arguments are not what the tool takes.
    """
    given = tools[call.tool].arguments.model_validate(call.arguments).model_dump()
    meant: dict[str, Any] = {"tool": call.tool}
    if {"hours", "minutes", "seconds"} <= given.keys():
        meant["length"] = given.pop("hours") * 3600 + given.pop("minutes") * 60 + given.pop("seconds")
    for name, value in given.items():
        meant[name] = _plain(name, value)
    if call.tool == "convert_units":
        meant["amount"] = _amount(given)
        del meant["value"], meant["from_unit"], meant["to_unit"]
    return meant


def _same(made: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    left = list(wanted)
    for call in made:
        fitting = next((other for other in left if _fits(call, other)), None)
        if fitting is None:
            return False
        left.remove(fitting)
    return not left


def _fits(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return made.keys() == wanted.keys() and all(value in (made[name], ANYTHING) for name, value in wanted.items())


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value == ANYTHING:
        return value
    try:
        if name == "time":
            return time_of_day(value)
        if name == "expression":
            return evaluate(value)
    except (TryAgain, Failed):
        return value
    said = _ARTICLES.sub(" ", value.casefold().replace("-", " "))
    return " ".join(re.sub(r"[^\w\s]", " ", said).split())


def _amount(given: Mapping[str, Any]) -> Any:
    try:
        amount, source, target = converted(given["value"], given["from_unit"], given["to_unit"])
    except (TryAgain, Failed):
        return dict(given)
    return round(amount, 6), str(source), str(target)
