"""What a client may ask for: the requests of OpenAI's chat completions API.

Fields that are not known here are ignored, as OpenAI adds new ones often; those that are known must be right, and those
that the assistant cannot do are declined, so that no client waits for something that never comes.
"""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from pipeline.writer import WrittenRequest

MAX_MESSAGES = 2048
MAX_TOOLS = 128
MAX_STOPS = 4
"""As OpenAI has it."""


_PASSED_ON = {
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "response_format",
    "parallel_tool_calls",
}
"""Parameters that the model's server is given as they came."""


class BadRequest(Exception):  # noqa: N818 - named as HTTP names it
    """The request cannot be understood or done; the message says what to change.

    Args:
        param: the field at fault, as in `messages[0].content`; None where it is the whole.
        code: what is wrong, for programs.
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class TextPart(_Strict):
    """Words among a message's parts."""

    type: Literal["text"]
    text: str


class Image(_Strict):
    """An image within the message itself: the assistant fetches nothing on a client's word."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"

    @field_validator("url")
    @classmethod
    def _brought_along(cls, url: str) -> str:
        if not _IMAGE.match(url):
            raise PydanticCustomError("unsupported_value", "Send the image itself, as data:image/png;base64,…")
        return url


_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)


class ImagePart(_Strict):
    """An image among a message's parts."""

    type: Literal["image_url"]
    image_url: Image


def _kind(content: object) -> str:
    return "parts" if isinstance(content, list) else "text"


_Text = Annotated[str, Tag("text")]
_Part = Annotated[TextPart | ImagePart, Discriminator("type")]
Words = Annotated[_Text | Annotated[list[TextPart], Field(min_length=1), Tag("parts")], Discriminator(_kind)]
WordsAndImages = Annotated[_Text | Annotated[list[_Part], Field(min_length=1), Tag("parts")], Discriminator(_kind)]


class SystemMessage(_Strict):
    """What the client wants the assistant to heed."""

    role: Literal["system", "developer"]
    content: Words


class UserMessage(_Strict):
    """What a person wrote or shows."""

    role: Literal["user"]
    content: WordsAndImages


class CalledFunction(_Strict):
    """A function as the model called it."""

    name: str
    arguments: str

    @field_validator("arguments")
    @classmethod
    def _is_json(cls, arguments: str) -> str:
        try:
            json.loads(arguments)
        except (ValueError, RecursionError):
            raise PydanticCustomError("invalid_value", "The arguments of a call are JSON text") from None
        return arguments


class ToolCall(_Strict):
    """An earlier call of one of the client's functions."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(_Strict):
    """What the assistant answered earlier."""

    role: Literal["assistant"]
    content: Words | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(_Strict):
    """What one of the client's functions returned."""

    role: Literal["tool"]
    content: Words
    tool_call_id: str


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Discriminator("role")]


class Function(_Strict):
    """A function that the client offers."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None


class Tool(_Strict):
    """A tool that the client offers."""

    type: Literal["function"]
    function: Function


class NamedFunction(_Strict):
    """A function by its name."""

    name: str


class NamedTool(_Strict):
    """The one tool that the model must call."""

    type: Literal["function"]
    function: NamedFunction


Choice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("mode")] | Annotated[NamedTool, Tag("tool")],
    Discriminator(lambda choice: "tool" if isinstance(choice, dict) else "mode"),
]


class ResponseFormat(_Strict):
    """What the answer must look like."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, JsonValue] | None = None


class StreamOptions(_Strict):
    """What a stream tells beside the answer."""

    include_usage: bool | None = None


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatRequest(_Strict):
    """A request for one chat completion."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=128)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=128)] | None = None
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[list[str], Field(max_length=MAX_STOPS), BeforeValidator(_as_list)] | None = None
    response_format: ResponseFormat | None = None
    n: int | None = None
    modalities: list[str] | None = None
    functions: JsonValue = None
    function_call: JsonValue = None

    @field_validator("n")
    @classmethod
    def _one_answer(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise PydanticCustomError("unsupported_value", "Only one answer is given: leave n out, or set it to 1")
        return n

    @field_validator("modalities")
    @classmethod
    def _in_writing(cls, modalities: list[str] | None) -> list[str] | None:
        if modalities not in (None, ["text"]):
            raise PydanticCustomError("unsupported_value", "Answers are text here; /v1/realtime speaks")
        return modalities

    @field_validator("functions", "function_call")
    @classmethod
    def _no_longer(cls, value: JsonValue) -> JsonValue:
        if value is not None:
            raise PydanticCustomError("unsupported_value", "Functions are offered as tools, and chosen by tool_choice")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "ChatRequest":
        _check_calls(self.messages)
        _check_tools(self)
        return self

    @property
    def includes_usage(self) -> bool:
        """Whether the stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def written(self) -> WrittenRequest:
        """Put the request as the conversation takes it."""
        said = [_as_context(message) for message in self.messages if not isinstance(message, SystemMessage)]
        heeded = [_as_context(message)["content"] for message in self.messages if isinstance(message, SystemMessage)]
        sampling = self.model_dump(include=_PASSED_ON, exclude_none=True)
        if not self.tools:
            sampling.pop("parallel_tool_calls", None)
        if self.response_format is not None and self.response_format.type == "text":
            del sampling["response_format"]
        return WrittenRequest(
            messages=cast("list[LLMContextMessage]", said),
            instructions="\n".join(heeded),
            functions=[_as_tool(tool.function) for tool in self.tools or ()],
            tool_choice=self.tool_choice.model_dump() if isinstance(self.tool_choice, NamedTool) else self.tool_choice,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            sampling=sampling,
            conversation=self.prompt_cache_key,
        )


def parse(body: bytes) -> ChatRequest:
    """Read a request's body. Raises `BadRequest`."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _bad_request(first, body) from None


def _bad_request(error: ErrorDetails, body: bytes) -> BadRequest:
    if error["type"] == "json_invalid":
        return BadRequest(f"The body is no JSON: {error['msg']}")
    context = error.get("ctx", {})
    param = context["param"] if "param" in context else _param(error, from_json(body))
    code = {"missing": "missing_required_parameter", "unsupported_value": "unsupported_value"}
    message = f"{param}: {error['msg']}." if param else f"The request must be a JSON object: {error['msg']}."
    return BadRequest(message, param=param or None, code=code.get(error["type"], "invalid_value"))


def _param(error: ErrorDetails, body: object) -> str:
    """Name the field at fault as OpenAI does. Pydantic's own path also has the names of the kinds it tried."""
    path, here = "", body
    for step in error["loc"]:
        if isinstance(here, list) and isinstance(step, int):
            path, here = f"{path}[{step}]", here[step]
        elif isinstance(here, dict) and step in here:
            path, here = f"{path}.{step}", here[step]
    if error["type"] == "missing":
        path = f"{path}.{error['loc'][-1]}"
    elif error["type"].startswith("union_tag") and "discriminator" in error.get("ctx", {}):
        discriminator = str(error["ctx"]["discriminator"]).strip("'")
        path = path if "(" in discriminator else f"{path}.{discriminator}"
    return path.removeprefix(".")


def _wrong(param: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_value", cast("Any", message), {"param": param})


def _check_calls(messages: Sequence[Message]) -> None:
    """Check that every call has its result behind it, every result its call before it, and that a turn is open."""
    said = [(at, message) for at, message in enumerate(messages) if not isinstance(message, SystemMessage)]
    if not said or isinstance(said[-1][1], AssistantMessage):
        raise _wrong("messages", "There is nothing to answer: the last message must be the user's, or a tool's result")
    waiting: set[str] = set()
    for at, message in said:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise _wrong(f"messages[{at}].tool_call_id", "No call before it has this id, or it has its result")
            waiting.remove(message.tool_call_id)
        elif waiting:
            raise _wrong(f"messages[{at}]", "A call before it has no result: tool messages follow the calls at once")
        if isinstance(message, AssistantMessage):
            waiting = {call.id for call in message.tool_calls or ()}
            if message.content is None and not waiting:
                raise _wrong(f"messages[{at}].content", "It must have content or tool_calls")
    if waiting:
        raise _wrong("messages", "The last calls have no results")


def _check_tools(request: ChatRequest) -> None:
    names = [tool.function.name for tool in request.tools or ()]
    if len(set(names)) < len(names):
        raise _wrong("tools", "Two functions have the same name")
    if isinstance(request.tool_choice, NamedTool) and request.tool_choice.function.name not in names:
        raise _wrong("tool_choice.function.name", "No function in tools has this name")
    if request.tool_choice == "required" and not names:
        raise _wrong("tool_choice", "It needs tools to choose from")
    if request.stream_options is not None and not request.stream:
        raise _wrong("stream_options", "They are for a stream: set stream to true")


def _as_context(message: Message) -> dict[str, Any]:
    dumped = message.model_dump(exclude_none=True)
    content = dumped.get("content", "")
    if not isinstance(content, str) and all(part["type"] == "text" for part in content):
        # Many models' templates know no parts.
        dumped["content"] = "\n".join(part["text"] for part in content)
    return dumped


def _as_tool(function: Function) -> dict[str, Any]:
    # Some servers' templates need parameters, where OpenAI takes their absence for none.
    empty = {"parameters": {"type": "object", "properties": {}}}
    return {"type": "function", "function": empty | function.model_dump(exclude_none=True)}
