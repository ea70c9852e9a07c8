"""The server's side of one satellite's Wyoming, without any I/O.

The satellite's events and what happens in the conversation go in; `take` returns what is to be done. A satellite
listens for its wake word itself and streams from then on, or it streams all the time, or whenever somebody speaks, and
the wake word is listened for here: https://github.com/OHF-Voice/wyoming#event-flow.

As long as it is not sent a transcript, a satellite that was woken goes on streaming: so it hears while it speaks, and
further questions need no wake word. The transcript is sent when the conversation is over.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from loguru import logger
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, Eventable
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import RunSatellite
from wyoming.snd import Played
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detection

from satellites.wyoming.sound import RATE, Microphone
from voice.wakeword import WakeWords, loudness

PLAYED_RATE: Final = 22_050
"""Hz at which a satellite plays that says nothing of it."""
EARLY_BYTES: Final = 2 * RATE * 2
"""Two seconds of sound, kept while it is being decided who answers."""
TAIL_BYTES: Final = 2 * RATE * 2
"""Two seconds of sound heard behind the end of speech, after which a satellite that does not tell has played it."""


class State(Enum):
    """What a satellite is at."""

    IDLE = "idle"  # it waits for its wake word, or streams and it is waited for here
    WOKEN = "woken"  # somebody said it, and it is being decided which device answers
    TALKING = "talking"  # it holds a conversation


@dataclass(frozen=True, slots=True)
class Send:
    """Send it an event."""

    event: Eventable


@dataclass(frozen=True, slots=True)
class Ask:
    """Have it decided whether this device answers; `decided` is to be told."""

    loudness: float


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a conversation; `ended` is to be told when it is over."""

    rate: int
    """Hz at which the satellite plays."""


@dataclass(frozen=True, slots=True)
class Hear:
    """Let the conversation hear 16-bit mono PCM at 16 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Break off what is being said."""


@dataclass(frozen=True, slots=True)
class Listen:
    """All that was said has been heard: wait for a further question from now on."""


Output = Send | Ask | Begin | Hear | Interrupt | Listen


class Dialogue:
    """One connection to a satellite.

    Args:
        name: for the log.
        words: wake it where it streams without having heard its wake word.
        barge_in: whether it is listened to while it plays; otherwise only for the wake word.
    """

    def __init__(self, name: str, words: WakeWords, *, barge_in: bool = True) -> None:
        self._name = name
        self._words = words
        self._barge_in = barge_in
        self._outputs: list[Output] = []
        self._state = State.IDLE
        self._microphone = Microphone()
        self._wakes_itself = True
        self._streaming = False
        self._word: str | None = None
        self._asked = False
        self._early: deque[bytes] = deque()
        self._wanted = False
        self._rate = PLAYED_RATE
        self._sending = False
        self._playing = False
        self._tail = 0
        self._said = ""

    @property
    def state(self) -> State:
        """What the satellite is at."""
        return self._state

    @property
    def deaf(self) -> bool:
        """Whether a conversation goes on and no sound comes, so that silence has to stand in for it."""
        return self._state is State.TALKING and not self._streaming

    def take(self) -> list[Output]:
        """Return what is to be done, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def open(self) -> None:
        """Begin: the satellite may run its pipelines."""
        self._send(RunSatellite())

    # What the satellite tells.

    def receive(self, event: Event) -> None:
        """Take an event. Raises `satellites.wyoming.wire.Malformed`."""
        if AudioChunk.is_type(event.type):
            self._hear(self._microphone.pcm(event))
        elif RunPipeline.is_type(event.type):
            self._run(event)
        elif AudioStop.is_type(event.type):
            self._stop()
        elif Played.is_type(event.type):
            self._playing = False
            if self._state is State.TALKING and not self._sending:
                self._outputs.append(Listen())
        elif Ping.is_type(event.type):
            self._send(Pong(text=event.data.get("text")))
        elif Detection.is_type(event.type):
            name = event.data.get("name")
            self._word = name if isinstance(name, str) else None

    def _run(self, event: Event) -> None:
        format_ = event.data.get("snd_format")
        rate = format_.get("rate") if isinstance(format_, dict) else None
        self._rate = rate if isinstance(rate, int) and 8_000 <= rate <= 48_000 else PLAYED_RATE
        self._streaming = True
        self._microphone = Microphone()
        self._wakes_itself = event.data.get("start_stage") != PipelineStage.WAKE.value
        if not self._wakes_itself:
            self._words.reset()
        elif self._state is State.IDLE:
            self._set(State.WOKEN)
        elif self._state is State.TALKING:
            # Said while the assistant speaks of its own accord.
            self._break_off()

    def _hear(self, pcm: bytes) -> None:
        self._streaming = self._streaming or self._state is not State.IDLE or not self._wakes_itself
        if self._playing and not self._sending:
            self._tail -= len(pcm)
            self._playing = self._tail > 0
        match self._state:
            case State.IDLE if not self._wakes_itself:
                if woken := self._words.hear(pcm):
                    self._word = woken.word
                    self._set(State.WOKEN)
                    self._ask(woken.loudness)
            case State.WOKEN:
                self._early.append(pcm)
                while sum(map(len, self._early)) > EARLY_BYTES:
                    self._early.popleft()
                if not self._asked:
                    # The wake word itself was not sent; what follows it comes from as far away.
                    self._ask(loudness(pcm))
            case State.TALKING if self._playing and not self._barge_in:
                self._outputs.append(Hear(bytes(len(pcm))))
                if self._words.hear(pcm):
                    self._break_off()
            case State.TALKING:
                self._outputs.append(Hear(pcm))

    def _stop(self) -> None:
        self._streaming = False
        self._words.reset()
        if self._state is State.WOKEN and not self._asked:
            self._set(State.IDLE)

    # What is decided about it.

    def decided(self, *, won: bool) -> None:
        """This device answers, or another one does."""
        if self._state is not State.WOKEN:
            return
        if won:
            if not self._wakes_itself:
                self._send(Detection(self._word))
            self._begin()
            return
        self._set(State.IDLE)
        if self._wakes_itself:
            # It stops streaming and listens for its wake word, without a sound.
            self._streaming = False
            self._send(RunSatellite())
        if self._wanted:
            self._begin()

    def call(self) -> None:
        """Something is to be said at this device."""
        if self._state is State.IDLE:
            self._begin()
        self._wanted = self._state is State.WOKEN

    def _begin(self) -> None:
        self._said, self._wanted = "", False
        early = list(self._early)
        self._set(State.TALKING)
        self._outputs += [Begin(self._rate), *(Hear(pcm) for pcm in early)]

    def ended(self) -> None:
        """The conversation is over."""
        self._silence()
        self._playing = False
        if self._streaming:
            self._send(Transcript(self._said))
            self._streaming = False
        self._words.reset()
        self._set(State.IDLE)

    # What happens in the conversation.

    def play(self, pcm: bytes) -> None:
        """Speech, at the rate that `Begin` named."""
        if not pcm:
            return
        if not self._sending:
            self._sending = self._playing = True
            self._words.reset()
            self._send(AudioStart(self._rate, 2, 1))
        self._send(AudioChunk(self._rate, 2, 1, pcm))

    def see(self, frame: Frame) -> None:
        """Follow the conversation."""
        match frame:
            case UserStartedSpeakingFrame():
                self._send(VoiceStarted())
            case UserStoppedSpeakingFrame():
                self._send(VoiceStopped())
            case LLMContextUserTurnFrame():
                self._said = frame.text
            case BotStoppedSpeakingFrame() | InterruptionFrame():
                self._silence()

    def _silence(self) -> None:
        if self._sending:
            self._sending, self._tail = False, TAIL_BYTES
            self._send(AudioStop())

    def _break_off(self) -> None:
        if self._playing:
            self._playing = False
            self._outputs.append(Interrupt())

    def _ask(self, level: float) -> None:
        self._asked = True
        self._outputs.append(Ask(level))

    def _send(self, event: Eventable) -> None:
        self._outputs.append(Send(event))

    def _set(self, state: State) -> None:
        logger.debug(f"the satellite {self._name} was {self._state.value} and is {state.value}")
        self._state = state
        self._asked = False
        self._early.clear()
