"""A check of server events that notices what the SDK's lenient models let pass."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai.types.realtime import RealtimeServerEvent, RealtimeSessionCreateResponse
from pydantic import BaseModel, TypeAdapter, ValidationError

_ADAPTER = TypeAdapter(RealtimeServerEvent)

_SESSION_FIELDS = {"id", "object", "expires_at"}
"""OpenAI sends these, and `RealtimeSessionCreateResponse` has them; the type of the events' session has not."""


def check(event: dict[str, Any]) -> dict[str, Any]:
    """Return `event` if it is exactly what the specification describes, else raise AssertionError."""
    _ADAPTER.validate_python(event)
    kinds = [member for member in _members(RealtimeServerEvent) if event["type"] in _literals(member, "type")]
    assert len(kinds) == 1, f"no event is called {event['type']}"
    if event["type"].startswith("session."):
        TypeAdapter(RealtimeSessionCreateResponse).validate_python(event["session"])
        event = {**event, "session": {k: v for k, v in event["session"].items() if k not in _SESSION_FIELDS}}
    problem = _problem(event, kinds[0], event["type"])
    assert problem is None, problem
    return event


def _problem(value: Any, kind: Any, path: str) -> str | None:
    """Return what is wrong with `value` for the type `kind`, or None."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not isinstance(value, dict):
            return f"{path} is no {kind.__name__}"
        return _model_problem(value, kind, path)
    if get_origin(kind) is Annotated:
        return _problem(value, get_args(kind)[0], path)
    if get_origin(kind) in {Union, UnionType}:
        problems = [_problem(value, member, path) for member in get_args(kind)]
        return None if None in problems else max(filter(None, problems), key=len)
    if get_origin(kind) is list:
        if not isinstance(value, list):
            return f"{path} is no list"
        (member,) = get_args(kind)
        problems = [_problem(item, member, f"{path}.{index}") for index, item in enumerate(value)]
        return next(filter(None, problems), None)
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        return f"{path}: {error}"
    return None


def _model_problem(value: dict[str, Any], kind: type[BaseModel], path: str) -> str | None:
    unknown = value.keys() - kind.model_fields.keys()
    if unknown:
        return f"{path} has fields that {kind.__name__} does not know: {sorted(unknown)}"
    for name, field in kind.model_fields.items():
        if name in value:
            problem = _problem(value[name], field.annotation, f"{path}.{name}")
            if problem:
                return problem
        elif field.is_required():
            return f"{path} lacks {name}"
    return None


def _members(union: Any) -> tuple[Any, ...]:
    if get_origin(union) is Annotated:
        return _members(get_args(union)[0])
    return get_args(union)


def _literals(model: type[BaseModel], field: str) -> tuple[Any, ...]:
    annotation = model.model_fields[field].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()
