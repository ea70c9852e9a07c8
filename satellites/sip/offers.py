"""What the other side of a call offers of sound, where only its messages tell: why a call was not acceptable, and
whether it is held as old telephones do it. Without I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

UNACCEPTABLE: Final = frozenset({415, 420, 488, 500})
"""The stack's own answers to a call that it cannot take."""
MOST_NAMED: Final = 8
"""Codecs that are told of."""
_KNOWN: Final = {"0": "PCMU", "3": "GSM", "4": "G723", "8": "PCMA", "9": "G722", "13": "CN", "15": "G728", "18": "G729"}
"""Codecs that need not be named (RFC 3551, table 4)."""
_NO_CODECS: Final = frozenset({"telephone-event", "cn", "red"})
_MEDIA: Final = re.compile(
    r"^m=(?P<kind>\w{1,16}) \d+(?:/\d+)? (?P<protocol>[\w/]{1,32})(?P<formats>[ \d]*)", re.MULTILINE
)
_NAMED: Final = re.compile(r"^a=rtpmap:(\d{1,3}) ([\w.+-]{1,32})/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of sound (RFC 3264)."""

    kinds: tuple[str, ...]
    """Such as `audio` and `video`."""
    protocol: str
    """Of its sound; empty where it offers none."""
    codecs: tuple[str, ...]
    silent: bool
    """Whether nothing is to be sent, as it was told before there were directions (RFC 2543, B.5)."""


def read_offer(message: str) -> Offer | None:
    """Read the offer of a SIP message; None where it has none that can be understood."""
    sdp = message.partition("\r\n\r\n")[2]
    media = list(_MEDIA.finditer(sdp))
    if not media:
        return None
    sound = next((each for each in media if each["kind"] == "audio"), None)
    codecs = tuple(_codecs(sound["formats"], sdp)) if sound is not None else ()
    silent = re.search(r"^c=IN IP4 0\.0\.0\.0\b", sdp, re.MULTILINE) is not None
    return Offer(tuple(each["kind"] for each in media), sound["protocol"] if sound else "", codecs, silent)


def _codecs(formats: str, sdp: str) -> Iterator[str]:
    names = _KNOWN | dict(_NAMED.findall(sdp))
    for each in formats.split()[: 2 * MOST_NAMED]:
        name = names.get(each, f"codec {each}")
        if name.lower() not in _NO_CODECS:
            yield name


def why_unacceptable(status: int, answer: str, offer: Offer | None) -> str:
    """Say why a call could not be taken, and what to do about it.

    Args:
        status: of `UNACCEPTABLE`.
        answer: the message that said so.
        offer: what was offered; None where that was not understood.
    """
    if status == 420:
        needed = re.search(r"^Unsupported[ \t]*:[ \t]*([\w, -]{1,100})", answer, re.MULTILINE | re.IGNORECASE)
        return f"it insists on {needed[1].strip()}" if needed else "it insists on what is not known here"
    if offer is None:
        return "what it offers of sound is not understood"
    if not offer.protocol:
        return f"it offers {' and '.join(offer.kinds)}, and no sound"
    if "TLS" in offer.protocol:
        return 'it wants its sound encrypted with DTLS: set encryption = "dtls" below [sip], or below its account'
    if status == 488:
        return (
            f"it offers {', '.join(offer.codecs[:MOST_NAMED]) or 'no codec'} by {offer.protocol}: choose PCMU, PCMA, "
            "G.722 or Opus there, and see whether encryption below [sip] fits it"
        )
    return "what it offers of sound is not understood"
