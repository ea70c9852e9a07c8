"""The telephone process: `python -m satellites.sip.phone FD` with a connected socket to the assistant.

It holds the SIP stack and nothing else. When the assistant goes, it goes too; when the stack dies, it ends, and the
assistant starts another one.
"""

import asyncio
import contextlib
import logging
import math
import socket
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from baresip import (
    BaresipError,
    Call,
    CallFailed,
    CallState,
    CallStats,
    Event,
    StackEvent,
)

from satellites.sip import wire
from satellites.sip.media import Media
from satellites.sip.native import NativeRuntime
from satellites.sip.registering import keep_registered
from satellites.sip.stack import Line, authorities_of, configuration, open_lines
from satellites.sip.watch import Watch

logger = logging.getLogger("telephone")

TICK: Final = 0.02
"""Seconds between two looks at a call's sound: a packet's."""
DECIDE_SECONDS: Final = 10.0
"""What the assistant gets to decide whether it takes a call."""
ALIVE_SECONDS: Final = 2.0
"""Between two signs of life."""
KEYS_SECONDS: Final = 5.0
"""What two sides get to agree on keys, before which there is no sound; then the call begins without."""
MOST_UNREAD: Final = 1 << 20
"""Bytes that wait for the assistant after which sound is dropped."""
ADDRESSES_SECONDS: Final = 5.0
"""Between two looks at which addresses this machine has."""
QUALITY_SECONDS: Final = 5.0
"""Between two looks at how well a call is heard."""
FOLLOW_SECONDS: Final = 0.3
"""Seconds of a call after which it is looked where its sound comes from."""


class Telephone:
    """The stack and its calls.

    Args:
        setup: how.
        writer: to the assistant.
    """

    def __init__(self, setup: wire.Setup, writer: asyncio.StreamWriter) -> None:
        self._setup = setup
        self._writer = writer
        self._runtime = NativeRuntime()
        self._lines: list[Line] = []
        self._calls: dict[int, Call] = {}
        self._media: dict[int, Media] = {}
        self._deciding: dict[int, asyncio.TimerHandle] = {}
        self._number = 0
        self._watch = Watch(setup, self._calls, self._tell)
        self._tasks: asyncio.TaskGroup
        self._registering: list[asyncio.Task[None]] = []
        self._dead = asyncio.Event()

    async def run(self) -> None:
        """Serve until the stack dies or the caller is cancelled. Raises `BaresipError`, `OSError`, `ValueError`."""
        self._runtime.on_dead = self._dead.set
        self._watch.begin()
        await self._runtime.start(configuration(self._setup))
        try:
            await self._runtime.settle(self._setup.listen, self._setup.port)
            self._lines = await open_lines(self._runtime, self._setup)
            async with asyncio.TaskGroup() as self._tasks:
                for line in self._lines:
                    line.agent.on_incoming(lambda call, line=line: self._rings(call, line))
                self._register()
                self._tasks.create_task(self._settle())
                self._tasks.create_task(self._watch.keep_bans())
                self._tasks.create_task(self._watch.trust())
                self._tasks.create_task(self._live())
                self._tasks.create_task(self._measure())
                self._tell(wire.Ready())
                await self._dead.wait()
                raise BaresipError("the SIP stack has died")
        finally:
            with contextlib.suppress(BaresipError):
                await self._runtime.close()

    def obey(self, order: wire.Message | wire.Audio) -> None:
        """Do what the assistant wants. Of a call that is over, nothing is done."""
        match order:
            case wire.Audio(call, pcm):
                if (media := self._media.get(call)) is not None:
                    media.play(pcm)
            case wire.Flush(call):
                if (media := self._media.get(call)) is not None:
                    media.flush()
            case wire.Answer(number) if (ringing := self._decided(number)) is not None:
                self._start(self._answer(number, ringing))
            case wire.Refuse(number) if (ringing := self._decided(number)) is not None:
                self._start(self._runtime.refuse(ringing, order.status))
            case wire.HangUp(number) if (ending := self._decided(number)) is not None:
                self._start(ending.hangup())
            case wire.Dial():
                self._start(self._dial(order))
            case wire.Transfer(number) if (moving := self._calls.get(number)) is not None:
                self._start(self._transfer(order, moving))

    # Calls.

    def _rings(self, call: Call, line: Line) -> None:
        self._number += 1
        self._adopt(self._number, call)
        refusal = wire.Refuse(self._number, 480)
        deadline = asyncio.get_running_loop().call_later(DECIDE_SECONDS, self.obey, refusal)
        self._deciding[self._number] = deadline
        self._start(self._announce(self._number, call, line.account))

    async def _announce(self, number: int, call: Call, account: wire.AccountSetup | None) -> None:
        address = await self._watch.origin(call.call_id or "")
        name = account.name if account is not None else None
        self._tell(wire.Incoming(number, name, call.peer or "", address, self._watch.trusts(address, account)))

    def _decided(self, number: int) -> Call | None:
        if (deadline := self._deciding.pop(number, None)) is not None:
            deadline.cancel()
        return self._calls.get(number)

    def _adopt(self, number: int, call: Call) -> None:
        self._calls[number] = call
        encrypted: list[bool] = []

        def follow(event: StackEvent) -> None:
            match event.event:
                case Event.CALL_HOLD | Event.CALL_RESUME:
                    self._tell(wire.Held(number, event.event is Event.CALL_HOLD))
                case Event.CALL_MENC:
                    encrypted.append(True)
                case Event.CALL_ESTABLISHED:
                    self._start(self._carry(number, call))
                case Event.CALL_CLOSED:
                    if call.final_stats is not None:
                        self._tell(quality_of(number, call.final_stats, encrypted=bool(encrypted)))
                    self._over(number, event.text or "")

        call.on(follow)
        call.on_dtmf(lambda pressed: self._tell(wire.Digit(number, pressed.digit)))
        call.on_rtcp(lambda stats: self._tell(quality_of(number, stats, encrypted=bool(encrypted))))

    def _over(self, number: int, reason: str) -> None:
        if self._calls.pop(number, None) is None:
            return
        self._media.pop(number, None)
        self._watch.forget(number)
        self._decided(number)
        status = reason[:3]
        known = int(status) if len(status) == 3 and status.isdigit() else None
        self._tell(wire.Ended(number, reason[:200], known))

    async def _answer(self, number: int, call: Call) -> None:
        try:
            await call.answer()
        except BaresipError as error:
            self._over(number, str(error))

    async def _dial(self, order: wire.Dial) -> None:
        line = next((each for each in self._lines if each.account and each.account.name == order.account), None)
        if line is None:
            self._tell(wire.Ended(order.call, f"there is no account {order.account}"))
            return
        try:
            call = await line.agent.dial(order.target)
            self._adopt(order.call, call)
            await call.wait_established(order.ring_seconds)
        except CallFailed as error:
            self._over(order.call, f"{error.status or ''} {error.reason or error}".strip())
        except (BaresipError, ValueError) as error:
            self._tell(wire.Ended(order.call, str(error)))

    async def _transfer(self, order: wire.Transfer, call: Call) -> None:
        try:
            await call.transfer(order.target, timeout=order.seconds)
        except (BaresipError, ValueError) as error:
            self._tell(wire.NotTransferred(order.call, str(error)[:200]))

    async def _carry(self, number: int, call: Call) -> None:
        """Carry a call's sound to the assistant until it is over."""
        await self._follow_sound(call)
        media = self._media[number] = Media(call.audio)
        # What was heard before somebody answered is the network's: a ringing tone, or an announcement.
        media.skip()
        clock = asyncio.get_running_loop().time
        due, begins, begun = clock(), clock() + KEYS_SECONDS, False
        follows = clock() + FOLLOW_SECONDS
        while call.state is not CallState.CLOSED:
            heard = media.hear()
            if not begun and (media.codec_rate or clock() > begins):
                begun = True
                self._tell(wire.Established(number, media.codec_rate))
            if heard and self._writer.transport.get_write_buffer_size() < MOST_UNREAD:
                self._writer.write(wire.encode_audio(number, heard))
            if clock() > follows:
                follows = math.inf
                self._start(self._follow_sound(call))
            due = max(due + TICK, clock() - TICK)
            await asyncio.sleep(due - clock())

    # Where to be reached.

    def _register(self) -> None:
        """Keep all accounts registered, anew where that is done already."""
        for registering in self._registering:
            registering.cancel()
        trusted = authorities_of(self._setup) if self._setup.verify else None
        self._registering = [
            self._tasks.create_task(keep_registered(line.agent, line.account, self._tell, trusted))
            for line in self._lines
            if line.account is not None and line.account.registers
        ]

    async def _settle(self) -> None:
        """Follow the addresses of this machine, which its router gives, changes and takes away."""
        while True:
            await asyncio.sleep(ADDRESSES_SECONDS)
            try:
                moved = await self._runtime.settle(self._setup.listen, self._setup.port)
            except OSError as error:
                logger.warning("not all addresses of this machine are listened at: %s", error)
                continue
            if moved:
                self._watch.renew()
                self._register()

    # The assistant.

    async def _live(self) -> None:
        while True:
            # The stack's own thread has to answer, too.
            await self._runtime.set_sip_trace(True)
            self._tell(wire.Alive())
            await asyncio.sleep(ALIVE_SECONDS)

    async def _follow_sound(self, call: Call) -> None:
        await self._runtime.follow_sound(call, self._watch.address(call))

    async def _measure(self) -> None:
        """Have it told how well calls are heard, also where the other side sends no reports, with which it would be."""
        while True:
            await asyncio.sleep(QUALITY_SECONDS)
            for call in tuple(self._calls.values()):
                await self._runtime.report(call)
                await self._follow_sound(call)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.create_task(_tried(work))

    def _tell(self, report: wire.Report) -> None:
        self._writer.write(wire.encode(report))


async def _tried(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except BaresipError as error:
        # The call has ended meanwhile, which its end tells.
        logger.debug("not done: %s", error)


def quality_of(call: int, told: CallStats, *, encrypted: bool) -> wire.Quality:
    """Return how well a call is heard, of what the stack tells of it."""
    # Where the other side sends no RTCP, only the jitter buffer knows.
    stats = replace(
        told,
        rx_lost=max(0, told.rx_lost, told.jbuf_lost or 0),
        rx_jitter_ms=max(told.rx_jitter_ms, float(told.jbuf_jitter_ms or 0)),
    )
    return wire.Quality(
        call,
        received=stats.rx_packets,
        lost=stats.rx_lost,
        lost_there=max(0, stats.tx_lost),
        jitter_ms=stats.rx_jitter_ms,
        round_trip_ms=stats.rtt_ms,
        mos=stats.mos_estimate,
        encrypted=encrypted,
    )


async def serve(connection: socket.socket) -> None:
    """Serve over a connected socket until its other side is gone."""
    reader, writer = await asyncio.open_connection(sock=connection)
    decoder = wire.Decoder()
    orders: list[wire.Message | wire.Audio] = []
    while not orders:
        orders = decoder.feed(await _received(reader))
    setup, *others = orders
    if not isinstance(setup, wire.Setup) or others:
        raise wire.WireBroken("the first message is no setup")
    telephone = Telephone(setup, writer)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(telephone.run())
        while data := await reader.read(1 << 16):
            for order in decoder.feed(data):
                telephone.obey(order)
        running.cancel()


async def _received(reader: asyncio.StreamReader) -> bytes:
    if data := await reader.read(1 << 16):
        return data
    raise wire.WireBroken("the assistant has gone")


def main() -> int:
    """Run the process; its exit status is 0 where the assistant ended it."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    failures: list[BaseException] = []
    try:
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    except* (BaresipError, OSError, ValueError, wire.WireBroken) as group:
        failures.extend(group.exceptions)
    for failure in failures[:1]:
        print(f"telephone: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
