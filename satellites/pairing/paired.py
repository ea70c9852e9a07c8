"""The devices that were let in, kept on disk: their names, and what proves each of them, hashed."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Protocol

from loguru import logger
from pydantic import TypeAdapter, ValidationError

UNUSED_DAYS: Final = 180
"""A device that did not call for so long has to be paired again."""
NOTED: Final = 3600.0
"""Seconds after which it is written down again that a device has called."""
MOST: Final = 256
"""Devices; a house that pairs more has something wrong with it."""
LONGEST_NAME: Final = 40
_DAY: Final = 86400.0


class Store(Protocol):
    """Where records outlive the process."""

    async def load(self) -> list[dict[str, Any]]:
        """What was saved."""

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep these instead."""


@dataclass(frozen=True, slots=True)
class Device:
    """One that was let in."""

    id: str
    name: str
    proof: str
    """The SHA-256 of the secret that it shows, in hex."""
    paired_at: float
    seen_at: float
    """Seconds since 1970."""
    owner: bool = False
    """Whether who sits there looks after the house: sees `/admin`, and says who may come in."""

    @property
    def unique_name(self) -> str:
        """What conversations call it: nobody can be called so as well, and come by what is another's."""
        return f"{self.name}-{self.id}"


_DEVICE: Final = TypeAdapter(Device)


class TooMany(Exception):  # noqa: N818 - reads as what is wrong
    """No more devices are let in before one is removed."""


@dataclass(slots=True)
class _Entry:
    device: Device
    removed: asyncio.Event = field(default_factory=asyncio.Event)


class Paired:
    """Devices that may come in.

    Args:
        store: keeps them.
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._by_proof: dict[str, _Entry] = {}

    async def load(self) -> None:
        """Read who was let in before. Raises `OSError`."""
        since = self._clock() - UNUSED_DAYS * _DAY
        for entry in await self._store.load():
            try:
                device = _DEVICE.validate_python(entry)
            except ValidationError as error:
                logger.warning("A device that was paired is left out, since its record is damaged: {}", error)
                continue
            if device.seen_at > since:
                self._by_proof[device.proof] = _Entry(device)

    def devices(self) -> list[Device]:
        """Who may come in, the newest first."""
        return sorted((each.device for each in self._by_proof.values()), key=lambda each: -each.paired_at)

    async def add(self, name: str, *, owner: bool = False, secret: str | None = None) -> tuple[Device, str]:
        """Let a device in; returns it and the secret that it has to show from now on, a new one unless it brings one.

        Each has a name of its own: a second "Kitchen" becomes "Kitchen 2".

        Raises:
            TooMany: there are `MOST` already.
            OSError: it could not be written down, and is not let in.
        """
        if len(self._by_proof) >= MOST:
            raise TooMany(f"{MOST} devices are paired. Remove one first: passfel pair --list")
        secret, now = secret or secrets.token_urlsafe(32), self._clock()
        device = Device(secrets.token_hex(4), self._own_name(name), _proof(secret), now, now, owner)
        self._by_proof[device.proof] = _Entry(device)
        try:
            await self._save()
        except BaseException:
            del self._by_proof[device.proof]
            raise
        logger.info("{!r} was paired", device.name)
        return device, secret

    async def remove(self, id: str) -> Device | None:  # noqa: A002 - what it is called outside
        """Let a device in no more, and end what it does now; None where there is none of this id. Raises `OSError`."""
        entry = next((each for each in self._by_proof.values() if each.device.id == id), None)
        if entry is None:
            return None
        del self._by_proof[entry.device.proof]
        entry.removed.set()
        await self._save()
        logger.info("{!r} may not come in any more", entry.device.name)
        return entry.device

    def known(self, secret: str) -> tuple[Device, asyncio.Event] | None:
        """Whose secret this is, and what tells when the device is removed; None where it is nobody's.

        Looked up by its hash, so that how long it takes tells nothing about the secrets of others.
        """
        entry = self._by_proof.get(_proof(secret))
        if entry is None or self._clock() - entry.device.seen_at > UNUSED_DAYS * _DAY:
            return None
        return entry.device, entry.removed

    async def note(self, device: Device) -> None:
        """Write down that a device calls, once an hour. Raises `OSError`."""
        entry, now = self._by_proof.get(device.proof), self._clock()
        if entry is not None and now - entry.device.seen_at > NOTED:
            entry.device = replace(entry.device, seen_at=now)
            await self._save()

    def _own_name(self, wanted: str) -> str:
        printable = "".join(filter(str.isprintable, wanted)).strip()[:LONGEST_NAME] or "A device"
        taken = {each.device.name.casefold() for each in self._by_proof.values()}
        name, number = printable, 1
        while name.casefold() in taken:
            number += 1
            name = f"{printable[: LONGEST_NAME - len(str(number)) - 1]} {number}"
        return name

    async def _save(self) -> None:
        await self._store.save([asdict(each.device) for each in self._by_proof.values()])


def _proof(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
