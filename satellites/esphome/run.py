"""What a device with ESPHome's voice assistant is told, and when: one run for each question, over one conversation.

A device asks to be listened to (after its wake word, a button, or an answer that a further question may follow) and
streams its microphone. It is told in order: RUN_START with the address where the answer will be, STT_START,
STT_VAD_START, STT_VAD_END, STT_END with what was understood, INTENT_START, then INTENT_PROGRESS when the answer can be
fetched, INTENT_END, TTS_START with the answer's words, TTS_END, RUN_END. Events and messages are those of ESPHome's
`api.proto`; what firmware makes of them is in its `voice_assistant.cpp`.

ESPHome's own firmware closes its microphone at STT_VAD_END. One that is to be spoken to over the answer is not told of
the end of speech, and its run stays open for as long as the conversation.

Without input or output: what happens goes in, commands come out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from aioesphomeapi.model import VoiceAssistantEventType as Event
from loguru import logger

UNKNOWN_WORDS: Final = "…"
"""What stands for the answer's words where the device must be told of them before they are known."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a device can do."""

    plays_urls: bool = True
    """It fetches speech over HTTP; otherwise it takes sound over the connection."""
    starts_early: bool = True
    """It fetches speech at INTENT_PROGRESS; older firmware does at TTS_END."""
    full_duplex: bool = False
    """Its microphone stays open while it speaks."""
    announces: bool = False
    """It speaks without having been spoken to."""
    follows_up: bool = False
    """It is to listen by itself once it has answered."""
    listens_after: bool = False
    """It is to listen by itself once it has said what it was not asked for."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send an event."""

    event: Event
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Announce:
    """Have the device say what is at `url`."""

    url: str
    listen: bool
    """Whether it then listens."""
    text: str
    """What a screen shows meanwhile."""


@dataclass(frozen=True, slots=True)
class Speak:
    """From now on speech goes to `url`, or to the device itself where it fetches nothing."""

    url: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The speech has ended."""

    broken_off: bool = False
    """What has not been sent is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Hush:
    """Have the device stop what it still plays."""


@dataclass(frozen=True, slots=True)
class AwaitWord:
    """Listen for the wake word in what the device streams, and tell by `woken`."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Find out whether this is the device to answer, and tell by `judged`."""


@dataclass(frozen=True, slots=True)
class Converse:
    """Begin a conversation."""


@dataclass(frozen=True, slots=True)
class Listen:
    """The conversation that goes on is listened to anew; what was heard and not yet answered was the wake word."""


@dataclass(frozen=True, slots=True)
class BreakOff:
    """Stop the answer that is being given."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the conversation."""


Command = Tell | Announce | Speak | Finish | Hush | AwaitWord | Judge | Converse | Listen | BreakOff | HangUp


class Phase(Enum):
    """What the device does, as far as this side knows."""

    IDLE = auto()
    """It waits for its wake word, or still plays the end of an answer."""
    WAITING = auto()
    """It streams, and leaves it to this side to hear its wake word."""
    WOKEN = auto()
    """It streams, and may not be the one to answer."""
    LISTENING = auto()
    """It streams what is asked."""
    THINKING = auto()
    """It waits for the answer."""
    SPEAKING = auto()
    """It plays the answer."""


class Run:
    """One device's.

    Args:
        traits: what it can do.
        new_url: gives the address of the next speech.
    """

    def __init__(self, traits: Traits, new_url: Callable[[], str]) -> None:
        self._traits = traits
        self._new_url = new_url
        self._phase = Phase.IDLE
        self._talking = False
        self._url = ""
        self._fresh = False
        self._announcing = False
        self._spoke_up = False
        self._expected = False
        self._muted = False
        self._asked_over = False
        self._sentences: list[str] = []
        self._words: list[str] = []

    @property
    def phase(self) -> Phase:
        """What the device does."""
        return self._phase

    @property
    def talking(self) -> bool:
        """Whether it holds a conversation."""
        return self._talking

    def asked(self, wake_word: str | None) -> list[Command]:
        """The device wants to be listened to; `wake_word` is what woke it."""
        answering = self._talking and self._phase in (Phase.THINKING, Phase.SPEAKING)
        commands = self._break_off() if answering else []
        self._fresh = False
        # Firmware repeats the last wake word where it goes on listening after an answer.
        if wake_word and not self._expected:
            self._become(Phase.WOKEN)
            return [*commands, Judge()]
        return [*commands, *self._listen()]

    def left_to_hear(self) -> list[Command]:
        """The device wants its wake word to be heard here."""
        commands = self._break_off() if self._phase is Phase.SPEAKING else []
        start = self._start()
        self._become(Phase.WAITING)
        return [*commands, start, Tell(Event.VOICE_ASSISTANT_WAKE_WORD_START), AwaitWord()]

    def woken(self, phrase: str) -> list[Command]:
        """Its wake word was heard here."""
        if self._phase is not Phase.WAITING:
            return []
        self._become(Phase.WOKEN)
        return [Tell(Event.VOICE_ASSISTANT_WAKE_WORD_END, (("wake_word", phrase),)), Judge()]

    def judged(self, *, won: bool) -> list[Command]:
        """It is, or is not, the device to answer."""
        if self._phase is not Phase.WOKEN:
            return []
        return self._listen() if won else [*self._hang_up(), *self._end()]

    def stopped(self) -> list[Command]:
        """Somebody at the device wants it to stop."""
        if self._phase is Phase.IDLE:
            return []
        commands = self._break_off() if self._phase is Phase.SPEAKING else []
        return [*commands, *self._hang_up(), *self._end()]

    def played(self) -> list[Command]:
        """The device has stopped to play. While there is more of the answer, somebody has made it stop."""
        if self._phase is not Phase.SPEAKING:
            return []
        if self._streams():
            commands = self._break_off()
            self._become(Phase.LISTENING)
            return commands
        return self.stopped()

    def called(self) -> list[Command]:
        """Something is to be said at the device."""
        if self._talking:
            return []
        self._talking = True
        return [Converse()]

    def began(self) -> list[Command]:
        """Somebody has begun to speak."""
        if self._phase is not Phase.LISTENING or self._spoke_up:
            return []
        self._spoke_up = True
        return [Tell(Event.VOICE_ASSISTANT_STT_VAD_START)]

    def said(self, text: str) -> list[Command]:
        """Somebody has said `text`, and is to be answered."""
        # Over the assistant's voice it may be known what was said before the voice is broken off for it.
        self._asked_over = self._phase is Phase.SPEAKING
        if self._phase is not Phase.LISTENING:
            return []
        self._become(Phase.THINKING)
        heard: list[Command] = [
            Tell(Event.VOICE_ASSISTANT_STT_VAD_END),
            Tell(Event.VOICE_ASSISTANT_STT_END, (("text", text),)),
        ]
        return [*([] if self._traits.full_duplex else heard), Tell(Event.VOICE_ASSISTANT_INTENT_START)]

    def sentence(self, text: str) -> None:
        """`text` is about to be spoken."""
        self._sentences.append(text)

    def word(self, text: str) -> None:
        """`text` has been spoken."""
        self._words.append(text)

    def speech(self) -> list[Command]:
        """There is a piece of speech. It can be heard where the phase is SPEAKING then."""
        if self._phase in (Phase.SPEAKING, Phase.WOKEN) or self._muted or not self._talking:
            return []
        if self._phase in (Phase.IDLE, Phase.WAITING):
            return self._announce()
        unasked = self._phase is Phase.LISTENING and not self._traits.full_duplex
        commands: list[Command] = [Tell(Event.VOICE_ASSISTANT_STT_VAD_END)] if unasked else []
        if not self._fresh:
            commands.append(self._start())
        self._fresh = False
        self._become(Phase.SPEAKING)
        if not self._traits.plays_urls:
            return [*commands, *self._told(), Tell(Event.VOICE_ASSISTANT_TTS_STREAM_START), Speak(self._url)]
        progress = Tell(Event.VOICE_ASSISTANT_INTENT_PROGRESS, (("tts_start_streaming", "1"),))
        early = self._traits.starts_early
        return [*commands, Speak(self._url), progress, *([] if early else self._told())]

    def answered(self) -> list[Command]:
        """The answer has been given, and heard as far as this side knows."""
        if self._phase is not Phase.SPEAKING:
            return []
        announced, self._announcing = self._announcing, False
        commands: list[Command] = [Finish()]
        if announced:
            self._expected = self._traits.listens_after
        elif not self._traits.plays_urls:
            commands.append(Tell(Event.VOICE_ASSISTANT_TTS_STREAM_END))
        elif self._traits.starts_early and not self._traits.full_duplex:
            commands += self._told()
        self._forget_words()
        if self._traits.full_duplex and not announced:
            self._become(Phase.LISTENING)
            self._spoke_up = False
            return commands
        return [*commands, *([] if announced else [Tell(Event.VOICE_ASSISTANT_RUN_END)]), *self._rest()]

    def interrupted(self) -> list[Command]:
        """The answer was broken off, by a voice or because `BreakOff` asked for it."""
        self._muted = False
        if self._phase is Phase.THINKING and self._traits.full_duplex:
            self._become(Phase.LISTENING)
        if self._phase is not Phase.SPEAKING:
            return []
        if not self._streams():
            return self.answered()
        asked_over, self._asked_over = self._asked_over, False
        self._become(Phase.THINKING if asked_over else Phase.LISTENING)
        self._spoke_up = asked_over
        self._forget_words()
        asked = [Tell(Event.VOICE_ASSISTANT_INTENT_START)] if asked_over else []
        return [Finish(broken_off=True), Hush(), *asked]

    def ended(self) -> list[Command]:
        """The conversation is over."""
        self._talking = self._muted = self._expected = False
        if self._phase in (Phase.IDLE, Phase.WAITING, Phase.WOKEN):
            return []
        return [*([Finish()] if self._phase is Phase.SPEAKING else []), *self._end()]

    def failed(self, code: str, message: str) -> list[Command]:
        """There can be no conversation now."""
        self._talking = self._muted = False
        error = Tell(Event.VOICE_ASSISTANT_ERROR, (("code", code), ("message", message)))
        asked = self._phase not in (Phase.IDLE, Phase.WAITING)
        return [*([Finish()] if self._phase is Phase.SPEAKING else []), *([error, *self._end()] if asked else [])]

    def _become(self, phase: Phase) -> None:
        logger.trace(f"from {self._phase.name} to {phase.name}")
        self._phase = phase

    def _streams(self) -> bool:
        return self._traits.full_duplex and not self._announcing

    def _listen(self) -> list[Command]:
        self._expected = self._announcing = self._spoke_up = False
        self._forget_words()
        begins = not self._talking
        self._talking = True
        # Where the wake word was listened for, the run has begun already.
        start = [] if self._fresh else [self._start()]
        self._become(Phase.LISTENING)
        return [*start, Tell(Event.VOICE_ASSISTANT_STT_START), Converse() if begins else Listen()]

    def _start(self) -> Tell:
        self._url = self._new_url()
        self._fresh = True
        return Tell(Event.VOICE_ASSISTANT_RUN_START, (("url", self._url),))

    def _announce(self) -> list[Command]:
        if not self._traits.announces:
            return []
        self._announcing = True
        self._become(Phase.SPEAKING)
        self._url = self._new_url()
        return [Speak(self._url), Announce(self._url, listen=self._traits.listens_after, text=self._known_words())]

    def _told(self) -> list[Command]:
        words = self._known_words()
        self._expected = self._traits.follows_up
        return [
            Tell(Event.VOICE_ASSISTANT_INTENT_END, (("continue_conversation", str(int(self._traits.follows_up))),)),
            Tell(Event.VOICE_ASSISTANT_TTS_START, (("text", words),)),
            Tell(Event.VOICE_ASSISTANT_TTS_END, (("url", self._url),)),
        ]

    def _known_words(self) -> str:
        return " ".join(self._sentences or self._words) or UNKNOWN_WORDS

    def _break_off(self) -> list[Command]:
        # What of the answer is still on its way must not begin another one.
        self._muted = True
        commands: list[Command] = []
        if self._phase is Phase.SPEAKING:
            commands.append(Finish(broken_off=True))
            if not self._traits.plays_urls and not self._announcing:
                commands.append(Tell(Event.VOICE_ASSISTANT_TTS_STREAM_END))
        self._announcing = False
        self._forget_words()
        return [*commands, BreakOff()]

    def _hang_up(self) -> list[Command]:
        talking, self._talking = self._talking, False
        self._muted = False
        return [HangUp()] if talking else []

    def _end(self) -> list[Command]:
        self._expected = self._announcing = False
        self._forget_words()
        return [Tell(Event.VOICE_ASSISTANT_RUN_END), *self._rest()]

    def _rest(self) -> list[Command]:
        self._fresh = False
        self._become(Phase.IDLE)
        return []

    def _forget_words(self) -> None:
        self._sentences.clear()
        self._words.clear()
