"""A device that is dialled again and again, and talked with while it is there."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

from aioesphomeapi.api_pb2 import SubscribeLogsResponse  # type: ignore[attr-defined]
from aioesphomeapi.client import APIClient
from aioesphomeapi.core import APIConnectionError
from aioesphomeapi.model import APIVersion, LogLevel
from loguru import logger

from pipeline.caller import HOUSEHOLD, Caller, Capability
from pipeline.settings.satellites import Esphome, EsphomeDevice
from satellites.esphome.problems import LEFT, NO_ASSISTANT, Refused, explain, held_by, holder, plain
from satellites.esphome.profile import Profile, profile_of
from satellites.esphome.session import Reached, Session
from satellites.esphome.speech import SpeechServer
from satellites.esphome.timers import TimerTeller
from satellites.esphome.udp import udp_sound
from satellites.esphome.volume import PlayerVolume, adjustable
from satellites.services import House, Satellite
from satellites.timer_display import TimerDisplay
from tools.cancellation import heed_cancellation

CLIENT: Final = "PASSFEL"
"""What this side calls itself to devices."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 15.0
"""Seconds between two tries to reach a device, twice as many each time."""
REFUSED: Final = 60.0
"""The same for a device that refuses …"""
NOT_ASKED: Final = 3600.0
"""… and for one that nobody has asked for."""
CONNECTING: Final = 30.0
"""Seconds that connecting takes at most, with what a device then says about itself."""
KEEPALIVE: Final = 10.0
"""Seconds between two signs of life that are asked for; a device that vanishes is missed after 4.5 times as many."""
LEAVING: Final = 5.0
"""Seconds in which a connection is closed."""
SETTLED: Final = 3.0
"""Seconds after which a device that has not complained is taken to be ours."""


class Household(Protocol):
    """What a device asks of the door, which knows the others."""

    def claim(self, device: "Device", profile: Profile) -> None:
        """Take the device that was reached for this one's. Raises `Refused` where it is another one's already."""

    def release(self, device: "Device") -> None:
        """Give it up again."""


class Device:
    """One device.

    Args:
        name: what the household calls it.
        device: how it is reached.
        settings: the door's.
        found: whether it was found on the network, and is not in the settings.
    """

    def __init__(
        self, name: str, device: EsphomeDevice, *, settings: Esphome, house: House, server: SpeechServer, found: bool
    ) -> None:
        self.name = name
        self.device = device
        self._settings = settings
        self._house = house
        self._server = server
        self.found = found
        self._setting = f'esphome.devices."{name}"' if found or not name.isidentifier() else f"esphome.devices.{name}"
        self._profile: Profile | None = None
        self._session: Session | None = None
        self._timers = TimerDisplay()
        self._problem: str | None = None
        self._complaint: str | None = None
        self._refused = self._settled = False

    def satellite(self) -> Satellite:
        """How it is now."""
        if self._session is not None:
            state = "talking" if self._session.talking else "idle"
        else:
            state = "refused" if self._refused else "away"
        detail: dict[str, Any] = {"address": f"{self.device.address}:{self.device.port}"}
        if self._profile is not None:
            detail |= _told(self._profile)
        detail |= {"room": self._room, "encrypted": self.device.key is not None, "found": self.found}
        detail |= {"problem": self._problem, "complaint": self._complaint}
        return Satellite(self.name, "esphome", state, {key: value for key, value in detail.items() if value})

    async def run(self, household: Household) -> None:
        """Keep it connected until cancelled."""
        pause = FIRST_PAUSE
        while True:
            self._settled = False
            try:
                await self._connected(household)
                error: Exception | None = None
            except (APIConnectionError, TimeoutError, OSError, Refused) as problem:
                error = problem
            except Exception as problem:  # noqa: BLE001 - the other devices go on
                logger.exception("{} failed, and is dialled again", self.name)
                error = problem
            finally:
                household.release(self)
                self._session = None
            heed_cancellation()
            self._refused = isinstance(error, Refused)
            self._note(explain(error, self.device.address, self._setting) if error else LEFT)
            if self._settled:
                pause = FIRST_PAUSE
            if self._refused:
                await asyncio.sleep(NOT_ASKED if self.found else REFUSED)
            else:
                await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @property
    def _room(self) -> str | None:
        return self.device.room or (self._profile.area if self._profile else None) or None

    def _note(self, problem: str | None) -> None:
        """Say what is wrong, once."""
        if problem != self._problem and problem is not None:
            logger.warning("{} ({}): {}", self.name, self.device.address, problem)
        self._problem = problem

    async def _connected(self, household: Household) -> None:
        """Serve it until it leaves. Raises `APIConnectionError`, `Refused`, `TimeoutError` or `OSError`."""
        gone = asyncio.Event()

        async def on_stop(_: bool) -> None:
            gone.set()

        client = self._client()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_leave, client)
            async with asyncio.timeout(CONNECTING):
                await client.connect(on_stop=on_stop, log_errors=False)
                info, entities, _ = await client.device_info_and_list_entities()
                features = (await client.device_capabilities_compat(info)).voice_assistant.feature_flags
            profile = self._profile = profile_of(info, features, entities)
            if not profile.assists:
                raise Refused(NO_ASSISTANT)
            household.claim(self, profile)
            player = adjustable(entities, client.api_version or APIVersion())
            volume = PlayerVolume(client, player) if player is not None else None
            session = self._session = await self._begin(client, profile, volume, stack)
            await self._serve(session, client, gone)

    def _client(self) -> APIClient:
        key = self.device.key.get_secret_value() if self.device.key else None
        return APIClient(
            self.device.address,
            self.device.port,
            None,
            client_info=CLIENT,
            keepalive=KEEPALIVE,
            noise_psk=key,
            provide_time=False,
        )

    async def _begin(
        self, client: APIClient, profile: Profile, volume: PlayerVolume | None, stack: AsyncExitStack
    ) -> Session:
        theirs = client.connected_address or self.device.address
        own = _own_address(theirs)
        shelf = await stack.enter_async_context(self._server.offering(self._settings.address or own))
        sound = None
        if not profile.api_audio:
            sound = await stack.enter_async_context(udp_sound(own, theirs))
        traits = profile.traits(self._settings, self.device)
        caller = self._caller(full_duplex=traits.full_duplex)
        timers = TimerTeller(self._timers, client) if profile.shows_timers else None
        reached = Reached(client, profile, traits, caller, shelf, sound, timers, volume)
        return Session(self._house, reached, settings=self._settings, on_problem=self._note)

    async def _serve(self, session: Session, client: APIClient, gone: asyncio.Event) -> None:
        held: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_log(log: SubscribeLogsResponse) -> None:
            other = holder(log.message, CLIENT)
            self._complaint = plain(log.message.decode("utf-8", "replace"))
            if other is not None and not held.done():
                held.set_result(other)

        client.subscribe_logs(on_log, LogLevel.LOG_LEVEL_ERROR)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(session.serve())
            settling = tasks.create_task(self._settle())
            leaving = tasks.create_task(_wait(gone))
            await asyncio.wait({held, leaving}, return_when=asyncio.FIRST_COMPLETED)
            settling.cancel()
            leaving.cancel()
            session.gone()
            await asyncio.wait({serving})
        if held.done():
            raise Refused(held_by(held.result()))

    async def _settle(self) -> None:
        await asyncio.sleep(SETTLED)
        self._settled = True
        self._note(None)
        logger.info("{} ({}) is connected", self.name, self.device.address)

    def _caller(self, *, full_duplex: bool) -> Caller:
        capabilities = {Capability.HEAR, Capability.SPEAK} | ({Capability.FULL_DUPLEX} if full_duplex else set())
        return Caller(
            door="esphome",
            device=self.name,
            room=self._room,
            resumes=True,
            capabilities=frozenset(capabilities),
            # Whoever holds the device's key, or has set its address, is the household.
            permissions=HOUSEHOLD,
        )


async def _wait(gone: asyncio.Event) -> str:
    await gone.wait()
    return LEFT


async def _leave(client: APIClient) -> None:
    try:
        async with asyncio.timeout(LEAVING):
            await client.disconnect()
    except (APIConnectionError, TimeoutError, OSError):
        client.force_disconnect()


def _own_address(theirs: str) -> str:
    """The address of this machine that a device at `theirs` sees. Sends nothing. Raises `OSError`."""
    family, kind, _, _, place = socket.getaddrinfo(theirs, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(place)
        return str(probe.getsockname()[0])


def _told(profile: Profile) -> Mapping[str, str]:
    return {
        "firmware": profile.firmware,
        "project": profile.project,
        "model": profile.model,
        "mac": profile.mac,
        "hostname": profile.name,
    }
