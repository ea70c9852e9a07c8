"""Turn-taking as a state machine without I/O: windows of audio and results in, commands out.

Its clock is the audio itself, counted in windows of 32 ms, so that the same recording always takes the same turns.

    QUIET ──speech──▶ SPEAKING ──silence──▶ PAUSED ──speech──▶ SPEAKING
      ▲                                       │
      └────────── committed or abandoned ─────┘

In PAUSED the utterance is transcribed, and as soon as its words make an end of turn plausible the answer is prepared
on speculation; only when the silence has outlasted the `patience` for those words is the turn committed. If the person
goes on, the speculation is withdrawn. Speech over the assistant's own voice ducks it at once, and takes the turn only
when the words show that somebody means to. Over it, people who talk afar are told from whoever speaks to the assistant:
they end no silence and may only say "stop".
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from loguru import logger

from voice.calling import without_call
from voice.commands import (
    Abandon,
    Backchannel,
    Command,
    Commit,
    Duck,
    PredictEnd,
    ShowPartial,
    Speculate,
    StartTurn,
    Transcribe,
    Unduck,
    Withdraw,
)
from voice.endpointing import patience
from voice.nearness import Nearness
from voice.overlap import Overlap, judge_overlap, only_stops
from voice.vad import WINDOW_SECONDS
from voice.whisper import Transcript


def windows(seconds: float) -> int:
    """The number of whole windows closest to a time in seconds."""
    return round(seconds / WINDOW_SECONDS)


SPEECH_PROBABILITY: Final = 0.5
SILENCE_PROBABILITY: Final = 0.35
ONSET: Final = 3
"""Windows of speech that begin an utterance: 0.1 s, shorter than any word and longer than a click."""
RESUME: Final = 2
PAUSE: Final = 2
"""Windows of silence after which what was said is transcribed. With the 0.08 s by which Silero's silence begins late
it is longer than the closure of a plosive."""
DIP: Final = 1
"""Windows of silence after which smart turn listens, so that it is done when the transcription needs the processor."""
PREROLL: Final = windows(0.3)
PREROLL_OVER_OTHERS: Final = windows(0.1)
SOFT_BEGINNING: Final = windows(1.0)
"""What is no older, with its preroll, when it becomes near is one voice: an echo canceller takes most of the first
sounds that are said over the answer."""
FIRST_PARTIAL: Final = windows(1.5)
"""Most questions are over by then, and their final transcript must not wait for a partial one."""
PARTIAL_EVERY: Final = windows(1.2)
OVERLAP_FIRST_LOOK: Final = windows(0.4)
OVERLAP_EVERY: Final = windows(0.26)
OVERLAP_LONGEST: Final = windows(4.0)
OVERLAP_KEPT: Final = windows(3.0)
"""Of sound that goes on over the assistant's voice, such as a noise, only the latest is listened to: in all of it
a sentence would drown, and each look would cost more than the one before."""
DUCK_AT_MOST: Final = windows(1.6)
NEAR_ONLY_AFTER: Final = windows(4.0)
"""For how long after an interruption those afar are not listened to: until it is answered."""
OTHERS_TALK: Final = windows(10.0)
"""For how long somebody who is heard afar is taken to talk on. Where nobody does, silence alone ends what is said: of a
voice over the answer, an echo canceller leaves stretches that are as quiet."""
ABANDON_AFTER: Final = 1.4
"""Seconds of silence after sound in which there were no words: longer than most pauses behind a first word that was too
short to be understood alone."""
SURELY_SPEECH: Final = windows(0.8)
"""Windows of speech that are somebody speaking, however badly the words were understood."""
LEAST_LOG_PROBABILITY_OF_A_COMMAND: Final = -1.2
NO_TRANSCRIPT_AFTER: Final = 8.0
SPECULATE_UP_TO: Final = 1.35
"""The patience, in seconds, up to which an end of turn is plausible enough to prepare an answer."""
CONTINUATION: Final = windows(1.2)
"""Who speaks again so soon after the end of the turn had not ended it: the words are taken as one turn."""
LONGEST_TURN: Final = windows(90)
EAGERNESS: Final = {"low": 1.6, "medium": 1.0, "auto": 1.0, "high": 0.75}


class State(Enum):
    """Where in a turn the person is."""

    QUIET = "quiet"
    """Nobody speaks, or nothing that could be speech yet."""
    SPEAKING = "speaking"
    """An utterance is being spoken."""
    PAUSED = "paused"
    """Silence after words; whether the turn is over is not decided yet."""


@dataclass(slots=True)
class _Pause:
    """What is known of the silence after an utterance."""

    request: int
    began: int
    transcript: Transcript | None = None
    believed: bool = False
    """Whether the transcript is taken for something that was said."""
    looks: set[int] = field(default_factory=set)
    """Requests to smart turn that belong to this silence."""
    probabilities: list[float] = field(default_factory=list)
    resumed: int = 0
    speculated: str | None = None


class TurnTaker:
    """Decides, for one microphone, when a person's turn begins and ends and what interrupts the assistant."""

    def __init__(
        self,
        *,
        patience: Callable[[str, float, str], float] = patience,
        is_command: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._patience = patience
        self._is_command = is_command
        self.enabled = True
        self.may_interrupt = True
        self.eagerness = "auto"
        self.shortest_silence = 0.0
        self._state = State.QUIET
        self._now = 0
        self._start = 0
        self._onset = 0
        self._low = 0
        self._voiced = 0
        self._ducked_at: int | None = None
        self._overlapping = False
        self._afar = False
        self._near_only_until = self._others_until = 0
        self._nearness = Nearness()
        self._looks: dict[int, bool] = {}  # what is being transcribed of this utterance: whether a pause was behind it
        self._interrupting = False
        self._overheard = ""
        self._assistant_speaking = False
        self._said: deque[str] = deque(maxlen=50)
        self._requests = 0
        self._partial_request = 0
        self._next_partial = 0
        self._pause: _Pause | None = None
        self._look = 0
        self._looked: float | None = None
        self._ended: tuple[int, int] | None = None
        self._answered = False
        self._continued: int | None = None

    @property
    def state(self) -> State:
        """Where in a turn the person is."""
        return self._state

    @property
    def now(self) -> int:
        """The number of windows heard so far, which is the index of the next."""
        return self._now

    @property
    def oldest_window(self) -> int:
        """The first window whose audio may still be asked for."""
        oldest = self._now - PREROLL - ONSET - 1 if self._state is State.QUIET else self._start
        continued = self._continuable() if self._continued is None else self._continued
        return oldest if continued is None else min(oldest, continued)

    @property
    def in_turn(self) -> bool:
        """Whether the person has the turn (noise over the assistant's voice is none)."""
        return self._state is not State.QUIET and not self._overlapping

    @property
    def silence(self) -> float:
        """Seconds since the last sound of speech."""
        return (self._now - self._pause.began) * WINDOW_SECONDS if self._pause else self._low * WINDOW_SECONDS

    def reset(self) -> list[Command]:
        """Forget the utterance in progress."""
        commands: list[Command] = [Withdraw()] if self._pause and self._pause.speculated is not None else []
        if self.in_turn:
            commands.append(Abandon())
        self._ended = None
        return commands + self._become_quiet()

    def window(self, probability: float, loudness: float = 0.0) -> list[Command]:
        """Take the speech probability of the next 32 ms, and how loud they are in dBFS."""
        self._now += 1
        if not self.enabled:
            return []
        self._nearness.hear(loudness)
        if self._nearness.afar and self._hears_only_near():
            probability = 0.0
        self._nearness.count(speech=probability >= SPEECH_PROBABILITY)
        self._look_for_others()
        if self._afar and self._nearness.run >= ONSET:
            # Somebody near has begun to speak while others do afar, whose words are left out.
            ago = self._now - self._start
            return self._begin(ago if ago <= SOFT_BEGINNING else self._nearness.run_length + PREROLL_OVER_OTHERS)
        match self._state:
            case State.QUIET:
                return self._in_quiet(probability)
            case State.SPEAKING:
                return self._in_speech(probability)
            case State.PAUSED:
                return self._in_pause(probability)

    def assistant_speaks(self, *, speaking: bool) -> list[Command]:
        """Note that the assistant's voice has begun or ended at the caller."""
        self._assistant_speaking = speaking
        if not speaking and self._answered:
            # Who was answered asks something new, however little a device heard meanwhile by which time could pass.
            self._ended = None
        # Who still speaks when the assistant falls silent gets the floor as soon as it is known to be no echo.
        return [] if speaking else self._unduck()

    def assistant_said(self, text: str) -> None:
        """Note words of the assistant, so that their echo is not taken for a person's."""
        self._said.extend(re.findall(r"[\w']+", text.lower()))

    def transcribed(self, request: int, transcript: Transcript) -> list[Command]:
        """Take the result of a `Transcribe`; one that has been overtaken is ignored."""
        if self._overlapping:
            return self._settle_overlap(request, transcript) if request in self._looks else []
        if self._pause and request == self._pause.request:
            self._understand(self._pause, transcript)
            # With more silence behind the words smart turn judges anew; what is known decides meanwhile.
            return [*self._decide(), *self._listen_for_end()]
        if request == self._partial_request and self._state is State.SPEAKING:
            return [ShowPartial(transcript.text)] if transcript.text and not transcript.doubtful else []
        return []

    def predicted(self, request: int, probability: float) -> list[Command]:
        """Take the result of a `PredictEnd`; one that has been overtaken is ignored."""
        if request == self._look:
            self._looked = probability
        if not self._pause or request not in self._pause.looks:
            return []
        self._pause.probabilities.append(probability)
        return self._decide()

    def believes(self, transcript: Transcript) -> bool:
        """Whether somebody has said this: of "Louder" alone Whisper is never sure, but of noise it makes no command."""
        if not transcript.doubtful:
            return True
        sure = transcript.log_probability >= LEAST_LOG_PROBABILITY_OF_A_COMMAND
        return sure and self._is_command(without_call(transcript.text))

    def _understand(self, pause: _Pause, transcript: Transcript) -> None:
        pause.transcript, pause.believed = transcript, self.believes(transcript)

    def _in_quiet(self, probability: float) -> list[Command]:
        self._onset = self._onset + 1 if probability >= SPEECH_PROBABILITY else max(0, self._onset - 1)
        return self._begin(ONSET + PREROLL) if self._onset >= ONSET else []

    def _begin(self, ago: int) -> list[Command]:
        self._set_state(State.SPEAKING)
        self._start = max(0, self._now - ago)
        self._voiced, self._pause = ONSET, None
        self._onset = self._low = 0
        self._overlapping = self._assistant_speaking and self.may_interrupt
        self._afar = self._overlapping and self._nearness.afar
        self._nearness.begin(ONSET)
        self._interrupting = False
        self._overheard = ""
        self._looks.clear()
        self._continued = self._continuable()
        self._next_partial = self._now + (OVERLAP_FIRST_LOOK if self._overlapping else FIRST_PARTIAL)
        if not self._overlapping:
            return self._take_floor()
        if self._afar:
            return []
        ducked, self._ducked_at = self._ducked_at is not None, self._now
        return [] if ducked else [Duck()]

    def _look_for_others(self) -> None:
        if self._overlapping and self._now - self._start > SOFT_BEGINNING:
            self._afar = self._afar or self._nearness.utterance_afar
            if self._afar:
                self._others_until = self._now + OTHERS_TALK

    def _hears_only_near(self) -> bool:
        """Tell whether what comes from afar is left out: while somebody near interrupts, and until that is answered."""
        if self._now >= self._others_until:
            return False
        if self._state is State.QUIET:
            return not self._assistant_speaking and self._now < self._near_only_until
        return (self._overlapping or self._interrupting) and not self._afar

    def _in_speech(self, probability: float) -> list[Command]:
        commands: list[Command] = []
        self._voiced += probability >= SPEECH_PROBABILITY
        self._low = self._low + 1 if probability < SILENCE_PROBABILITY else 0
        if self._low == DIP:
            self._look, self._looked = self._new_request(), None
            commands.append(PredictEnd(self._look, self._start, self._now))
        if self._low >= PAUSE or self._now - self._start > LONGEST_TURN:
            return commands + self._begin_pause()
        if self._ducked_at is not None and self._now - self._ducked_at > DUCK_AT_MOST:
            commands += self._unduck()
        if self._overlapping and self._now - self._start > OVERLAP_LONGEST:
            self._start = self._now - OVERLAP_KEPT
        if self._now >= self._next_partial and self._low == 0:
            self._next_partial = self._now + (OVERLAP_EVERY if self._overlapping else PARTIAL_EVERY)
            self._partial_request = self._new_request()
            self._looks[self._partial_request] = False
            commands.append(Transcribe(self._partial_request, self._start, self._now, final=False))
        return commands

    def _begin_pause(self) -> list[Command]:
        self._set_state(State.PAUSED)
        commands = self._transcribe(self._now - self._low)
        assert self._pause is not None
        if self._low < DIP:
            return commands + self._listen_for_end()
        self._pause.looks.add(self._look)
        if self._looked is not None:
            self._pause.probabilities.append(self._looked)
        return commands

    def _transcribe(self, began: int) -> list[Command]:
        self._pause = _Pause(self._new_request(), began)
        self._looks[self._pause.request] = True
        return [Transcribe(self._pause.request, self._start, self._now, final=True)]

    def _listen_for_end(self) -> list[Command]:
        if self._pause is None:
            return []
        request = self._new_request()
        self._pause.looks.add(request)
        return [PredictEnd(request, self._start, self._now)]

    def _in_pause(self, probability: float) -> list[Command]:
        pause = self._pause
        assert pause is not None
        pause.resumed = pause.resumed + 1 if probability >= SPEECH_PROBABILITY else 0
        if pause.resumed >= RESUME:
            self._set_state(State.SPEAKING)
            self._pause, self._low = None, 0
            self._next_partial = self._now + PARTIAL_EVERY
            return [Withdraw()] if pause.speculated is not None else []
        return self._decide()

    def _decide(self) -> list[Command]:
        pause = self._pause
        if pause is None or self._overlapping:
            return []
        if pause.transcript is None:
            return self._abandon() if self.silence > NO_TRANSCRIPT_AFTER else []
        text = without_call(pause.transcript.text)
        if not text or not (pause.believed or self._voiced >= SURELY_SPEECH):
            return self._abandon() if self.silence >= ABANDON_AFTER else []
        if not pause.probabilities:
            return []
        wait = self._wait(text, pause)
        if self.silence >= wait or self._now - self._start > LONGEST_TURN:
            self._ended, self._answered = (self._start, self._now), True
            self._nearness.keep()
            if self._interrupting:
                self._near_only_until = self._now + NEAR_ONLY_AFTER
            return [*self._become_quiet(), Commit(text, pause.transcript.language, answer=self._wants_answer(text))]
        if pause.speculated is None and wait <= SPECULATE_UP_TO and self._wants_answer(text):
            pause.speculated = text
            return [Speculate(text)]
        return []

    def _wants_answer(self, text: str) -> bool:
        return not (self._interrupting and only_stops(text))

    def _wait(self, text: str, pause: _Pause) -> float:
        assert pause.transcript is not None
        probability = sum(pause.probabilities) / len(pause.probabilities)
        wait = self._patience(text, probability, pause.transcript.language) * EAGERNESS[self.eagerness]
        logger.trace(f"patience {wait:.2f} s for {text!r} at {probability:.2f}")
        return max(wait, self.shortest_silence)

    def _settle_overlap(self, request: int, transcript: Transcript) -> list[Command]:
        # Who has gone on after a pause meanwhile had paused all the same.
        final, over = self._looks[request], False
        if self._pause and self._pause.request == request:
            over = True
            self._understand(self._pause, transcript)
        self._looks = {later: paused for later, paused in self._looks.items() if later > request}
        verdict = judge_overlap(
            transcript,
            list(self._said),
            final=final,
            before=self._overheard,
            goes_on=self._continued is not None,
            afar=self._assistant_speaking and (self._afar or self._nearness.utterance_afar),
        )
        self._overheard = transcript.text
        # Nobody is left to be listened to: a "yes" is an answer.
        answers = verdict is Overlap.BACKCHANNEL and over and not self._assistant_speaking
        if verdict is Overlap.INTERRUPTION or answers:
            self._interrupting = self._assistant_speaking
            return [*self._unduck(), *self._take_floor()]
        if not over:
            return []
        commands: list[Command] = self._unduck()
        if verdict is Overlap.BACKCHANNEL:
            commands.append(Backchannel(transcript.text))
        return commands + self._become_quiet()

    def _take_floor(self) -> list[Command]:
        self._overlapping = self._afar = False
        continued, self._continued = self._continued, None
        if continued is None:
            return [StartTurn(), *self._decide()]
        self._start = continued
        again: list[Command] = []
        if self._pause:
            # What was transcribed are the new words alone.
            again = [*self._transcribe(self._pause.began), *self._listen_for_end()]
        return [StartTurn(continues=self._answered), *again]

    def _continuable(self) -> int | None:
        """The first window of the turn that has just ended, while it can still be continued."""
        if self._ended is None or self._now - self._ended[1] > CONTINUATION:
            return None
        return self._ended[0]

    def _abandon(self) -> list[Command]:
        # Words too short to be understood alone may be the beginning of what comes next.
        self._ended, self._answered = (self._start, self._now), False
        return [*self._become_quiet(), Abandon()]

    def _unduck(self) -> list[Command]:
        ducked, self._ducked_at = self._ducked_at is not None, None
        return [Unduck()] if ducked else []

    def _become_quiet(self) -> list[Command]:
        self._set_state(State.QUIET)
        self._pause = None
        self._onset = self._low = self._voiced = 0
        self._overlapping = self._afar = False
        self._continued = None
        self._looks.clear()
        return self._unduck()

    def _new_request(self) -> int:
        self._requests += 1
        return self._requests

    def _set_state(self, state: State) -> None:
        if state is not self._state:
            logger.trace(f"turn: {self._state.value} -> {state.value} at {self._now * WINDOW_SECONDS:.2f} s")
            self._state = state
