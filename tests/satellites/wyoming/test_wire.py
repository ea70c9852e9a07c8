import asyncio
import contextlib
import json
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wyoming.event import Event, async_read_event, async_write_event

from satellites.wyoming.wire import LARGEST_DATA, LARGEST_PAYLOAD, LONGEST_LINE, Decoder, Malformed, encoded

VALUES = st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(max_size=20)
EVENTS = st.builds(
    Event,
    st.text(min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=10), VALUES | st.lists(VALUES, max_size=3), max_size=4),
    st.none() | st.binary(min_size=1, max_size=500),
)


async def written(*events: Event) -> bytes:
    """What the package's own writer makes of events."""
    reader, writer = asyncio.StreamReader(), Mock(drain=AsyncMock())
    writer.write = reader.feed_data
    writer.writelines = lambda lines: reader.feed_data(b"".join(lines))
    for event in events:
        await async_write_event(event, writer)
    reader.feed_eof()
    return await reader.read()


async def read_by_package(data: bytes) -> list[Event]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    events = []
    while (event := await async_read_event(reader)) is not None:
        events.append(event)
    return events


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=4), st.lists(st.integers(1, 200), max_size=20))
def test_what_the_package_writes_is_read_in_any_pieces(events: list[Event], pieces: list[int]) -> None:
    data, decoder, read = asyncio.run(written(*events)), Decoder(), []
    for piece in pieces:
        read += decoder.feed(data[:piece])
        data = data[piece:]
    assert read + decoder.feed(data) == events


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=4))
def test_the_package_reads_what_is_written(events: list[Event]) -> None:
    assert asyncio.run(read_by_package(b"".join(encoded(event) for event in events))) == events


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_noise_is_waited_for_or_refused(pieces: list[bytes]) -> None:
    decoder = Decoder()
    with contextlib.suppress(Malformed):
        for piece in pieces:
            for event in decoder.feed(piece):
                assert isinstance(event.data, dict)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"[]",
        b"{}",
        b'{"type": 1}',
        b'{"type": "x", "data": [1]}',
        b'{"type": "x", "payload_length": -1}',
        b'{"type": "x", "payload_length": "many"}',
        json.dumps({"type": "x", "payload_length": LARGEST_PAYLOAD + 1}).encode(),
        json.dumps({"type": "x", "data_length": LARGEST_DATA + 1}).encode(),
        b"[" * 60_000,
        b'{"type": "x", "data": {"n": ' + b"9" * 5000 + b"}}",
        b'\xff\xfe{"type": "x"}',
        b'{"type": "x", "data_length": 2}\n[]',
    ],
)
def test_what_makes_no_sense_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        Decoder().feed(line + b"\n")


def test_a_line_that_does_not_end_is_not_waited_for() -> None:
    decoder = Decoder()
    for _ in range(LONGEST_LINE // 1000):
        assert decoder.feed(b"x" * 1000) == []
    with pytest.raises(Malformed):
        decoder.feed(b"x" * 1000)
