"""One device's connection in xiaozhi's protocol: messages and what happens in the conversation in, outputs out.

Source: `docs/websocket.md` and `main/application.cc` of https://github.com/78/xiaozhi-esp32. What counts is what the
firmware does: it plays sound only between `tts` `start` and `stop`, gives up its microphone meanwhile unless its echo
is cancelled (`realtime`), and goes on listening after `stop` unless somebody held its button (`manual`).
"""

from enum import StrEnum
from typing import Any, Final

from loguru import logger
from pipecat.frames.frames import LLMMessagesAppendFrame

from satellites.xiaozhi import framing, messages
from satellites.xiaozhi.framing import BadFrame
from satellites.xiaozhi.messages import Abort, BadMessage, Hello, Listen, Mcp, Mode
from satellites.xiaozhi.outputs import (
    Begin,
    Close,
    FromTools,
    Greeted,
    Hear,
    Hold,
    Interrupt,
    Listening,
    Output,
    Send,
    SendSound,
    Tell,
    Woken,
    Wrong,
)
from voice.frames import CommitAudioFrame, TurnDetectionFrame
from voice.opus import MAX_PACKET

RATE: Final = 24_000
"""Hz of what the device is sent."""
PACKET_MS: Final = 60
"""How long a packet is that it is sent."""
SHORTEST: Final = 3
"""Packets below which a button was pressed by mistake: there is nothing to understand in 120 ms."""
ECHO_UNKNOWN: Final = (
    "its echo is to be cancelled here, but only in version 2 of the protocol it tells what it plays; it cannot be "
    "interrupted by voice until it restarts and learns of that version"
)
MOST_WRONG: Final = 50
"""By how much messages that make no sense may outnumber others before the device is hung up on."""


class State(StrEnum):
    """What the device does, as far as the house knows."""

    GREETING = "greeting"
    """It has connected and is to say hello."""
    IDLE = "idle"
    """It neither listens nor speaks."""
    LISTENING = "listening"
    """It sends what its microphone hears."""
    SPEAKING = "speaking"
    """It was told that speech comes, and plays it."""
    CLOSED = "closed"
    """It was hung up on."""


class XiaozhiProtocol:
    """Follows one connection. `take` hands out what is to be done.

    Args:
        session: names the connection.
        version: of binary messages, as the device said when it connected; its hello may say another.
    """

    def __init__(self, session: str, version: int = 1) -> None:
        self.state = State.GREETING
        self.mode = Mode.AUTO
        self._session = session
        self._version = version
        self._conversing = False
        self._detects = True
        self._answering = False
        self._voice = False
        self._breaking_off = False
        self._leaves_echo = False
        self._packets = 0
        self._sent = 0
        self._wrong = 0
        self._outputs: list[Output] = []

    def take(self) -> list[Output]:
        """Hand out what is to be done, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    @property
    def full_duplex(self) -> bool:
        """Whether it may be heard while it speaks: its echo is cancelled, by itself or here."""
        return self.mode is Mode.REALTIME and (self._version == 2 or not self._leaves_echo)

    # What the device sends.

    def receive_text(self, text: str) -> None:
        """Take a message."""
        if self.state is State.CLOSED:
            return
        try:
            message = messages.read(text)
        except BadMessage as error:
            self._refuse(str(error))
            return
        self.made_sense()
        if isinstance(message, Hello):
            self._hello(message)
        elif self.state is State.GREETING:
            self._close(1002, "Say hello first.")
        elif isinstance(message, Listen):
            self._listen(message)
        elif isinstance(message, Abort):
            self._abort()
        elif isinstance(message, Mcp):
            self._outputs.append(FromTools(message.payload))

    def receive_binary(self, data: bytes) -> None:
        """Take a binary message: sound, or from version 2 on a message."""
        if self.state in (State.GREETING, State.CLOSED):
            return
        try:
            kind, content, playing = framing.unwrap(self._version, data)
        except BadFrame as error:
            self._refuse(str(error))
            return
        if kind == framing.JSON:
            self.receive_text(content.decode(errors="replace"))
        elif kind != framing.SOUND or not 0 < len(content) <= MAX_PACKET:
            self._refuse(f"a binary message of type {kind} with {len(content)} bytes is no packet of Opus")
        elif self.state is State.LISTENING or (self.state is State.SPEAKING and self.full_duplex):
            self._packets += 1
            self._outputs.append(Hear(content, playing=playing))
        elif not self._conversing:
            self._outputs.append(Hear(content, conversation=False))

    def not_opus(self, problem: str) -> None:
        """Note that a packet was none of Opus."""
        self._refuse(f"this is not Opus: {problem}")

    def made_sense(self) -> None:
        """Note that something the device sent could be understood."""
        self._wrong = max(0, self._wrong - 1)

    # What happens in the conversation.

    def begin(self) -> None:
        """Begin a conversation, unless there is one: the device wants it, or something is to be said there."""
        if self._conversing or self.state in (State.GREETING, State.CLOSED):
            return
        self._conversing, self._detects, self._breaking_off = True, True, False
        self._outputs.append(Begin())
        self._set_detection()

    def heard(self, text: str) -> None:
        """Show what was understood of the person."""
        self._breaking_off = False
        self._say({"type": "stt", "text": text})
        self._feel("thinking", "🤔")

    def answer_began(self) -> None:
        """Note that an answer is on its way."""
        self._answering, self._breaking_off = True, False

    def answer_ended(self) -> None:
        """Note that an answer has been written and heard, or that there was none."""
        self._answering = False
        self.voice_silent()

    def voice_comes(self) -> None:
        """Have the device get ready for speech."""
        if self._breaking_off or self.state not in (State.IDLE, State.LISTENING):
            return
        if self.mode is Mode.MANUAL:
            # The firmware does not tell when its button is let go while it speaks.
            self._outputs.append(Hold(False))
        self._become(State.SPEAKING)
        self._feel("happy", "🙂")
        self._say({"type": "tts", "state": "start"})

    def sentence(self, text: str) -> None:
        """Show what is about to be heard."""
        self.voice_comes()
        if self.state is State.SPEAKING:
            self._say({"type": "tts", "state": "sentence_start", "text": text})

    def voice_began(self) -> None:
        """Note that speech is heard."""
        self.voice_comes()
        self._voice = True

    def voice_ended(self) -> None:
        """Note that what was spoken has been heard; more may come if the answer goes on."""
        self._voice = False
        self.voice_silent()

    def voice_silent(self) -> None:
        """Note that nothing is left to be spoken for now."""
        if not self._voice and not self._answering:
            self._stop()

    def sound(self, packet: bytes) -> None:
        """Send a packet of speech, `PACKET_MS` long, where the device plays it."""
        if self.state is State.SPEAKING:
            # Counted from 1 on: to the firmware a time of 0 is none.
            self._sent += PACKET_MS
            message = framing.wrap(self._version, packet, milliseconds=self._sent)
            self._outputs.append(SendSound(message, packet, self._sent))

    def interrupted(self) -> None:
        """Note that the answer was broken off."""
        self._answering = self._voice = self._breaking_off = False
        self._stop()

    def failed(self) -> None:
        """Show that something went wrong."""
        self._feel("sad", "😔")

    def ended(self) -> None:
        """Note that the conversation has ended.

        A device whose button is held stays connected for the next time; others would go on sending what they hear.
        """
        if not self._conversing:
            return
        self._conversing = False
        self.interrupted()
        if self.mode is not Mode.MANUAL:
            self._close(1000, "Nobody said anything more.")
        elif self.state is State.LISTENING:
            self.begin()

    def close(self, code: int, reason: str) -> None:
        """Hang up."""
        self._close(code, reason)

    def for_tools(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the message that brings something to the device's tools."""
        return {"session_id": self._session, "type": "mcp", "payload": payload}

    # What follows from it.

    def _hello(self, hello: Hello) -> None:
        if self.state is not State.GREETING:
            self._refuse("a second hello")
        elif hello.audio_params.format != "opus":
            self._close(1003, f"Send Opus, not {hello.audio_params.format[:20]}.")
        elif hello.version not in framing.VERSIONS:
            self._close(1003, f"Use version 1, 2 or 3, not {hello.version}.")
        else:
            self._version = hello.version
            self._become(State.IDLE)
            params = {"format": "opus", "sample_rate": RATE, "channels": 1, "frame_duration": PACKET_MS}
            self._say({"type": "hello", "version": hello.version, "transport": "websocket", "audio_params": params})
            self._leaves_echo = hello.features.aec
            if self._leaves_echo and hello.version != 2:
                self._outputs.append(Wrong(ECHO_UNKNOWN))
            self._outputs.append(Greeted(hello.features.mcp, leaves_echo=self._leaves_echo and hello.version == 2))

    def _listen(self, listen: Listen) -> None:
        if listen.state == "start":
            self._start(listen.mode or Mode.AUTO)
        elif listen.state == "stop":
            self._stop_listening()
        elif self.state is State.LISTENING:
            # The firmware tells of its wake word before it listens; what comes meanwhile, other clients' people typed.
            if text := listen.text.strip():
                self._outputs.append(Tell(LLMMessagesAppendFrame([{"role": "user", "content": text}], run_llm=True)))
        elif self.state is State.SPEAKING:
            self._abort()
        elif not self._conversing:
            self._outputs.append(Woken())

    def _start(self, mode: Mode) -> None:
        self.mode = mode
        self._packets = 0
        if self.state is State.IDLE:
            self._become(State.LISTENING)
        self.begin()
        self._set_detection()
        if mode is Mode.MANUAL and self.state is State.LISTENING:
            self._outputs.append(Hold(True))
        self._outputs.append(Listening())

    def _stop_listening(self) -> None:
        if self.state is not State.LISTENING:
            return
        self._become(State.IDLE)
        if self._packets >= SHORTEST:
            self._outputs.append(Tell(CommitAudioFrame()))
        if self.mode is Mode.MANUAL:
            self._outputs.append(Hold(False))

    def _abort(self) -> None:
        self.interrupted()
        if self._conversing:
            # Words of the answer that are on their way here may not have the device speak again.
            self._breaking_off = True
            self._outputs.append(Interrupt())

    def _set_detection(self) -> None:
        """Have turns end by themselves, or when the button is let go."""
        detects = self.mode is not Mode.MANUAL
        if self._conversing and detects is not self._detects:
            self._detects = detects
            self._outputs.append(Tell(TurnDetectionFrame(enabled=detects)))

    def _stop(self) -> None:
        if self.state is not State.SPEAKING:
            return
        self._become(State.IDLE if self.mode is Mode.MANUAL else State.LISTENING)
        self._feel("neutral", "😶")
        self._say({"type": "tts", "state": "stop"})

    def _feel(self, emotion: str, text: str) -> None:
        self._say({"type": "llm", "emotion": emotion, "text": text})

    def _say(self, message: dict[str, Any]) -> None:
        if self.state is not State.CLOSED:
            self._outputs.append(Send({"session_id": self._session, **message}))

    def _refuse(self, problem: str) -> None:
        self._wrong += 1
        self._outputs.append(Wrong(problem))
        if self._wrong >= MOST_WRONG:
            self._close(1007, f"Too much that makes no sense; the last: {problem}"[:100])

    def _close(self, code: int, reason: str) -> None:
        if self.state is not State.CLOSED:
            self._become(State.CLOSED)
            self._outputs.append(Close(code, reason))

    def _become(self, state: State) -> None:
        logger.trace("xiaozhi session {}: {} becomes {}", self._session, self.state, state)
        self.state = state
