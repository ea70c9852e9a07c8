"""The server's side of the OpenAI Realtime API (its general-availability events), without any I/O.

What the client sends and what happens in the conversation go in; `take` returns what is to be done. The SDK's
types in `openai.types.realtime` are the specification:
https://platform.openai.com/docs/api-reference/realtime.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from pipecat.frames.frames import LLMMessagesAppendFrame
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from satellites.realtime import client_events as client
from satellites.realtime.client_events import ClientEvent, FunctionCallOutput, RealtimeFault
from satellites.realtime.codec import seconds_of
from satellites.realtime.items import (
    Item,
    Items,
    created,
    deletion,
    insertion,
    late_output,
    message_of,
    new_id,
    truncation,
)
from satellites.realtime.outputs import Answer, Hear, Interrupt, Output, Run, Send, Tell
from satellites.realtime.response import Response, Usage
from satellites.realtime.session_config import default_config, frames_between, overridden, updated
from satellites.realtime.turns import UserTurns
from voice.frames import ClearAudioFrame, CommitAudioFrame
from voice.opus import NotOpus


class RealtimeProtocol:
    """One session.

    Every method may add to what `take` returns; none raises for anything a client can send.
    """

    def __init__(self, model: str) -> None:
        self.id = new_id("sess")
        self._conversation_id = new_id("conv")
        self._config = default_config(model)
        self._items = Items()
        self._outputs: list[Output] = []
        self._response: Response | None = None
        self._next_response: client.ResponseCreate | None = None
        self._usage: Usage | None = None
        self._turns = UserTurns(self._emit, self._items)
        self._announced_calls: set[str] = set()
        self._made_calls: set[str] = set()
        self._waiting_calls: set[str] = set()
        self._handlers: dict[type[ClientEvent], Callable[[Any], None]] = {
            client.SessionUpdate: self._update_session,
            client.AudioAppend: self._append_audio,
            client.AudioCommit: self._commit_audio,
            client.AudioClear: self._clear_audio,
            client.OutputClear: self._clear_output,
            client.ItemCreate: self._create_item,
            client.ItemRetrieve: self._retrieve_item,
            client.ItemDelete: self._delete_item,
            client.ItemTruncate: self._truncate_item,
            client.ResponseCreate: self._create_response,
            client.ResponseCancel: self._cancel_response,
        }

    @property
    def output_encoding(self) -> str:
        """The audio that the client wants to hear: `audio/pcm`, `audio/pcmu`, `audio/pcma` or `audio/opus`."""
        return str(self._config["audio"]["output"]["format"]["type"])

    def take(self) -> list[Output]:
        """Return what is to be done, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def open(self) -> None:
        """Begin the session."""
        self._emit("session.created", session=self._session())

    def receive(self, event: ClientEvent) -> None:
        """Take one event of the client."""
        try:
            self._handlers[type(event)](event)
        except RealtimeFault as fault:
            fault.event_id = event.event_id
            self.refuse(fault)

    def refuse(self, fault: RealtimeFault) -> None:
        """Tell the client what was wrong with what it sent."""
        error = {"type": "invalid_request_error", "code": fault.code, "message": fault.message}
        self._emit("error", error={**error, "param": fault.param, "event_id": fault.event_id})

    # What the client asks for.

    def _update_session(self, event: client.SessionUpdate) -> None:
        old, self._config = self._config, updated(self._config, event.session)
        self._turns.transcribed = self._config["audio"]["input"]["transcription"] is not None
        self._outputs += [Tell(frame) for frame in frames_between(old, self._config)]
        self._emit("session.updated", session=self._session())

    def _append_audio(self, event: client.AudioAppend) -> None:
        encoding = self._config["audio"]["input"]["format"]["type"]
        if encoding == "audio/pcm" and len(event.audio) % 2:
            raise RealtimeFault(
                "16-bit audio has an even number of bytes; do not cut a sample in two.",
                code="invalid_value",
                param="audio",
            )
        try:
            seconds = seconds_of(event.audio, encoding)
        except NotOpus as error:
            raise RealtimeFault(f"Send one packet of Opus: {error}.", code="invalid_value", param="audio") from None
        self._turns.append(seconds)
        self._outputs.append(Hear(event.audio, encoding))

    def _commit_audio(self, _: client.AudioCommit) -> None:
        self._turns.check_commit()
        self._outputs.append(Tell(CommitAudioFrame()))
        self._turns.commit()

    def _clear_audio(self, _: client.AudioClear) -> None:
        self._turns.clear()
        self._outputs.append(Tell(ClearAudioFrame()))
        self._emit("input_audio_buffer.cleared")

    def _clear_output(self, _: client.OutputClear) -> None:
        raise RealtimeFault(
            "Only WebRTC and SIP have an output buffer. Stop playing, and send response.cancel and "
            "conversation.item.truncate.",
            code="unsupported",
            param="type",
        )

    def _create_item(self, event: client.ItemCreate) -> None:
        if event.item.id is not None and event.item.id in self._items:
            raise RealtimeFault(
                f"There is already an item '{event.item.id}'; give each its own id, or none.",
                code="invalid_value",
                param="item.id",
            )
        before = event.previous_item_id
        if before not in {None, "root"} and before not in self._items:
            raise RealtimeFault(
                f"There is no item '{before}' to put this one behind.",
                code="item_not_found",
                param="previous_item_id",
            )
        item = created(event.item, event.item.id)
        is_output = isinstance(event.item, FunctionCallOutput)
        if is_output and not self._items.has_call(item.data["call_id"]):
            raise RealtimeFault(
                f"There is no function call '{item.data['call_id']}' in this conversation.",
                code="item_not_found",
                param="item.call_id",
            )
        anchor, repeated = self._anchor(before)
        previous = self._items.append(item) if before is None else self._items.insert(item, before)
        self._emit("conversation.item.added", previous_item_id=previous, item=deepcopy(item.data))
        self._emit("conversation.item.done", previous_item_id=previous, item=deepcopy(item.data))
        if isinstance(event.item, FunctionCallOutput):
            self._take_output(event.item, item)
        elif before is None or item.id == self._items.last_id:
            self._append_to_context(item)
        else:
            self._outputs.append(insertion(message_of(item), anchor, repeated))

    def _anchor(self, item_id: str | None) -> tuple[Item | None, int]:
        if item_id is None or item_id == "root":
            return None, 0
        item = self._items.get(item_id)
        return item, self._items.repeated_after(item)

    def _append_to_context(self, item: Item) -> None:
        frame = LLMMessagesAppendFrame([cast("LLMContextMessage", message_of(item))], run_llm=False)
        frame.interruptible = False  # what the client wrote is not lost when somebody speaks
        self._outputs.append(Tell(frame))

    def _take_output(self, source: FunctionCallOutput, item: Item) -> None:
        if source.call_id in self._waiting_calls:
            self._waiting_calls.discard(source.call_id)
            self._outputs.append(Answer(source.call_id, source.output))
        elif source.call_id in self._made_calls:
            self._outputs.append(late_output(source.call_id, source.output))
        else:
            self._append_to_context(item)

    def _retrieve_item(self, event: client.ItemRetrieve) -> None:
        self._emit("conversation.item.retrieved", item=deepcopy(self._items.get(event.item_id).data))

    def _delete_item(self, event: client.ItemDelete) -> None:
        item = self._items.get(event.item_id)
        if self._response is not None and self._response.item is item:
            raise RealtimeFault(
                "This item is still being spoken; cancel the response first.",
                code="invalid_value",
                param="item_id",
            )
        self._outputs.append(deletion(item, self._items.repeated_after(item)))
        self._items.remove(item)
        self._emit("conversation.item.deleted", item_id=item.id)

    def _truncate_item(self, event: client.ItemTruncate) -> None:
        item = self._items.get(event.item_id)
        if item.role != "assistant" or not item.audio_ms:
            raise RealtimeFault("Only speech of the assistant can be truncated.", code="invalid_value", param="item_id")
        if event.audio_end_ms > item.audio_ms:
            raise RealtimeFault(
                f"Its audio is only {item.audio_ms:.0f} ms long.", code="invalid_value", param="audio_end_ms"
            )
        self._emit(
            "conversation.item.truncated",
            item_id=item.id,
            content_index=0,
            audio_end_ms=event.audio_end_ms,
        )
        heard = item.heard_within(event.audio_end_ms)
        if self._response is not None and self._response.item is item:
            item.heard = heard  # the context does not hold it yet
        else:
            self._truncate(item, heard)

    def _truncate(self, item: Item, heard: str) -> None:
        spoken, repeated = item.text, self._items.repeated_after(item)
        item.data["content"][0]["transcript"] = heard
        item.words = [(end, text) for end, text in item.words if len(text) <= len(heard)]
        self._outputs.append(truncation(item, spoken, heard, repeated))

    def _create_response(self, event: client.ResponseCreate) -> None:
        if self._response is not None:
            if self._response.cancelling and self._next_response is None:
                overridden(self._config, event.response)
                self._next_response = event
                return
            raise RealtimeFault(
                f"The response '{self._response.id}' is still in flight. Wait for its response.done, or send "
                "response.cancel.",
                code="conversation_already_has_active_response",
            )
        config = overridden(self._config, event.response)
        self._outputs += [Tell(frame) for frame in frames_between(self._config, config)]
        metadata = event.response.metadata if event.response else None
        self._response = Response(self._emit, self._items, config, self._conversation_id, metadata)
        self._response.overrides = config is not self._config
        self._outputs.append(Run())

    def _cancel_response(self, event: client.ResponseCancel) -> None:
        if self._response is None:
            raise RealtimeFault("No response is in flight.", code="response_cancel_not_active")
        if event.response_id not in {None, self._response.id}:
            raise RealtimeFault(
                f"The response in flight is '{self._response.id}'.",
                code="response_cancel_not_active",
                param="response_id",
            )
        if not self._response.cancelling:
            self._response.cancelling = True
            self._outputs.append(Interrupt())

    # What happens in the conversation.

    def user_started(self, seconds_ago: float = 0.0) -> None:
        """The caller began to speak `seconds_ago`."""
        if self._config["audio"]["input"]["turn_detection"] is not None:
            self._turns.started(seconds_ago)

    def user_stopped(self, seconds_ago: float = 0.0) -> None:
        """The caller's turn is over; the speech ended `seconds_ago`."""
        self._turns.stopped(seconds_ago)

    def user_hypothesis(self, text: str) -> None:
        """What the caller seems to be saying; it may still change."""
        self._turns.hypothesis(text)

    def user_said(self, text: str) -> None:
        """What the caller said, as the context has it."""
        self._turns.said(text)

    def model_started(self) -> None:
        """The model begins to answer, or goes on after a tool."""
        response = self._response or self._respond()
        response.begun = response.running = True
        response.continues = False

    def model_finished(self) -> None:
        """The model has written all it will for now."""
        if self._response is not None:
            self._response.running = False
            if not self._response.speaking:
                self._finish_item()
            self._settle()

    def voice_started(self) -> None:
        """The voice begins to speak, perhaps of its own accord: a greeting, a timer."""
        response = self._response or self._respond()
        response.begun = response.speaking = True

    def voice_stopped(self) -> None:
        """The voice has spoken what it was given."""
        if self._response is not None:
            self._response.speaking = False
            if not self._response.running:
                self._finish_item()
            self._settle()

    def audio(self, encoded: str, seconds: float) -> None:
        """Speech leaves: base64 of `output_encoding`."""
        if self._response is not None:
            self._response.begun = True
            self._response.audio(encoded, seconds * 1000)

    def words(self, text: str, *, spaced: bool) -> None:
        """These words have just been spoken or, in a response of text, written; see `Response.words`."""
        if self._response is not None:
            self._response.words(text, spaced=spaced)

    def interrupted(self) -> None:
        """What was being said or thought about has been dropped."""
        if self._response is not None:
            reason = "client_cancelled" if self._response.cancelling else "turn_detected"
            self._finish(self._response, "cancelled", reason)

    def failed(self) -> None:
        """Something that the response needed reported an error."""
        if self._response is not None:
            self._response.failed = True

    def tools_called(self, call_ids: list[str]) -> None:
        """The model calls functions, of which some may be the client's. May come ahead of `model_started`."""
        self.model_started()
        self._announced_calls.update(call_ids)
        if self._response is not None:
            self._response.tool_calls.update(set(call_ids) - self._made_calls)

    def tool_finished(self, call_id: str, *, continues: bool) -> None:
        """A function of the server's own has finished; `continues`: the model will go on from its result."""
        if self._response is not None and call_id in self._response.tool_calls:
            self._response.tool_calls.discard(call_id)
            self._response.continues |= continues
            self._settle()

    def offers(self, function: str) -> bool:
        """Tell whether the client has a function of this name."""
        config = self._response.config if self._response is not None else self._config
        return any(tool["name"] == function for tool in config["tools"])

    def function_called(self, call_id: str, function: str, arguments: str) -> None:
        """The model calls a function of the client, who is to answer. May come ahead of `tools_called`."""
        response = self._response or self._respond()
        response.begun = True
        response.running |= call_id not in self._announced_calls
        self._finish_item()
        self._made_calls.add(call_id)
        self._waiting_calls.add(call_id)
        response.function_call(call_id, function, arguments)
        self._settle()

    def call_abandoned(self, call_id: str, output: str | None = None) -> None:
        """Nobody waits for this call any more. Its output, if it is there or comes late, reaches the
        context."""
        self._waiting_calls.discard(call_id)
        if output is not None:
            self._outputs.append(late_output(call_id, output))

    def used(self, usage: Usage) -> None:
        """The model reports the tokens of a run."""
        total = self._usage or Usage()
        total.prompt += usage.prompt
        total.completion += usage.completion
        total.cached += usage.cached
        self._usage = total

    # Helpers of both.

    def _emit(self, kind: str, **fields: object) -> None:
        self._outputs.append(Send({"type": kind, "event_id": new_id("event"), **fields}))

    def _session(self) -> dict[str, Any]:
        return {**deepcopy(self._config), "id": self.id, "object": "realtime.session"}

    def _respond(self) -> Response:
        self._response = Response(self._emit, self._items, self._config, self._conversation_id)
        return self._response

    def _finish_item(self, status: str = "completed") -> None:
        item = self._response.finish_item(status) if self._response is not None else None
        if item is not None and item.heard is not None:
            self._truncate(item, item.heard)

    def _settle(self) -> None:
        if self._response is not None and self._response.settled:
            self._finish(self._response, "failed" if self._response.failed else "completed")

    def _finish(self, response: Response, status: str, reason: str | None = None) -> None:
        self._finish_item("completed" if status == "completed" else "incomplete")
        self._response = None
        usage, self._usage = self._usage, None
        response.finish(status, reason, usage)
        self._emit("rate_limits.updated", rate_limits=[])
        if response.overrides:
            self._outputs += [Tell(frame) for frame in frames_between(response.config, self._config)]
        following, self._next_response = self._next_response, None
        if following is not None:
            self.receive(following)
