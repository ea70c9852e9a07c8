from typing import Any

import pytest
from pipecat.frames.frames import LLMMessagesAppendFrame

from satellites.realtime.outputs import Amend, Answer, Interrupt, Run, Tell
from satellites.realtime.response import Usage
from tests.satellites.realtime.client import Driver, error_of, kinds, only
from voice.frames import ClearAudioFrame, CommitAudioFrame, SessionInstructionsFrame

CLOSING = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
    "rate_limits.updated",
]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture
def session() -> Driver:
    return Driver()


def user_text(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **fields}


def call_weather(session: Driver) -> list[dict[str, Any]]:
    """Let the model answer with a call of `get_weather` alone."""
    session.update(tools=[WEATHER])
    session.protocol.model_started()
    session.protocol.tools_called(["call_1"])
    session.protocol.function_called("call_1", "get_weather", '{"place":"Here"}')
    session.protocol.model_finished()
    return session.events()


def told(session: Driver) -> list[Any]:
    return [command.frame for command in session.commands if isinstance(command, Tell)]


def amended(session: Driver, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (amend,) = [command for command in session.commands if isinstance(command, Amend)]
    return amend.change(messages)


# Beginning.


def test_a_session_tells_its_configuration_and_the_model_asked_for(session):
    assert session.created["type"] == "session.created"
    assert session.created["session"]["model"] == "passfel"
    assert session.created["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


# The caller's turns.


def test_a_spoken_turn_becomes_an_item_with_its_transcript(session):
    session.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    session.append(1.0)
    session.protocol.user_started(0.2)
    (started,) = session.events()
    assert (started["type"], started["audio_start_ms"]) == ("input_audio_buffer.speech_started", 800)
    session.append(1.0)
    session.protocol.user_stopped(0.3)
    events = session.events()
    assert kinds(events) == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert events[0]["audio_end_ms"] == 1700
    session.protocol.user_said("Hello there")
    delta, completed = session.events()
    assert delta["delta"] == completed["transcript"] == "Hello there"
    assert {event["item_id"] for event in (started, *events[:2], delta, completed)} == {events[2]["item"]["id"]}


def test_text_that_comes_before_the_turn_ends_is_told_at_its_end(session):
    session.update(audio={"input": {"transcription": {}}})
    session.protocol.user_started()
    session.protocol.user_said("Turn on")
    session.protocol.user_said("the light")
    session.protocol.user_stopped()
    assert only(session.events(), "conversation.item.input_audio_transcription.completed")["transcript"] == (
        "Turn on the light"
    )


def test_a_client_that_asks_for_no_transcription_gets_none_but_may_retrieve_it(session):
    session.update(audio={"input": {"transcription": None}})
    session.events()
    session.protocol.user_started()
    session.protocol.user_stopped()
    item = only(session.events(), "conversation.item.added")["item"]
    session.protocol.user_said("Hello")
    assert session.events() == []
    (retrieved,) = session.send("conversation.item.retrieve", item_id=item["id"])
    assert retrieved["item"]["content"][0]["transcript"] == "Hello"


def test_words_are_shown_once_two_hypotheses_agree(session):
    session.update(audio={"input": {"transcription": {}}})
    session.protocol.user_started()
    session.events()
    for text in ("Turn", "Turn of", "Turn off the", "Turn off the light"):
        session.protocol.user_hypothesis(text)
    assert [event["delta"] for event in session.events()] == ["Turn", " off the"]
    session.protocol.user_stopped()
    session.protocol.user_said("Turn off the light.")
    events = session.events()
    assert only(events, "conversation.item.input_audio_transcription.delta")["delta"] == " light."


def test_a_turn_in_which_nothing_was_understood_does_not_shift_the_next_one(session):
    session.update(audio={"input": {"transcription": {}}})
    for _ in range(2):
        session.protocol.user_started()
        session.protocol.user_stopped()
    session.protocol.user_said("Hello")
    events = [e for e in session.events() if e["type"].endswith("transcription.completed")]
    assert [event["transcript"] for event in events] == ["", "Hello"]
    assert events[0]["item_id"] != events[1]["item_id"]


def test_without_turn_detection_the_client_commits(session):
    session.update(audio={"input": {"turn_detection": None, "transcription": {}}})
    session.protocol.user_started()
    assert session.events() == []
    session.append(0.5)
    events = session.send("input_audio_buffer.commit")
    assert kinds(events) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert [type(frame) for frame in told(session)] == [CommitAudioFrame]
    session.protocol.user_said("Hi")
    completed = only(session.events(), "conversation.item.input_audio_transcription.completed")
    assert completed["usage"] == {"type": "duration", "seconds": 0.5}


def test_committing_too_little_audio_is_an_error(session):
    session.append(0.05)
    error = error_of(session.send("input_audio_buffer.commit", event_id="mine"))
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


def test_cleared_audio_can_not_be_committed(session):
    session.append(1.0)
    assert kinds(session.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert [type(frame) for frame in told(session)] == [ClearAudioFrame]
    assert error_of(session.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


# Responses.


def test_a_response_has_the_whole_sequence_of_events(session):
    assert kinds(session.answer("Good", "morning")) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        *CLOSING,
    ]


def test_a_finished_response_holds_what_was_said_and_used(session):
    session.protocol.used(Usage(prompt=10, completion=4, cached=6))
    done = only(session.answer("Good", "morning"), "response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": "Good morning"}]
    assert done["usage"]["total_tokens"] == 14
    assert done["usage"]["input_token_details"]["cached_tokens"] == 6
    assert only(session.answer("Again"), "response.done")["response"]["usage"] is None


def test_deltas_join_to_the_transcript(session):
    session.protocol.model_started()
    session.protocol.words("Hi", spaced=False)
    session.protocol.words(", all", spaced=True)
    session.protocol.words("there", spaced=False)
    session.protocol.model_finished()
    events = session.events()
    deltas = "".join(e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta")
    done = only(events, "response.output_audio_transcript.done")
    assert deltas == done["transcript"] == "Hi, all there"


def test_a_response_asked_for_exists_at_once_and_runs_the_model(session):
    events = session.send("response.create", response={"metadata": {"topic": "greeting"}})
    assert kinds(events) == ["response.created"]
    assert session.commands == [Run()]
    done = only(session.answer("Hello"), "response.done")
    assert done["response"]["id"] == events[0]["response"]["id"]
    assert done["response"]["metadata"] == {"topic": "greeting"}


def test_a_response_of_text_has_no_audio(session):
    session.update(output_modalities=["text"])
    session.protocol.model_started()
    session.protocol.words("Hello.", spaced=False)
    session.protocol.model_finished()
    assert kinds(session.events()) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_what_a_response_sets_for_itself_is_taken_back_behind_it(session):
    session.update(instructions="Be kind.")
    session.send("response.create", response={"instructions": "Shout."})
    first = told(session)
    assert [frame.instructions for frame in first] == ["Shout."]
    session.answer("HELLO")
    session.send("response.create", response={"instructions": "Whisper."})
    session.protocol.interrupted()
    session.events()
    assert [f.instructions for f in told(session) if isinstance(f, SessionInstructionsFrame)] == ["Be kind."]


def test_only_one_response_at_a_time(session):
    session.send("response.create")
    error = error_of(session.send("response.create", event_id="second"))
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"


def test_an_interrupted_response_is_closed_as_cancelled(session):
    session.protocol.model_started()
    session.say("Once", "upon")
    session.protocol.interrupted()
    events = session.events()
    assert kinds(events) == CLOSING
    response = only(events, "response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"


def test_what_comes_late_from_an_interrupted_response_is_not_sent(session):
    session.protocol.model_started()
    session.protocol.interrupted()
    session.events()
    session.protocol.words("ghost", spaced=False)
    session.protocol.audio("AAAA", 0.02)
    session.protocol.model_finished()
    session.protocol.voice_stopped()
    assert session.events() == []


def test_a_client_may_cancel_and_ask_anew_at_once(session):
    session.protocol.model_started()
    session.say("Once")
    assert session.send("response.cancel") == []
    assert session.commands == [Interrupt()]
    assert session.send("response.create") == []
    assert session.commands == []
    session.protocol.interrupted()
    events = session.events()
    assert only(events, "response.done")["response"]["status_details"]["reason"] == "client_cancelled"
    assert kinds(events)[-1] == "response.created"
    assert session.commands == [Run()]


def test_cancelling_nothing_is_an_error(session):
    assert error_of(session.send("response.cancel"))["code"] == "response_cancel_not_active"


def test_cancelling_another_response_is_an_error(session):
    session.send("response.create")
    error = error_of(session.send("response.cancel", response_id="resp_x"))
    assert (error["code"], error["param"]) == ("response_cancel_not_active", "response_id")


def test_a_failure_is_told_in_the_response(session):
    session.send("response.create")
    session.protocol.model_started()
    session.protocol.failed()
    session.protocol.model_finished()
    assert only(session.events(), "response.done")["response"]["status"] == "failed"


def test_an_announcement_is_a_response_of_its_own(session):
    session.say("Your", "tea", "is", "ready")
    session.protocol.voice_stopped()
    assert kinds(session.events()) == CLOSING


def test_a_response_lasts_until_its_speech_has_ended(session):
    session.protocol.model_started()
    session.say("Good")
    session.protocol.model_finished()
    assert session.events() == []
    session.protocol.voice_stopped()
    assert kinds(session.events()) == CLOSING


# Functions.


def test_a_client_gets_a_function_call_and_gives_its_output(session):
    events = call_weather(session)
    assert kinds(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    output = only(events, "response.done")["response"]["output"][0]
    assert (output["name"], output["arguments"]) == ("get_weather", '{"place":"Here"}')
    item = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    assert kinds(session.send("conversation.item.create", item=item)) == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert session.commands == [Answer("call_1", "sunny")]
    assert kinds(session.send("response.create")) == ["response.created"]
    assert session.commands == [Run()]


def test_speech_before_a_function_call_is_an_item_of_its_own(session):
    session.update(tools=[WEATHER])
    session.protocol.model_started()
    session.say("One", "moment")
    session.protocol.function_called("call_1", "get_weather", "{}")
    session.protocol.voice_stopped()
    session.protocol.model_finished()
    output = only(session.events(), "response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]


@pytest.mark.parametrize("announced_first", [True, False])
def test_a_call_may_be_known_before_the_model_is_seen_to_begin(session, announced_first):
    session.update(tools=[WEATHER])
    if announced_first:
        session.protocol.tools_called(["call_1"])
    session.protocol.function_called("call_1", "get_weather", "{}")
    session.protocol.tools_called(["call_1"])
    assert "response.done" not in kinds(session.events())
    session.protocol.model_started()
    session.protocol.model_finished()
    assert kinds(session.events()) == ["response.done", "rate_limits.updated"]


def test_calls_made_one_after_another_each_end_a_response(session):
    session.update(tools=[WEATHER])
    session.protocol.model_started()
    session.protocol.tools_called(["call_1", "call_2"])
    session.protocol.function_called("call_1", "get_weather", "{}")
    session.protocol.model_finished()
    assert kinds(session.events())[-2:] == ["response.done", "rate_limits.updated"]
    session.protocol.function_called("call_2", "get_weather", "{}")
    assert kinds(session.events())[-2:] == ["response.done", "rate_limits.updated"]


def test_output_that_comes_late_still_reaches_the_context(session):
    call_weather(session)
    session.protocol.call_abandoned("call_1")
    item = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    session.send("conversation.item.create", item=item)
    context = [
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "CANCELLED"},
        {"role": "tool", "tool_call_id": "call_2", "content": "IN_PROGRESS"},
    ]
    assert [m.get("content") for m in amended(session, context)] == [None, "sunny", "IN_PROGRESS"]


def test_output_for_an_unknown_call_is_an_error(session):
    item = {"type": "function_call_output", "call_id": "call_9", "output": "sunny"}
    error = error_of(session.send("conversation.item.create", item=item))
    assert (error["code"], error["param"]) == ("item_not_found", "item.call_id")


def test_a_call_that_the_client_restores_takes_its_output(session):
    call = {"type": "function_call", "call_id": "old", "name": "get_weather", "arguments": "{}"}
    session.send("conversation.item.create", item=call)
    session.send(
        "conversation.item.create",
        item={"type": "function_call_output", "call_id": "old", "output": "rain"},
    )
    (frame,) = told(session)
    assert frame.messages == [{"role": "tool", "tool_call_id": "old", "content": "rain"}]


def test_tools_of_the_server_keep_the_response_open(session):
    session.protocol.model_started()
    session.protocol.tools_called(["t1"])
    session.protocol.model_finished()
    assert kinds(session.events()) == ["response.created"]
    session.protocol.tool_finished("t1", continues=True)
    assert session.events() == []
    assert kinds(session.answer("Sunny"))[-2:] == ["response.done", "rate_limits.updated"]


def test_a_tool_of_the_server_that_needs_no_words_ends_the_response(session):
    session.protocol.model_started()
    session.protocol.tools_called(["t1"])
    session.protocol.model_finished()
    session.protocol.tool_finished("t1", continues=False)
    assert kinds(session.events())[-2:] == ["response.done", "rate_limits.updated"]


# Items.


def test_what_a_client_writes_reaches_the_context(session):
    events = session.send("conversation.item.create", item=user_text("Hello"))
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
    (frame,) = told(session)
    assert isinstance(frame, LLMMessagesAppendFrame)
    assert frame.messages == [{"role": "user", "content": "Hello"}]
    assert not frame.run_llm
    assert not frame.interruptible


def test_an_item_can_be_put_behind_another(session):
    session.send("conversation.item.create", item=user_text("one", id="a"))
    session.send("conversation.item.create", item=user_text("three", id="c"))
    events = session.send("conversation.item.create", item=user_text("two"), previous_item_id="a")
    assert events[0]["previous_item_id"] == "a"
    context = [
        {"role": "system", "content": "p"},
        *({"role": "user", "content": t} for t in ("one", "three")),
    ]
    assert [m["content"] for m in amended(session, context)] == ["p", "one", "two", "three"]
    events = session.send("conversation.item.create", item=user_text("zero"), previous_item_id="root")
    assert events[0]["previous_item_id"] is None
    assert [m["content"] for m in amended(session, context)] == ["p", "zero", "one", "three"]


def test_a_deleted_item_leaves_the_context(session):
    for item_id in "abc":
        session.send("conversation.item.create", item=user_text("same", id=item_id))
    (deleted,) = session.send("conversation.item.delete", item_id="b")
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "b")
    context = [{"role": "user", "content": "same", "n": n} for n in range(3)]
    assert [m["n"] for m in amended(session, context)] == [0, 2]
    assert error_of(session.send("conversation.item.retrieve", item_id="b"))["code"] == "item_not_found"


def test_truncation_keeps_what_was_heard(session):
    item = only(session.answer("one", "two", "three", "four"), "response.output_item.done")["item"]
    (truncated,) = session.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=250)
    assert truncated["audio_end_ms"] == 250
    context = [{"role": "assistant", "content": "one two three four"}, {"role": "user", "content": "stop"}]
    assert amended(session, context)[0]["content"] == "one two"
    assert context[0]["content"] == "one two three four"
    (retrieved,) = session.send("conversation.item.retrieve", item_id=item["id"])
    assert retrieved["item"]["content"][0]["transcript"] == "one two"


def test_speech_of_which_nothing_was_heard_leaves_the_context(session):
    item = only(session.answer("one", "two"), "response.output_item.done")["item"]
    session.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=50)
    assert amended(session, [{"role": "assistant", "content": "one two"}]) == []


def test_truncating_what_is_being_spoken_waits_for_its_end(session):
    session.protocol.model_started()
    item_id = only(session.say("one", "two", "three"), "response.output_item.added")["item"]["id"]
    session.send("response.cancel")
    events = session.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
    assert kinds(events) == ["conversation.item.truncated"]
    assert session.commands == []
    session.protocol.interrupted()
    session.events()
    assert amended(session, [{"role": "assistant", "content": "one two three"}])[0]["content"] == "one"


def test_more_than_was_sent_can_not_have_been_heard(session):
    item = only(session.answer("one"), "response.output_item.done")["item"]
    fields = {"item_id": item["id"], "content_index": 0, "audio_end_ms": 101}
    assert error_of(session.send("conversation.item.truncate", **fields))["param"] == "audio_end_ms"


def test_a_typed_item_can_not_be_truncated(session):
    session.send("conversation.item.create", item=user_text("Hello", id="a"))
    fields = {"item_id": "a", "content_index": 0, "audio_end_ms": 0}
    assert error_of(session.send("conversation.item.truncate", **fields))["param"] == "item_id"


def test_deleting_a_call_takes_its_output_along(session):
    call = only(call_weather(session), "response.output_item.done")["item"]
    session.send("conversation.item.delete", item_id=call["id"])
    context = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "tool_calls": [{"id": "call_1"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    assert amended(session, context) == context[:1]


# Mistakes.


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('{"type": NaN}', "invalid_json", None),
        ("[" * 5000, "invalid_json", None),
        ('{"type":"response.create","a":' + "[" * 100 + "]" * 100 + "}", "invalid_json", None),
        ('{"type":"response.create","event_id":"\\ud800"}', "invalid_json", None),
        (None, "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": "response.destroy"}', "invalid_value", "type"),
        ('{"type": ["response.create"]}', "invalid_value", "type"),
        ('{"type": "response.create", "event_id": 5}', "invalid_value", "event_id"),
        ('{"type": "response.create", "respones": {}}', "unknown_parameter", "respones"),
        ('{"type": "response.create", "response": {"voice": "x"}}', "unknown_parameter", "response.voice"),
        (
            '{"type": "response.create", "response": {"conversation": "none"}}',
            "unsupported",
            "response.conversation",
        ),
        ('{"type": "response.create", "response": {"input": []}}', "unsupported", "response.input"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "äöü"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "AAA"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 5}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAAAA=="}', None, None),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
        ('{"type": "output_audio_buffer.clear"}', "unsupported", "type"),
        ('{"type": "conversation.item.delete"}', "missing_required_parameter", "item_id"),
        ('{"type": "conversation.item.delete", "item_id": "x"}', "item_not_found", "item_id"),
        ('{"type": "conversation.item.create", "item": {"type": "wish"}}', "invalid_value", "item"),
        ('{"type": "session.update", "session": {}}', "missing_required_parameter", "session.type"),
    ],
)
def test_a_mistake_gets_an_error_that_names_it(session, text, code, param):
    events = session.send_text(text)
    if code is None:
        assert events == []
    else:
        error = error_of(events)
        assert (error["code"], error["param"]) == (code, param)
        assert error["message"].endswith(".")


def test_too_much_audio_at_once_is_an_error(session):
    error = error_of(session.send("input_audio_buffer.append", audio="A" * (15 * 1024 * 1024 + 4)))
    assert error["param"] == "audio"
    assert "15728640" in error["message"]


def test_too_much_text_is_an_error(session):
    error = error_of(session.send("conversation.item.create", item=user_text("x" * 2**20)))
    assert error["code"] == "event_too_large"


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"type": "input_audio", "audio": "AAAA"}, "unsupported"),
        ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, "unsupported"),
        ({"type": "input_text"}, "missing_required_parameter"),
        ({"type": "input_video"}, "invalid_value"),
    ],
)
def test_an_item_that_cannot_be_understood_is_refused(session, part, code):
    item = {"type": "message", "role": "user", "content": [part]}
    assert error_of(session.send("conversation.item.create", item=item))["code"] == code
    assert session.commands == []


def test_an_id_given_twice_is_refused(session):
    session.send("conversation.item.create", item=user_text("one", id="a"))
    assert error_of(session.send("conversation.item.create", item=user_text("two", id="a")))["param"] == "item.id"


def test_an_item_behind_an_unknown_one_is_refused(session):
    events = session.send("conversation.item.create", item=user_text("one"), previous_item_id="x")
    assert error_of(events)["param"] == "previous_item_id"
