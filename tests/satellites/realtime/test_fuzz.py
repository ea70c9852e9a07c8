"""Whatever a client sends, and whatever happens, each event sent is one that the specification knows."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from satellites.realtime.client_events import CLIENT_EVENTS
from satellites.realtime.response import Usage
from tests.satellites.realtime.client import Driver

ids = st.sampled_from(["a", "b", "c", "call_1", "call_2", "", "root"])
texts = st.text(max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
field_names = st.sampled_from(
    ["session", "item", "response", "audio", "item_id", "content_index", "previous_item_id", "event_id", "type"]
)
events = st.fixed_dictionaries({"type": st.sampled_from(sorted(CLIENT_EVENTS))}).flatmap(
    lambda event: st.dictionaries(field_names, anything, max_size=4).map(lambda fields: {**fields, **event})
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "input_audio", "output_audio", "input_image"])},
    optional={"text": texts, "transcript": texts, "audio": st.just("AAAA")},
)
items = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output"])},
    optional={
        "id": ids,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.lists(parts, max_size=2),
        "call_id": ids,
        "name": st.just("get_weather"),
        "arguments": texts,
        "output": texts,
    },
)


@given(st.text() | anything.map(json.dumps) | events.map(json.dumps))
@settings(max_examples=200, deadline=None)
def test_any_text_leads_to_valid_events(text):
    for event in Driver().send_text(text):
        assert event["type"] != "error" or event["error"]["message"]


class Session(RuleBasedStateMachine):
    """A client and a conversation that do what they like, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()
        self.begun: list[str] = []
        self.done: list[str] = []
        self.items: dict[str, bool] = {}

    def follow(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            match event["type"]:
                case "response.created":
                    assert self.begun == self.done, "two responses at once"
                    self.begun.append(event["response"]["id"])
                case "response.done":
                    self.done.append(event["response"]["id"])
                    assert self.begun == self.done
                case "response.output_item.added":
                    self.items[event["item"]["id"]] = False
                case "response.output_item.done":
                    assert self.items[event["item"]["id"]] is False
                    self.items[event["item"]["id"]] = True
                case kind if "response_id" in event:
                    assert event["response_id"] == self.begun[-1], kind
                    assert self.items[event["item_id"]] is False, f"{kind} behind the item's end"

    @rule(item=items, before=st.none() | ids)
    def create_item(self, item, before):
        self.follow(self.driver.send("conversation.item.create", item=item, previous_item_id=before))

    @rule(kind=st.sampled_from(["conversation.item.delete", "conversation.item.retrieve"]), item_id=ids)
    def name_item(self, kind, item_id):
        self.follow(self.driver.send(kind, item_id=item_id))

    @rule(data=st.data(), milliseconds=st.integers(0, 500))
    def truncate(self, data, milliseconds):
        item_id = data.draw(st.sampled_from([*self.items, "a"]))
        fields = {"item_id": item_id, "content_index": 0, "audio_end_ms": milliseconds}
        self.follow(self.driver.send("conversation.item.truncate", **fields))

    @rule(modality=st.sampled_from(["text", "audio"]), turns=st.booleans())
    def update(self, modality, turns):
        detection = {"type": "server_vad"} if turns else None
        audio = {"input": {"turn_detection": detection, "transcription": {"model": "m"}}}
        self.follow(self.driver.update(output_modalities=[modality], audio=audio))

    @rule(kind=st.sampled_from(["response.create", "response.cancel", "input_audio_buffer.commit"]))
    def ask(self, kind):
        self.follow(self.driver.send(kind))

    @rule()
    def append(self):
        self.follow(self.driver.append(0.1))

    @rule(
        name=st.sampled_from(
            [
                "user_started",
                "user_stopped",
                "model_started",
                "model_finished",
                "voice_started",
                "voice_stopped",
                "interrupted",
                "failed",
            ]
        )
    )
    def happen(self, name):
        getattr(self.driver.protocol, name)()
        self.follow(self.driver.events())

    @rule(text=texts)
    def hear(self, text):
        self.driver.protocol.user_hypothesis(text)
        self.driver.protocol.user_said(text)
        self.follow(self.driver.events())

    @rule(text=texts, spaced=st.booleans())
    def speak(self, text, spaced):
        self.driver.protocol.audio("AAAA", 0.1)
        self.driver.protocol.words(text, spaced=spaced)
        self.driver.protocol.used(Usage(1, 1, 0))
        self.follow(self.driver.events())

    @rule(call_id=st.sampled_from(["call_1", "call_2"]), client=st.booleans(), announced=st.booleans())
    def call(self, call_id, client, announced):
        if announced:
            self.driver.protocol.tools_called([call_id])
        if client:
            self.driver.protocol.function_called(call_id, "get_weather", "{}")
        self.follow(self.driver.events())

    @rule(call_id=st.sampled_from(["call_1", "call_2"]), continues=st.booleans())
    def finish_call(self, call_id, continues):
        self.driver.protocol.tool_finished(call_id, continues=continues)
        self.driver.protocol.call_abandoned(call_id)
        self.follow(self.driver.events())

    def teardown(self):
        self.driver.protocol.interrupted()
        self.follow(self.driver.events())
        assert len(self.begun) - len(self.done) <= 1  # the one that a client asked for while cancelling
        assert all(self.items.values())


Session.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_any_order_of_things_keeps_to_the_protocol = Session.TestCase
