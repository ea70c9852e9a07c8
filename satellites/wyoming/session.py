"""One connection to a satellite, and the conversations on it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from loguru import logger
from pipecat.frames.frames import Frame, LLMContextUserTurnFrame
from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.ping import Ping, Pong

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Caller
from pipeline.settings.satellites import WyomingSatellite
from satellites.allowance import SoundAllowance
from satellites.line import LineTransport
from satellites.services import House
from satellites.timer_display import TimerDisplay, TimerEvent
from satellites.wyoming.dialogue import Ask, Begin, Dialogue, Hear, Interrupt, Listen, Output, Send
from satellites.wyoming.sound import RATE, seconds
from satellites.wyoming.timers import timer_event
from satellites.wyoming.wire import Gone, Wire
from voice.wakeword import WakeWords

PING_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 20.0
"""After which a satellite that answers pings is taken for gone."""
PATIENT_SECONDS: Final = 24 * 3600.0
"""The same for an older one, which answers none: TCP itself finds out."""
LEAD: Final = 0.25
"""Seconds by which speech is sent ahead: a player on a small machine is started anew for each answer."""
FILL_SECONDS: Final = 0.1
"""Of silence that a conversation hears at once while its satellite sends nothing."""


class Session:
    """Serves one satellite until it is gone.

    Args:
        name: what the household calls it.
        wire: the connection.
        caller: the satellite.
        listed: its settings.
        house: the assistant, and who answers where several were woken.
        display: what the satellite shows of its timers.
        on_state: told what the satellite is at, in one word, whenever that changes.
    """

    def __init__(
        self,
        name: str,
        wire: Wire,
        caller: Caller,
        listed: WyomingSatellite,
        house: House,
        display: TimerDisplay,
        on_state: Callable[[str], None],
    ) -> None:
        chosen = house.settings.wyoming
        self._wire = wire
        self._caller = caller
        self._house = house
        self._follow_up = chosen.follow_up
        self._display = display
        self._on_state = on_state
        self._dialogue = Dialogue(name, WakeWords(chosen.wake_words), barge_in=listed.barge_in)
        self._transport: LineTransport | None = None
        self._tasks = asyncio.TaskGroup()
        self._called = asyncio.Event()
        self._answers_pings = False
        self._sound = SoundAllowance(caller.device)

    async def run(self) -> None:
        """Hold its conversations until the connection ends, which cancels one that goes on.

        Raises:
            Gone: it has left.
            Malformed: what it sends is no Wyoming.
        """
        try:
            async with self._house.assistant.standby(self._caller, self._called.set), self._tasks as tasks:
                tasks.create_task(self._ping())
                tasks.create_task(self._say_what_is_called_for())
                tasks.create_task(self._show_timers())
                self._dialogue.open()
                await self._perform()
                while True:
                    event = await self._wire.read(SILENT_SECONDS if self._answers_pings else PATIENT_SECONDS)
                    self._answers_pings = self._answers_pings or Pong.is_type(event.type)
                    if AudioChunk.is_type(event.type) and not self._sound.takes(seconds(event), time.monotonic()):
                        continue
                    self._dialogue.receive(event)
                    await self._perform()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    # What the transport asks of a line.

    async def play(self, audio: bytes) -> None:
        """Have the satellite play speech."""
        self._dialogue.play(audio)
        with contextlib.suppress(Gone):
            await self._perform()

    async def follow(self, frame: Frame) -> None:
        """Tell the satellite what happens."""
        self._dialogue.see(frame)
        if isinstance(frame, LLMContextUserTurnFrame):
            self._display.answer()
        with contextlib.suppress(Gone):
            await self._perform()

    async def _perform(self) -> None:
        """Do what the dialogue asks for. Events leave in its order, whichever task comes here first."""
        outputs = self._dialogue.take()
        self._on_state(self._dialogue.state.value)
        for output in outputs:
            if isinstance(output, Send):
                self._wire.post(output.event)
        for output in outputs:
            await self._do(output)
        await self._wire.flush()

    async def _do(self, output: Output) -> None:
        match output:
            case Ask(loudness):
                self._tasks.create_task(self._decide(loudness))
            case Begin(rate):
                self._transport = LineTransport(
                    self, input_rate=RATE, output_rate=rate, follow_up=self._follow_up, lead=LEAD
                )
                self._tasks.create_task(self._converse(self._transport))
            case Hear(pcm) if self._transport is not None:
                await self._transport.hear(pcm)
            case Interrupt() if self._transport is not None:
                await self._transport.interrupt()
            case Listen() if self._transport is not None:
                self._transport.listen()

    async def _decide(self, loudness: float) -> None:
        won = await self._house.arbiter.wins(self._caller.device, loudness)
        self._dialogue.decided(won=won)
        await self._perform()

    async def _converse(self, transport: LineTransport) -> None:
        """Hold one conversation; whatever goes wrong in it, the satellite can be woken again."""
        filling = self._tasks.create_task(self._fill(transport))
        self._display.begin()
        try:
            await self._house.assistant.converse(transport, self._caller)
        except AssistantNotReady as early:
            self._wire.post(Error(str(early)))
        except Exception:  # noqa: BLE001 - the satellite stays connected
            logger.exception(f"The conversation with {self._caller.device} failed")
            self._wire.post(Error("the server has failed; its log says why"))
        finally:
            filling.cancel()
        self._transport = None
        self._dialogue.ended()
        await self._perform()
        await self._tell(self._display.end())

    async def _fill(self, transport: LineTransport) -> None:
        """Let a conversation hear silence while no sound comes, so that a turn that was cut short ends."""
        while True:
            await asyncio.sleep(FILL_SECONDS)
            if self._dialogue.deaf:
                await transport.hear(bytes(2 * int(FILL_SECONDS * RATE)))

    async def _say_what_is_called_for(self) -> None:
        while True:
            await self._called.wait()
            self._called.clear()
            self._dialogue.call()
            await self._perform()

    async def _show_timers(self) -> None:
        self._display.connected()
        try:
            async with contextlib.aclosing(self._house.assistant.timers_at(self._caller.device)) as changes:
                async for there in changes:
                    await self._tell(self._display.see(there))
        except AssistantNotReady as early:
            logger.info(f"{self._caller.device} is shown no timers: {early}")

    async def _tell(self, events: Sequence[TimerEvent]) -> None:
        for event in events:
            self._wire.post(timer_event(event, time.time()))
        await self._wire.flush()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await self._wire.send(Ping())
