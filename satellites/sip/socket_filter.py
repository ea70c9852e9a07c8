"""Dropping what banned addresses send, in the kernel: a classic BPF program on the sockets that the stack listens on.

The stack itself cannot refuse an address. What the program drops costs neither it nor Python anything. See the Linux
kernel's Documentation/networking/filter.rst. Elsewhere than on Linux nothing is dropped.
"""

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27
_NETWORK: Final = 0xFFF00000
"""Offsets from here count from the IP header (SKF_NET_OFF)."""
_LOAD_BYTE: Final = 0x30
_LOAD_WORD: Final = 0x20
_AND: Final = 0x54
_JUMP: Final = 0x05
_JUMP_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALL: Final = 0xFFFFFFFF
_SOURCE_4: Final = 12
_SOURCE_6: Final = 8

Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip where a comparison holds and where not, and its operand."""


def program(banned: Sequence[str]) -> list[Instruction]:
    """Return the instructions that drop packets from these addresses and let all others in."""
    addresses = [ipaddress.ip_address(each) for each in banned]
    old = [rule for each in addresses if each.version == 4 for rule in _drop(each.packed, _SOURCE_4)]
    new = [rule for each in addresses if each.version == 6 for rule in _drop(each.packed, _SOURCE_6)]
    let_in = (_RETURN, 0, 0, _ALL)
    return [
        (_LOAD_BYTE, 0, 0, _NETWORK),
        (_AND, 0, 0, 0xF0),
        (_JUMP_EQUAL, 1, 0, 0x40),
        (_JUMP, 0, 0, len(old) + 1),
        *old,
        let_in,
        *new,
        let_in,
    ]


def _drop(packed: bytes, offset: int) -> list[Instruction]:
    words = struct.unpack(f">{len(packed) // 4}I", packed)
    rules: list[Instruction] = []
    for place, word in enumerate(words):
        left = len(words) - place - 1
        rules += [(_LOAD_WORD, 0, 0, _NETWORK + offset + 4 * place), (_JUMP_EQUAL, 0, 2 * left + 1, word)]
    return [*rules, (_RETURN, 0, 0, 0)]


def apply(banned: Sequence[str], ports: Sequence[int]) -> bool:
    """Drop what these addresses send to this process's listening sockets at these ports, and let in all others.

    Returns whether there was such a socket. Raises `OSError` where the kernel does not want it.
    """
    if not sys.platform.startswith("linux"):
        return False
    found = False
    for listening in _sockets(ports):
        found = True
        if not banned:
            with contextlib.suppress(OSError):  # there was none
                listening.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            continue
        code = b"".join(struct.pack("=HBBI", *each) for each in program(banned))
        kept = ctypes.create_string_buffer(code, len(code))
        filter_ = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
    return found


def _sockets(ports: Sequence[int]) -> Iterator[socket.socket]:
    """The sockets of this process that have these ports."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        with copy:
            if copy.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            with contextlib.suppress(OSError):
                name = copy.getsockname()
                if name[1] in ports and (copy.type == socket.SOCK_DGRAM or _listens(copy)):
                    yield copy


def _listens(each: socket.socket) -> bool:
    return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
