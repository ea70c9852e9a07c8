"""How long each turn took, stage by stage, for the last few hundred turns."""

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from voice.hearing import HeardTurn

KEPT_TURNS: Final = 300


@dataclass(slots=True)
class Timings:
    """Seconds after the true end of the person's speech; None for what did not happen."""

    vad: float | None = None
    """The silence was noticed."""
    transcribed: float | None = None
    decided: float | None = None
    """The turn was taken to be over."""
    first_token: float | None = None
    first_clause: float | None = None
    """The first clause went to the voice."""
    first_audio: float | None = None
    """The first sound left for the caller."""


@dataclass(slots=True)
class Speculation:
    """What was prepared before the turn was known to be over."""

    used: bool = False
    saved: float | None = None
    """Seconds by which the answer would have come later without it."""
    withdrawn: int = 0
    """How often the person went on and the guess was forgotten."""


@dataclass(slots=True)
class TurnRecord:
    """One turn: what was heard, what was answered, and when."""

    conversation: str
    door: str
    device: str
    heard: str = ""
    answered: str = ""
    interrupted: bool = False
    timings: Timings = field(default_factory=Timings)
    speculation: Speculation = field(default_factory=Speculation)
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    def as_dict(self) -> dict[str, Any]:
        """The record, ready for JSON; seconds to the millisecond."""
        record = asdict(self)
        for section in ("timings", "speculation"):
            for name, value in record[section].items():
                if isinstance(value, float):
                    record[section][name] = round(value, 3)
        return record


class LatencyLog:
    """The records of the latest turns of all conversations."""

    def __init__(self) -> None:
        self._records: deque[TurnRecord] = deque(maxlen=KEPT_TURNS)

    def add(self, record: TurnRecord) -> None:
        """Keep a record; the oldest makes room."""
        self._records.append(record)

    def turns(self) -> list[dict[str, Any]]:
        """The records, oldest first, ready for JSON."""
        return [record.as_dict() for record in self._records]


class TurnClock:
    """Takes the times of one conversation's turns.

    The answer may be under way before the turn is decided, and the turn after it may begin before the answer has
    ended, so moments are kept as they come and made into a record when the turn is committed.
    """

    def __init__(self, log: LatencyLog, *, conversation: str, door: str, device: str) -> None:
        self._log = log
        self._conversation, self._door, self._device = conversation, door, device
        self._record: TurnRecord | None = None
        self._turn: HeardTurn | None = None
        self._marks: dict[str, float] = {}

    @property
    def record(self) -> TurnRecord | None:
        """The latest committed turn."""
        return self._record

    def response_began(self) -> None:
        """The model was asked, for a confirmed turn or on speculation."""
        self._marks = {}

    def mark(self, stage: str) -> None:
        """Note the first time that the response in hand reaches a stage."""
        if stage not in self._marks:
            self._marks[stage] = time.monotonic()
            self._note()

    def heard(self, turn: HeardTurn) -> None:
        """A turn was committed."""
        self._turn = turn
        if turn.speculated is None:
            self._marks = {}
        record = self._record = TurnRecord(self._conversation, self._door, self._device, heard=turn.text)
        record.timings = Timings(
            vad=_after(turn, turn.paused),
            transcribed=_after(turn, turn.transcribed),
            decided=_after(turn, turn.decided),
        )
        record.speculation.withdrawn = turn.withdrawn
        self._log.add(record)
        self._note()

    def typed(self, text: str) -> None:
        """A turn came as text, with nothing to hear."""
        now = time.monotonic()
        self.heard(HeardTurn(text=text, speech_ended=now, decided=now))

    def answered(self, text: str, *, interrupted: bool) -> TurnRecord | None:
        """The answer ended, or was cut off after these words."""
        record = self._record
        if record is not None:
            record.answered = f"{record.answered} {text}".strip()
            record.interrupted = record.interrupted or interrupted
        return record

    def _note(self) -> None:
        record, turn = self._record, self._turn
        if record is None or turn is None or record.timings.first_audio is not None:
            return
        for stage in ("first_token", "first_clause", "first_audio"):
            # What was reached before the person had spoken belongs to something else that was said.
            if self._marks.get(stage, 0.0) >= turn.speech_ended:
                setattr(record.timings, stage, _after(turn, self._marks[stage]))
        ready, decided, began = self._marks.get("audio_ready"), turn.decided, turn.speculated
        first = self._marks.get("first_token")
        if began is not None and decided is not None and first is not None and turn.speech_ended <= first < decided:
            record.speculation.used = True
            record.speculation.saved = min(ready if ready is not None else decided, decided) - began


def _after(turn: HeardTurn, moment: float | None) -> float | None:
    return None if moment is None else moment - turn.speech_ended
