"""What `TurnTaker` wants done. Spans of audio are counted in windows of 32 ms since the microphone was opened."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartTurn:
    """The person has taken the turn; what the assistant was saying is over."""

    continues: bool = False
    """It goes on where the last one seemed to end; its words will come again, with these behind them."""


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Transcribe the audio of these windows; `final` if the person has paused."""

    request: int
    start: int
    end: int
    final: bool


@dataclass(frozen=True, slots=True)
class PredictEnd:
    """Let smart turn judge the audio of these windows."""

    request: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ShowPartial:
    """What has been heard so far."""

    text: str


@dataclass(frozen=True, slots=True)
class Speculate:
    """The turn is probably over: prepare an answer to this text and keep it back."""

    text: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The person went on: forget the answer in preparation."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The turn is over."""

    text: str
    language: str
    answer: bool = True
    """Whether it wants an answer: who only says "stop" wants silence."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """What began as a turn held no words."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Lower the assistant's voice: somebody may be interrupting."""


@dataclass(frozen=True, slots=True)
class Unduck:
    """It was no interruption."""


@dataclass(frozen=True, slots=True)
class Backchannel:
    """The person showed that they listen ("mm-hm"), without taking the turn."""

    text: str


Command = (
    StartTurn
    | Transcribe
    | PredictEnd
    | ShowPartial
    | Speculate
    | Withdraw
    | Commit
    | Abandon
    | Duck
    | Unduck
    | Backchannel
)
