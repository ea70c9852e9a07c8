"""The caller's turns: where speech begins and ends in the audio received, and the items and words it
becomes."""

from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field

from satellites.realtime.client_events import RealtimeFault
from satellites.realtime.items import Item, Items, new_id
from satellites.realtime.response import Emit
from satellites.realtime.transcripts import StableTranscript

MIN_COMMIT = 0.1
"""Seconds of audio that make a turn; OpenAI's limit."""


@dataclass(slots=True)
class _UserTurn:
    """What a caller says between two silences, or two commits."""

    item: Item
    start: float
    """Seconds of audio received before it."""
    seconds: float = 0.0
    """How long it was, once it is over."""
    transcript: StableTranscript = field(default_factory=StableTranscript)
    text: str = ""


class UserTurns:
    """Follows the caller through the audio received."""

    def __init__(self, emit: Emit, items: Items) -> None:
        self.transcribed = True
        """Whether the client wants to read what was understood."""
        self._emit = emit
        self._items = items
        self._received = 0.0
        self._uncommitted = 0.0
        self._current: _UserTurn | None = None
        self._unread: deque[_UserTurn] = deque()

    def append(self, seconds: float) -> None:
        """Audio has arrived."""
        self._received += seconds
        self._uncommitted += seconds

    def check_commit(self) -> None:
        """Check that there is something to commit.

        Raises:
            RealtimeFault: there is less than `MIN_COMMIT`.
        """
        if self._uncommitted < MIN_COMMIT:
            raise RealtimeFault(
                f"The buffer holds {self._uncommitted * 1000:.0f} ms of audio; append at least "
                f"{MIN_COMMIT * 1000:.0f} ms before committing.",
                code="input_audio_buffer_commit_empty",
            )

    def commit(self) -> None:
        """The client ends the turn."""
        self._finish(self._current or self._begin(self._uncommitted))

    def clear(self) -> None:
        """What was not committed is forgotten."""
        self._uncommitted = 0.0
        self._current = None

    def started(self, seconds_ago: float) -> None:
        """Speech began."""
        if self._current is not None:
            return
        while self._unread:  # nothing was understood of what was said before
            self._complete(self._unread.popleft())
        self._current = self._begin(seconds_ago)
        start = round(self._current.start * 1000)
        self._emit("input_audio_buffer.speech_started", item_id=self._current.item.id, audio_start_ms=start)

    def stopped(self, seconds_ago: float) -> None:
        """The turn is over; speech ended `seconds_ago`."""
        if self._current is None:
            return
        end = round(max(self._current.start, self._received - seconds_ago) * 1000)
        self._emit("input_audio_buffer.speech_stopped", item_id=self._current.item.id, audio_end_ms=end)
        self._finish(self._current)

    def hypothesis(self, text: str) -> None:
        """What seems to be said; it may still change."""
        turn = self._current or (self._unread[0] if self._unread else None)
        if turn is not None:
            self._show(turn, turn.transcript.hypothesis(text))

    def said(self, text: str) -> None:
        """What was said: of the oldest turn that has not been read yet, or within the one that goes on."""
        if self._unread:
            turn = self._unread.popleft()
            turn.text = text
            self._complete(turn)
        elif self._current is not None:
            self._current.text = f"{self._current.text} {text}".strip()

    def _begin(self, seconds_ago: float) -> _UserTurn:
        data = {"id": new_id("item"), "object": "realtime.item", "type": "message", "role": "user"}
        content = [{"type": "input_audio", "transcript": None}]
        item = Item({**data, "status": "in_progress", "content": content})
        return _UserTurn(item, start=max(0.0, self._received - seconds_ago))

    def _finish(self, turn: _UserTurn) -> None:
        self._current = None
        self._uncommitted = 0.0
        turn.seconds = self._received - turn.start
        turn.item.data["status"] = "completed"
        previous = self._items.append(turn.item)
        self._emit("input_audio_buffer.committed", item_id=turn.item.id, previous_item_id=previous)
        self._emit("conversation.item.added", previous_item_id=previous, item=deepcopy(turn.item.data))
        self._emit("conversation.item.done", previous_item_id=previous, item=deepcopy(turn.item.data))
        if turn.text:
            self._complete(turn)
        else:
            self._unread.append(turn)

    def _complete(self, turn: _UserTurn) -> None:
        self._show(turn, turn.transcript.final(turn.text))
        turn.item.data["content"][0]["transcript"] = turn.text
        if self.transcribed:
            self._emit(
                "conversation.item.input_audio_transcription.completed",
                item_id=turn.item.id,
                content_index=0,
                transcript=turn.text,
                usage={"type": "duration", "seconds": round(turn.seconds, 3)},
            )

    def _show(self, turn: _UserTurn, delta: str) -> None:
        if delta and self.transcribed:
            self._emit(
                "conversation.item.input_audio_transcription.delta",
                item_id=turn.item.id,
                content_index=0,
                delta=delta,
            )
