"""A Pipecat transport for doors that carry plain sound: 16-bit mono PCM both ways, at the device's own rates.

A door hands in what its device hears and is handed what it is to play, a little ahead of being heard, and everything
that happens in the conversation.
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Final, Protocol

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    CancelWorkerFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from satellites.allowance import SoundAllowance
from satellites.attention import Attention
from satellites.input import AttendedInput
from satellites.realtime.pacing import LEAD, Pacer
from voice.resampling import StreamResampler

INPUT_RATE: Final = 16_000
"""Hz; what recognition works at."""
OUTPUT_RATE: Final = 24_000
"""Hz; what speech is made at."""
PIECE: Final = INPUT_RATE * 2 * 32 // 1000
"""Bytes that are passed on together: one window of the voice activity detector."""
EARLIEST: Final = 10.0
"""Seconds of sound that are kept until the conversation has begun; of more, the oldest are dropped."""
STALL: Final = 0.6
"""Seconds without sound in the middle of a turn that are taken for silence …"""
LONGEST_STALL: Final = 5.0
"""… for so long; the turn is over by then."""
STEP: Final = 0.1
"""Seconds of silence that are filled in at a time."""
FLUSH: Final = 1.0
"""Seconds in which sound that was heard is on its way; it takes milliseconds."""
HEARD: Final = (
    *(UserStartedSpeakingFrame, UserStoppedSpeakingFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame),
    *(InterimTranscriptionFrame, TranscriptionFrame, LLMContextUserTurnFrame, ErrorFrame),
)
"""What is followed where it comes by on its way back, as soon as it happens."""


class Line(Protocol):
    """A device's end of a conversation, which its door keeps."""

    async def play(self, audio: bytes) -> None:
        """Take speech at the device's rate, never odd bytes. What cannot be sent any more is dropped."""

    async def follow(self, frame: Frame) -> None:
        """See what happens: the turns of the person, words heard and said, speech that begins, ends, is broken off.

        Frames about speech arrive once it has been played so far, in the order in which it is heard.
        """


class LineTransport(BaseTransport):
    """One conversation's end.

    Args:
        line: the device.
        input_rate: of what it hears, in Hz.
        output_rate: of what it plays, in Hz.
        follow_up: seconds after an answer in which it goes on listening; None ends nothing by itself.
        lead: seconds by which speech is sent ahead of being heard.
    """

    def __init__(
        self, line: Line, *, input_rate: int, output_rate: int, follow_up: float | None = None, lead: float = LEAD
    ) -> None:
        super().__init__()
        params = TransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=INPUT_RATE,
            audio_out_enabled=True,
            audio_out_sample_rate=OUTPUT_RATE,
            audio_out_10ms_chunks=2,
            audio_out_end_silence_secs=0,
        )
        attention = Attention(follow_up, time.monotonic()) if follow_up is not None else None
        self._input = _Input(params, line, input_rate, attention)
        self._output = _Output(params, line, output_rate, lead, self._input)

    def input(self) -> "_Input":
        """Return the processor that the conversation begins with."""
        return self._input

    def output(self) -> "_Output":
        """Return the processor that speech leaves by."""
        return self._output

    async def hear(self, audio: bytes) -> None:
        """Let the conversation hear what the device heard, at once or as soon as it has begun."""
        await self._input.hear(audio)

    async def tell(self, frame: Frame) -> None:
        """Push a frame into the conversation behind what it has heard, at once or as soon as it has begun."""
        await self._input.tell(frame)

    async def interrupt(self) -> None:
        """Break off the answer that is being given, where there is one."""
        await self._input.interrupt()

    def hold(self, *, held: bool) -> None:
        """Go on listening while somebody holds a button down to speak."""
        self._input.hold(held=held)

    def listen(self) -> None:
        """Wait anew for a further question: a device that could not listen during the answer now does."""
        self._input.listen()

    async def end(self, reason: str) -> None:
        """End the conversation: the device is gone, or nobody wants anything more of it."""
        await self._input.end(reason)


class _Input(AttendedInput):
    def __init__(self, params: TransportParams, line: Line, rate: int, attention: Attention | None) -> None:
        super().__init__(params)
        self._line = line
        self._resampler = StreamResampler(rate, INPUT_RATE)
        self._rate = rate
        self._half = b""
        self._heard = bytearray()
        self._sound = SoundAllowance(str(self))
        self._heard_at = self._filled_at = 0.0
        self._in_turn = self._held = False
        self._early: deque[bytes | Frame] = deque()
        self._begun = False
        self._over: str | None = None
        self._attention = attention
        self._changed = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        """Begin to hear, first what came before."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        while self._early:
            await self._take(self._early.popleft())
        self._begun = True
        self.attend(self._watch())
        if self._over is not None:
            await self.end(self._over)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the person's turns as they come back upstream, where they do not queue behind speech."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM and isinstance(frame, HEARD):
            await self.follow(frame)

    async def follow(self, frame: Frame) -> None:
        """Let the line see what happens, and how long to listen."""
        if self._attention is not None:
            self._attention.see(frame, time.monotonic())
        if isinstance(frame, (UserStartedSpeakingFrame, VADUserStartedSpeakingFrame)):
            self._in_turn = True
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._in_turn = False
        self._changed.set()
        await self._line.follow(frame)

    async def hear(self, audio: bytes) -> None:
        audio, self._half = self._half + audio, b""
        if len(audio) % 2:
            audio, self._half = audio[:-1], audio[-1:]
        self._heard_at = time.monotonic()
        if not self._sound.takes(len(audio) / (self._rate * 2), self._heard_at):
            return
        heard = self._resampler.resample(audio)
        if self._begun:
            await self._take(heard)
        else:
            self._early.append(heard)
            self._forget()

    async def tell(self, frame: Frame) -> None:
        if self._begun:
            await self._take(frame)
        else:
            self._early.append(frame)

    async def interrupt(self) -> None:
        if self._begun:
            await self.broadcast_interruption()

    def hold(self, *, held: bool) -> None:
        self._held = held
        if self._attention is not None:
            self._attention.hold(held=held, now=time.monotonic())
            self._changed.set()

    def listen(self) -> None:
        if self._attention is not None:
            self._attention.listen(time.monotonic())
            self._changed.set()

    async def end(self, reason: str) -> None:
        self._over = reason
        if self._begun:
            await self.push_frame(CancelWorkerFrame(reason=reason), FrameDirection.UPSTREAM)

    def _forget(self) -> None:
        """Drop the oldest sound of what waits for the conversation to begin, and nothing else."""
        surplus = sum(len(each) for each in self._early if isinstance(each, bytes)) - int(EARLIEST * INPUT_RATE) * 2
        while surplus > 0:
            oldest = next(each for each in self._early if isinstance(each, bytes))
            self._early.remove(oldest)
            surplus -= len(oldest)

    async def _take(self, item: bytes | Frame) -> None:
        if isinstance(item, Frame):
            # Sound travels through a queue of its own, which nobody empties any more once the conversation has ended.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH):
                    await self._audio_in_queue.join()
            await self.push_frame(item)
            return
        self._heard += item
        while len(self._heard) >= PIECE:
            piece = bytes(self._heard[:PIECE])
            del self._heard[:PIECE]
            await self.push_audio_frame(InputAudioRawFrame(piece, INPUT_RATE, 1))

    async def _watch(self) -> None:
        """End when nobody says anything more."""
        while (left := self._left()) is None or left > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STEP if self._in_turn else left):
                    await self._changed.wait()
            await self._fill_stall()
        await self.end("nobody said anything more")

    def _left(self) -> float | None:
        """Return for how many seconds somebody is still listened to; None where that has no end yet."""
        ends = self._attention.ends if self._attention is not None else None
        return None if ends is None else ends - time.monotonic()

    async def _fill_stall(self) -> None:
        """Let time pass within a turn whose device sends nothing, so that it ends."""
        now = time.monotonic()
        stalled = self._in_turn and not self._held and STALL < now - self._heard_at < LONGEST_STALL
        if stalled and now - self._filled_at >= STEP:
            self._filled_at = now
            await self._take(bytes(round(STEP * INPUT_RATE) * 2))


class _Output(BaseOutputTransport):
    def __init__(self, params: TransportParams, line: Line, rate: int, lead: float, heard: _Input) -> None:
        super().__init__(params)
        self._line = line
        self._resampler = StreamResampler(OUTPUT_RATE, rate)
        self._pacer = Pacer(lead)
        self._input = heard
        self._broken_off = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        """Begin to take frames."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Send speech at once, then wait until it is little ahead of the listener."""
        self._broken_off.clear()
        await self._line.play(self._resampler.resample(frame.audio))
        await asyncio.sleep(self._pacer.sent(len(frame.audio) / (OUTPUT_RATE * 2), time.monotonic()))
        return True

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame on, and let the line see what has been heard."""
        if isinstance(frame, BotStoppedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._heard_out()
        await super().push_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and not isinstance(frame, (OutputAudioRawFrame, *HEARD)):
            if isinstance(frame, InterruptionFrame):
                self._pacer.dropped()
                self._broken_off.set()
            await self._input.follow(frame)

    async def _heard_out(self) -> None:
        """Wait until the listener has heard all that was sent, or it is broken off."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pacer.ahead(time.monotonic())):
                await self._broken_off.wait()
