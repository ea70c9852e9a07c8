"""What a tool is: a typed async function that a person's words or the language model may call."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Any, Final

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, create_model

TIME_LIMIT: Final = 10.0
"""Seconds that a tool may take where it does not say otherwise."""


class Effect(StrEnum):
    """What a call does to the world; who may call it, and when, follows from that."""

    READ = "read"
    """It tells what anybody in the house may know."""
    PRIVATE = "private"
    """It tells what belongs to a person."""
    CONTROL = "control"
    """It changes something that is easily changed back."""
    SECURE = "secure"
    """It matters: unlocks, buys, sends or deletes. It is confirmed aloud first."""


class TryAgain(Exception):  # noqa: N818 - reads as what to do
    """Other arguments would do; the message says which, to the model."""


class Failed(Exception):  # noqa: N818 - reads as what happened
    """It could not be done; the message is a sentence that a person can hear.

    Args:
        why: the same in one word, for sentences in other languages; None where it is any failure.
    """

    def __init__(self, say: str, why: str | None = None) -> None:
        super().__init__(say)
        self.why = why


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls, from where, in which turn."""

    conversation: str
    turn: str
    """Names the person's turn, so that one turn does nothing twice."""
    device: str
    person: str | None
    room: str | None
    zone: tzinfo
    """The household's time zone."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call."""

    say: str
    """What a person would say, in one or two short sentences."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs, ready for JSON, and for what is asked about it next."""


Question = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with what has to be known to call it."""

    name: str
    description: str
    arguments: type[BaseModel]
    """Checks arguments and fills in defaults."""
    run: Callable[..., Awaitable[Result]] = field(repr=False)
    effect: Effect
    seconds: float = TIME_LIMIT
    question: Question | None = None
    """What is asked before the call is made; it returns None where these arguments need no asking."""
    quotes: bool = False
    """Its result holds words that somebody outside the house wrote: a page, a mail, an invitation."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments as a JSON Schema object, the same each time."""
        schema = self.arguments.model_json_schema()
        schema.pop("title", None)
        schema.pop("description", None)
        properties = schema.get("properties", {})
        schema["properties"] = {name: _brief(described) for name, described in properties.items()}
        return schema


def _brief(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a model has to know of an argument: of what may be left out not that it may be null, a fifth of a prompt."""
    choices = [each for each in described.get("anyOf", ()) if each.get("type") != "null"]
    brief = {name: value for name, value in described.items() if name != "title"}
    if len(choices) == 1:
        del brief["anyOf"]
        brief = {**choices[0], **brief}
    if brief.get("default", 0) is None:
        del brief["default"]
    return brief


def tool(
    function: Callable[..., Awaitable[Result]],
    *,
    effect: Effect,
    seconds: float = TIME_LIMIT,
    question: Question | None = None,
    quotes: bool = False,
) -> Tool:
    """Make a tool of an async function or method.

    Its first parameter is the `Context`; the others, with their annotations, defaults and the lines about them in its
    docstring, become the schema. The docstring's first paragraph describes it to the model.
    """
    parsed = docstring_parser.parse(inspect.getdoc(function) or "")
    told = {each.arg_name: each.description or "" for each in parsed.params}
    fields: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(function, eval_str=True).parameters.items())[1:]:
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (parameter.annotation, Field(default, description=told.get(name)))
    name = function.__name__
    # Python reads NaN in JSON; no tool has a use for it.
    arguments = create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
    if effect is Effect.SECURE and question is None:
        raise ValueError(f"{name} matters, so it needs a question to ask first")
    return Tool(name, parsed.short_description or name, arguments, function, effect, seconds, question, quotes)
