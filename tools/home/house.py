"""What Home Assistant has told of a house: its rooms and things, and how these are now. No input or output."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNKNOWN: Final = frozenset({"unavailable", "unknown"})


@dataclass(frozen=True, slots=True)
class Thing:
    """An entity of Home Assistant."""

    id: str
    """As Home Assistant names it: `light.kitchen_ceiling`."""
    name: str
    """As people call it."""
    aliases: tuple[str, ...] = ()
    room: str | None = None
    state: str = "unknown"
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its domain: light, switch, cover."""
        return self.id.partition(".")[0]

    @property
    def device_class(self) -> str:
        """What kind of its kind it is: a garage door, a temperature."""
        return str(self.attributes.get("device_class") or "")

    @property
    def spoken(self) -> str:
        """Its name in the middle of a sentence: "the garage door", "the HeatPump"."""
        return "the " + " ".join(word.lower() if word.istitle() else word for word in self.name.split())

    @property
    def plural(self) -> bool:
        """Whether its name is one of several things: "Ceiling Lights"."""
        return self.name.lower().endswith("s") and not self.name.lower().endswith(("ss", "us"))

    @property
    def away(self) -> bool:
        """Whether nobody knows how it is."""
        return self.state in UNKNOWN

    @property
    def number(self) -> float | None:
        """What it measures, where that is a number."""
        try:
            value = float(self.state)
        except ValueError:
            return None
        return value if abs(value) < 1e12 else None


@dataclass(frozen=True, slots=True)
class _Place:
    """What the registry knows of an entity."""

    area: str | None
    aliases: tuple[str, ...]
    hidden: bool


class House:
    """Rooms and things, put together from what Home Assistant tells bit by bit."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, dict[str, Any]]] = {}
        self._areas: dict[str, str] = {}
        self._area_aliases: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, _Place] = {}

    @property
    def rooms(self) -> list[str]:
        """The names of the rooms."""
        return sorted(self._areas.values())

    def spoken_rooms(self) -> list[tuple[str, str]]:
        """Each name and alias of a room, with its name."""
        named = [(name, name) for name in self._areas.values()]
        return named + [(alias, self._areas[area]) for area, aliases in self._area_aliases.items() for alias in aliases]

    def room_called(self, words: str) -> str | None:
        """The room of this name or alias."""
        wanted = words.strip().lower().removeprefix("the ")
        return next((room for spoken, room in self.spoken_rooms() if spoken.lower() == wanted), None)

    @property
    def things(self) -> list[Thing]:
        """What people may mean: everything that is not hidden."""
        return [thing for id_ in self._states if (thing := self.thing(id_)) is not None]

    def thing(self, id_: str) -> Thing | None:
        """One thing as it is now; None where it is hidden or not there."""
        place = self._places.get(id_, _Place(None, (), hidden=False))
        if id_ not in self._states or place.hidden:
            return None
        state, attributes = self._states[id_]
        name = str(attributes.get("friendly_name") or id_.partition(".")[2].replace("_", " "))
        room = self._areas.get(place.area) if place.area else None
        return Thing(id_, name, place.aliases, room, state, attributes)

    def registered(
        self,
        areas: Iterable[Mapping[str, Any]],
        devices: Iterable[Mapping[str, Any]],
        entities: Iterable[Mapping[str, Any]],
    ) -> None:
        """Take the registries of areas, devices and entities, as Home Assistant lists them."""
        areas = list(areas)
        self._areas = {str(area["area_id"]): str(area["name"]) for area in areas}
        self._area_aliases = {str(area["area_id"]): tuple(area.get("aliases") or ()) for area in areas}
        in_area = {str(device["id"]): device.get("area_id") for device in devices}
        self._places = {
            str(entity["entity_id"]): _Place(
                entity.get("area_id") or in_area.get(str(entity.get("device_id"))),
                tuple(alias for alias in entity.get("aliases") or () if alias),
                hidden=bool(entity.get("hidden_by") or entity.get("entity_category")),
            )
            for entity in entities
        }

    def changed(self, event: Mapping[str, Any]) -> list[str]:
        """Take an event of `subscribe_entities`; returns the entities that it is about.

        Its form is Home Assistant's compressed one: `a` are new ones, `c` differences, `r` those that are gone; in
        them `s` is the state and `a` the attributes.
        """
        about: list[str] = []
        for id_, new in (event.get("a") or {}).items():
            self._states[id_] = (str(new.get("s", "unknown")), dict(new.get("a") or {}))
            about.append(id_)
        for id_, difference in (event.get("c") or {}).items():
            state, attributes = self._states.get(id_, ("unknown", {}))
            added, gone = difference.get("+") or {}, difference.get("-") or {}
            kept = {name: value for name, value in attributes.items() if name not in (gone.get("a") or ())}
            self._states[id_] = (str(added.get("s", state)), {**kept, **(added.get("a") or {})})
            about.append(id_)
        for id_ in event.get("r") or ():
            self._states.pop(id_, None)
        return about

    def forget_states(self) -> None:
        """The connection is lost: what comes next is all there is."""
        self._states.clear()


def by_room(things: Iterable[Thing], room: str | None) -> list[Thing]:
    """Those in a room; all of them where none is meant."""
    return [thing for thing in things if room is None or (thing.room or "").lower() == room.lower()]
