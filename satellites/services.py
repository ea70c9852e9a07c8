"""Doors that listen or call by themselves, beside the web application: what they are given, and what keeps them up."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from loguru import logger
from pipecat.services.llm_service import FunctionCallHandler
from pipecat.transports.base_transport import BaseTransport

from pipeline.caller import Caller
from pipeline.intents.local_answers import Loudness
from pipeline.settings import Settings
from pipeline.speech import Speech
from satellites.arbitration import Arbiter
from satellites.pairing.waiting import Waiting
from tools.cancellation import heed_cancellation
from tools.telephone import Exchange
from tools.timer_watch import DeviceTimers

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries to run a door that fails, twice as many each time."""
CALM: Final = 120.0
"""Seconds of running after which a failure counts as the first one again."""


class Assistant(Protocol):
    """What doors need of the assistant, which is loaded and warm while they run."""

    async def converse(
        self,
        transport: BaseTransport,
        caller: Caller,
        *,
        call_tool: FunctionCallHandler | None = None,
        loudness: Loudness | None = None,
    ) -> None:
        """Hold one conversation over `transport`; return when it has ended. Raises `AssistantNotReady`.

        Args:
            call_tool: calls the tools that the device brings.
            loudness: the device's own volume, where it has one that can be changed.
        """

    def speech(self) -> Speech:
        """Return the ears and the voice alone. Raises `AssistantNotReady`."""

    @property
    def exchange(self) -> Exchange:
        """Where a telephone plugs in."""

    def standby(self, caller: Caller, wake: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Have `wake` called where something is to be said at a device that holds no conversation.

        The conversation that the device begins then says it.
        """

    def timers_at(self, device: str) -> AsyncGenerator[DeviceTimers]:
        """What is set at a device, now and again after each change; close it when done.

        Raises `AssistantNotReady` before the tools are there.
        """


@dataclass(frozen=True, slots=True)
class House:
    """What a door is given."""

    assistant: Assistant
    settings: Settings
    arbiter: Arbiter = field(default_factory=Arbiter)
    waiting: Waiting | None = None
    """Where devices are let in that show a code; None where nobody can let them in."""


@dataclass(frozen=True, slots=True)
class Satellite:
    """A device, as its door sees it now."""

    device: str
    door: str
    state: str
    """One word for people: `idle`, `talking`, `away`, `refused` …"""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What else is known, such as firmware, address, or what is wrong and how to mend it (`problem`)."""


class Service(Protocol):
    """A door that runs."""

    name: str

    async def run(self) -> None:
        """Serve until cancelled."""

    def satellites(self) -> Sequence[Satellite]:
        """The devices that it knows."""


async def keep_running(service: Service) -> None:
    """Run a door until cancelled; one that fails is run again after a pause, and costs the others nothing."""
    pause = FIRST_PAUSE
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await service.run()
            logger.warning(f"the door {service.name} has ended; it is opened again")
        except OSError as error:
            logger.error(f"the door {service.name} cannot be opened, which is tried again: {error}")
        except Exception:  # noqa: BLE001 - the other doors and conversations go on
            logger.exception(f"the door {service.name} failed and is opened again")
        heed_cancellation()
        if asyncio.get_running_loop().time() - began > CALM:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def run_all(services: Sequence[Service]) -> None:
    """Run all of them until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for service in services:
            tasks.create_task(keep_running(service), name=service.name)
        await asyncio.Event().wait()
