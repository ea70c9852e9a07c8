"""The way into a conversation where nothing but the web's own connections get through: Pipecat's websocket transport.

A page takes it when WebRTC finds no way. Sound goes as PCM, which costs 640 kbit/s both ways together, and a packet
that is lost holds up what follows it; so it is the second choice.
"""

from typing import Final

from fastapi import WebSocket
from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
)
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from satellites.browser.transport import end_with_its_peer

INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
LONGEST: Final = INPUT_RATE * 2
"""Bytes of sound in one message: a second."""
LARGEST: Final = 256 * 1024
"""Bytes of a message."""


class PageSerializer(ProtobufFrameSerializer):
    """Pipecat's own, for a peer that may send sound and messages and nothing else."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Write a message; that the conversation ends is told by the end of the websocket."""
        return None if isinstance(frame, EndFrame | CancelFrame) else await super().serialize(frame)

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Read a message; one that cannot be used is dropped, and the conversation goes on."""
        if not isinstance(data, bytes) or len(data) > LARGEST:
            return None
        try:
            frame = await super().deserialize(data)
        except Exception as error:  # noqa: BLE001 - protobuf and JSON raise what they like
            logger.debug(f"a message of a page cannot be read: {error!r}")
            return None
        match frame:
            case InputAudioRawFrame(audio=audio, sample_rate=rate, num_channels=channels):
                fits = rate == INPUT_RATE and channels == 1 and len(audio) <= LONGEST and len(audio) % 2 == 0
                return frame if fits else None
            case InputTransportMessageFrame(message=dict()):
                return frame
        return None


def socket_transport(websocket: WebSocket) -> BaseTransport:
    """Make the transport of a conversation over a websocket that has been accepted; it ends when the page leaves."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_in_sample_rate=INPUT_RATE,
            audio_out_enabled=True,
            audio_out_sample_rate=OUTPUT_RATE,
            audio_out_10ms_chunks=2,
            serializer=PageSerializer(),
        ),
    )

    end_with_its_peer(transport)
    return transport
