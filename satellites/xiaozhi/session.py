"""One device while it is connected: its websocket, its sound, its tools, and the conversations it holds one by one."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import replace
from typing import Any, Final

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMSetToolsFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Caller, Capability
from satellites.allowance import Allowance, SoundAllowance
from satellites.line import LineTransport
from satellites.services import House
from satellites.xiaozhi import outputs
from satellites.xiaozhi.echo import Echo
from satellites.xiaozhi.protocol import PACKET_MS, RATE, XiaozhiProtocol
from satellites.xiaozhi.socket import Gone, Socket
from satellites.xiaozhi.tools import DeviceTools
from voice.frames import WHERE_CALLED
from voice.opus import DECODED_RATE, NotOpus, OpusDecoder, OpusEncoder

HELLO_SECONDS: Final = 10.0
"""In which a device says hello; the firmware waits as long for the answer."""
TOOLS_SECONDS: Final = 1.0
"""In which a device's tools are known before its first conversation begins; they come later otherwise."""
LEAD: Final = 0.24
"""Seconds by which speech is sent ahead: four packets, for a small antenna that sleeps between beacons."""
WAKE_PACKETS: Final = 25
"""Packets before the wake word is told that may hold it: a second and a half."""
FAINT: Final = -90.0
"""dB of a wake word whose sound did not come."""


class Session:
    """A device's connection, from its hello until either side hangs up.

    Args:
        socket: the websocket.
        house: who it talks to, and which devices may have heard the same wake word.
        caller: who it is; how it listens is added for each conversation.
        name: of the session, for the device.
        version: of binary messages, as it said when it connected.
        follow_up: seconds after an answer in which it goes on listening.
    """

    def __init__(
        self, socket: Socket, house: House, caller: Caller, *, name: str, version: int, follow_up: float
    ) -> None:
        self._socket = socket
        self._house = house
        self._caller = caller
        self._follow_up = follow_up
        self._protocol = XiaozhiProtocol(name, version)
        self._decoder = OpusDecoder()
        self._encoder = OpusEncoder(RATE, PACKET_MS)
        self._echo: Echo | None = None
        self._tools = DeviceTools(self._to_tools)
        self._tools_loaded = asyncio.Event()
        self._loading: asyncio.Event = asyncio.Event()
        self._greeted = asyncio.Event()
        self._wanted = asyncio.Event()
        self._transport: LineTransport | None = None
        self._woken = False
        self._loudness: deque[float] = deque(maxlen=WAKE_PACKETS)
        self._messages = Allowance(100.0, 1000.0)
        self._sound = SoundAllowance(caller.device)
        self._complained = False

    @property
    def state(self) -> str:
        """What the device does, in one word for people."""
        return "talking" if self._transport is not None else "idle"

    def end(self, code: int, reason: str) -> None:
        """Hang up."""
        self._socket.close(code, reason)

    async def run(self) -> None:
        """Serve the device until either side hangs up. Cancellation ends the conversation and hangs up."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._socket.write())
                tasks.create_task(self._read())
                tasks.create_task(self._load_tools())
                tasks.create_task(self._converse())
        except* Gone as gone:
            logger.info("{} is gone: {}", self._caller.device, gone.exceptions[0])

    # What happens in the conversation, as a `satellites.line.Line`.

    async def play(self, audio: bytes) -> None:
        """Send speech, a packet at a time."""
        for packet in self._encoder.encode(audio):
            self._protocol.sound(packet)
        await self._perform()

    async def follow(self, frame: Frame) -> None:
        """Have the device show what happens."""
        protocol = self._protocol
        match frame:
            case LLMContextUserTurnFrame():
                protocol.heard(frame.text)
            case LLMFullResponseStartFrame():
                protocol.answer_began()
            case LLMFullResponseEndFrame():
                protocol.answer_ended()
            case TTSStartedFrame():
                protocol.voice_comes()
            case AggregatedTextFrame() if not isinstance(frame, TTSTextFrame) and not frame.skip_tts:
                protocol.sentence(frame.text)
            case BotStartedSpeakingFrame():
                protocol.voice_began()
            case BotStoppedSpeakingFrame():
                for packet in self._encoder.rest():
                    protocol.sound(packet)
                protocol.voice_ended()
            case TTSStoppedFrame():
                protocol.voice_silent()
            case InterruptionFrame():
                self._encoder.drop()
                protocol.interrupted()
            case ErrorFrame():
                protocol.failed()
            case _:
                return
        await self._perform()

    # What the device sends.

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if not self._messages.spend(1.0, time.monotonic()):
                self._protocol.close(1008, "Too many messages.")
            elif isinstance(message, str):
                self._protocol.receive_text(message)
            else:
                self._protocol.receive_binary(message)
            await self._perform()

    async def _perform(self) -> None:
        for output in self._protocol.take():
            await self._do(output)

    async def _do(self, output: outputs.Output) -> None:  # noqa: C901 - one case an output
        transport = self._transport
        match output:
            case outputs.Send(message):
                self._socket.send(message)
            case outputs.SendSound(data, packet, milliseconds):
                self._socket.send(data)
                if self._echo is not None:
                    self._echo.sent(milliseconds, packet)
            case outputs.Close(code, reason):
                self._socket.close(code, reason)
            case outputs.Hear():
                await self._hear(output)
            case outputs.Begin():
                self._begin()
            case outputs.Tell(frame) if transport is not None:
                await transport.tell(frame)
            case outputs.Hold(held) if transport is not None:
                transport.hold(held=held)
            case outputs.Listening() if transport is not None:
                transport.listen()
            case outputs.Interrupt() if transport is not None:
                await transport.interrupt()
            case outputs.Woken():
                self._woken = True
            case outputs.Greeted(tools, leaves_echo):
                self._echo = Echo() if leaves_echo else None
                self._greeted.set()
                if tools:
                    self._loading.set()
                else:
                    self._tools_loaded.set()
            case outputs.FromTools(payload):
                self._tools.receive(payload)
            case outputs.Wrong(problem):
                self._complain(problem)

    async def _hear(self, heard: outputs.Hear) -> None:
        now = time.monotonic()
        try:
            pcm = self._decoder.decode(heard.packet)
        except NotOpus as error:
            self._protocol.not_opus(str(error))
            await self._perform()
            return
        self._protocol.made_sense()
        if not self._sound.takes(len(pcm) / (DECODED_RATE * 2), now):
            return
        if not heard.conversation:
            self._loudness.append(_loudness(pcm))
        elif self._transport is not None:
            await self._transport.hear(pcm if self._echo is None else self._echo.heard(pcm, heard.playing))

    def _complain(self, problem: str) -> None:
        """Log what a device does wrong, once: it may go on doing it."""
        log = logger.debug if self._complained else logger.warning
        self._complained = True
        log("{} sends what cannot be used: {}", self._caller.device, problem)

    # The device's tools.

    def _to_tools(self, payload: dict[str, Any]) -> None:
        self._socket.send(self._protocol.for_tools(payload))

    async def _load_tools(self) -> None:
        await self._loading.wait()
        await self._tools.load()
        self._tools_loaded.set()
        await self._offer_tools()

    async def _offer_tools(self) -> None:
        schema = self._tools.schema()
        if self._transport is not None and schema is not None:
            frame = LLMSetToolsFrame(schema)
            frame.metadata[WHERE_CALLED], frame.interruptible = True, False
            await self._transport.tell(frame)

    # Its conversations.

    def _begin(self) -> None:
        self._transport = LineTransport(
            self, input_rate=DECODED_RATE, output_rate=RATE, follow_up=self._follow_up, lead=LEAD
        )
        self._wanted.set()

    async def _converse(self) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await self._greeted.wait()
        except TimeoutError:
            self._socket.close(1002, "Say hello first.")
            return
        async with self._house.assistant.standby(self._caller, self._wanted.set):
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._hold_one()

    async def _hold_one(self) -> None:
        woken, self._woken = self._woken, False
        if woken and not await self._house.arbiter.wins(self._caller.device, max(self._loudness, default=FAINT)):
            self._socket.close(1000, "Another device answers.")
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOOLS_SECONDS):
                await self._tools_loaded.wait()
        if self._transport is None:
            self._protocol.begin()
            await self._perform()
            self._wanted.clear()
        transport = self._transport
        if transport is None:
            return
        await self._offer_tools()
        level = self._tools.volume
        try:
            await self._house.assistant.converse(
                transport,
                self._as_it_listens(),
                call_tool=self._tools.call,
                loudness=None if level is None else DeviceLoudness(self._tools, level),
            )
        except AssistantNotReady as early:
            self._socket.close(1013, str(early))
        finally:
            self._transport = None
            self._encoder.drop()
        self._protocol.ended()
        await self._perform()

    def _as_it_listens(self) -> Caller:
        duplex = {Capability.FULL_DUPLEX} if self._protocol.full_duplex else set()
        return replace(self._caller, capabilities=self._caller.capabilities | duplex)


class DeviceLoudness:
    """How loud a device is, for who asks the assistant to speak louder there."""

    def __init__(self, tools: DeviceTools, level: float) -> None:
        self._tools = tools
        self._level = level

    @property
    def volume(self) -> float:
        """0 to 1."""
        return self._level

    @volume.setter
    def volume(self, volume: float) -> None:
        self._level = volume
        self._tools.set_volume(volume)


def _loudness(pcm: bytes) -> float:
    """The loudness of 16-bit PCM, in dB below full scale."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    return float(10 * np.log10(np.mean(samples**2) + 1e-9)) if len(samples) else FAINT
