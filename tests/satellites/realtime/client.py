"""Driving the protocol without a socket: events in as JSON, strictly checked events out."""

import base64
import json
from typing import Any

from satellites.realtime.client_events import RealtimeFault, read
from satellites.realtime.outputs import Output, Send
from satellites.realtime.protocol import RealtimeProtocol
from tests.satellites.realtime.strict import check


class Driver:
    """A session that has just begun; `events` and `commands` are what it led to since the last call."""

    def __init__(self) -> None:
        self.protocol = RealtimeProtocol("passfel")
        self.protocol.open()
        self.commands: list[Output] = []
        self.ids: set[str] = set()
        (self.created,) = self.events()

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send an event and return the events that it causes."""
        return self.send_text(json.dumps({"type": kind, **fields}))

    def send_text(self, text: str | None) -> list[dict[str, Any]]:
        try:
            self.protocol.receive(read(text))
        except RealtimeFault as fault:
            self.protocol.refuse(fault)
        return self.events()

    def update(self, **session: Any) -> list[dict[str, Any]]:
        return self.send("session.update", session={"type": "realtime", **session})

    def append(self, seconds: float) -> list[dict[str, Any]]:
        audio = base64.b64encode(bytes(int(seconds * 48_000))).decode()
        return self.send("input_audio_buffer.append", audio=audio)

    def say(self, *words: str, ms: float = 100) -> list[dict[str, Any]]:
        """Let the assistant speak some words, each of `ms` milliseconds."""
        self.protocol.voice_started()
        for word in words:
            self.protocol.audio("AAAA", ms / 1000)
            self.protocol.words(word, spaced=False)
        return self.events()

    def answer(self, *words: str) -> list[dict[str, Any]]:
        """Let the assistant answer with some words."""
        self.protocol.model_started()
        events = self.say(*words) if words else []
        if words:
            self.protocol.voice_stopped()
        self.protocol.model_finished()
        return events + self.events()

    def events(self) -> list[dict[str, Any]]:
        outputs = self.protocol.take()
        self.commands = [output for output in outputs if not isinstance(output, Send)]
        events = [check(json.loads(json.dumps(o.event))) for o in outputs if isinstance(o, Send)]
        for event in events:
            assert event["event_id"] not in self.ids
            self.ids.add(event["event_id"])
        return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def only(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one event of a kind."""
    (event,) = [event for event in events if event["type"] == kind]
    return event


def error_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the error that alone was sent."""
    (event,) = events
    assert event["type"] == "error"
    return event["error"]
