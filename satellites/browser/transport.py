"""A browser's end of a conversation: Pipecat's SmallWebRTC transport, for voice alone, its peer watched."""

import asyncio
from collections.abc import Sequence

from aiortc import RTCIceServer, RTCRtpReceiver
from loguru import logger
from pipecat.frames.frames import CancelWorkerFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

from pipeline.settings.satellites import IceServer
from satellites.browser.jitter import VoiceBuffer

HEARTBEAT = 1.0
"""Seconds between two looks at a peer; the page sends a ping on its data channel as often."""

CONNECT_PATIENCE = 20
"""Looks until a peer that never connected is given up."""

SILENCE_PATIENCE = 5
"""Looks until a peer that fell silent is given up. Pipecat calls it disconnected after 3 s without a ping, so
a killed browser is noticed within 8 to 9 s, where ICE consent (RFC 7675) would take 30 s."""

REORDERED = 8
"""Packets of 20 ms that may overtake one before it is taken for lost, which is more than a house's Wi-Fi shuffles."""

ENDING_PATIENCE = 5.0
"""Seconds that a conversation has to end by itself once its peer is gone."""


class PeerGone(Exception):  # noqa: N818
    """A peer left and its conversation went on without it."""


class BrowserConnection(SmallWebRTCConnection):
    """A WebRTC connection that carries audio both ways and refuses video."""

    def force_transceivers_to_send_recv(self) -> None:
        """Take part in audio only: nobody here watches, and a received video would pile up undecoded."""
        for transceiver in self.pc.getTransceivers():
            transceiver.direction = "sendrecv" if transceiver.kind == "audio" else "inactive"

    def video_input_track(self) -> None:
        """There is none, so that Pipecat does not renegotiate for a first key frame."""

    def screen_video_input_track(self) -> None:
        """There is none."""


async def accept(sdp: str, ice_servers: Sequence[IceServer] = ()) -> SmallWebRTCConnection:
    """Make a connection from a browser's offer.

    Leaves nothing open when it fails or is cancelled.

    Raises:
        ValueError: The first media section is not audio, where Pipecat looks for the microphone.
        Exception: Whatever aiortc raises for a description that it cannot read.
    """
    servers = [RTCIceServer(**each.as_dict()) for each in ice_servers]
    connection: SmallWebRTCConnection = BrowserConnection(servers)
    try:
        await connection.initialize(sdp, "offer")
        if [each.kind for each in connection.pc.getTransceivers()[:1]] != ["audio"]:
            raise ValueError("its first media section must be audio")  # noqa: TRY301 - closed below like the rest
        _hear_at_once(connection.pc.getTransceivers()[0].receiver)
    except BaseException:
        await connection.disconnect()
        raise
    return connection


def _hear_at_once(receiver: RTCRtpReceiver) -> None:
    """Have sound passed on as it comes: aiortc keeps 80 ms of it back, loses some, and has no setting for that."""
    # As Pipecat does it for video.
    setattr(receiver, "_RTCRtpReceiver__jitter_buffer", VoiceBuffer(REORDERED))  # noqa: B010


def browser_transport(connection: SmallWebRTCConnection) -> BaseTransport:
    """Make the transport of a conversation: 16 kHz in, 24 kHz out, 16-bit mono, written in steps of 20 ms."""
    transport = SmallWebRTCTransport(
        connection,
        TransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=16000,
            audio_out_enabled=True,
            audio_out_sample_rate=24000,
            audio_out_10ms_chunks=2,
        ),
    )
    end_with_its_peer(transport)
    return transport


def end_with_its_peer(transport: BaseTransport) -> None:
    """Have the conversation over a transport end once the page has left."""

    async def left(*_: object) -> None:
        await transport.input().push_frame(CancelWorkerFrame(reason="the page has left"), FrameDirection.UPSTREAM)

    transport.add_event_handler("on_client_disconnected", left)


async def watch(connection: SmallWebRTCConnection) -> None:
    """Close the connection once its peer is gone, which lets the pipeline end the conversation.

    Counts looks rather than seconds, so that a stall of this process is not taken for a peer's silence.

    Raises:
        PeerGone: The conversation did not end in `ENDING_PATIENCE` seconds after that.
    """
    closed = asyncio.Event()

    async def on_closed(_: SmallWebRTCConnection) -> None:
        closed.set()

    connection.add_event_handler("closed", on_closed)
    misses, patience = 0, CONNECT_PATIENCE
    while not closed.is_set():
        try:
            async with asyncio.timeout(HEARTBEAT):
                await closed.wait()
        except TimeoutError:
            if connection.is_connected():
                misses, patience = 0, SILENCE_PATIENCE
            else:
                misses += 1
        if misses >= patience:
            logger.info("The browser of {} is gone", connection.pc_id)
            await connection.disconnect()
    await asyncio.sleep(ENDING_PATIENCE)
    raise PeerGone
