import pytest
from pipecat.frames.frames import (
    LLMConfigureOutputFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
)

from satellites.realtime.outputs import Tell
from tests.satellites.realtime.client import Driver, error_of, kinds
from voice.frames import SessionInstructionsFrame, SpeechSpeedFrame, TurnDetectionFrame

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather",
    "parameters": {
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/Place"}},
        "required": ["place"],
        "additionalProperties": False,
        "$defs": {"Place": {"type": "string"}},
    },
}


@pytest.fixture
def session() -> Driver:
    return Driver()


def frames(session: Driver, **update):
    """Update the session and return the frames that the conversation is told."""
    (event,) = session.update(**update)
    assert event["type"] == "session.updated", event
    told = [command.frame for command in session.commands if isinstance(command, Tell)]
    assert not any(frame.interruptible for frame in told)
    return told


def test_an_update_is_merged_and_shown(session):
    session.update(instructions="Be brief.")
    (event,) = session.update(audio={"output": {"speed": 1.2}})
    assert event["session"]["instructions"] == "Be brief."
    assert event["session"]["audio"]["output"]["speed"] == 1.2
    assert event["session"]["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"


def test_each_setting_tells_the_conversation_what_it_needs(session):
    assert frames(session, instructions="Be brief.")[0].instructions == "Be brief."
    (speed,) = frames(session, audio={"output": {"speed": 0.8}})
    assert isinstance(speed, SpeechSpeedFrame)
    assert speed.speed == 0.8
    (output,) = frames(session, output_modalities=["text"])
    assert isinstance(output, LLMConfigureOutputFrame)
    assert output.skip_tts
    (limit,) = frames(session, max_output_tokens=100)
    assert isinstance(limit, LLMUpdateSettingsFrame)
    assert limit.delta.max_tokens == 100


def test_setting_the_same_again_tells_nothing(session):
    assert frames(session, instructions="Be brief.")
    assert frames(session, instructions="Be brief.") == []


def test_tools_keep_the_schema_that_the_client_wrote(session):
    tools, choice = frames(session, tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"})
    assert isinstance(tools, LLMSetToolsFrame)
    (tool,) = tools.tools.standard_tools
    assert tool.to_default_dict() == {key: WEATHER[key] for key in ("name", "description", "parameters")}
    assert isinstance(choice, LLMSetToolChoiceFrame)
    assert choice.tool_choice == {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize(
    ("turn_detection", "expected"),
    [
        (None, TurnDetectionFrame(enabled=False, create_response=False, interrupt_response=False)),
        (
            {"type": "server_vad", "silence_duration_ms": 700, "interrupt_response": False},
            TurnDetectionFrame(interrupt_response=False, silence=0.7),
        ),
        ({"type": "semantic_vad", "eagerness": "low"}, TurnDetectionFrame(eagerness="low")),
        (
            {"type": "semantic_vad", "create_response": False},
            TurnDetectionFrame(create_response=False),
        ),
    ],
)
def test_turn_detection_is_passed_on(session, turn_detection, expected):
    (frame,) = frames(session, audio={"input": {"turn_detection": turn_detection}})
    for name in ("enabled", "create_response", "interrupt_response", "eagerness", "silence"):
        assert getattr(frame, name) == getattr(expected, name)


def test_instructions_can_be_taken_back(session):
    frames(session, instructions="Be brief.")
    (frame,) = frames(session, instructions="")
    assert isinstance(frame, SessionInstructionsFrame)
    assert frame.instructions == ""


def test_settings_that_change_nothing_here_are_accepted(session):
    update = {
        "model": "gpt-realtime",
        "include": ["item.input_audio_transcription.logprobs"],
        "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
        "audio": {
            "input": {"noise_reduction": {"type": "far_field"}, "transcription": {"model": "whisper-1"}},
            "output": {"voice": "marin"},
        },
    }
    assert frames(session, **update) == []


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"output_modalities": ["audio", "text"]}, "session.output_modalities"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"max_output_tokens": 10**9}, "session.max_output_tokens"),
        ({"audio": {"output": {"speed": 2}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"speed": "fast"}}}, "session.audio.output.speed"),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": -1}}}},
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0.type"),
        ({"tools": [{"type": "function", "name": "get weather"}]}, "session.tools.0.name"),
        ({"tools": [WEATHER, WEATHER]}, "session.tools.1.name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "session.tools.0.parameters"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "session.tool_choice"),
        ({"prompt": {"id": "pmpt_1"}}, "session.prompt"),
        ({"turn_detection": None}, "session.turn_detection"),
        ({"audio": {"input": {"vad": True}}}, "session.audio.input.vad"),
    ],
)
def test_what_cannot_be_honoured_is_refused_and_changes_nothing(session, update, param):
    before = session.created["session"]
    assert error_of(session.update(instructions="new", **update))["param"] == param
    assert session.commands == []
    (event,) = session.update()
    assert event["session"] == before


def test_a_response_may_not_choose_a_tool_that_is_not_there(session):
    error = error_of(session.send("response.create", response={"tool_choice": {"type": "function", "name": "f"}}))
    assert error["param"] == "response.tool_choice"


def test_a_response_may_bring_tools_of_its_own(session):
    assert kinds(session.send("response.create", response={"tools": [WEATHER]})) == ["response.created"]
    assert session.protocol.offers("get_weather")
    session.answer("No")
    assert not session.protocol.offers("get_weather")
