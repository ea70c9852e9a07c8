"""One telephone call, whatever network it came by: the PIN, the conversation, and how it ends."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    TTSSpeakFrame,
)

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Caller
from satellites.line import LineTransport
from satellites.services import House
from satellites.sip.callers import MOST_TRIES, Admission, Keys, Pins, shown
from satellites.sip.manners import TAIL, Act, Manners
from satellites.sip.message_taker import MessageTaker
from satellites.sip.phrases import PHRASES, Wish, is_farewell, wants_message
from satellites.sip.wire import RATE
from tools.messages import Messages
from voice.frames import SPOKEN_LANGUAGE
from voice.piper import VoiceError

MOST_HEARD: Final = 500
"""Pieces of sound that wait to be heard, of 20 ms; of more, the newest are dropped."""
PIN_SECONDS: Final = 20.0
"""What a caller gets to type the PIN, or to type on."""
PIECE: Final = RATE * 2 // 50
"""Bytes of sound in 20 ms."""
LEAD: Final = 0.1
"""Seconds by which speech is sent ahead of being heard."""
SPEECHLESS: Final = 10.0
"""Seconds in which the caller's sound has to begin; without any, the line is deaf in that direction."""
LAST_WORDS: Final = 8.0
"""Seconds that the assistant gets to say that it puts somebody through."""


class Next(NamedTuple):
    """Who talks with the assistant next in a call, and what is said to them first."""

    caller: Caller
    words: str


class Leg(Protocol):
    """The network's side of a call."""

    def play(self, pcm: bytes) -> None:
        """Have sound heard at `RATE`, soon after what was played before."""

    def flush(self) -> None:
        """Forget what was played and is not yet heard."""

    def hang_up(self) -> None:
        """End the call."""


class Call:
    """A call that has been answered.

    Args:
        leg: where it is heard.
        admission: who calls.
        house: whom they talk to, and how.
        pins: checks what they type.
        words: what is said first to somebody whom the house has called, and who is asked for no PIN.
    """

    def __init__(self, leg: Leg, admission: Admission, *, house: House, pins: Pins, words: str | None = None) -> None:
        settings = house.settings.sip
        language = house.settings.hearing.language
        self.admission = admission
        self.problem: str | None = None
        """What is wrong with it, and what to look at."""
        self.state = "ringing"
        self._leg = leg
        self._assistant = house.assistant
        self._pins = pins
        self._phrases = PHRASES.get(language, PHRASES["en"])
        self._follows_language = language == "auto"
        self._greeting = words or settings.greeting
        self._asks_pin = admission.asks_pin and words is None
        self._manners = Manners(
            settings.silence, 60 * settings.max_minutes, lambda text: is_farewell(text, self._phrases), time.monotonic()
        )
        self._heard: asyncio.Queue[bytes] = asyncio.Queue(MOST_HEARD)
        self._keys: asyncio.Queue[str] = asyncio.Queue(64)
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._kept = asyncio.Event()
        """Clear while a message is taken, which is kept when the caller hangs up."""
        self._kept.set()
        self._taker = MessageTaker(
            self._assistant, admission, pins, heard=self._heard, keys=self._keys, ended=self._ended
        )
        self._wish: Wish | None = None
        self._through: asyncio.Queue[tuple[str, Callable[[], None]]] = asyncio.Queue(1)
        self._whom = ""
        self._spoken = asyncio.Event()
        self._transport: LineTransport | None = None
        self._any_sound = False
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._began

    # What the network tells.

    def hear(self, pcm: bytes) -> None:
        """Take what the caller says, 16-bit mono PCM at `RATE`; beyond ten seconds unheard it is dropped."""
        self._any_sound = True
        with contextlib.suppress(asyncio.QueueFull):
            self._heard.put_nowait(pcm)

    def press(self, key: str) -> None:
        """Take a key that the caller pressed."""
        with contextlib.suppress(asyncio.QueueFull):
            self._keys.put_nowait(key)

    def hold(self, held: bool) -> None:
        """Note that the caller's side has put the call on hold, or taken it off again."""
        self.state = "held" if held else "talking"
        self._manners.hold(held, time.monotonic())
        self._changed.set()

    def put_through(self, who: str, transfer: Callable[[], None]) -> bool:
        """Put the caller through to somebody once the assistant has said so; False where that is under way already.

        Args:
            who: to whom, as it is said.
            transfer: has the network do it, and tells `not_put_through` where that fails.
        """
        if self._through.full() or self._transport is None or self.state != "talking":
            return False
        self._through.put_nowait((who, transfer))
        return True

    async def not_put_through(self) -> None:
        """Note that the caller has reached nobody, and is still here."""
        self.hold(False)
        await self._say(self._phrases.not_reached.format(person=self._whom))

    def over(self) -> None:
        """Note that the other side has hung up, or that the network has ended the call."""
        self._ended.set()

    # The call.

    async def run(self) -> None:
        """Hold the call; return when it has ended, whichever side ended it. Cancellation hangs up."""
        self.state = "talking"
        try:
            async with asyncio.TaskGroup() as tasks:
                held = tasks.create_task(self._hold())
                beside = [tasks.create_task(self._until_ended(held)), tasks.create_task(self._notice_deafness())]
                await asyncio.wait({held})
                for task in beside:
                    task.cancel()
        finally:
            self.state = "ended"
            self._leg.hang_up()

    async def _hold(self) -> None:
        try:
            following = await self._let_in()
            while following is not None:
                following = await self._converse(following.caller, following.words)
        except AssistantNotReady as error:
            logger.warning(f"a call cannot be held: {error}")
            await self._speak(self._phrases.unwell)
        # The last words are still on their way.
        await asyncio.sleep(TAIL)

    async def _until_ended(self, held: asyncio.Task[None]) -> None:
        await self._ended.wait()
        await self._kept.wait()
        held.cancel()

    async def _notice_deafness(self) -> None:
        await asyncio.sleep(SPEECHLESS)
        if not self._any_sound:
            self.problem = (
                "nothing of the caller is heard: let UDP of rtp_ports through the firewall, and check that the other "
                "side knows this machine's address"
            )
            logger.warning(f"call with {shown(self.admission.number)}: {self.problem}")

    async def _let_in(self) -> Next | None:
        """Ask for a message or for the PIN where that comes first; None where the caller may not come in."""
        if self.admission.leaves_message:
            return await self._only_message()
        if not self._asks_pin:
            return self._greeted(self.admission.caller(proven=False))
        words = self._phrases.ask_pin
        for _ in range(MOST_TRIES):
            typed = await self._asked(words)
            if typed is None:
                break
            if self._pins.check(typed, time.monotonic()):
                return self._greeted(self.admission.caller(proven=True))
            logger.warning(f"a wrong PIN from {shown(self.admission.number)}")
            words = self._phrases.wrong_pin
        await self._speak(self._phrases.no_pin)
        return None

    async def _only_message(self) -> Next | None:
        """Take a message of somebody who is not let in, except for a person of the house who types the PIN."""
        messages = self._assistant.exchange.messages
        if messages is not None:
            await self._speak(self._phrases.nobody_free)
            said = await self._take_message(messages, None)
            if said is None:
                return self._greeted(self.admission.caller(proven=True))
            await self._speak(said)
        return None

    async def _take_message(self, messages: Messages, to: str | None) -> str | None:
        """Take a message and keep it, also where the caller hangs up; returns what is said then, or None for a PIN."""
        self._forget_heard()
        self._kept.clear()
        try:
            return await self._taker.take(messages, to, self._phrases)
        finally:
            self._kept.set()

    def _forget_heard(self) -> None:
        """Drop what was said to nobody."""
        while not self._heard.empty():
            self._heard.get_nowait()

    async def _asked(self, words: str) -> str | None:
        """Ask for the PIN, which the first key breaks off; None where none comes."""
        keys = Keys(self._pins.length)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._speak(words))
            try:
                while True:
                    limit = PIN_SECONDS if asking.done() else PIN_SECONDS + 10.0
                    async with asyncio.timeout(limit):
                        key = await self._keys.get()
                    if not asking.done():
                        asking.cancel()
                        self._leg.flush()
                    if (typed := keys.press(key)) is not None:
                        return typed
            except TimeoutError:
                return None

    async def _speak(self, words: str) -> None:
        """Say something outside of a conversation; return once it has been heard."""
        due = time.monotonic()
        try:
            async with aclosing(self._assistant.speech().speak(words, rate=RATE)) as speech:
                async for chunk in speech:
                    for start in range(0, len(chunk), PIECE):
                        piece = chunk[start : start + PIECE]
                        self._leg.play(piece)
                        due = max(due, time.monotonic()) + len(piece) / (2 * RATE)
                        await asyncio.sleep(max(0.0, due - time.monotonic() - LEAD))
        except (VoiceError, AssistantNotReady) as error:
            logger.warning(f"it cannot be said: {error}")
        await asyncio.sleep(max(0.0, due - time.monotonic()) + LEAD)

    def _greeted(self, caller: Caller) -> Next:
        phrases = self._phrases
        if self._greeting is not None:
            return Next(caller, self._greeting)
        if caller.person is not None:
            return Next(caller, phrases.greeting_person.format(person=caller.person.title()))
        return Next(caller, phrases.greeting if self.admission.kind == "person" else phrases.greeting_guest)

    async def _converse(self, caller: Caller, greeting: str) -> Next | None:
        """Hold one conversation; returns how it goes on where the PIN was typed meanwhile, or a message is left."""
        transport = self._transport = LineTransport(self, input_rate=RATE, output_rate=RATE, lead=LEAD)
        self._forget_heard()
        self._manners.begin(time.monotonic())
        self._wish = None
        proven = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._listen(transport)),
                tasks.create_task(self._mind_manners(transport)),
                tasks.create_task(self._take_keys(transport, caller, proven)),
                tasks.create_task(self._put_through()),
            ]
            await transport.tell(TTSSpeakFrame(greeting, append_to_context=False))
            try:
                await self._assistant.converse(transport, caller)
            finally:
                self._transport = None
                for task in beside:
                    task.cancel()
        messages = self._assistant.exchange.messages
        if self._wish is not None and messages is not None:
            await self._speak(self._phrases.your_message)
            said = await self._take_message(messages, self._wish.to)
            if said is not None:
                # What goes on is where it was before.
                return Next(caller, said)
            proven.set()
        return Next(self.admission.caller(proven=True), self._phrases.welcome) if proven.is_set() else None

    async def _listen(self, transport: LineTransport) -> None:
        while True:
            await transport.hear(await self._heard.get())

    async def _take_keys(self, transport: LineTransport, caller: Caller, proven: asyncio.Event) -> None:
        """Take a PIN that a caller types who is not proven yet; the star key breaks off what is being said."""
        keys = Keys(self._pins.length)
        tries = MOST_TRIES
        while True:
            key = await self._keys.get()
            if key == "*":
                await transport.interrupt()
            typed = keys.press(key)
            if typed is None or caller.resumes or not self._pins.length or not tries:
                continue
            if self._pins.check(typed, time.monotonic()):
                proven.set()
                await transport.end("the PIN was typed")
            else:
                tries -= 1
                logger.warning(f"a wrong PIN from {shown(self.admission.number)}")
                await self._say(self._phrases.wrong_pin)

    async def _put_through(self) -> None:
        while True:
            self._whom, transfer = await self._through.get()
            self._spoken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._spoken.wait()
            # Nobody is to be asked meanwhile whether they are still there.
            self.hold(True)
            transfer()

    async def _mind_manners(self, transport: LineTransport) -> None:
        while True:
            self._changed.clear()
            now = time.monotonic()
            if self._wish is not None:
                await transport.end("a message is left")
                return
            act = self._manners.act(now)
            if act is Act.HANG_UP:
                await transport.end("the call is over")
                return
            if act is not None:
                await self._say(self._said(act))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._manners.next(now) - now)):
                    await self._changed.wait()

    def _said(self, act: Act) -> str:
        phrases = self._phrases
        words = {Act.ASK: phrases.still_there, Act.WARN: phrases.one_minute, Act.LEAVE: phrases.goodbye}
        return words.get(act, phrases.too_long)

    async def _say(self, words: str) -> None:
        if self._transport is not None:
            await self._transport.tell(TTSSpeakFrame(words, append_to_context=False))

    # What the conversation tells.

    async def play(self, audio: bytes) -> None:
        """Have the assistant's speech heard."""
        self._leg.play(audio)

    async def follow(self, frame: Frame) -> None:
        """See what happens in the conversation."""
        if isinstance(frame, InterruptionFrame):
            self._leg.flush()
        if self._follows_language and SPOKEN_LANGUAGE in frame.metadata:
            self._phrases = PHRASES.get(frame.metadata[SPOKEN_LANGUAGE].partition("-")[0], self._phrases)
        self._manners.see(frame, time.monotonic())
        if isinstance(frame, BotStoppedSpeakingFrame):
            self._spoken.set()
        messages = self._assistant.exchange.messages
        if isinstance(frame, LLMContextUserTurnFrame) and messages is not None:
            self._wish = wants_message(frame.text, self._phrases, messages.people)
        if not isinstance(frame, BotStartedSpeakingFrame):
            self._changed.set()
