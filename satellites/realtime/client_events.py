"""What a client may send: parsed, checked, and refused with an error that says what to do.

The OpenAI SDK's own types are the specification. They are lenient (unknown fields pass), so this module adds
what OpenAI's server does: a field that nobody knows is an error, because it is most likely a mistyped one.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NoReturn

from openai import BaseModel as OpenAIModel
from openai.types.realtime import (
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeAudioConfigOutput,
    RealtimeAudioFormats,
    RealtimeConversationItemAssistantMessage,
    RealtimeConversationItemFunctionCall,
    RealtimeConversationItemFunctionCallOutput,
    RealtimeConversationItemSystemMessage,
    RealtimeConversationItemUserMessage,
    RealtimeResponseCreateParams,
    RealtimeSessionCreateRequest,
)
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails

MAX_AUDIO = 15 * 1024 * 1024
"""Characters of base64 in one `input_audio_buffer.append`; OpenAI's limit."""

MAX_TEXT = 1024 * 1024
"""Characters of any other event. A context of 128k tokens has half as many."""

MAX_DEPTH = 64
"""Objects and lists within each other; no tool's schema is nearly as deep."""


class RealtimeFault(Exception):  # noqa: N818  a client's mistake, told to it as an event
    """Something the client asked for cannot be done. Becomes one `error` event; the conversation goes on."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.event_id: str | None = None
        """The client's name for the event that is at fault, if it gave one."""


def _decoded(audio: object) -> bytes:
    if not isinstance(audio, str):
        raise ValueError("send a string of base64")  # noqa: TRY004  pydantic reports only a ValueError
    if len(audio) > MAX_AUDIO:
        raise ValueError(f"{len(audio)} characters are too many: send at most {MAX_AUDIO} an event")
    try:
        return base64.b64decode(audio, validate=True)
    except ValueError as error:
        raise ValueError(f"this is not base64 ({error}); send standard base64 without line breaks") from None


def _kind_of_item(item: object) -> str:
    if isinstance(item, BaseModel):
        item = item.model_dump()
    if not isinstance(item, dict):
        return ""
    return str(item.get("role")) if item.get("type") == "message" else str(item.get("type"))


SystemMessage = RealtimeConversationItemSystemMessage
UserMessage = RealtimeConversationItemUserMessage
AssistantMessage = RealtimeConversationItemAssistantMessage
FunctionCall = RealtimeConversationItemFunctionCall
FunctionCallOutput = RealtimeConversationItemFunctionCallOutput

ClientItem = Annotated[
    Annotated[SystemMessage, Tag("system")]
    | Annotated[UserMessage, Tag("user")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")],
    Discriminator(_kind_of_item),
]


class ClientEvent(BaseModel):
    """Any event; `event_id` comes back in the error that it may cause."""

    model_config = ConfigDict(extra="forbid")
    event_id: Annotated[str, Field(max_length=512)] | None = None
    type: str


class AudioOpus(OpenAIModel):
    """Opus, which this server has beside the API's formats."""

    type: Literal["audio/opus"]


class _Input(RealtimeAudioConfigInput):
    format: RealtimeAudioFormats | AudioOpus | None = None  # type: ignore[assignment]


class _Output(RealtimeAudioConfigOutput):
    format: RealtimeAudioFormats | AudioOpus | None = None  # type: ignore[assignment]


class _Audio(RealtimeAudioConfig):
    input: _Input | None = None
    output: _Output | None = None


class Session(RealtimeSessionCreateRequest):
    """What a client may set."""

    audio: _Audio | None = None


class SessionUpdate(ClientEvent):
    """`session.update`."""

    session: Session


class AudioAppend(ClientEvent):
    """`input_audio_buffer.append`; `audio` is already decoded from base64."""

    audio: Annotated[bytes, BeforeValidator(_decoded)]


class AudioCommit(ClientEvent):
    """`input_audio_buffer.commit`."""


class AudioClear(ClientEvent):
    """`input_audio_buffer.clear`."""


class OutputClear(ClientEvent):
    """`output_audio_buffer.clear`, which only WebRTC and SIP have."""


class ItemCreate(ClientEvent):
    """`conversation.item.create`."""

    item: ClientItem
    previous_item_id: str | None = None


class ItemRetrieve(ClientEvent):
    """`conversation.item.retrieve`."""

    item_id: str


class ItemDelete(ClientEvent):
    """`conversation.item.delete`."""

    item_id: str


class ItemTruncate(ClientEvent):
    """`conversation.item.truncate`."""

    item_id: str
    content_index: Literal[0]
    audio_end_ms: Annotated[int, Field(ge=0)]


class ResponseCreate(ClientEvent):
    """`response.create`."""

    response: RealtimeResponseCreateParams | None = None


class ResponseCancel(ClientEvent):
    """`response.cancel`."""

    response_id: str | None = None


CLIENT_EVENTS: dict[str, type[ClientEvent]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": AudioAppend,
    "input_audio_buffer.commit": AudioCommit,
    "input_audio_buffer.clear": AudioClear,
    "output_audio_buffer.clear": OutputClear,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.delete": ItemDelete,
    "conversation.item.truncate": ItemTruncate,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}


def read(text: str | None) -> ClientEvent:
    """Read one event from its JSON; None stands for a binary message, which the API does not have.

    Raises:
        RealtimeFault: it is no event, or a field is missing, unknown or wrong; `param` names it.
    """
    data = _load(text)
    try:
        return _parse(data)
    except RealtimeFault as fault:
        event_id = data.get("event_id")
        fault.event_id = event_id[:512] if isinstance(event_id, str) else None
        raise


def _load(text: str | None) -> dict[str, Any]:
    if text is None:
        raise RealtimeFault("Send JSON as text; audio is base64 within it.", code="invalid_json")
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()  # half of a surrogate pair breaks whatever stores it
    except RecursionError:
        raise RealtimeFault("The JSON is nested too deeply.", code="invalid_json") from None
    except ValueError as error:
        raise RealtimeFault(f"This is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise RealtimeFault("An event is a JSON object with a `type`.", code="invalid_json")
    if len(text) > MAX_TEXT and data.get("type") != "input_audio_buffer.append":
        raise RealtimeFault(f"An event without audio has at most {MAX_TEXT} characters.", code="event_too_large")
    if _deeper_than(data, MAX_DEPTH):
        raise RealtimeFault("The JSON is nested too deeply.", code="invalid_json")
    return data


def _deeper_than(value: object, depth: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_deeper_than(member, depth - 1) for member in members)


def _parse(data: dict[str, Any]) -> ClientEvent:
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in CLIENT_EVENTS:
        known = ", ".join(CLIENT_EVENTS)
        code = "missing_required_parameter" if kind is None else "invalid_value"
        raise RealtimeFault(f"Set `type` to one of: {known}.", code=code, param="type")
    try:
        event = CLIENT_EVENTS[kind].model_validate(data)
    except ValidationError as error:
        _refuse(data, error)
    for path in _unknown_fields(event):
        raise RealtimeFault(f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path)
    return event


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse(data: dict[str, Any], error: ValidationError) -> NoReturn:
    details = error.errors(include_url=False, include_input=False)
    detail, param = details[0], _param(data, details[0])
    match detail["type"]:
        case "missing":
            raise RealtimeFault(
                f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
            )
        case "extra_forbidden":
            raise RealtimeFault(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)
        case "union_tag_invalid":
            raise RealtimeFault(
                "An item is a `message` whose `role` is `user`, `assistant` or `system`, a `function_call` "
                "or a `function_call_output`.",
                code="invalid_value",
                param=param,
            )
        case _:  # a union reports what each of its members expects
            reasons = dict.fromkeys(d["msg"].removeprefix("Value error, ") for d in details if _param(data, d) == param)
            message = f"Invalid value for '{param}': {', or: '.join(reasons)}."
            raise RealtimeFault(message, code="invalid_value", param=param)


def _param(data: dict[str, Any], detail: ErrorDetails) -> str | None:
    return ".".join(_path_in(data, detail["loc"], missing=detail["type"] == "missing")) or None


def _path_in(data: object, location: Sequence[int | str], *, missing: bool) -> Iterator[str]:
    """Yield the steps of `location` that exist in `data`; pydantic adds the names of a union's members."""
    for position, step in enumerate(location):
        inside: Any = data
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            data = inside[step]
        elif not (missing and position == len(location) - 1):
            continue
        yield str(step)


def _unknown_fields(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{path}{name}"
        for name in value.model_fields_set & type(value).model_fields.keys():
            yield from _unknown_fields(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unknown_fields(member, f"{path}{index}.")
