"""Where places are: names that people say, and where the household is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import BaseModel, Field, TypeAdapter

from tools.service import Service
from tools.tool import Failed

KEPT: Final = 30 * 24 * 3600.0
"""Seconds; towns do not move."""
_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A point on earth with a name."""

    name: str
    latitude: float
    """Degrees, north is positive."""
    longitude: float
    country: str = ""
    """Its code of two letters."""
    told: str = ""
    """What tells it from others of its name: "Springfield, Illinois"."""


class _Found(BaseModel):
    name: str
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    country_code: str = ""
    country: str = ""
    admin1: str = ""


class _Answer(BaseModel):
    results: list[_Found] = []


_FORM: Final = TypeAdapter(_Answer)


class Places:
    """Finds places by name with Open-Meteo's geocoder.

    Args:
        geocoder: its service; https://open-meteo.com/en/docs/geocoding-api.
        home: where the household is, as one would say it: "Lisbon, Portugal"; None where nobody has said.
        point: its latitude and longitude, where those are set.
    """

    def __init__(self, geocoder: Service, *, home: str | None, point: tuple[float, float] | None = None) -> None:
        self._geocoder = geocoder
        self._home = home
        self._point = point

    async def here(self) -> Place:
        """Where the household is. Raises `Failed` where that is not set or not found."""
        if self._point is not None:
            return Place(_first_part(self._home or "here"), *self._point)
        if not self._home:
            raise Failed("I don't know where we are. Please name a place, or set household.location.")
        return replace(await self.find(self._home), told="")

    async def find(self, said: str) -> Place:
        """Find a place, the largest of its name unless more is said: "Paris, Texas". Raises `Failed`."""
        name, _, more = (part.strip() for part in said.partition(","))
        found = await self._search(name)
        if not found and not more:
            # "Springfield Illinois": speech has no commas.
            words = name.split()
            for cut in range(len(words) - 1, 0, -1):
                name, more = " ".join(words[:cut]), " ".join(words[cut:])
                found = await self._search(name)
                if any(_fits(each, more) for each in found):
                    break
        fitting = [each for each in found if _fits(each, more)] if more else found
        if not fitting:
            raise Failed(f"Sorry, I can't find a place called {said.strip()}.")
        best = fitting[0]
        # Americans tell towns of one name apart by their state, others by their country.
        region = best.admin1 if best.country_code == "US" else best.country
        told = f"{best.name}, {region}" if region and (more or len(found) > 1) else best.name
        return Place(best.name, best.latitude, best.longitude, best.country_code, told)

    async def _search(self, name: str) -> Sequence[_Found]:
        if len(name) < 2:
            return []
        params = {"name": name[:100], "count": _MOST, "language": "en", "format": "json"}
        return (await self._geocoder.json(_FORM, "/v1/search", params, fresh=KEPT, stale=KEPT)).value.results


def _fits(found: _Found, more: str) -> bool:
    wanted = more.lower().replace(",", " ").split()
    there = f"{found.admin1} {found.country} {found.country_code}".lower()
    return all(word in there for word in wanted if word not in ("the", "in", "of"))


def _first_part(location: str) -> str:
    return location.partition(",")[0].strip()
