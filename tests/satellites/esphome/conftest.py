import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from pipecat.frames.frames import TTSSpeakFrame

from pipeline.caller import Caller
from pipeline.settings import Settings
from pipeline.settings.satellites import Esphome
from satellites.esphome.door import EsphomeDoor
from satellites.services import House, Satellite
from tests.fakes.scripted_assistant import Script, ScriptedAssistant
from tests.satellites.esphome.device import RATE, FakeDevice

LOUD = (np.sin(np.arange(RATE // 2) / 4) * 12000).astype("<i2").tobytes()


class ScriptedHouse(ScriptedAssistant):
    """Can also say what nobody asked for."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.wakers: dict[str, Callable[[], None]] = {}

    @asynccontextmanager
    async def standby(self, caller: Caller, wake: Callable[[], None]) -> AsyncIterator[None]:
        self.wakers[caller.device] = wake
        try:
            yield
        finally:
            del self.wakers[caller.device]

    async def announce(self, device: str, text: str) -> None:
        """Say it at a device, which begins a conversation for it unless it holds one."""
        if not self.conversations:
            self.started.clear()
            self.wakers[device]()
        await asyncio.wait_for(self.started.wait(), 10)
        await self.push(TTSSpeakFrame(text))


@dataclass
class Served:
    """The door, dialling devices."""

    door: EsphomeDoor
    assistant: ScriptedHouse
    running: asyncio.Task[None]

    def satellite(self, name: str) -> Satellite:
        return next(each for each in self.door.satellites() if each.device == name)

    async def until(self, name: str, true: Callable[[Satellite], object]) -> Satellite:
        async with asyncio.timeout(20):
            while True:
                for each in self.door.satellites():
                    if each.device == name and true(each):
                        return each
                await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(
    *turns: tuple[str, str],
    devices: dict[str, FakeDevice],
    keys: dict[str, str] | None = None,
    others: dict[str, dict[str, object]] | None = None,
    **more: object,
) -> AsyncIterator[Served]:
    """Run the devices and a door that dials them, over an assistant that follows a script.

    Args:
        keys: what the door takes for their keys, where that is not so; it is then not waited for them.
        others: addresses of further devices.
    """
    script = Script(deque(heard for heard, _ in turns), deque(reply for _, reply in turns))
    assistant = ScriptedHouse(script)
    async with AsyncExitStack() as stack:
        places = dict(others or {})
        for name, device in devices.items():
            await stack.enter_async_context(device.serving())
            stack.callback(device.close)
            key = (keys or {}).get(name, device.key)
            places[name] = {"address": "127.0.0.1", "port": device.port} | ({"key": key} if key else {})
        settings = Esphome.model_validate(
            {"discover": "off", "host": "127.0.0.1", "port": 0, "devices": places, "follow_up": 3.0, **more}
        )
        door = EsphomeDoor(House(assistant, Settings(esphome=settings)))
        running = asyncio.create_task(door.run())
        try:
            for name, device in devices.items():
                if device.held_by is None and not keys:
                    await asyncio.wait_for(device.subscribed.wait(), 10), name
            yield Served(door, assistant, running)
        finally:
            running.cancel()
            await asyncio.wait({running})


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()
