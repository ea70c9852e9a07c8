"""Several calendar servers as one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tools.agenda import Appointment
from tools.calendar import Incomplete, Source
from tools.tool import Failed


class Calendars:
    """Reads all of them, and puts what is new on the first.

    Args:
        sources: each with what a person calls it, such as "your Google calendar".
    """

    def __init__(self, sources: Sequence[tuple[str, Source]]) -> None:
        self._sources = sources

    async def between(self, starts: datetime, ends: datetime) -> list[Appointment]:
        """The appointments of a time, the next first.

        Raises:
            Incomplete: some do not answer; it has what the others did.
            Failed: none does.
        """
        asked = [source.between(starts, ends) for _, source in self._sources]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found, silent = list[Appointment](), list[tuple[str, Failed]]()
        for (name, source), answer in zip(self._sources, answers, strict=True):
            if isinstance(answer, Failed):
                silent.append((name, answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += [replace(each, handle=(source, each)) for each in answer]
        if len(silent) == len(self._sources):
            raise silent[0][1]
        found.sort(key=lambda each: (each.starts, each.title))
        if silent:
            raise Incomplete(found, " and ".join(name for name, _ in silent))
        return found

    async def add(
        self, title: str, starts: datetime, ends: datetime, *, all_day: bool, place: str, repeat: str | None
    ) -> None:
        """Write an appointment down. Raises `Failed`."""
        _, source = self._sources[0]
        await source.add(title, starts, ends, all_day=all_day, place=place, repeat=repeat)

    async def move(self, appointment: Appointment, starts: datetime, ends: datetime) -> None:
        """Move an appointment; of one that repeats only this time. Raises `Failed`."""
        source, own = appointment.handle
        await source.move(own, starts, ends)

    async def remove(self, appointment: Appointment) -> None:
        """Remove an appointment; of one that repeats only this time. Raises `Failed`."""
        source, own = appointment.handle
        await source.remove(own)
