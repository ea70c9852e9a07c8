"""Plain sound both ways, over a conversation whose ears, mind and voice follow a script."""

import asyncio
import time
from collections import deque

import numpy as np
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    LLMContextUserTurnFrame,
    TTSTextFrame,
)

from pipeline.caller import Caller
from satellites.attention import Attention
from satellites.line import INPUT_RATE, LineTransport
from tests.fakes.scripted_assistant import Script, ScriptedAssistant
from voice.frames import CommitAudioFrame, TurnDetectionFrame

RATE = 8_000
LOUD = (np.sin(np.arange(RATE // 2) / 4) * 12000).astype("<i2").tobytes()
QUIET = bytes(RATE // 2 * 2)


class Phone:
    def __init__(self) -> None:
        self.played = bytearray()
        self.frames: list[Frame] = []
        self.answered = asyncio.Event()
        self.began = self.ended = 0.0

    async def play(self, audio: bytes) -> None:
        assert len(audio) % 2 == 0
        self.played += audio

    async def follow(self, frame: Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, BotStartedSpeakingFrame):
            self.began = time.monotonic()
        if isinstance(frame, BotStoppedSpeakingFrame):
            self.ended = time.monotonic()
            self.answered.set()

    def seen(self, kind: type[Frame]) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]


def assistant(*turns: tuple[str, str]) -> ScriptedAssistant:
    return ScriptedAssistant(Script(deque(heard for heard, _ in turns), deque(reply for _, reply in turns)))


async def speak(transport: LineTransport, audio: bytes, *, step: int = 333) -> None:
    """Speak in real time, in pieces that are no whole samples."""
    for start in range(0, len(audio), step):
        await transport.hear(audio[start : start + step])
        await asyncio.sleep(step / (RATE * 2))


async def test_what_is_heard_is_answered_in_the_devices_own_rate() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, LOUD + QUIET)
    await asyncio.wait_for(phone.answered.wait(), 20)
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)
    [turn] = phone.seen(LLMContextUserTurnFrame)
    assert turn.text == "what time is it"
    assert [frame.text for frame in phone.seen(TTSTextFrame)] == ["It", "is", "noon"]
    assert len(phone.seen(BotStoppedSpeakingFrame)) == 1
    said = np.frombuffer(bytes(phone.played), "<i2")
    assert abs(said).max() > 4000
    assert 0.2 < np.count_nonzero(abs(said) > 500) / RATE < 0.5


async def test_what_was_said_before_the_conversation_began_is_heard() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    await transport.hear(LOUD)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, QUIET)
    await asyncio.wait_for(phone.answered.wait(), 20)
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)


async def test_a_device_that_leaves_before_it_was_connected_ends_its_conversation() -> None:
    transport = LineTransport(Phone(), input_rate=INPUT_RATE, output_rate=RATE)
    await transport.end("gone")
    await asyncio.wait_for(assistant().converse(transport, Caller("phone", "hall")), 20)


async def test_a_turn_ends_where_the_device_says_so() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    await transport.tell(TurnDetectionFrame(enabled=False))
    await transport.hear(LOUD)
    await transport.tell(CommitAudioFrame())
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await asyncio.wait_for(phone.answered.wait(), 20)
    assert len(house.ears.audio) >= len(LOUD) * 2 - 2048
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)


async def test_an_answer_is_broken_off_where_the_device_asks_for_it() -> None:
    phone, house = Phone(), assistant(("tell me a story", " ".join(["once"] * 100)))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, LOUD + QUIET)
    async with asyncio.timeout(20):
        while not phone.played:
            await asyncio.sleep(0.05)
    await transport.interrupt()
    await asyncio.wait_for(phone.answered.wait(), 20)
    assert len(phone.played) < 10 * RATE
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)


async def test_an_answer_has_ended_once_it_was_heard_however_far_ahead_it_was_sent() -> None:
    phone, house = Phone(), assistant(("what time is it", " ".join(["word"] * 12)))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE, lead=60.0)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, LOUD + QUIET)
    await asyncio.wait_for(phone.answered.wait(), 20)
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)
    # Twelve words take 1.2 s to be heard, and were sent at once.
    assert phone.ended - phone.began > 0.9


async def test_who_holds_a_button_down_is_not_hung_up_on() -> None:
    attention = Attention(3.0, now=0.0)
    attention.hold(held=True, now=1.0)
    assert attention.ends is None
    attention.see(BotStoppedSpeakingFrame(), 2.0)
    assert attention.ends is None
    attention.hold(held=False, now=60.0)
    assert attention.ends == 63.0


async def test_a_conversation_in_which_nothing_more_is_said_ends_by_itself() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE, follow_up=0.3)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, LOUD + QUIET)
    await asyncio.wait_for(talking, 20)
    assert phone.answered.is_set()


async def test_a_device_that_falls_silent_in_the_middle_of_a_word_is_answered() -> None:
    phone, house = Phone(), assistant(("what time", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await speak(transport, LOUD)
    await asyncio.wait_for(phone.answered.wait(), 20)
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)


async def test_a_button_that_is_held_through_a_stall_adds_no_silence() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    transport.hold(held=True)
    await speak(transport, LOUD)
    await asyncio.sleep(1.5)
    assert len(house.ears.audio) <= 2 * len(LOUD)
    transport.hold(held=False)
    await asyncio.wait_for(phone.answered.wait(), 20)
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)


async def test_sound_that_comes_faster_than_time_passes_is_dropped_and_the_conversation_goes_on() -> None:
    phone, house = Phone(), assistant(("what time is it", "It is noon"))
    transport = LineTransport(phone, input_rate=RATE, output_rate=RATE)
    talking = asyncio.create_task(house.converse(transport, Caller("phone", "hall")))
    await asyncio.wait_for(house.started.wait(), 20)
    for _ in range(1000):
        await transport.hear(bytes(RATE * 2 + 1))
    await asyncio.sleep(2.0)
    await speak(transport, LOUD + QUIET)
    await asyncio.wait_for(phone.answered.wait(), 20)
    assert len(house.ears.audio) < 30 * INPUT_RATE * 2
    await transport.end("hung up")
    await asyncio.wait_for(talking, 20)
