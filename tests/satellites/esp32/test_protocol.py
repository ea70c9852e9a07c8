"""What the example firmware is made of, compiled for this machine with every check that gcc has, and talked with."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import struct
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from tests.fakes.scripted_assistant import WORD_SECONDS

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "satellites" / "esp32" / "components" / "passfel"
KINDS = ["other", "session", "speech_started", "speech_stopped", "response", "audio", "response_done", "error"]
INBOX, BUFFER, BEGIN = 1000, 50, 10
"""Sizes that the harness chooses."""

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None and not os.environ.get("CI"), reason="no gcc: apt install gcc libc6-dev"
)
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Harness:
    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command: str, data: bytes = b"") -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command.encode() + struct.pack("<I", len(data)) + data)
        self._process.stdin.flush()
        (length,) = struct.unpack("<I", self._process.stdout.read(4))
        return self._process.stdout.read(length)

    def close(self) -> int:
        self._process.communicate(timeout=20)
        return self._process.returncode

    def read(self, text: str | bytes) -> tuple[str, bytes | None]:
        answer = self.ask("R", text.encode() if isinstance(text, str) else text)
        return KINDS[answer[0]], None if answer[1] else answer[2:]

    def link(self, event: str, argument: int = 0, *, now: int) -> tuple[str, str]:
        state, action = self.ask("L", event.encode() + struct.pack("<II", argument, now))
        return ("waiting", "connecting", "connected")[state], ("nothing", "connect", "disconnect")[action]

    def talk(self, event: str, argument: int = 0, *, now: int) -> bool:
        return bool(self.ask("T", event.encode() + struct.pack("<II", argument, now))[0])


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    program = tmp_path_factory.mktemp("esp32") / "harness"
    flags = ["-std=c11", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{SOURCES}"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    files = [Path(__file__).with_name("harness.c"), *sorted(SOURCES.glob("*.c"))]
    built = subprocess.run(["gcc", *flags, *checks, *files, "-o", program], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    harness = Harness(program)
    yield harness
    assert harness.close() == 0


def test_the_code_for_the_device_needs_nothing_of_the_device() -> None:
    for file in SOURCES.glob("*.[ch]"):
        included = {line.split()[1] for line in file.read_text().splitlines() if line.startswith("#include <")}
        assert included <= {"<stdbool.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}


# Messages.


@patiently
@given(st.binary(max_size=3000))
def test_sound_is_sent_as_the_api_wants_it(device: Harness, audio: bytes) -> None:
    event = json.loads(device.ask("A", audio))
    assert event["type"] == "input_audio_buffer.append"
    assert base64.b64decode(event["audio"], validate=True) == audio


@patiently
@given(st.binary(max_size=3000), st.booleans(), st.sampled_from(["", " ", "\n\t "]))
def test_sound_is_understood_wherever_it_stands_in_an_event(
    device: Harness, audio: bytes, first: bool, space: str
) -> None:
    delta = base64.b64encode(audio).decode()
    rest = {"event_id": "e", "item": {"type": "error", "delta": "no", "list": [1, "}", {"a": '\\"'}]}, "n": -1.5e3}
    named = {"delta": delta, "type": "response.output_audio.delta"}
    event = {**named, **rest} if first else {**rest, **named}
    assert device.read(json.dumps(event, indent=1 if space else None)) == ("audio", audio)


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("session.created", "session"), ("response.created", "response"), ("response.done", "response_done"),
        ("error", "error"), ("input_audio_buffer.speech_started", "speech_started"),
        ("input_audio_buffer.speech_stopped", "speech_stopped"), ("rate_limits.updated", "other"),
        ("response.output_audio.delta", "other"), ("session.created ", "other"),
    ],
)  # fmt: skip
def test_events_are_told_apart(device: Harness, kind: str, read: str) -> None:
    assert device.read(json.dumps({"type": kind, "session": {"type": "realtime"}})) == (read, b"")


@patiently
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read(device: Harness, data: bytes) -> None:
    device.read(data)


@patiently
@given(st.data())
def test_an_event_that_is_cut_short_is_read_without_reading_on(device: Harness, data: st.DataObject) -> None:
    whole = json.dumps({"type": "response.output_audio.delta", "delta": "AAAA\\", "more": ['\\"', {}]})
    device.read(whole[: data.draw(st.integers(0, len(whole)))])


@pytest.mark.parametrize("delta", ["A", "AAA", "AA=A", "====", "A===", "AA AA", "AAA\\", "ÄÄ"])
def test_what_is_not_base64_is_refused(device: Harness, delta: str) -> None:
    event = {"type": "response.output_audio.delta", "delta": delta}
    assert device.read(json.dumps(event, ensure_ascii=False)) == ("audio", None)


@patiently
@given(st.lists(st.binary(min_size=1, max_size=INBOX + 200), max_size=5), st.integers(1, 300))
def test_messages_are_put_together_and_those_too_large_are_passed_over(
    device: Harness, messages: list[bytes], step: int
) -> None:
    for message in messages:
        got = b""
        for start in range(0, len(message), step):
            got = device.ask("I", struct.pack("<II", start, len(message)) + message[start : start + step])
        assert got == (message if len(message) <= INBOX else b"")


@patiently
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=50)), max_size=20))
def test_pieces_that_lie_about_their_place_harm_nothing(device: Harness, pieces: list[tuple[int, int, bytes]]) -> None:
    for offset, total, data in pieces:
        assert len(device.ask("I", struct.pack("<II", offset, total) + data)) <= INBOX


# The jitter buffer.

playing = st.one_of(
    st.tuples(st.just("p"), st.integers(0, 80)),
    st.tuples(st.just("g"), st.integers(0, 60)),
    st.tuples(st.sampled_from(["e", "d"]), st.just(0)),
)


@patiently
@given(st.lists(playing, max_size=60))
def test_sound_comes_out_in_order_once_there_is_enough_of_it(device: Harness, steps: list[tuple[str, int]]) -> None:
    device.ask("d")
    held: deque[int] = deque(maxlen=BUFFER)
    number, begun, ended = 0, False, False
    for step, count in steps:
        if step == "p":
            samples = [(number + each) % 30_000 + 1 for each in range(count)]
            number += count
            held.extend(samples)
            ended = ended and not count
            assert device.ask("p", np.array(samples, "<i2").tobytes()) == bytes([bool(held)])
        elif step == "g":
            begun = begun or len(held) >= BEGIN or (ended and bool(held))
            expected = [held.popleft() for _ in range(min(count, len(held)))] if begun else []
            begun = begun and len(expected) == count
            answer = np.frombuffer(device.ask("g", struct.pack("<I", count)), "<i2").tolist()
            assert answer == [len(expected), *expected, *[0] * (count - len(expected))]
        else:
            ended = step == "e"
            if step == "d":
                held.clear()
                begun = False
            device.ask(step)


# The connection.


def test_a_connection_is_made_again_with_pauses_that_grow(device: Harness) -> None:
    now = 4_294_960_000  # close to where the counter begins anew
    device.link("b", now=now)
    assert device.link("t", now=now) == ("waiting", "nothing")
    device.link("n", 1, now=now)
    pauses = []
    for _ in range(10):
        began = now
        while device.link("t", now=now)[1] != "connect":
            now = (now + 100) % 2**32
        pauses.append((now - began) % 2**32)
        device.link("c", 7, now=now)
    assert pauses[0] == 0
    assert all(first <= second for first, second in itertools.pairwise(pauses))
    assert 30_000 <= pauses[-1] <= 60_100


def test_a_token_that_is_refused_is_not_hurried_with(device: Harness) -> None:
    device.link("b", now=0)
    device.link("n", 1, now=0)
    assert device.link("t", now=0) == ("connecting", "connect")
    device.link("r", 0, now=10)
    assert device.link("t", now=29_000) == ("waiting", "nothing")
    assert device.link("t", now=30_010) == ("connecting", "connect")


def test_a_connection_that_held_is_made_again_soon(device: Harness) -> None:
    device.link("b", now=0)
    device.link("n", 1, now=0)
    for _ in range(8):
        device.link("t", now=10**6)
        device.link("c", 0, now=10**6)
        device.link("t", now=2 * 10**6)
    device.link("o", now=3 * 10**6)
    device.link("c", 0, now=3 * 10**6 + 40_000)
    assert device.link("t", now=3 * 10**6 + 41_100) == ("connecting", "connect")


def test_a_house_that_has_fallen_silent_is_given_up(device: Harness) -> None:
    device.link("b", now=0)
    device.link("n", 1, now=0)
    device.link("t", now=0)
    device.link("o", now=100)
    device.link("h", now=40_000)
    assert device.link("t", now=80_000) == ("connected", "nothing")
    assert device.link("t", now=85_000) == ("connected", "disconnect")


@patiently
@given(st.lists(st.tuples(st.sampled_from("nohcrt"), st.integers(0, 2**32 - 1), st.integers(0, 100_000)), max_size=60))
def test_it_never_connects_without_a_network_nor_twice(device: Harness, steps: list[tuple[str, int, int]]) -> None:
    now, network = 0, False
    state, _ = device.link("b", now=now)
    for event, argument, wait in steps:
        now = (now + wait) % 2**32
        if event == "o" and state != "connecting":
            continue
        network = argument % 2 == 1 if event == "n" else network
        before = state
        state, action = device.link(event, argument % 2 if event == "n" else argument, now=now)
        if action == "connect":
            assert network
            assert (before, state) == ("waiting", "connecting")


# When it listens.


def event(name: str) -> int:
    return KINDS.index(name)


def test_it_listens_from_the_button_until_nobody_says_more(device: Harness) -> None:
    device.talk("n", 0, now=0)
    assert not device.talk("?", now=0)
    assert device.talk("b", now=1000)
    assert device.talk("e", event("speech_started"), now=5000)
    assert device.talk("?", now=60_000)
    assert device.talk("e", event("speech_stopped"), now=61_000)
    assert device.talk("e", event("response"), now=70_000)
    assert not device.talk("p", now=71_000)
    assert device.talk("e", event("response_done"), now=72_000)
    assert device.talk("?", now=79_900)
    assert not device.talk("?", now=80_100)


def test_a_second_press_or_a_lost_connection_ends_it(device: Harness) -> None:
    for end in ("b", "l"):
        device.talk("n", 0, now=0)
        assert device.talk("b", now=0)
        assert not device.talk(end, now=10)


def test_only_a_device_that_does_not_hear_itself_listens_while_it_speaks(device: Harness) -> None:
    for barge_in in (0, 1):
        device.talk("n", barge_in, now=0)
        device.talk("b", now=0)
        assert device.talk("p", now=10) is bool(barge_in)


# All of it, at the door.


async def test_it_holds_a_conversation_at_the_realtime_door(device: Harness, server: Any) -> None:
    server.assistant.script.heard.append("What time is it?")
    server.assistant.script.replies.append("It is noon")
    tone = (np.sin(np.arange(12_000) / 10) * 10_000).astype("<i2").tobytes()
    heard = b""
    async with connect(f"{server.url}/realtime", max_size=None) as websocket:
        kinds = []
        async with asyncio.timeout(20):
            while "response_done" not in kinds:
                kind, audio = device.read(await websocket.recv())
                kinds.append(kind)
                heard += (audio or b"") if kind == "audio" else b""
                assert kind != "error"
                if kind == "session":
                    await websocket.send(device.ask("S").decode())
                    for piece in (tone, bytes(len(tone))):
                        for start in range(0, len(piece), 1920):
                            await websocket.send(device.ask("A", piece[start : start + 1920]).decode())
    assert [kind for kind in kinds if kind in ("session", "speech_started", "speech_stopped", "response")] == [
        "session", "speech_started", "speech_stopped", "response",
    ]  # fmt: skip
    assert len(heard) == int(3 * WORD_SECONDS * 48_000)
