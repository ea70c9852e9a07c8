"""Who lives here, and which device belongs to whom and stands where."""

from collections.abc import Mapping
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
    title: str | None = None
    """What people call it."""
    speed: float | None = None
    voice: str | None = None
    quiet: str | None = None
    """How the assistant is there, as `pipeline.caller.Caller` has it."""


CHANGEABLE: Final = ("person", "room", "title", "speed", "voice", "quiet")
"""What can be said of a device."""


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
                    "DO UPDATE SET last_seen = now(), door = EXCLUDED.door "
                    "RETURNING room, person, title, speed, voice, quiet",
                    *(caller.device, caller.door),
                )
                if caller.person is not None:
                    await ensure(connection, caller.person)
        except StoreDown as error:
            logger.debug(f"nothing more is known of {caller.device}: {error}")
            return caller
        here = {name: row[name] for name in ("title", "speed", "voice", "quiet") if row[name] is not None}
        return replace(caller, room=caller.room or row["room"], person=caller.person or row["person"], **here)

    async def people(self) -> list[str]:
        """The names of all people."""
        async with self._database.connection(_SECONDS) as connection:
            return [row["name"] for row in await connection.fetch("SELECT name FROM people ORDER BY name")]

    async def devices(self) -> list[Device]:
        """All devices, the latest first."""
        async with self._database.connection(_SECONDS) as connection:
            rows = await connection.fetch(
                "SELECT name, door, room, person, first_seen, last_seen, title, speed, voice, quiet "
                "FROM devices ORDER BY last_seen DESC"
            )
        return [Device(*row.values()) for row in rows]

    async def change(self, device: str, changes: Mapping[str, str | float | None]) -> None:
        """Say things of a device, each one of `CHANGEABLE`; what is None or empty is not said any more.

        Raises `Unknown`.
        """
        said = {name: changes[name] or None for name in CHANGEABLE if name in changes}
        async with self._database.connection(_SECONDS) as connection, connection.transaction():
            if isinstance(person := said.get("person"), str):
                said["person"] = await ensure(connection, person)
            columns = ", ".join(f"{name} = ${number}" for number, name in enumerate(said, 2))
            changed = await connection.execute(
                f"UPDATE devices SET {columns or 'name = name'} WHERE name = $1", device, *said.values()
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
