"""AudioSocket, against a client made from its specification: no Asterisk can be installed here to try it with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.caller import Permission
from pipeline.settings import Settings
from satellites.services import House
from satellites.sip.audiosocket import (
    DIGIT,
    HANGUP,
    NAME,
    RATES,
    AudioSocketDoor,
    Decoder,
    Frame,
    NoAudioSocket,
)
from tests.peers.sip.phones import eventually
from tests.satellites.sip.conftest import Assistant

FRAMES = st.one_of(
    st.just(Frame(HANGUP)),
    st.binary(min_size=16, max_size=16).map(lambda each: Frame(NAME, each)),
    st.sampled_from("0123456789*#").map(lambda each: Frame(DIGIT, each.encode())),
    st.builds(
        Frame, st.sampled_from(list(RATES)), st.binary(max_size=320).map(lambda each: each[: len(each) // 2 * 2])
    ),
)


@given(st.lists(FRAMES, max_size=10), st.lists(st.integers(1, 50), max_size=50))
def test_what_was_sent_arrives_however_it_is_cut(sent, cuts):
    stream = b"".join(bytes(each) for each in sent)
    decoder, received = Decoder(), []
    for cut in cuts:
        received += decoder.feed(stream[:cut])
        stream = stream[cut:]
    received += decoder.feed(stream)
    assert received == sent


@given(st.binary(max_size=300))
def test_whatever_arrives_is_understood_or_refused(data):
    with contextlib.suppress(NoAudioSocket):
        Decoder().feed(data)


class Asterisk:
    """What Asterisk does with a call: it sends a frame every 20 ms and plays what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int) -> None:
        self.reader, self.writer = reader, writer
        self.kind = next(kind for kind, each in RATES.items() if each == rate)
        self.rate = rate
        self.frames: list[Frame] = []
        self.to_say = b""
        self.over = asyncio.Event()

    def heard(self) -> np.ndarray:
        sound = b"".join(each.payload for each in self.frames if each.kind == self.kind)
        return np.frombuffer(sound, "<i2")

    async def talk(self) -> None:
        size = self.rate // 50 * 2
        while not self.writer.is_closing():
            piece, self.to_say = self.to_say[:size].ljust(size, b"\0"), self.to_say[size:]
            self.writer.write(bytes(Frame(self.kind, piece)))
            await asyncio.sleep(0.02)

    async def listen(self) -> None:
        decoder = Decoder()
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(4096):
                self.frames += decoder.feed(data)
        self.over.set()


@asynccontextmanager
async def door(folder: Path, **settings: Any) -> AsyncIterator[tuple[AudioSocketDoor, Assistant]]:
    assistant = Assistant()
    audiosocket = {"enabled": True, "port": 0, "permissions": settings.pop("permissions", "guest")}
    made = AudioSocketDoor(House(assistant, Settings(data_dir=folder, sip={"audiosocket": audiosocket, **settings})))
    task = asyncio.create_task(made.run())
    try:
        await eventually(lambda: made.port > 0)
        yield made, assistant
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def asterisk(port: int, rate: int = 8000, name: bytes | None = None) -> AsyncIterator[Asterisk]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes(Frame(NAME, name or uuid4().bytes)))
    made = Asterisk(reader, writer, rate)
    tasks = [asyncio.create_task(made.talk()), asyncio.create_task(made.listen())]
    try:
        yield made
    finally:
        writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("rate", [8000, 16_000])
async def test_a_call_is_a_conversation_in_the_rate_that_it_came_in(tmp_path, rate):
    async with door(tmp_path, permissions="house") as (made, assistant), asterisk(made.port, rate) as caller:
        await eventually(assistant.started.is_set)
        assert assistant.callers[0].may(Permission.SECURE)
        await eventually(lambda: np.abs(caller.heard()).max(initial=0) > 3000)
        assistant.script.heard.append("hello")
        assistant.script.replies.append("hello to you too")
        spoken = (np.abs(caller.heard()) > 3000).sum()
        tone = (np.arange(rate // 2) // (rate // 2000) % 2 * 16_000 - 8000).astype("<i2")
        caller.to_say = tone.tobytes() + bytes(rate)
        await eventually(lambda: (np.abs(caller.heard()) > 3000).sum() > spoken + rate // 5)
        assert {len(each.payload) for each in caller.frames} == {rate // 50 * 2}
        caller.writer.write(bytes(Frame(HANGUP)))
        await eventually(assistant.ended.is_set)
        await caller.over.wait()


async def test_frames_come_as_fast_as_they_are_heard(tmp_path):
    async with door(tmp_path) as (made, _), asterisk(made.port) as caller:
        await eventually(lambda: len(caller.frames) > 10)
        before = len(caller.frames)
        await asyncio.sleep(2.0)
        assert 60 <= len(caller.frames) - before <= 110


async def test_a_guest_types_the_pin(tmp_path):
    async with door(tmp_path, pin="4711") as (made, assistant), asterisk(made.port) as caller:
        await eventually(lambda: len(assistant.callers) == 1)
        for digit in "4711":
            caller.writer.write(bytes(Frame(DIGIT, digit.encode())))
        await eventually(lambda: len(assistant.callers) == 2)
        assert [each.may(Permission.CONTROL) for each in assistant.callers] == [False, True]


@pytest.mark.long
async def test_silence_ends_with_a_goodbye_and_a_hangup(tmp_path):
    async with door(tmp_path, silence=3.0) as (made, _), asterisk(made.port) as caller:
        async with asyncio.timeout(40):
            await caller.over.wait()
        assert caller.frames[-1].kind == HANGUP


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(Frame(HANGUP)) + bytes(30), b""])
async def test_who_does_not_speak_it_is_sent_away_and_costs_others_nothing(tmp_path, first):
    async with door(tmp_path) as (made, assistant):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(first)
        if not first:
            writer.write_eof()
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
        async with asterisk(made.port):
            await eventually(assistant.started.is_set)


async def test_a_broken_frame_ends_its_call(tmp_path):
    async with door(tmp_path) as (made, assistant), asterisk(made.port) as caller:
        await eventually(assistant.started.is_set)
        caller.writer.write(b"\x77\x00\x01x")
        await eventually(assistant.ended.is_set)
        await eventually(lambda: not made.satellites())


async def test_the_same_call_and_more_calls_than_the_most_are_not_taken(tmp_path):
    name = uuid4().bytes
    async with door(tmp_path, max_calls=1) as (made, assistant), asterisk(made.port, name=name):
        await eventually(assistant.started.is_set)
        async with asterisk(made.port) as second:
            await eventually(second.over.is_set)
        assert len(made.satellites()) == 1
