"""What the house has to say without having been asked: where it is said, and what waits until somebody can hear it."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial
from typing import Final, Protocol

from loguru import logger

from pipeline.caller import Caller, Capability, Permission
from pipeline.quiet import Quiet
from pipeline.store.shared import Shared, Spoken
from tools.messages import Messages, Telling
from tools.timer_board import Timer
from tools.wording import same_name

MOST_WAITING: Final = 20
"""Announcements kept for the next conversation where none is open."""
LOOK_SECONDS: Final = 20.0
"""Between two looks whether what waits may be said."""
UNHEARD_SECONDS: Final = 60.0
"""After which something that rings in a conversation and is not heard there rings elsewhere too."""


LastResort = Callable[[str | None, str], Awaitable[bool]]
LookUp = Callable[[Caller], Awaitable[Caller]]
"""Adds what is known of a device."""


class Reachable(Protocol):
    """A conversation in which something can be said."""

    caller: Caller

    def announce(self, text: str, heard: asyncio.Future[bool] | None = None) -> None:
        """Say `text` when nobody speaks; the result of `heard` is whether somebody can have understood it."""

    def unsaid(self) -> list[str]:
        """Take back what was announced and not said, once the conversation has ended."""


class Standby:
    """A device that holds no conversation, and begins one where something is to be said.

    Args:
        caller: the device.
        wake: has it begin a conversation, soon.
    """

    def __init__(self, caller: Caller, wake: Callable[[], None]) -> None:
        self.caller = self._came_as = caller
        self._wake = wake
        self._waiting: list[tuple[str, asyncio.Future[bool] | None]] = []

    async def look_up(self, known: LookUp) -> None:
        """Add what the household says of the device now."""
        self.caller = await known(self._came_as)

    def announce(self, text: str, heard: asyncio.Future[bool] | None = None) -> None:
        """Have the device wake and `text` said there."""
        self._waiting.append((text, heard))
        self._wake()

    def unsaid(self) -> list[str]:
        """Take back what was not said, once the device is gone."""
        waiting, self._waiting = self._waiting, []
        for _, heard in waiting:
            if heard is not None and not heard.done():
                heard.set_result(False)
        return [text for text, heard in waiting if heard is None]

    def hand_over(self, conversation: Reachable) -> None:
        """Have the conversation that has begun say it."""
        waiting, self._waiting = self._waiting, []
        for text, heard in waiting:
            if heard is None or not heard.done():
                conversation.announce(text, heard)


class Announcements:
    """Knows which conversations are open. Used from one event loop.

    Args:
        quiet: knows where nothing is to be said that can wait.
    """

    def __init__(self, quiet: Quiet | None = None) -> None:
        self._quiet = quiet or Quiet(None, zone=lambda: UTC)
        self._open: list[Reachable] = []
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._shared: Shared | None = None
        self._arrived = asyncio.Event()
        self.last_resort: LastResort | None = None
        """Tries to reach a person with what nobody heard for `UNHEARD_SECONDS`; returns whether that worked."""
        self.messages: Messages | None = None
        """What callers want to be told to people of the house, when they next speak."""

    def share(self, shared: Shared) -> None:
        """Reach the conversations of other processes too."""
        self._shared = shared

    def devices(self) -> Collection[str]:
        """The devices at which something can be heard in this process."""
        return {one.caller.device for one in self._audible()}

    async def look_up(self, known: LookUp) -> None:
        """Heed what was said of devices while they stood by: where they stand, whose they are, when they are quiet."""
        waiting = [one for one in self._open if isinstance(one, Standby)]
        await asyncio.gather(*(one.look_up(known) for one in waiting))
        for one in waiting:
            self._quiet.keep(one.caller.device, one.caller.quiet)

    @asynccontextmanager
    async def reach(self, conversation: Reachable) -> AsyncIterator[None]:
        """Say what comes in `conversation` too, while the context lasts, and first what nobody could hear so far."""
        self._open.append(conversation)
        self._quiet.keep(conversation.caller.device, conversation.caller.quiet)
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
        device, audible = conversation.caller.device, conversation.caller.can(Capability.SPEAK)
        try:
            for waiting in [one for one in self._open if isinstance(one, Standby) and one.caller.device == device]:
                if waiting is not conversation:
                    waiting.hand_over(conversation)
            if audible and not self._quiet.at(device):
                for text in await self._taken(device):
                    conversation.announce(text)
                await self._tell_messages(conversation)
            yield
        finally:
            self._open.remove(conversation)
            if self._shared is not None and audible and device not in self.devices():
                await self._shared.gone(device)
            left = conversation.unsaid()
            if self.messages is not None:
                await self.messages.save()
            if left:
                await self._wait(left)

    def undisturbed(self, person: str | None = None) -> bool:
        """Whether nobody wants to be disturbed now, at no device at which something could be said.

        Args:
            person: asks only for this one, whose devices those are where they speak.
        """
        here = {
            one.caller.device
            for one in self._audible()
            if one.caller.door != "sip" and (person is None or same_name(one.caller.person, person))
        }
        if not all(self._quiet.at(device) for device in here):
            return False
        return bool(here) or (person is None and (self._quiet.everywhere or self._quiet.anywhere))

    async def run(self) -> None:
        """Say what has waited for the end of quiet hours, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.release()
            if self.messages is not None:
                await self.messages.save()

    async def release(self) -> None:
        """Say what waits where somebody can hear it and may be disturbed."""
        for conversation in [one for one in self._audible() if not self._quiet.at(one.caller.device)]:
            for text in await self._taken(conversation.caller.device):
                conversation.announce(text)

    async def ring(self, timer: Timer) -> None:
        """Say that a timer is due, until somebody has heard it.

        That is at the device that set it, or where its person is now, else wherever somebody can hear it, be it later.
        """
        tried: list[Reachable] = []
        pending = set[asyncio.Future[bool]]()
        last = time.monotonic() + UNHEARD_SECONDS if self.last_resort is not None else None
        try:
            while True:
                arrived = self._arrived
                text = timer.announcement(time.time())
                there = self._nearest(timer, [one for one in self._audible() if one not in tried])
                if not there and not pending and self._shared is not None and await self._sent(text, timer.device):
                    return
                tried += there
                for conversation in there:
                    heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                    conversation.announce(text, heard)
                    pending.add(heard)
                if pending:
                    done, pending = await asyncio.wait(
                        pending, timeout=UNHEARD_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    if any(each.result() for each in done):
                        return
                elif not there:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await arrived.wait()
                if self.last_resort is not None and last is not None and time.monotonic() >= last:
                    last = None
                    if await self.last_resort(timer.person, text):
                        return
        except asyncio.CancelledError:
            # It was stopped or changed before it was heard.
            for each in pending:
                each.cancel()
            raise

    async def say(self, text: str, *, device: str | None = None, urgent: bool = False) -> bool:
        """Say `text` at a device, else in every conversation that is open, else at the beginning of the next one.

        Args:
            urgent: it is said in quiet hours too, and where somebody does not want to be disturbed.

        Returns:
            Whether it is said now.
        """
        if not urgent and (self._quiet.everywhere or (device is not None and self._quiet.at(device))):
            await self._wait([text])
            return False
        open_to_it = [one for one in self._audible() if urgent or not self._quiet.at(one.caller.device)]
        there = [one for one in open_to_it if one.caller.device == device]
        elsewhere = None if there else device
        if elsewhere is not None and self._shared is not None and await self._shared.send(text, device=elsewhere):
            return True
        heard = self._announce(text, there or open_to_it)
        if not there and self._shared is not None:
            heard = await self._shared.send_to_all(text) or heard
        if not heard:
            logger.info("nobody can hear an announcement now; it waits for the next conversation")
            await self._wait([text])
        return heard

    async def say_at(self, text: str, *, devices: Collection[str], room: str | None, urgent: bool = False) -> bool:
        """Say `text` at each of some devices and at those of a room.

        Returns:
            Whether it is said now; where it is said nowhere, it waits.
        """
        here = [one for one in self._audible() if self._meant(one.caller, devices, room)]
        heard = self._announce(text, [one for one in here if urgent or not self._quiet.at(one.caller.device)])
        if self._shared is not None and (urgent or not self._quiet.everywhere):
            at_home = {one.caller.device for one in here}
            for device in devices:
                if device not in at_home:
                    heard = await self._shared.send(text, device=device) or heard
            if room is not None:
                # Whether anybody is in that room the others do not tell.
                await self._shared.send_to_all(text, room=room)
        if not heard:
            await self._wait([text])
        return heard

    async def _tell_messages(self, conversation: Reachable) -> None:
        """Tell what callers have left, to whoever has come: not to a device that waits, nor to strangers."""
        caller, messages = conversation.caller, self.messages
        if messages is None or isinstance(conversation, Standby) or not caller.may(Permission.PRIVATE):
            return

        def settled(telling: Telling, heard: asyncio.Future[bool]) -> None:
            messages.settle(telling, heard=not heard.cancelled() and heard.result())

        for telling in await messages.waiting(caller.person):
            heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            heard.add_done_callback(partial(settled, telling))
            conversation.announce(telling.said, heard)

    def hear(self, spoken: Spoken) -> None:
        """Say what another process has sent."""
        devices = () if spoken.device is None else (spoken.device,)
        anywhere = spoken.device is None and spoken.room is None
        there = [one for one in self._audible() if anywhere or self._meant(one.caller, devices, spoken.room)]
        self._announce(spoken.text, there)

    @staticmethod
    def _meant(caller: Caller, devices: Collection[str], room: str | None) -> bool:
        return caller.device in devices or same_name(caller.room, room)

    def _nearest(self, timer: Timer, audible: Collection[Reachable]) -> list[Reachable]:
        at_device = [one for one in audible if one.caller.device == timer.device]
        with_person = [one for one in audible if timer.person and one.caller.person == timer.person]
        return at_device or with_person or list(audible)

    async def _sent(self, text: str, device: str) -> bool:
        assert self._shared is not None
        return await self._shared.send(text, device=device) or await self._shared.send_to_all(text)

    def _audible(self) -> list[Reachable]:
        audible = [one for one in self._open if one.caller.can(Capability.SPEAK)]
        talking = {one.caller.device for one in audible if not isinstance(one, Standby)}
        return [one for one in audible if not isinstance(one, Standby) or one.caller.device not in talking]

    def _announce(self, text: str, conversations: Collection[Reachable]) -> bool:
        for conversation in conversations:
            conversation.announce(text)
        return bool(conversations)

    async def _wait(self, texts: list[str]) -> None:
        if self._shared is None or not await self._shared.wait(texts):
            self._waiting.extend(texts)

    async def _taken(self, device: str) -> list[str]:
        texts = list(self._waiting)
        self._waiting.clear()
        if self._shared is not None:
            await self._shared.present(device)
            texts = [*await self._shared.take_waiting(), *texts]
        return texts
