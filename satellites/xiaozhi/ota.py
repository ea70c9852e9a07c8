"""What a device asks for when it starts: where to talk, what time it is, and whether it is let in.

Source: `main/ota.cc` of https://github.com/78/xiaozhi-esp32. It posts what it is, and is told by HTTP. One that is not
let in is given a code, which it shows and speaks, and asks `…/activate` every three seconds whether it may come in.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

ACTIVATION_MS: Final = 30_000
_ID: Final = re.compile(r"[\w:.-]{1,64}", re.ASCII)
_VERSION: Final = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}", re.ASCII)
"""The firmware ends itself over a version that is none."""
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")


class NoDevice(ValueError):  # noqa: N818 - reads as what is the matter
    """What asks is no device with this firmware; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A device that asks."""

    device: str
    """Its hardware address."""
    client: str
    """A number that it drew at random when it was set up, and which it keeps to itself and the house."""
    board: str = "xiaozhi"
    version: str = "0.0.0"

    @property
    def what(self) -> str:
        """What it is, for people."""
        return f"{self.board} {self.device[-5:]}"

    def secret(self, key: bytes) -> str:
        """What it comes in with, the same whenever it asks; another house's key makes another."""
        return hmac.digest(key, f"{self.device.lower()}\n{self.client}".encode(), hashlib.sha256).hex()


def asker(headers: Mapping[str, str], body: bytes = b"") -> Asker:
    """Read who asks. Raises `NoDevice`."""
    device, client = headers.get("Device-Id", ""), headers.get("Client-Id", "")
    if not (_ID.fullmatch(device) and _ID.fullmatch(client)):
        raise NoDevice("This is for devices with the xiaozhi firmware: they send a Device-Id and a Client-Id.")
    try:
        said = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        said = {}
    board, version = _within(said, "board", "type"), _within(said, "application", "version")
    named = re.match(r"([\w.-]{1,32})/([\w.]{1,32})$", headers.get("User-Agent", ""), re.ASCII)
    board = board or (named[1] if named else "")
    version = version or (named[2] if named else "")
    return Asker(
        device,
        client,
        board[:24] if _ID.fullmatch(board) else "xiaozhi",
        version if _VERSION.fullmatch(version) else "0.0.0",
    )


def answer(who: Asker, *, url: str, secret: str, now: datetime, code: str | None) -> dict[str, Any]:
    """What a device is told.

    Args:
        url: of the websocket.
        secret: what it shows there; it opens nothing before the device is let in.
        now: with the household's time zone.
        code: the one to show; None where the device is let in.
    """
    offset = now.utcoffset()
    told: dict[str, Any] = {
        "server_time": {
            "timestamp": round(now.timestamp() * 1000),
            "timezone_offset": round(offset.total_seconds() / 60) if offset is not None else 0,
        },
        # Its own version and no address: there is nothing newer.
        "firmware": {"version": who.version, "url": ""},
        # Version 2 tells what the loudspeaker plays while the microphone hears.
        "websocket": {"url": url, "token": secret, "version": 2},
    }
    if code is not None:
        told["activation"] = {
            "message": f"passfel pair --accept {code}",
            "code": code,
            "challenge": hashlib.sha256(code.encode()).hexdigest()[:32],
            "timeout_ms": ACTIVATION_MS,
        }
    return told


def reached_as(host: str, own: str) -> str:
    """The name by which a device reached this machine, from its request's Host; `own` where that is of no use.

    The firmware leaves the port out of it, and knows no IPv6 addresses.
    """
    name = host.partition(":")[0]
    return name if _HOST.fullmatch(name) else own


def _within(said: object, *names: str) -> str:
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return said if isinstance(said, str) else ""
