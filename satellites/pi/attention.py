"""What a satellite is at: when what it hears is sent, when it plays, and when it goes back to its wake word.

It has no clock, no microphone and no network: sound, events and moments go in, `take` returns what is to be done.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from loguru import logger

RATE: Final = 16_000
"""Hz of the 16-bit mono PCM that it hears."""
FIRST_WORDS: Final = 8.0
"""Seconds after the wake word in which somebody begins to speak."""
ANSWER: Final = 60.0
"""Seconds in which an answer begins; after them nobody waits any more."""
PREROLL: Final = 0.5
"""Seconds of sound sent from before speech was noticed."""
HANGOVER: Final = 0.8
"""Seconds of sound sent behind speech, in which the server may notice that it is speech."""
DUCKED: Final = 3.0
"""Seconds of speech after which the answer is as loud again: who has not interrupted by then talks to somebody else."""
ECHO: Final = 0.5
"""Seconds after an answer in which it still sounds, for a satellite that hears itself."""
STAND_IN: Final = 1.5
"""Seconds of silence that the server hears, at most, for the silence that was not sent: it counts time in sound, and
what is said right behind a turn belongs to that turn."""
PATIENCE: Final = 60.0
"""Seconds for which what was said to a server that is away is kept: one that is restarted loads its models."""
KEPT: Final = 30.0
"""Seconds of sound that are kept for it."""


class State(Enum):
    """What the satellite is at."""

    AWAY = "away"  # there is no server, and nobody wants one
    IDLE = "idle"  # it waits for its wake word
    WOKEN = "woken"  # it listens for the first words
    TALKING = "talking"  # somebody has spoken or speaks, or an answer is being made or played
    FOLLOW_UP = "follow-up"  # the answer is over, and a further question needs no wake word
    BUFFERING = "buffering"  # somebody speaks, and there is no server: what is said is kept for it


@dataclass(frozen=True, slots=True)
class Send:
    """Send the server 16-bit mono PCM at `RATE`."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Let the server hear silence, for sound that was not sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Play:
    """Play speech as it came from the server."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """Play no more of what waits to be played."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Have the server break off its answer."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Have the server forget the sound of a turn that nobody ends."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Play more quietly, because somebody speaks, or as loudly as before."""

    quietly: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell whoever wants to know, such as a lamp, what the satellite is at now."""

    state: State
    before: State


Output = Send | Pause | Play | Silence | Cancel | Forget | Duck | Tell


class Attention:
    """One satellite.

    Args:
        follow_up: seconds after an answer in which a further question may begin.
        barge_in: whether an answer can be spoken over; otherwise only the wake word breaks it off.
    """

    def __init__(self, follow_up: float = 8.0, *, barge_in: bool = True) -> None:
        self._follow_up = follow_up
        self._barge_in = barge_in
        self._deaf_until = 0.0
        self._outputs: list[Output] = []
        self._state = State.AWAY
        self._connected = False
        self._until: float | None = None
        self._recent: deque[bytes] = deque()
        self._said: deque[bytes] = deque()
        self._speech_from = self._speech_until = 0.0
        self._sending = False
        self._unsent = 0
        self._turn = False
        self._responding = False
        self._playing = False
        self._ducked = False

    @property
    def state(self) -> State:
        """What the satellite is at."""
        return self._state

    @property
    def playing(self) -> bool:
        """Whether an answer is played."""
        return self._playing

    def take(self) -> list[Output]:
        """Return what is to be done, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # What happens here.

    def wake(self, now: float) -> None:
        """The wake word was said, or a button pressed; an answer that is being given is broken off."""
        self._break_off()
        self._recent.clear()
        self._said.clear()
        self._sending = False
        self._set(State.WOKEN if self._connected else State.BUFFERING)
        self._until = now + (FIRST_WORDS if self._connected else PATIENCE)

    def rest(self) -> None:
        """Somebody wants nothing more of it."""
        self._break_off()
        self._end()

    def hear(self, pcm: bytes, *, speech: bool, now: float) -> None:
        """Take a window of sound, and whether somebody speaks in it. Time passes by this alone."""
        if not self._barge_in and (self._playing or now < self._deaf_until):
            speech, self._speech_until = False, now
        if speech:
            self._speech_from = self._speech_from if now < self._speech_until else now
            self._speech_until = now + HANGOVER
        self._duck(quietly=self._playing and now < min(self._speech_until, self._speech_from + DUCKED))
        if self._state in (State.AWAY, State.IDLE):
            self._unsent += len(pcm)
            return
        if speech:
            self._prolong(now)
        self._pass_on(pcm, wanted=self._turn or now < self._speech_until)
        if self._until is not None and now >= self._until:
            self._end()

    def played(self, now: float) -> None:
        """All that was to be played has been."""
        self._playing = False
        self._deaf_until = now + ECHO
        self._settle(now)

    # What the server tells.

    def connected(self, now: float) -> None:
        """The server is there, and is sent what was said meanwhile."""
        self._connected = True
        if self._state is State.BUFFERING:
            self._set(State.WOKEN)
            self._until = now + FIRST_WORDS
            self._unsent = 0
            self._outputs += [Send(pcm) for pcm in self._said]
            if self._said:
                # With silence behind, in which the server notices that the turn is over.
                self._speech_until = max(self._speech_until, now + HANGOVER)
        elif self._state is State.AWAY:
            self._set(State.IDLE)

    def disconnected(self, now: float) -> None:
        """The server is gone. What was asked and has not been answered is kept for when it is back."""
        self._connected = self._turn = self._responding = False
        if self._state is State.WOKEN or (self._state is State.TALKING and self._said):
            self._set(State.BUFFERING)
            self._until = now + PATIENCE
        elif self._state is State.TALKING and self._playing:
            self._until = None
        elif self._state is not State.BUFFERING:
            self._end()

    def turn_began(self, now: float) -> None:
        """The server hears somebody speak; what it was saying is broken off."""
        self._turn, self._until = True, now + ANSWER
        if self._playing:
            self._playing = False
            self._outputs.append(Silence())
        self._converse()

    def turn_ended(self, now: float) -> None:
        """The server has heard somebody out."""
        self._turn = False
        if self._state is State.TALKING and not self._responding:
            self._until = now + self._follow_up

    def understood(self, now: float) -> None:
        """The server has understood something, which it will answer."""
        if self._state is State.TALKING:
            self._until = now + ANSWER

    def response_began(self, now: float) -> None:
        """The server begins an answer, or something of its own accord."""
        self._responding = True
        self._converse()
        self._until = now + ANSWER

    def speak(self, pcm: bytes, now: float) -> None:
        """The server sends speech."""
        self._converse()
        self._said.clear()
        self._playing = True
        self._until = now + ANSWER
        self._outputs.append(Play(pcm))

    def response_ended(self, now: float) -> None:
        """The server has sent all of its answer, or broken it off."""
        self._responding = False
        self._settle(now)

    # Helpers of all.

    def _pass_on(self, pcm: bytes, *, wanted: bool) -> None:
        if not wanted:
            self._sending = False
            self._unsent += len(pcm)
            self._recent.append(pcm)
            _limit(self._recent, PREROLL)
            return
        pieces = [*self._recent, pcm]
        left_out = (self._unsent - sum(map(len, self._recent))) / (RATE * 2)
        self._unsent = 0
        self._recent.clear()
        self._sending = True
        if not self._playing:
            self._said += pieces
            _limit(self._said, KEPT)
        if not self._connected:
            return
        if left_out > 0:
            self._outputs.append(Pause(min(left_out, STAND_IN)))
        self._outputs += [Send(piece) for piece in pieces]

    def _prolong(self, now: float) -> None:
        """Whoever speaks is listened to."""
        if self._turn:
            self._until = now + ANSWER
        elif self._until is not None:
            self._until = max(self._until, now + (PATIENCE if self._state is State.BUFFERING else HANGOVER))

    def _settle(self, now: float) -> None:
        if self._state is not State.TALKING or self._turn or self._responding or self._playing:
            return
        self._said.clear()
        if not self._connected:
            self._end()
            return
        self._set(State.FOLLOW_UP)
        self._until = now + self._follow_up

    def _break_off(self) -> None:
        if self._playing:
            self._playing = False
            self._outputs.append(Silence())
        if self._responding and self._connected:
            self._outputs.append(Cancel())
        self._responding = False

    def _converse(self) -> None:
        if self._state is not State.TALKING:
            self._set(State.TALKING)

    def _end(self) -> None:
        """Go back to the wake word."""
        if self._turn and self._connected:
            self._outputs.append(Forget())
        self._turn = self._sending = False
        self._until = None
        self._recent.clear()
        self._said.clear()
        self._duck(quietly=False)
        self._set(State.IDLE if self._connected else State.AWAY)

    def _duck(self, *, quietly: bool) -> None:
        if quietly is not self._ducked:
            self._ducked = quietly
            self._outputs.append(Duck(quietly))

    def _set(self, state: State) -> None:
        if state is self._state:
            return
        logger.debug(f"the satellite was {self._state.value} and is {state.value}")
        self._outputs.append(Tell(state, self._state))
        self._state = state


def _limit(pieces: deque[bytes], seconds: float) -> None:
    """Drop the oldest pieces beyond some seconds."""
    length = sum(map(len, pieces))
    while length > seconds * RATE * 2:
        length -= len(pieces.popleft())
