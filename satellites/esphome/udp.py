"""Sound by UDP, as firmware from before 2024 sends and takes it: 16-bit mono PCM at 16 kHz, without any header."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast


class UdpSound(asyncio.DatagramProtocol):
    """One device's sound.

    Args:
        address: the device's; what comes from elsewhere is not for us.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.hear: Callable[[bytes], None] = lambda _: None
        """Takes what the device hears."""
        self._device: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where the device is to send to."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hear a piece."""
        if addr[0] == self._address:
            self._device = addr
            self.hear(data)

    def say(self, pcm: bytes) -> None:
        """Send a piece to where the device's came from; before it has sent one it is dropped."""
        if self._device is not None and self._transport is not None:
            self._transport.sendto(pcm, self._device)


@asynccontextmanager
async def udp_sound(own: str, device: str) -> AsyncIterator[UdpSound]:
    """Listen at this machine's address `own` while the context lasts. Raises `OSError`."""
    transport, sound = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: UdpSound(device), local_addr=(own, 0)
    )
    try:
        yield sound
    finally:
        transport.close()
