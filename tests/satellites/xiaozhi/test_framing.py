"""Packets in binary messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.xiaozhi.framing import JSON, SOUND, VERSIONS, BadFrame, unwrap, wrap


@given(st.sampled_from(VERSIONS), st.binary(max_size=2000), st.integers(0, 2**40))
def test_what_is_wrapped_is_unwrapped(version: int, packet: bytes, milliseconds: int) -> None:
    time = milliseconds % 2**32 if version == 2 else 0
    assert unwrap(version, wrap(version, packet, milliseconds=milliseconds)) == (SOUND, packet, time)


@given(st.sampled_from((2, 3)), st.binary(min_size=1, max_size=200), st.data())
def test_half_a_message_is_refused(version: int, packet: bytes, data: st.DataObject) -> None:
    whole = wrap(version, packet)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(BadFrame):
        unwrap(version, part)


@given(st.sampled_from(VERSIONS), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(version: int, message: bytes) -> None:
    try:
        content = unwrap(version, message).content
    except BadFrame:
        return
    assert len(content) <= len(message)


def test_the_layout_is_the_firmwares() -> None:
    assert wrap(1, b"opus") == b"opus"
    assert wrap(2, b"opus", milliseconds=60) == bytes.fromhex("0002 0000 00000000 0000003c 00000004") + b"opus"
    assert wrap(3, b"opus") == bytes.fromhex("00 00 0004") + b"opus"
    assert unwrap(2, bytes.fromhex("0002 0001 00000000 00000000 00000002") + b"{}") == (JSON, b"{}", 0)
