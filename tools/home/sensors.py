"""What the sensors of the house measure, gathered to be kept."""

import asyncio
from collections.abc import Iterable
from typing import Final

from tools.home.house import House
from tools.measured import Keep, Measured

GATHER_SECONDS: Final = 60.0
"""Some sensors tell something several times a second; one value a minute is enough to know what is usual."""


class Sensors:
    """Gathers values, and hands them on.

    Args:
        keep: told of the latest value of each sensor that has told something.
    """

    def __init__(self, house: House, keep: Keep, *, gather: float = GATHER_SECONDS) -> None:
        self._house = house
        self._keep = keep
        self._gather = gather
        self._changed: set[str] = set()

    def changed(self, things: Iterable[str]) -> None:
        """Note that these have told something."""
        self._changed.update(thing for thing in things if thing.startswith("sensor."))

    async def run(self) -> None:
        """Hand values on, until cancelled."""
        while True:
            await asyncio.sleep(self._gather)
            changed, self._changed = self._changed, set()
            if found := [measured for thing in sorted(changed) if (measured := self._measured(thing))]:
                await self._keep(found)

    def _measured(self, id_: str) -> Measured | None:
        thing = self._house.thing(id_)
        # What only ever grows, such as a meter, has no usual value.
        if thing is None or thing.attributes.get("state_class") != "measurement" or thing.number is None:
            return None
        return Measured(thing.name, thing.number, str(thing.attributes.get("unit_of_measurement") or ""), thing.room)
