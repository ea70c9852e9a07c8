"""What the stack's trace of SIP messages tells and its events do not: where calls come from and what they offer, how
they could be ended from outside, and who asks too much."""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from baresip import Call

from satellites.sip import socket_filter, wire
from satellites.sip.farewell import Begins, header
from satellites.sip.guard import BAN_SECONDS, Bans, Guard, Traced, read_trace
from satellites.sip.offers import UNACCEPTABLE, Offer, read_offer, why_unacceptable
from satellites.sip.stack import addresses_of

logger = logging.getLogger("telephone")

MOST_CALL_IDS: Final = 512
ORIGIN_SECONDS: Final = 0.3
"""What the trace, which has a thread of its own, gets to say where a call came from."""


class _Trace(logging.Handler):
    """Hands the stack's trace of SIP messages over, and keeps it out of every log: it may hold what is secret."""

    def __init__(self, see: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._see = see
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if (traced := read_trace(text)) is not None:
            # The stack's log has a thread of its own, which outlives the loop by a moment.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._see, traced, text)


class _Origin(NamedTuple):
    """Where a call came from."""

    address: str
    offer: Offer | None


class Watch:
    """Follows the messages of one stack.

    Args:
        setup: how the stack is set up.
        calls: those that there are, by number.
        tell: hears what is found out.
    """

    def __init__(self, setup: wire.Setup, calls: Mapping[int, Call], tell: Callable[[wire.Report], None]) -> None:
        self._setup = setup
        self._calls = calls
        self._tell = tell
        self._guard = Guard()
        self._bans = Bans()
        self._bans_changed = asyncio.Event()
        self._origins: OrderedDict[str, _Origin] = OrderedDict()
        self._origin_known = asyncio.Event()
        self._begins = Begins()
        self._silent: set[int] = set()
        """Calls that are held in the old way."""

    def begin(self) -> None:
        """See the messages from now on, which are kept out of every log."""
        trace = logging.getLogger("baresip.native.sip")
        trace.setLevel(logging.DEBUG)
        trace.propagate = False
        trace.addHandler(_Trace(self._see, asyncio.get_running_loop()))

    def address(self, call: Call) -> str:
        """Return where a call came from, as far as that is known now."""
        origin = self._origins.get(call.call_id or "")
        return origin.address if origin else ""

    async def origin(self, call_id: str) -> str:
        """Return where a call came from, once that is known; "" where it does not become known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ORIGIN_SECONDS):
                while call_id not in self._origins:
                    self._origin_known.clear()
                    await self._origin_known.wait()
        return self._origins[call_id].address if call_id in self._origins else ""

    def trusts(self, address: str, account: wire.AccountSetup | None) -> bool:
        """Whether that is a place to take calls from, for an account or for none."""
        if account is not None:
            # Only its registrar knows the contact that was called.
            return account.registers or address in self._guard.trusted
        try:
            origin = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(origin in ipaddress.ip_network(each) for each in self._setup.networks)

    def forget(self, number: int) -> None:
        """Note that a call is over."""
        self._silent.discard(number)

    def renew(self) -> None:
        """Note that the stack listens at other sockets, which do not know yet who is banned."""
        self._bans_changed.set()

    def _see(self, message: Traced, text: str) -> None:
        if (begun := self._begins.see(text)) is not None:
            for number, call in self._calls.items():
                if call.call_id == begun.call_id:
                    self._tell(wire.Dialog(number, begun))
        if message.call_id is not None:
            self._follow_offer(message, message.call_id, text)
        if (why := self._guard.see(message, time.monotonic())) is not None:
            self._ban(message.address, BAN_SECONDS, why)

    def _follow_offer(self, message: Traced, call_id: str, text: str) -> None:
        """Note where a call comes from and what it offers, and what became of that."""
        if message.received and message.method in ("INVITE", "UPDATE"):
            offer = read_offer(text)
            if ";tag=" not in (header(text, "To") or ""):
                self._origins[call_id] = _Origin(message.address, offer)
                self._origin_known.set()
                while len(self._origins) > MOST_CALL_IDS:
                    self._origins.popitem(last=False)
            elif offer is not None:
                self._hold_silent(call_id, offer.silent)
        elif not message.received and message.status in UNACCEPTABLE and "INVITE" in (header(text, "CSeq") or ""):
            origin = self._origins.get(call_id)
            why = why_unacceptable(message.status, text, origin.offer if origin else None)
            self._tell(wire.Unacceptable(header(text, "From") or "", message.address, message.status, why))

    def _hold_silent(self, call_id: str, silent: bool) -> None:
        """Tell of a hold in the old way, which the stack does not know as one."""
        for number, call in self._calls.items():
            if call.call_id == call_id and silent != (number in self._silent):
                self._silent ^= {number}
                self._tell(wire.Held(number, silent))

    def _ban(self, address: str, seconds: float, why: str) -> None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return
        if address in self._guard.trusted:
            return
        self._bans.add(address, seconds, time.monotonic())
        self._bans_changed.set()
        self._tell(wire.Banned(address, seconds, why))

    async def keep_bans(self) -> None:
        """Have the kernel drop what banned addresses send, until cancelled."""
        while True:
            self._bans_changed.clear()
            self._drop(self._bans.current(time.monotonic()))
            ends = self._bans.next_end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if ends is None else max(0.1, ends - time.monotonic())):
                    await self._bans_changed.wait()

    def _drop(self, addresses: tuple[str, ...]) -> None:
        try:
            socket_filter.apply(addresses, (self._setup.port, self._setup.port + 1))
        except OSError as error:
            logger.warning("banned addresses cannot be kept out: %s", error)

    async def trust(self) -> None:
        """Know where the registrars are, who may ask as much as they like."""
        while True:
            found = [await addresses_of(account) for account in self._setup.accounts]
            self._guard.trusted = frozenset().union(*found)
            await asyncio.sleep(600.0)
