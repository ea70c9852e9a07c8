"""What can be wrong with a device, and what to do about it: one line each."""

import re
from typing import Final

from aioesphomeapi.core import (
    APIConnectionError,
    EncryptionPlaintextAPIError,
    InvalidAuthAPIError,
    InvalidEncryptionKeyAPIError,
    RequiresEncryptionAPIError,
    ResolveAPIError,
    SocketAPIError,
    TimeoutAPIError,
)

NO_ASSISTANT: Final = "it is no voice assistant: it needs firmware with voice_assistant: in its configuration"
LEFT: Final = "it has left; it is dialled again"
LONGEST: Final = 200
_HELD: Final = "Multiple API Clients attempting to connect to Voice Assistant"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_HOLDER: Final = re.compile(r"Current client:\s*([^\n\x1b]+)")


class Refused(Exception):  # noqa: N818 - reads as what happened
    """A device is of no use before somebody does something about it; the message says what."""


def explain(error: Exception, address: str, setting: str) -> str:
    """Say why a device cannot be talked with.

    Args:
        address: where it was dialled.
        setting: the name of its settings, such as `esphome.devices.kitchen`.
    """
    match error:
        case Refused():
            return str(error)
        case RequiresEncryptionAPIError():
            return f"it wants a key: set {setting}.key to what stands behind api: encryption: key: in its configuration"
        case EncryptionPlaintextAPIError():
            return f"it has no encryption: take {setting}.key out"
        case InvalidEncryptionKeyAPIError():
            return f"its key is another than {setting}.key: copy it anew from its configuration (api: encryption: key:)"
        case InvalidAuthAPIError():
            return "it wants a password, which ESPHome has given up: set api: encryption: in its configuration instead"
        case ResolveAPIError():
            return f"nothing is called {address} here: is it on? Its IP address can be set as {setting}.address"
        case SocketAPIError() | TimeoutAPIError() | TimeoutError() | OSError():
            return f"it cannot be reached at {address}: is it on, and in this network?"
        case APIConnectionError():
            return f"it does not speak ESPHome's API as it should: {plain(str(error))}"
    return f"it failed: {plain(repr(error))}"


def holder(message: bytes, own: str) -> str | None:
    """Read in a device's log that its voice belongs to another client; returns which.

    ESPHome gives it to who comes first, and tells the others only there.

    Args:
        own: what this client calls itself.
    """
    text = message.decode("utf-8", "replace")
    if _HELD not in text:
        return None
    found = _HOLDER.search(text)
    name = plain(found[1]).strip() if found else "another client"
    return None if name.startswith(own) else name


def held_by(name: str) -> str:
    """Say what to do about that."""
    return f"{name} holds its voice, which only one can: remove the device there, and it is taken over within a minute"


def plain(text: str) -> str:
    """What a device or library says, safe for one line of a log."""
    uncoloured = _COLOUR.sub("", text)
    return " ".join("".join(each if each.isprintable() else " " for each in uncoloured).split())[:LONGEST]
