"""Puts the packets of a voice back into their order.

aiortc's own buffer gives out one frame at most for each packet that comes in. So what it has waited once for a packet
that is lost, it lags behind from then on; and each further loss then pushes a good packet out, so that of a voice of
which 5 % are lost, 12 % are not heard.
"""

from collections import deque
from typing import Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

BEYOND: Final = 100
"""Packets; one that is farther from the others begins anew, such as after a sender's restart."""
_NUMBERS: Final = 1 << 16


class VoiceBuffer(JitterBuffer):
    """Takes packets of which each is a frame, as those of Opus and G.711 are, and passes on all that come in time.

    One that is next is passed on at once. It takes the place of aiortc's in a receiver, which asks for one frame after
    each packet: what waits then is never more than `patience`.

    Args:
        patience: packets that may overtake one before it is taken for lost.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(capacity=1)
        self._patience = patience
        self._next: int | None = None
        self._early: dict[int, JitterFrame] = {}
        self._ready: deque[JitterFrame] = deque()

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; returns False, as no picture is ever missing, and the frame whose turn it is, if any."""
        number = packet.sequence_number
        ahead = 0 if self._next is None else (number - self._next + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2
        if self._next is None or abs(ahead) > BEYOND:
            self._early.clear()
            self._next, ahead = number, 0
        if ahead >= 0:
            self._early[number] = JitterFrame(vars(packet)["_data"], packet.timestamp)
        for _ in range(ahead - self._patience + 1):
            self._step()
        while self._next in self._early:
            self._step()
        return False, self._ready.popleft() if self._ready else None

    def _step(self) -> None:
        assert self._next is not None
        frame = self._early.pop(self._next, None)
        if frame is not None and frame.data:
            self._ready.append(frame)
        self._next = (self._next + 1) % _NUMBERS
