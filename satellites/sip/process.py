"""The telephone process, from the assistant's side: started, spoken with, ended, and noticed where it hangs."""

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from loguru import logger

from satellites.sip import wire
from satellites.sip.farewell import goodbye, next_hop

SIGN_OF_LIFE: Final = 15.0
"""Seconds without any word from the process after which it hangs; it speaks every two."""
END_SECONDS: Final = 4.0
"""What it gets to say goodbye to its calls and its registrars."""
GOODBYES: Final = 2
BETWEEN_GOODBYES: Final = 0.1
"""How often, and seconds apart, a call that is left over is ended: nobody takes the answer, which tells of a loss."""
GOODBYE_SECONDS: Final = 2.0
"""What the other side of a call over TCP or TLS gets to take it."""
MOST_UNREAD: Final = 1 << 20
"""Bytes that wait for the process; sound beyond is dropped."""
_ROOT: Final = Path(__file__).resolve().parents[2]


async def end_calls(left: Sequence[wire.Begun]) -> None:
    """Tell the other sides of the calls of a process that has died that they are over. Raises nothing."""
    async with asyncio.TaskGroup() as tasks:
        for begun in left:
            tasks.create_task(_end(begun))


async def _end(begun: wire.Begun) -> None:
    try:
        await (_end_by_datagrams(begun) if begun.transport == "udp" else _end_by_connection(begun))
    except (OSError, ValueError) as error:
        logger.warning(f"the other side of a call is not told that it is over: {error or 'it does not answer'}")


async def _end_by_datagrams(begun: wire.Begun) -> None:
    (here, port), (there, their_port) = (each.rsplit(":", 1) for each in (begun.here, begun.there))
    with socket.socket(socket.AF_INET6 if ":" in here else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        # From another port it would be no part of the call to a router, and to some phones.
        sender.bind((here.strip("[]"), int(port)))
        sender.connect((there.strip("[]"), int(their_port)))
        words = goodbye(begun, _place(sender.getsockname()[0], int(port)))
        for _ in range(GOODBYES):
            sender.send(words)
            await asyncio.sleep(BETWEEN_GOODBYES)


async def _end_by_connection(begun: wire.Begun) -> None:
    encrypted = None
    if begun.transport == "tls":
        # There is no secret in a goodbye, and phones have certificates of their own making.
        encrypted = ssl.create_default_context()
        encrypted.check_hostname, encrypted.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(GOODBYE_SECONDS):
        reader, writer = await asyncio.open_connection(*next_hop(begun), ssl=encrypted)
        try:
            writer.write(goodbye(begun, _place(*writer.get_extra_info("sockname")[:2])))
            await reader.read(1)
        finally:
            writer.close()


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class PhoneEnded(Exception):  # noqa: N818 - reads as what happened
    """The process has ended, or hangs and was ended; the message says why."""


class Phone:
    """One telephone process.

    Args:
        report: told what the process reports, from `run`.
    """

    def __init__(self, report: Callable[[wire.Message | wire.Audio], None]) -> None:
        self._report = report
        self._writer: asyncio.StreamWriter | None = None
        self._last_words = ""
        self.pid: int | None = None
        """The process's, while it runs."""

    async def run(self, setup: wire.Setup) -> None:
        """Run the process until it ends. Raises `PhoneEnded`, `OSError`. Cancellation ends it in order."""
        async with self._started(setup) as (process, reader):
            decoder = wire.Decoder()
            try:
                while True:
                    async with asyncio.timeout(SIGN_OF_LIFE):
                        data = await reader.read(1 << 16)
                    if not data:
                        break
                    for each in decoder.feed(data):
                        self._report(each)
            except TimeoutError:
                raise PhoneEnded(f"it said nothing for {SIGN_OF_LIFE:.0f} seconds") from None
            except (wire.WireBroken, ConnectionError) as error:
                raise PhoneEnded(f"it is not understood: {error}") from error
            async with asyncio.timeout(END_SECONDS):
                code = await process.wait()
        raise PhoneEnded(self._last_words if code == 1 and self._last_words else f"it ended with exit code {code}")

    def send(self, order: wire.Order) -> None:
        """Have the process do something; while there is none, nothing happens."""
        if self._writer is not None:
            self._writer.write(wire.encode(order))

    def send_audio(self, call: int, pcm: bytes) -> None:
        """Have sound heard in a call."""
        if self._writer is not None and self._writer.transport.get_write_buffer_size() < MOST_UNREAD:
            self._writer.write(wire.encode_audio(call, pcm))

    async def _log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:
                continue  # it was too long, and is dropped
            if not line:
                return
            self._last_words = line.decode(errors="replace").strip()[:500]
            logger.debug(f"telephone: {self._last_words}")

    @asynccontextmanager
    async def _started(
        self, setup: wire.Setup
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
        here, there = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "satellites.sip.phone", str(there.fileno())),
                cwd=_ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(there.fileno(),),
            )
        except BaseException:
            here.close()
            raise
        finally:
            there.close()
        reader, writer = await asyncio.open_connection(sock=here)
        self._last_words = ""
        log = asyncio.create_task(self._log(process), name="telephone's log")
        self.pid, self._writer = process.pid, writer
        try:
            writer.write(wire.encode(setup))
            yield process, reader
        finally:
            self.pid = self._writer = None
            writer.close()
            await _ended(process)
            await asyncio.wait({log})


async def _ended(process: asyncio.subprocess.Process) -> None:
    """See to it that the process ends, which it does by itself once its socket is closed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    if process.returncode is None:
        logger.warning("the telephone process did not end by itself, so it is killed")
        process.kill()
        await process.wait()
