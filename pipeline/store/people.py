"""Who lives here, and which device belongs to whom and stands where."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg
from loguru import logger

from pipeline.caller import Caller
from pipeline.store.database import Database, StoreDown

KNOW_SECONDS: Final = 0.3
"""What a conversation waits to learn who speaks; it begins without."""
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Device:
    """A device that has been heard of."""

    name: str
    door: str
    room: str | None
    person: str | None
    first_seen: datetime
    last_seen: datetime


class Unknown(Exception):  # noqa: N818 - reads as what is the matter
    """There is no such person or device; the message names those there are."""


class People:
    """The people and devices of the household. What it raises where the database does not answer is `StoreDown`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, caller: Caller) -> Caller:
        """Note that a device has called, and add what is known of it where its door knows less. Raises nothing."""
        try:
            async with self._database.connection(KNOW_SECONDS) as connection:
                row = await connection.fetchrow(
                    "INSERT INTO devices (name, door) VALUES ($1, $2) ON CONFLICT (name) "
                    "DO UPDATE SET last_seen = now(), door = EXCLUDED.door RETURNING room, person",
                    *(caller.device, caller.door),
                )
                if caller.person is not None:
                    await ensure(connection, caller.person)
        except StoreDown as error:
            logger.debug(f"nothing more is known of {caller.device}: {error}")
            return caller
        return replace(caller, room=caller.room or row["room"], person=caller.person or row["person"])

    async def people(self) -> list[str]:
        """The names of all people."""
        async with self._database.connection(_SECONDS) as connection:
            return [row["name"] for row in await connection.fetch("SELECT name FROM people ORDER BY name")]

    async def devices(self) -> list[Device]:
        """All devices, the latest first."""
        async with self._database.connection(_SECONDS) as connection:
            rows = await connection.fetch(
                "SELECT name, door, room, person, first_seen, last_seen FROM devices ORDER BY last_seen DESC"
            )
        return [Device(*row.values()) for row in rows]

    async def assign(self, device: str, *, person: str | None, room: str | None) -> None:
        """Say whose a device is and where it stands; None leaves that as it is, and "" removes it. Raises `Unknown`."""
        async with self._database.connection(_SECONDS) as connection, connection.transaction():
            whose = await ensure(connection, person) if person else None
            changed = await connection.execute(
                "UPDATE devices SET person = CASE WHEN $2 THEN $3 ELSE person END, "
                "room = CASE WHEN $4 THEN $5 ELSE room END WHERE name = $1",
                *(device, person is not None, whose, room is not None, room or None),
            )
        if changed == "UPDATE 0":
            names = ", ".join(each.name for each in await self.devices()) or "none yet: a device is known once it calls"
            raise Unknown(f"there is no device {device}; there are: {names}")

    async def find(self, name: str) -> str:
        """Return a person's name as it is kept. Raises `Unknown`."""
        async with self._database.connection(_SECONDS) as connection:
            found: str | None = await connection.fetchval("SELECT name FROM people WHERE lower(name) = lower($1)", name)
        if found is None:
            names = ", ".join(await self.people()) or "nobody yet; passfel devices DEVICE --person NAME adds one"
            raise Unknown(f"there is no person {name}; there are: {names}")
        return found


async def ensure(connection: asyncpg.Connection, name: str) -> str:
    """Return a person's name as it is kept, which it is from now on."""
    kept: str = await connection.fetchval(
        "INSERT INTO people (name) VALUES ($1) ON CONFLICT (lower(name)) DO UPDATE SET name = people.name "
        "RETURNING name",
        name.strip(),
    )
    return kept
