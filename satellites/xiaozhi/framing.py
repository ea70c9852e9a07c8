"""How a packet of sound is wrapped in a binary message, in the three versions of xiaozhi's protocol.

Source: `docs/websocket.md` and `main/protocols/protocol.h` of https://github.com/78/xiaozhi-esp32. Numbers are
big-endian. Version 1 is the bare packet.
"""

import struct
from typing import Final, NamedTuple

VERSIONS: Final = (1, 2, 3)
SOUND: Final = 0
JSON: Final = 1
_TWO: Final = struct.Struct("!HHIII")
"""Version, type, reserved, milliseconds, length."""
_THREE: Final = struct.Struct("!BBH")
"""Type, reserved, length."""


class Unwrapped(NamedTuple):
    """What a binary message holds."""

    kind: int
    """`SOUND` or `JSON`."""
    content: bytes
    milliseconds: int = 0
    """The time on it, which only version 2 has."""


class BadFrame(ValueError):  # noqa: N818 - reads as what is the matter
    """A binary message is not what its version says."""


def wrap(version: int, packet: bytes, *, milliseconds: int = 0) -> bytes:
    """Wrap a packet, with a time on it where the version has one."""
    if version == 2:
        return _TWO.pack(version, SOUND, 0, milliseconds & 0xFFFFFFFF, len(packet)) + packet
    if version == 3:
        return _THREE.pack(SOUND, 0, len(packet)) + packet
    return packet


def unwrap(version: int, message: bytes) -> Unwrapped:
    """Read a binary message. Raises `BadFrame`."""
    if version == 1:
        return Unwrapped(SOUND, message)
    header = _TWO if version == 2 else _THREE
    if len(message) < header.size:
        raise BadFrame(f"{len(message)} bytes are no message of version {version}")
    fields = header.unpack_from(message)
    if version == 2:
        said, kind, _, milliseconds, length = fields
    else:
        said, kind, length, milliseconds = version, fields[0], fields[2], 0
    if said != version:
        raise BadFrame(f"version {said} within a connection of version {version}")
    if length != len(message) - header.size:
        raise BadFrame(f"{len(message) - header.size} bytes where {length} were said to come")
    return Unwrapped(kind, message[header.size :], milliseconds)
