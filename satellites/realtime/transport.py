"""A Pipecat transport over the Realtime API: the protocol on one side, frames on the other.

What leaves the output transport downstream has just been heard, in the order in which it was heard, so that
is where responses are followed. The caller's turns are followed where they come back upstream to the input,
because there they do not queue behind speech that is still playing.
"""

import asyncio
import base64
import time
from typing import Any, cast

from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStoppedSpeakingFrame,
    CancelWorkerFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesTransformFrame,
    LLMRunFrame,
    LLMTextFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from satellites.allowance import FASTEST, Allowance
from satellites.input import AttendedInput
from satellites.realtime.client_events import RealtimeFault, read
from satellites.realtime.codec import AudioDecoder, AudioEncoder
from satellites.realtime.connection import ClientGone, Connection
from satellites.realtime.functions import ClientFunctions
from satellites.realtime.outputs import Amend, Answer, Hear, Interrupt, Output, Run, Send, Tell
from satellites.realtime.pacing import Pacer
from satellites.realtime.protocol import RealtimeProtocol
from satellites.realtime.response import Usage
from voice.frames import ClearAudioFrame, CommitAudioFrame
from voice.opus import NotOpus

INPUT_RATE = 16_000
"""Hz; what recognition and voice activity detection work at."""

OUTPUT_RATE = 24_000
"""Hz; the API's own."""

INPUT_BATCH = 0.032
"""Seconds of audio that are passed on together: one window of the voice activity detector. Clients send
pieces as short as 10 ms, and each would cost as much."""

INPUT_FRAME = INPUT_RATE * 2 * 64 // 1000
"""Bytes of the longest frame of input, 64 ms, so that a turn is noticed within a long recording."""

MAX_AHEAD = 300.0
"""Seconds of audio that a client may send beyond the time that has passed, as for a file; then it is made to
wait. One whose clock is a little fast never is, or it would be heard later and later."""

LARGE_EVENT = 64 * 1024
"""Characters of JSON that are parsed in a thread; smaller ones take less than a millisecond."""


class RealtimeTransport(BaseTransport):
    """One client's end of a conversation."""

    def __init__(self, connection: Connection, protocol: RealtimeProtocol) -> None:
        super().__init__()
        params = TransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=INPUT_RATE,
            audio_out_enabled=True,
            audio_out_sample_rate=OUTPUT_RATE,
            audio_out_10ms_chunks=2,
            audio_out_end_silence_secs=0,
        )
        self._connection = connection
        self._protocol = protocol
        self._input = RealtimeInput(self, connection, protocol, params)
        self._output = RealtimeOutput(self, connection, protocol, params)
        self._functions = ClientFunctions(protocol, self.perform)

    def input(self) -> "RealtimeInput":
        """Return the processor that the conversation begins with."""
        return self._input

    def output(self) -> "RealtimeOutput":
        """Return the processor that speech leaves by."""
        return self._output

    async def call_tool(self, params: FunctionCallParams) -> None:
        """Let the client answer a function call of the model."""
        await self._functions.call(params)

    async def perform(self) -> None:
        """Do what the protocol asks for."""
        for output in self._protocol.take():
            if isinstance(output, Send):
                self._connection.send(output.event)
            else:
                await self._perform(output)

    async def _perform(self, output: Output) -> None:
        match output:
            case Hear(audio, encoding):
                await self._input.hear(audio, encoding)
            case Tell(frame):
                if isinstance(frame, CommitAudioFrame | ClearAudioFrame):
                    await self._input.flush()
                await self._input.push_frame(frame)
            case Amend(change):
                amendment = LLMMessagesTransformFrame(cast("Any", change), run_llm=False)
                amendment.interruptible = False
                await self._output.push_frame(amendment)
            case Interrupt():
                await self._input.broadcast_interruption()
            case Answer(call_id, result):
                self._functions.answer(call_id, result)
            case Run():
                await self._functions.delivered()
                await self._input.push_frame(LLMRunFrame())


class RealtimeInput(AttendedInput):
    """Reads the client's events for as long as the conversation lasts."""

    def __init__(
        self,
        transport: RealtimeTransport,
        connection: Connection,
        protocol: RealtimeProtocol,
        params: TransportParams,
    ) -> None:
        super().__init__(params)
        self._transport = transport
        self._connection = connection
        self._protocol = protocol
        self._decoder: AudioDecoder | None = None
        self._unheard = bytearray()
        self._allowance = Allowance(FASTEST, MAX_AHEAD)
        self._speech_started_ago = 0.0
        self._speech_stopped_ago = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Begin to read."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._protocol.open()
        await self._transport.perform()
        self.attend(self._read())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the caller's turns as they come back upstream."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            self._follow(frame)
            await self._transport.perform()

    async def hear(self, audio: bytes, encoding: str) -> None:
        """Let the conversation hear audio of the client; makes a client wait that is `MAX_AHEAD`."""
        if self._decoder is None or self._decoder.encoding != encoding:
            self._decoder = AudioDecoder(encoding, INPUT_RATE)
            self._unheard.clear()
        self._unheard += audio
        if len(self._unheard) >= self._decoder.bytes_per_second * INPUT_BATCH:
            try:
                await self._push_heard(self._decoder)
            except NotOpus as error:
                fault = RealtimeFault(f"This is no Opus: {error}.", code="invalid_value", param="audio")
                self._protocol.refuse(fault)
                await self._transport.perform()

    async def flush(self) -> None:
        """Push what is left of the client's audio, and wait until all of it is on its way."""
        if self._decoder is not None:
            await self._push_heard(self._decoder)
        await self._audio_in_queue.join()

    async def _push_heard(self, decoder: AudioDecoder) -> None:
        audio = bytes(self._unheard)
        self._unheard.clear()
        for piece in decoder.pieces(audio):
            for start in range(0, len(piece), INPUT_FRAME):
                frame = InputAudioRawFrame(piece[start : start + INPUT_FRAME], INPUT_RATE, 1)
                await self.push_audio_frame(frame)
            ahead = self._allowance.owe(len(piece) / (INPUT_RATE * 2), time.monotonic())
            if ahead > 0 or len(piece) > 10 * INPUT_FRAME:  # a long recording lets others have their turn
                await asyncio.sleep(ahead)

    def _follow(self, frame: Frame) -> None:
        match frame:
            case VADUserStartedSpeakingFrame():
                self._speech_started_ago = frame.start_secs
            case VADUserStoppedSpeakingFrame():
                self._speech_stopped_ago = frame.stop_secs
            case UserStartedSpeakingFrame():
                self._protocol.user_started(self._speech_started_ago)
            case UserStoppedSpeakingFrame():
                self._protocol.user_stopped(self._speech_stopped_ago)
            case InterimTranscriptionFrame():
                self._protocol.user_hypothesis(frame.text)
            case LLMContextUserTurnFrame():
                self._protocol.user_said(frame.text)
            case ErrorFrame():
                self._protocol.failed()

    async def _read(self) -> None:
        try:
            while True:
                text = await self._connection.receive()
                await self._receive(text)
                await self._transport.perform()
        except ClientGone as gone:
            logger.info(f"{self}: the client has left: {gone}")
            await self.push_frame(CancelWorkerFrame(reason=str(gone)), FrameDirection.UPSTREAM)
        except Exception:  # noqa: BLE001  a conversation that nobody reads for would never end
            logger.exception(f"{self}: reading has failed")
            await self.push_frame(CancelWorkerFrame(reason="reading failed"), FrameDirection.UPSTREAM)

    async def _receive(self, text: str | None) -> None:
        try:
            event = await asyncio.to_thread(read, text) if text and len(text) > LARGE_EVENT else read(text)
        except RealtimeFault as fault:
            self._protocol.refuse(fault)
        else:
            self._protocol.receive(event)


class RealtimeOutput(BaseOutputTransport):
    """Sends speech as it is to be heard, and tells the protocol of it."""

    def __init__(
        self,
        transport: RealtimeTransport,
        connection: Connection,
        protocol: RealtimeProtocol,
        params: TransportParams,
    ) -> None:
        super().__init__(params)
        self._transport = transport
        self._connection = connection
        self._protocol = protocol
        self._encoder: AudioEncoder | None = None
        self._pacer = Pacer()

    async def start(self, frame: StartFrame) -> None:
        """Begin to take frames."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Send audio at once, then wait until it is little ahead of the listener."""
        if self._connection.gone:
            return False
        encoding = self._protocol.output_encoding
        if self._encoder is None or self._encoder.encoding != encoding:
            self._encoder = AudioEncoder(encoding, OUTPUT_RATE)
        seconds = len(frame.audio) / (OUTPUT_RATE * 2)
        self._send(self._encoder.encode(frame.audio))
        await self._transport.perform()
        await asyncio.sleep(self._pacer.sent(seconds, time.monotonic()))
        return True

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame on, and follow what has been heard."""
        await super().push_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and not isinstance(frame, OutputAudioRawFrame):
            self._follow(frame)
            await self._transport.perform()

    def _send(self, pieces: list[tuple[bytes, float]]) -> None:
        for piece, seconds in pieces:
            self._protocol.audio(base64.b64encode(piece).decode("ascii"), seconds)

    def _follow(self, frame: Frame) -> None:  # noqa: C901  one case a frame
        protocol, encoder = self._protocol, self._encoder
        match frame:
            case InterruptionFrame():
                self._pacer.dropped()  # the client stops playing as well
                if encoder is not None:
                    encoder.drop()
                protocol.interrupted()
            case LLMFullResponseStartFrame():
                protocol.model_started()
            case LLMFullResponseEndFrame():
                protocol.model_finished()
            case TTSStartedFrame():
                protocol.voice_started()
            case TTSStoppedFrame() | BotStoppedSpeakingFrame():
                if encoder is not None:
                    self._send(encoder.rest())
                protocol.voice_stopped()
            case TTSTextFrame():
                protocol.words(frame.raw_text or frame.text, spaced=frame.includes_inter_frame_spaces)
            case LLMTextFrame() | AggregatedTextFrame() if frame.skip_tts:
                protocol.words(frame.text, spaced=frame.includes_inter_frame_spaces)
            case FunctionCallsStartedFrame():
                protocol.tools_called([call.tool_call_id for call in frame.function_calls])
            case FunctionCallResultFrame():
                protocol.tool_finished(frame.tool_call_id, continues=_continues(frame))
            case FunctionCallCancelFrame():
                protocol.tool_finished(frame.tool_call_id, continues=frame.run_llm)
            case MetricsFrame():
                for data in frame.data:
                    if isinstance(data, LLMUsageMetricsData):
                        used = data.value
                        cached = used.cache_read_input_tokens or 0
                        protocol.used(Usage(used.prompt_tokens, used.completion_tokens, cached))


def _continues(frame: FunctionCallResultFrame) -> bool:
    """Tell whether the model runs again on a result, as Pipecat's assistant aggregator decides it."""
    if not frame.result:
        return False
    if frame.properties is not None and frame.properties.run_llm is not None:
        return frame.properties.run_llm
    return frame.run_llm is not False
