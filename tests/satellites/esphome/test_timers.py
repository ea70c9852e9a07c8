"""A device that shows timers, told of them over the native API."""

import asyncio
import time
from dataclasses import dataclass, field

from aioesphomeapi.api_pb2 import VoiceAssistantTimerEventResponse
from aioesphomeapi.model import VoiceAssistantTimerEventType as Event
from google.protobuf.message import Message

from tests.satellites.esphome.conftest import LOUD, Served, serving
from tests.satellites.esphome.device import ESPHOME_WITH_SPEAKER, FakeDevice
from tests.satellites.esphome.wire import Wire
from tools.timer_board import Timer


@dataclass
class Showing(FakeDevice):
    """Counts down, and rings."""

    timers: list[VoiceAssistantTimerEventResponse] = field(default_factory=list)

    async def _receive(self, wire: Wire, writer: asyncio.StreamWriter, message: Message) -> None:
        if isinstance(message, VoiceAssistantTimerEventResponse):
            self.timers.append(message)
        else:
            await super()._receive(wire, writer, message)

    async def until_told(self, event: Event, count: int = 1) -> VoiceAssistantTimerEventResponse:
        async with asyncio.timeout(20):
            while len(found := [each for each in self.timers if each.event_type == event]) < count:
                await asyncio.sleep(0.02)
        return found[count - 1]


def pasta(seconds: float = 600.0) -> Timer:
    return Timer("pasta", "timer", "pasta", time.time() + seconds, seconds, "kitchen")


def put(served: Served, timer: Timer) -> None:
    served.assistant.board.add(timer)
    served.assistant.timers.changed()


def take(served: Served, timer: Timer, *, heard: bool) -> None:
    if heard:
        served.assistant.timers.heard(timer)
    served.assistant.board.remove(timer)
    served.assistant.timers.changed()


async def test_a_device_counts_down_to_a_timer_until_it_is_stopped() -> None:
    device = Showing()
    async with serving(devices={"kitchen": device}) as served:
        put(served, pasta())
        started = await device.until_told(Event.VOICE_ASSISTANT_TIMER_STARTED)
        assert (started.timer_id, started.name, started.total_seconds) == ("pasta", "pasta", 600)
        assert started.is_active
        assert 580 <= started.seconds_left <= 600
        longer = pasta(900)
        put(served, longer)
        assert (await device.until_told(Event.VOICE_ASSISTANT_TIMER_UPDATED)).total_seconds == 900
        take(served, longer, heard=False)
        assert not (await device.until_told(Event.VOICE_ASSISTANT_TIMER_CANCELLED)).is_active


async def test_a_device_that_comes_back_is_told_again() -> None:
    device = Showing()
    async with serving(devices={"kitchen": device}) as served:
        put(served, pasta())
        await device.until_told(Event.VOICE_ASSISTANT_TIMER_STARTED)
        device.vanish()
        await device.until_told(Event.VOICE_ASSISTANT_TIMER_STARTED, 2)


async def test_a_device_rings_on_after_the_announcement() -> None:
    device = Showing()
    async with serving(devices={"kitchen": device}, follow_up=1.0) as served:
        timer = pasta()
        put(served, timer)
        await device.until_told(Event.VOICE_ASSISTANT_TIMER_STARTED)
        await served.assistant.announce("kitchen", "Your pasta timer is done.")
        take(served, timer, heard=True)
        await device.until_heard()
        assert [each.event_type for each in device.timers] == [Event.VOICE_ASSISTANT_TIMER_STARTED]
        await device.until_told(Event.VOICE_ASSISTANT_TIMER_FINISHED)
        assert not served.assistant.conversations


async def test_a_timer_that_is_answered_does_not_ring_on() -> None:
    device = Showing()
    async with serving(("thank you", "With pleasure."), devices={"kitchen": device}, follow_up=1.0) as served:
        timer = pasta()
        put(served, timer)
        device.wake()
        await device.speak(LOUD)
        await device.until_heard()
        take(served, timer, heard=True)
        await device.until_told(Event.VOICE_ASSISTANT_TIMER_CANCELLED)
        assert Event.VOICE_ASSISTANT_TIMER_FINISHED not in [each.event_type for each in device.timers]


async def test_a_device_without_a_display_is_not_bothered() -> None:
    plain, showing = Showing(features=ESPHOME_WITH_SPEAKER), Showing(name="hall", mac="20:F8:3B:00:00:02")
    async with serving(devices={"kitchen": plain, "hall": showing}) as served:
        put(served, pasta())
        put(served, Timer("hall", "timer", "", time.time() + 60, 60.0, "hall"))
        await showing.until_told(Event.VOICE_ASSISTANT_TIMER_STARTED)
        assert not plain.timers
        assert [each.timer_id for each in showing.timers] == ["hall"]
