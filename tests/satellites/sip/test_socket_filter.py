import ipaddress
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.sip import socket_filter
from satellites.sip.socket_filter import Instruction, apply, program

V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)


def lets_in(rules: list[Instruction], source: str) -> bool:
    """Run the program on a packet's IP header, as the kernel does."""
    address = ipaddress.ip_address(source)
    header = (
        bytes([0x45]) + bytes(11) + address.packed
        if address.version == 4
        else bytes([0x60]) + bytes(7) + address.packed
    )
    header += bytes(40)
    register, place = 0, 0
    while True:
        code, yes, no, operand = rules[place]
        place += 1
        if code == socket_filter._LOAD_BYTE:
            register = header[operand - socket_filter._NETWORK]
        elif code == socket_filter._LOAD_WORD:
            start = operand - socket_filter._NETWORK
            (register,) = struct.unpack(">I", header[start : start + 4])
        elif code == socket_filter._AND:
            register &= operand
        elif code == socket_filter._JUMP:
            place += operand
        elif code == socket_filter._JUMP_EQUAL:
            place += yes if register == operand else no
        else:
            return operand != 0


@given(st.lists(V4 | V6, max_size=20), V4 | V6)
def test_it_drops_who_is_banned_and_nobody_else(banned, other):
    rules = program(banned)
    assert all(not lets_in(rules, each) for each in banned)
    if other not in {str(ipaddress.ip_address(each)) for each in banned}:
        assert lets_in(rules, other)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's socket filters")
def test_the_kernel_drops_what_a_banned_address_sends_until_the_ban_ends():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as good,
    ):
        listening.bind(("127.0.0.1", 0))
        bad.bind(("127.0.0.2", 0))
        good.bind(("127.0.0.3", 0))
        here = listening.getsockname()
        listening.settimeout(10)
        assert apply(["127.0.0.2", "2001:db8::1"], [here[1]])
        bad.sendto(b"bad", here)
        good.sendto(b"good", here)
        assert listening.recv(10) == b"good"
        assert apply([], [here[1]])
        bad.sendto(b"better", here)
        assert listening.recv(10) == b"better"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's socket filters")
def test_a_banned_address_cannot_connect():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as bad, socket.socket() as good:
        here = listening.getsockname()
        apply(["127.0.0.2"], [here[1]])
        bad.bind(("127.0.0.2", 0))
        bad.settimeout(0.5)
        with pytest.raises(TimeoutError):
            bad.connect(here)
        good.bind(("127.0.0.3", 0))
        good.settimeout(10)
        good.connect(here)


def test_without_a_socket_there_is_nothing_to_filter():
    assert not apply(["127.0.0.2"], [1])
