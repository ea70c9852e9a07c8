"""Who knocks at the telephone too often: scanners that try names, and floods. Without I/O; times are monotonic seconds.

It is told of every SIP message by the stack's own trace and says whom to listen to no more for a while.
"""

import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 60.0
"""Seconds over which it counts."""
MOST_REQUESTS: Final = 120
"""Requests in that time: a busy phone makes ten a minute, and a box of them not a hundred."""
MOST_REFUSED: Final = 12
"""Requests in that time that name nobody here or are not understood: a person gives up after three."""
BAN_SECONDS: Final = 900.0
MOST_SOURCES: Final = 1024
"""Addresses that are counted at a time; of more, the one heard of longest ago is forgotten."""
REFUSALS: Final = frozenset({400, 403, 404, 405, 416, 420, 484, 501, 606})
"""Answers to what no honest phone asks for again and again."""

_TRACE: Final = re.compile(
    r"(?P<way>RX|TX) (?P<by>\w+) (?P<source>\S+) -> (?P<target>\S+)\r?\n"
    r"(?:SIP/2\.0 (?P<status>\d{3})|(?P<method>[A-Z]+) )"
)
_CALL_ID: Final = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(?P<value>\S{1,256})", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Traced:
    """A SIP message that was sent or received."""

    received: bool
    address: str
    """Of the other side, without its port."""
    method: str | None
    """Of a request; None for an answer."""
    status: int | None
    """Of an answer."""
    call_id: str | None


def read_trace(text: str) -> Traced | None:
    """Read an entry of the stack's trace; None where it is something else."""
    found = _TRACE.match(text)
    if found is None:
        return None
    received = found["way"] == "RX"
    status = int(found["status"]) if found["status"] else None
    call_id = _CALL_ID.search(text, found.end())
    address = host_of(found["source"] if received else found["target"])
    return Traced(received, address, found["method"], status, call_id["value"] if call_id else None)


def host_of(address: str) -> str:
    """Return the address without its port and without brackets."""
    return address.rpartition(":")[0].strip("[]") if ":" in address else address


@dataclass(slots=True)
class _Source:
    requests: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_REQUESTS))
    refused: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_REFUSED))


class Guard:
    """Counts.

    Args:
        trusted: addresses that are never banned, such as the registrar's: whoever sends in their name would else cut
            the house off.
    """

    def __init__(self, trusted: frozenset[str] = frozenset()) -> None:
        self.trusted = trusted
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def see(self, message: Traced, now: float) -> str | None:
        """Note a message; returns why its address is to be banned for `BAN_SECONDS` where it is."""
        if message.address in self.trusted:
            return None
        if message.received and message.method not in (None, "ACK"):
            source = self._source(message.address)
            return self._judge(message.address, source.requests, now, "it asks too much")
        if not message.received and message.status in REFUSALS:
            source = self._source(message.address)
            return self._judge(message.address, source.refused, now, "it asks for what is not here")
        return None

    def _source(self, address: str) -> _Source:
        source = self._sources.setdefault(address, _Source())
        self._sources.move_to_end(address)
        while len(self._sources) > MOST_SOURCES:
            self._sources.popitem(last=False)
        return source

    def _judge(self, address: str, moments: deque[float], now: float, why: str) -> str | None:
        full = len(moments) == moments.maxlen
        oldest = moments[0] if moments else now
        moments.append(now)
        if not full or now - oldest > WINDOW:
            return None
        del self._sources[address]
        return why


class Bans:
    """Who is not listened to, and until when: at most `most`; of more, the one that ends first is let in again."""

    def __init__(self, most: int = 64) -> None:
        self._until: dict[str, float] = {}
        self._most = most

    def add(self, address: str, seconds: float, now: float) -> None:
        """Ban an address for so many seconds, or longer where it already is."""
        self._until[address] = max(now + seconds, self._until.get(address, 0.0))
        if len(self._until) > self._most:
            del self._until[min(self._until, key=lambda each: self._until[each])]

    def current(self, now: float) -> tuple[str, ...]:
        """Forget those whose time is over; return the others, in order."""
        self._until = {address: until for address, until in self._until.items() if until > now}
        return tuple(sorted(self._until))

    def next_end(self) -> float | None:
        """When the next ban ends."""
        return min(self._until.values(), default=None)
