"""How calls are ended whose stack has died: what is known of each from outside, and the goodbye that it makes.

A stack that dies leaves the other side of a call in silence. What ends the call is one message, a BYE of its dialog
(RFC 3261, sections 12 and 15), made of what stood in the messages that began it. It has no I/O of its own.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final, Literal
from uuid import NAMESPACE_OID, uuid5

from satellites.sip.wire import Begun

MOST: Final = 64
"""Invitations that wait for their answer; of more, the oldest is forgotten."""
LONGEST: Final = 1000
"""Characters of a line that is kept."""
SEQUENCE: Final = 1_000_000_000
"""Higher than what any stack has counted to in a call, and still allowed."""

_MESSAGE: Final = re.compile(
    r"(?P<way>RX|TX) (?P<by>UDP|TCP|TLS) (?P<source>\S+) -> (?P<target>\S+)\r?\n"
    r"(?:SIP/2\.0 (?P<status>\d{3})|(?P<method>[A-Z]+) )"
)
_TRANSPORTS: Final[Mapping[str, Literal["udp", "tcp", "tls"]]] = {"UDP": "udp", "TCP": "tcp", "TLS": "tls"}
_SHORT: Final = {"From": "f", "To": "t", "Call-ID": "i", "Contact": "m"}
_URI: Final = re.compile(r"^[^<]*<([^<>\s]+)>|^([^<>\s;]+)")


class Begins:
    """Sees the messages that begin calls."""

    def __init__(self) -> None:
        self._invited: OrderedDict[str, str] = OrderedDict()
        """Where those who call want to be answered, by their Call-ID."""

    def see(self, text: str) -> Begun | None:
        """Take an entry of the stack's trace; returns what is known of a call once it has begun."""
        found = _MESSAGE.match(text)
        call_id = header(text, "Call-ID") if found else None
        if found is None or call_id is None:
            return None
        received = found["way"] == "RX"
        contact = _URI.search(header(text, "Contact") or "")
        if received and found["method"] == "INVITE" and contact is not None:
            self._invited[call_id] = contact[1] or contact[2]
            while len(self._invited) > MOST:
                self._invited.popitem(last=False)
        if found["status"] != "200" or "INVITE" not in (header(text, "CSeq") or ""):
            return None
        by = _TRANSPORTS[found["by"]]
        caller, called = header(text, "From"), header(text, "To")
        route = tuple(_all(text, "Record-Route"))
        if received and contact is not None and caller and called:
            target = contact[1] or contact[2]
            return Begun(call_id, caller, called, target, route[::-1], found["source"], found["target"], by)
        if not received and caller and called and (invited := self._invited.pop(call_id, None)) is not None:
            return Begun(call_id, called, caller, invited, route, found["target"], found["source"], by)
        return None


def goodbye(begun: Begun, here: str) -> bytes:
    """Return the message that ends a call, each time the same; `here` is the address and port that it is sent from."""
    branch = uuid5(NAMESPACE_OID, begun.call_id).hex
    lines = [
        f"BYE {begun.target} SIP/2.0",
        f"Via: SIP/2.0/{begun.transport.upper()} {here};branch=z9hG4bK{branch};rport",
        "Max-Forwards: 70",
        *(f"Route: {each}" for each in begun.route),
        f"From: {begun.ours}",
        f"To: {begun.theirs}",
        f"Call-ID: {begun.call_id}",
        f"CSeq: {SEQUENCE} BYE",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def next_hop(begun: Begun) -> tuple[str, int]:
    """Return the host and port that a goodbye is sent to over a connection. Raises `ValueError` where none is named."""
    hop = begun.route[0] if begun.route else begun.target
    found = re.search(r"sips?:(?:[^@<>\s]*@)?(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?", hop)
    if found is None:
        raise ValueError("nobody says where the other side is")
    return found[1].strip("[]"), int(found[2] or (5061 if begun.transport == "tls" else 5060))


def header(text: str, name: str) -> str | None:
    """Return a header of a message, the first where there are more; None where there is none, or it is too long."""
    return next(_all(text, name), None)


def _all(text: str, name: str) -> Iterator[str]:
    head = text.partition("\r\n\r\n")[0]
    names = f"{name}|{_SHORT[name]}" if name in _SHORT else name
    for found in re.finditer(rf"^(?:{names})[ \t]*:[ \t]*(\S[^\r\n]*)", head, re.MULTILINE | re.IGNORECASE):
        if len(found[1]) <= LONGEST:
            yield found[1].rstrip()
