"""The session's configuration: what a client may set, what it sees back, and what the conversation is told.

These settings are accepted and shown back but have no effect, because the assistant decides them itself: the
model's and voice's names, noise reduction, the transcription model, its language and prompt, the threshold
and padding of `server_vad`, tracing, truncation, reasoning effort, `include` and `parallel_tool_calls`.
"""

import copy
import re
from typing import Any

from openai.types.realtime import RealtimeResponseCreateParams, RealtimeSessionCreateRequest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    Frame,
    LLMConfigureOutputFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
)
from pipecat.services.settings import LLMSettings

from satellites.realtime.client_events import RealtimeFault
from satellites.realtime.codec import FORMATS
from voice.frames import SessionInstructionsFrame, SpeechSpeedFrame, TurnDetectionFrame

MAX_TOKENS = 4096
"""What `inf` stands for once a client has set a limit, and the highest limit; OpenAI's own."""

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

Config = dict[str, Any]


class ClientTool(FunctionSchema):
    """A client's function, offered to the model with its JSON Schema as the client wrote it."""

    def __init__(self, name: str, description: str, parameters: dict[str, Any]) -> None:
        super().__init__(name, description, parameters.get("properties", {}), parameters.get("required", []))
        self._parameters = parameters

    def to_default_dict(self) -> dict[str, Any]:
        """Return the function as OpenAI's chat completions take it."""
        return {"name": self.name, "description": self.description, "parameters": self._parameters}


def default_config(model: str) -> Config:
    """Return the configuration that a session starts with."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": pcm,
                # Understood here anyway; a client that wants no transcript sets it to null.
                "transcription": {"model": "whisper"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "semantic_vad",
                    "eagerness": "auto",
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": pcm, "voice": "assistant", "speed": 1.0},
        },
    }


def updated(config: Config, update: RealtimeSessionCreateRequest) -> Config:
    """Return `config` with what `update` sets; `null` switches off what can be off.

    Raises:
        RealtimeFault: a value that this server cannot honour; nothing has changed then.
    """
    changes = update.model_dump(exclude_unset=True, mode="json")
    if changes.get("prompt") is not None:
        raise RealtimeFault(
            "Stored prompts are not kept here; send `instructions`.",
            code="unsupported",
            param="session.prompt",
        )
    new = copy.deepcopy(config)
    audio = changes.pop("audio", None) or {}
    for side in ("input", "output"):
        new["audio"][side].update(_without_null(audio.get(side) or {}))
    new.update(_without_null(changes))
    _check(new)
    turn_detection = new["audio"]["input"]["turn_detection"]
    if turn_detection is not None:
        for name in ("create_response", "interrupt_response"):
            if turn_detection.get(name) is None:
                turn_detection[name] = True
    return new


def overridden(config: Config, params: RealtimeResponseCreateParams | None) -> Config:
    """Return the configuration that holds for one response.

    Raises:
        RealtimeFault: a response that this server cannot give.
    """
    if params is None:
        return config
    for name in ("input", "prompt"):
        if getattr(params, name) is not None:
            raise RealtimeFault(
                f"`{name}` is not supported: a response answers the conversation. Create items first.",
                code="unsupported",
                param=f"response.{name}",
            )
    if params.conversation not in {None, "auto"}:
        raise RealtimeFault(
            "Only responses within the conversation are supported: leave `conversation` at `auto`.",
            code="unsupported",
            param="response.conversation",
        )
    names = {"instructions", "tools", "tool_choice", "output_modalities", "max_output_tokens"}
    changes = params.model_dump(exclude_unset=True, mode="json", include=names)
    new = {**copy.deepcopy(config), **_without_null(changes)}
    output = params.audio.output if params.audio else None
    if output is not None and output.format is not None:
        chosen = output.format.model_dump(exclude_unset=True)
        if chosen.get("type", "audio/pcm") != config["audio"]["output"]["format"]["type"]:
            raise RealtimeFault(
                "The format belongs to the session: set session.audio.output.format by session.update.",
                code="unsupported",
                param="response.audio.output.format",
            )
    _check(new, prefix="response")
    return new


def frames_between(old: Config, new: Config) -> list[Frame]:
    """Return the frames that bring the conversation from one configuration to another."""
    frames: list[Frame] = []
    if new["instructions"] != old["instructions"]:
        frames.append(SessionInstructionsFrame(new["instructions"]))
    if new["audio"]["input"]["turn_detection"] != old["audio"]["input"]["turn_detection"]:
        frames.append(_turn_detection_frame(new["audio"]["input"]["turn_detection"]))
    if new["audio"]["output"]["speed"] != old["audio"]["output"]["speed"]:
        frames.append(SpeechSpeedFrame(new["audio"]["output"]["speed"]))
    if new["tools"] != old["tools"]:
        frames.append(LLMSetToolsFrame(ToolsSchema([_client_tool(tool) for tool in new["tools"]])))
    if new["tool_choice"] != old["tool_choice"]:
        choice = new["tool_choice"]
        if isinstance(choice, dict):
            choice = {"type": "function", "function": {"name": choice["name"]}}
        frames.append(LLMSetToolChoiceFrame(choice))
    if new["output_modalities"] != old["output_modalities"]:
        frames.append(LLMConfigureOutputFrame(skip_tts=new["output_modalities"] == ["text"]))
    if new["max_output_tokens"] != old["max_output_tokens"]:
        limit = MAX_TOKENS if new["max_output_tokens"] == "inf" else new["max_output_tokens"]
        frames.append(LLMUpdateSettingsFrame(delta=LLMSettings(max_tokens=limit)))
    for frame in frames:
        frame.interruptible = False  # a setting outlives whatever is interrupted around it
    return frames


def _without_null(changes: Config) -> Config:
    """Leave out nulls that mean "as before"; those below mean "off"."""
    off = {"transcription", "noise_reduction", "turn_detection", "tracing", "include", "prompt"}
    return {name: value for name, value in changes.items() if value is not None or name in off}


def _client_tool(tool: Config) -> ClientTool:
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    return ClientTool(tool["name"], tool.get("description") or "", parameters)


def _turn_detection_frame(turn_detection: Config | None) -> TurnDetectionFrame:
    if turn_detection is None:
        return TurnDetectionFrame(enabled=False, create_response=False, interrupt_response=False)
    silence = turn_detection.get("silence_duration_ms")
    return TurnDetectionFrame(
        create_response=turn_detection["create_response"],
        interrupt_response=turn_detection["interrupt_response"],
        eagerness=turn_detection.get("eagerness"),
        silence=None if silence is None else silence / 1000,
    )


def _check(config: Config, prefix: str = "session") -> None:
    if config["output_modalities"] not in (["audio"], ["text"]):
        raise RealtimeFault(
            'Set it to ["audio"] (speech with its transcript) or ["text"].',
            code="invalid_value",
            param=f"{prefix}.output_modalities",
        )
    limit = config["max_output_tokens"]
    if limit != "inf" and not 1 <= limit <= MAX_TOKENS:
        raise RealtimeFault(
            f'Set it to a number from 1 to {MAX_TOKENS}, or to "inf".',
            code="invalid_value",
            param=f"{prefix}.max_output_tokens",
        )
    _check_audio(config["audio"])
    _check_tools(config, prefix)


def _check_audio(audio: Config) -> None:
    for side in ("input", "output"):
        if audio[side]["format"].get("type") not in FORMATS:
            raise RealtimeFault(
                "Set its type to audio/pcm (16-bit little-endian, 24 kHz), audio/pcmu or audio/pcma (8 kHz), or to "
                "audio/opus, one packet an event.",
                code="invalid_value",
                param=f"session.audio.{side}.format.type",
            )
        if audio[side]["format"]["type"] == "audio/pcm":
            audio[side]["format"] = {"type": "audio/pcm", "rate": 24000}
    if not 0.25 <= audio["output"]["speed"] <= 1.5:
        raise RealtimeFault(
            "Speech can be between 0.25 and 1.5 times as fast.",
            code="invalid_value",
            param="session.audio.output.speed",
        )
    silence = (audio["input"]["turn_detection"] or {}).get("silence_duration_ms")
    if silence is not None and not 0 <= silence <= 10_000:
        raise RealtimeFault(
            "Set it to 0 to 10000 milliseconds.",
            code="invalid_value",
            param="session.audio.input.turn_detection.silence_duration_ms",
        )


def _check_tools(config: Config, prefix: str) -> None:
    names: set[str] = set()
    for index, tool in enumerate(config["tools"]):
        param = f"{prefix}.tools.{index}"
        name, parameters = tool.get("name"), tool.get("parameters")
        if tool.get("type") != "function":
            raise RealtimeFault(
                'Only tools with `"type": "function"` can be offered; the server brings its own MCP servers.',
                code="unsupported",
                param=f"{param}.type",
            )
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name) or name in names:
            raise RealtimeFault(
                "Give each tool a name of its own, of 1 to 64 letters, digits, `_` and `-`.",
                code="invalid_value",
                param=f"{param}.name",
            )
        if parameters is not None and not _is_object_schema(parameters):
            raise RealtimeFault(
                'Describe the arguments by a JSON Schema of `"type": "object"`.',
                code="invalid_value",
                param=f"{param}.parameters",
            )
        names.add(name)
    choice = config["tool_choice"]
    if isinstance(choice, dict) and (choice.get("type") != "function" or choice.get("name") not in names):
        raise RealtimeFault(
            "Name one of the session's tools, or set `auto`, `none` or `required`.",
            code="invalid_value",
            param=f"{prefix}.tool_choice",
        )


def _is_object_schema(parameters: object) -> bool:
    return (
        isinstance(parameters, dict)
        and parameters.get("type") == "object"
        and isinstance(parameters.get("properties", {}), dict)
        and isinstance(parameters.get("required", []), list)
    )
