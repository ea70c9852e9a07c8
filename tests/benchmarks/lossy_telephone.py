"""The telephone's door at the end of a bad network: a caller speaks into a telephone process.

No telephone loses packets to order, so the caller is made here: it knows of SIP (RFC 3261) what one call needs, and
sends RTP (RFC 3550).
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import av
import numpy as np
import soxr

from satellites.sip import wire
from satellites.sip.process import Phone
from tests.benchmarks.clients import from_pcm
from tests.benchmarks.networks import BETWEEN, PACKET, Network, lag_of
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.peers.sip.phones import free_port

ANSWERING = 10.0
HERE = "127.0.0.1"
RTP_PORTS = (23_000, 23_999)


@dataclass(frozen=True, slots=True)
class Codec:
    """How a telephone sends sound."""

    name: str
    payload: int
    """Its number in RTP."""
    described: str
    """As SDP does."""
    encoder: str
    rate: int
    options: tuple[tuple[str, str], ...] = ()

    def encode(self, samples: Samples) -> list[bytes]:
        """Return packets of 20 ms; samples at 16 kHz."""
        encoder = av.CodecContext.create(self.encoder, "w")
        encoder.sample_rate, encoder.layout, encoder.format = self.rate, "mono", "s16"
        encoder.options = dict(self.options)
        pcm = (np.clip(soxr.resample(samples, SAMPLE_RATE, self.rate), -1, 1) * 32767).astype("<i2")
        size = round(PACKET * self.rate)
        pcm = np.pad(pcm, (0, -len(pcm) % size))
        packets: list[bytes] = []
        for start in range(0, len(pcm), size):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + size], "s16", "mono")
            frame.sample_rate, frame.pts = self.rate, start
            packets += [bytes(packet) for packet in encoder.encode(frame)]
        return packets


PCMU = Codec("PCMU", 0, "a=rtpmap:0 PCMU/8000", "pcm_mulaw", 8000)
OPUS = Codec(
    "Opus",
    96,
    "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1",
    "libopus",
    48_000,
    (("application", "voip"), ("b", "32000"), ("fec", "1"), ("packet_loss", "5")),
)


class Telephone(asyncio.DatagramProtocol):
    """Hands on what the telephone process says to a caller."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[str] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what is SIP."""
        if data.startswith(b"SIP/2.0 "):
            self.answers.put_nowait(data.decode())


class Caller:
    """One call over a network that is not good. Packets are lost and held back the same at each run."""

    def __init__(self, network: Network, codec: Codec, port: int) -> None:
        self._network = network
        self._codec = codec
        self._to = (HERE, port)
        self._random = Random(0)
        self._quiet = codec.encode(np.zeros(SAMPLE_RATE, np.float32))
        self._spoken: list[bytes] = []
        self._sent = asyncio.Event()

    async def speak(self, packets: list[bytes]) -> None:
        """Speak from the next packet on, and return when the last one is sent."""
        self._spoken = list(packets)
        self._sent.clear()
        await self._sent.wait()

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call, and send sound while the context lasts."""
        loop = asyncio.get_running_loop()
        sip, phone = await loop.create_datagram_endpoint(Telephone, (HERE, 0))
        rtp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, (HERE, 0))
        here, heard_at = (each.get_extra_info("sockname")[1] for each in (sip, rtp))
        name = uuid4().hex
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\n"
            f"m=audio {heard_at} RTP/AVP {self._codec.payload}\r\n{self._codec.described}\r\na=sendrecv\r\n"
        )
        try:
            sip.sendto(self._request("INVITE", name, here, "", sdp), self._to)
            answer = ""
            async with asyncio.timeout(ANSWERING):
                while not answer.startswith("SIP/2.0 200"):
                    answer = await phone.answers.get()
            tag, port = re.search(r"To:.*;tag=(\S+)", answer), re.search(r"m=audio (\d+)", answer)
            assert tag is not None, answer
            assert port is not None, answer
            to = f";tag={tag[1]}"
            sip.sendto(self._request("ACK", name, here, to), self._to)
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(rtp, (HERE, int(port[1]))))
                yield
                sending.cancel()
            sip.sendto(self._request("BYE", name, here, to), self._to)
        finally:
            sip.close()
            rtp.close()

    def _request(self, method: str, name: str, here: int, tag: str, body: str = "") -> bytes:
        number = 2 if method == "BYE" else 1
        return (
            f"{method} sip:passfel@{HERE}:{self._to[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HERE}:{here};branch=z9hG4bK{method}{name}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:100@{HERE}>;tag={name}\r\nTo: <sip:passfel@{HERE}>{tag}\r\nCall-ID: {name}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:100@{HERE}:{here}>\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def _send(self, rtp: asyncio.DatagramTransport, to: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        ticks = round(PACKET * (8000 if self._codec.payload == 0 else 48_000))
        while True:
            sound = self._spoken.pop(0) if self._spoken else self._quiet[number % len(self._quiet)]
            header = struct.pack(
                "!BBHII", 0x80, self._codec.payload, number & 0xFFFF, number * ticks & 0xFFFFFFFF, 0x5A55
            )
            if self._random.random() >= self._network.loss:
                loop.call_later(self._random.uniform(0, self._network.jitter), rtp.sendto, header + sound, to)
            if not self._spoken:
                self._sent.set()
            number += 1
            await asyncio.sleep(max(0.0, began + number * PACKET - loop.time()))


async def over(
    network: Network, recordings: tuple[Recording, ...], codec: Codec, port_range: int = 0
) -> list[tuple[Samples, float]]:
    """Speak over a network; return what the telephone passed on of each utterance, and how much later.

    Args:
        port_range: which of ten ranges of ports the sound takes: each network at the same time needs its own.
    """
    arrived: list[Samples] = []
    audio = bytearray()
    ready = asyncio.Event()

    def reported(report: wire.Message | wire.Audio) -> None:
        match report:
            case wire.Ready():
                ready.set()
            case wire.Incoming(call):
                phone.send(wire.Answer(call))
            case wire.Audio(_, pcm):
                audio.extend(pcm)

    # Whoever encodes while others send makes a network of its own.
    encoded = [await asyncio.to_thread(codec.encode, each.samples) for each in recordings]
    phone, port = Phone(reported), free_port()
    caller = Caller(network, codec, port)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(phone.run(_setup(port, port_range)))
        async with asyncio.timeout(ANSWERING):
            await ready.wait()
        async with caller.calling():
            await asyncio.sleep(BETWEEN)
            for packets in encoded:
                at = len(audio)
                await caller.speak(packets)
                await asyncio.sleep(BETWEEN)
                arrived.append(from_pcm(bytes(audio[at:])))
        running.cancel()
    lags = [lag_of(each.samples, passed) for each, passed in zip(recordings, arrived, strict=True)]
    return list(zip(arrived, lags, strict=True))


def _setup(port: int, port_range: int) -> wire.Setup:
    first = RTP_PORTS[0] + 100 * port_range
    return wire.Setup(
        listen=HERE,
        port=port,
        user="passfel",
        direct=True,
        networks=(f"{HERE}/32",),
        encryption="off",
        certificate=None,
        authorities=None,
        verify=True,
        rtp_ports=(first, first + 99),
        max_calls=1,
        instance=str(uuid4()),
        accounts=(),
    )
