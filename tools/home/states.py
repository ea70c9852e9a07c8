"""How things of a house are, as people say it. No input or output."""

from collections.abc import Sequence
from typing import Any, Final

from tools.home.house import House, Thing, by_room
from tools.tool import Failed, Result
from tools.wording import begun, joined

MOST_TOLD: Final = 6
_ON: Final = frozenset({"on", "playing", "heat", "cool", "heat_cool", "auto", "dry", "fan_only", "cleaning"})
_USES: Final = ("light", "switch", "fan", "media_player", "climate", "humidifier", "vacuum")
_WAYS_IN: Final = frozenset({"garage", "gate", "door"})
_MEASURES: Final = {
    "temperature": "temperature", "warm": "temperature", "cold": "temperature", "hot": "temperature",
    "humidity": "humidity", "humid": "humidity", "battery": "battery", "power": "power", "energy": "energy",
    "carbon dioxide": "carbon_dioxide", "co2": "carbon_dioxide", "illuminance": "illuminance",
}  # fmt: skip
_NOT_INSIDE: Final = frozenset(
    {"outside", "outdoor", "outdoors", "garden", "balcony", "freezer", "fridge", "refrigerator", "pool", "water"}
)
_OPEN_OR_CLOSED: Final = frozenset({"door", "window", "garage_door", "opening"})
_SENSED: Final = {
    "motion": ("senses motion", "senses no motion"), "occupancy": ("is occupied", "is empty"),
    "moisture": ("is wet", "is dry"), "smoke": ("senses smoke", "senses no smoke"), "battery": ("is low", "is fine"),
    "gas": ("senses gas", "senses no gas"), "connectivity": ("is connected", "is not connected"),
    "presence": ("is home", "is away"), "problem": ("has a problem", "is fine"), "lock": ("is unlocked", "is locked"),
}  # fmt: skip
_UNITS: Final = {"°C": "degrees", "°F": "degrees", "%": "percent", "W": "watts", "kWh": "kilowatt hours", "ppm": "ppm",
                 "lx": "lux", "hPa": "hectopascals", "V": "volts", "A": "amperes"}  # fmt: skip


class Summary:
    """Answers what is asked about several things."""

    def __init__(self, house: House) -> None:
        self._house = house

    def what_is_on(self, room: str | None) -> Result:
        """What is on, in a room or in all of the house."""
        things = [thing for thing in by_room(self._house.things, room) if thing.kind in _USES]
        on = [thing for thing in things if thing.state in _ON]
        where = f" in the {room.lower()}" if room else ""
        data = {"things": [{"name": thing.name, "room": thing.room, "state": thing.state} for thing in on]}
        if not on:
            return Result(f"Nothing is on{where}.", data)
        named = [thing.name for thing in on]
        if len(named) > MOST_TOLD:
            lights = sum(thing.kind == "light" for thing in on)
            others = [thing.name for thing in on if thing.kind != "light"]
            first = f"{lights} light{'s' if lights != 1 else ''}" if lights else others.pop(0)
            rest = others[: MOST_TOLD - 1]
            more = f" and {len(others) - len(rest)} more" if len(others) > len(rest) else ""
            return Result(
                f"{begun(joined([first, *rest]) if not more else ', '.join([first, *rest]))}{more} are on{where}.",
                data,
            )
        return Result(f"{begun(joined(named))} {'is' if len(named) == 1 else 'are'} on{where}.", data)

    def measured(self, about: str, room: str | None) -> Result | None:
        """What is measured in a room or by a named sensor; None where nothing of that kind was asked."""
        found = self.sensors(about, room)
        if found is None:
            return None
        warm = [(each, each.attributes["current_temperature"]) for each in found if each.kind == "climate"]
        if warm and len(warm) == len(found):
            places = [f"in the {each.room.lower()}" if each.room else f"at {each.spoken}" for each, _ in warm]
            told = [f"{degrees:g} degrees {place}" for (_, degrees), place in zip(warm, places, strict=True)]
            return Result(f"It's {joined(told)}.", {"things": [{"name": each.name} for each, _ in warm]})
        told = [f"{thing.name} {spoken_state(thing)}" for thing in found[:MOST_TOLD]]
        return Result(
            f"{begun(joined(told))}.", {"things": [{"name": each.name, "state": each.state} for each in found]}
        )

    def sensors(self, about: str, room: str | None) -> Sequence[Thing] | None:
        """What measures that in a room, else in the house; None where nothing that is measured was asked about."""
        words = about.lower().replace("the ", "").strip()
        measure = next((kind for word, kind in _MEASURES.items() if words in (word, f"{word} sensor")), None)
        if measure is None:
            return None
        sensors = [thing for thing in self._house.things if thing.kind == "sensor" and thing.device_class == measure]
        sensors = [thing for thing in sensors if thing.number is not None and not _elsewhere(thing)] or sensors
        found = by_room(sensors, room) if room else []
        if not found and measure == "temperature" and room:
            found = [each for each in by_room(self._house.things, room) if _tells_warmth(each)]
        if not found and measure == "temperature" and all(_elsewhere(each) for each in sensors):
            found = [each for each in self._house.things if _tells_warmth(each)]
        found = found or sensors
        if not found:
            raise Failed(f"Nothing in the house measures the {words}.")
        return found

    def whether(self, things: Sequence[Thing], called: str, asked: str) -> Result:
        """Whether things are as somebody asks, beginning with the yes or no."""
        data: dict[str, Any] = {"things": [{"name": thing.name, "state": thing.state} for thing in things]}
        so = [thing for thing in things if is_so(thing, asked)]
        if len(things) == 1:
            return Result(f"{'Yes' if so else 'No'}, {things[0].spoken} {spoken_state(things[0])}.", data)
        name = called if called.startswith(("the ", "all ")) else f"the {called}"
        if not so:
            return Result(f"None of them is {asked}.", data)
        if len(so) == len(things):
            return Result(f"Yes, {'all ' if not name.startswith('all ') else ''}{name} are {asked}.", data)
        told, more = so[:MOST_TOLD], len(so) - MOST_TOLD
        others = f" and {more} more" if more > 0 else ""
        are = "is" if len(so) == 1 and not so[0].plural else "are"
        return Result(
            f"{begun(joined([thing.spoken for thing in told]))}{others} {are} {asked}, the others are not.", data
        )

    def of_several(self, things: Sequence[Thing], called: str) -> Result:
        """How several things are."""
        data: dict[str, Any] = {"things": [{"name": thing.name, "state": thing.state} for thing in things]}
        states = {_state(thing) for thing in things}
        if len(states) == 1:
            name = begun(called if called.startswith(("the ", "all ")) else f"the {called}")
            return Result(f"{name} {agreeing(states.pop(), plural=True)}.", data)
        told = [f"{thing.spoken} {spoken_state(thing)}" for thing in things[:MOST_TOLD]]
        return Result(f"{begun(joined(told))}.", data)


def _tells_warmth(thing: Thing) -> bool:
    return thing.kind == "climate" and isinstance(thing.attributes.get("current_temperature"), int | float)


def _elsewhere(thing: Thing) -> bool:
    """Whether it measures what nobody means who asks how it is in the house."""
    return not _NOT_INSIDE.isdisjoint(thing.name.lower().split())


def agreeing(verb: str, *, plural: bool) -> str:
    """What follows a name, in its number: "is on", "are on"."""
    if not plural:
        return verb
    first, _, rest = verb.partition(" ")
    many = {"is": "are", "has": "have", "can't": "can't"}.get(first, first.removesuffix("s"))
    return f"{many} {rest}".rstrip()


def spoken_state(thing: Thing) -> str:
    """How a thing is, as what follows its name: "is on", "are at 21 degrees"."""
    return agreeing(_state(thing), plural=thing.plural)


def _state(thing: Thing) -> str:
    if thing.away:
        return "can't be reached" if thing.state == "unavailable" else "is in an unknown state"
    if thing.kind == "binary_sensor":
        return _sensed(thing)
    if thing.kind == "climate":
        return _climate(thing)
    number = thing.number
    if number is not None:
        unit = str(thing.attributes.get("unit_of_measurement") or "")
        said = f"{round(number, 1):g}"
        return f"is at {said} {_UNITS.get(unit, unit)}".rstrip()
    if thing.kind == "cover" and 0 < (position := int(thing.attributes.get("current_position") or 0)) < 100:
        return f"is {position} percent open"
    if thing.kind == "light" and thing.state == "on" and (bright := thing.attributes.get("brightness")):
        return f"is on at {round(int(bright) / 2.55)} percent"
    if thing.kind == "media_player" and thing.state == "playing" and (title := thing.attributes.get("media_title")):
        return f"plays {title}"
    return f"is {thing.state.replace('_', ' ')}"


def is_so(thing: Thing, asked: str) -> bool | None:
    """Whether a thing is on, open, locked or the opposite; None where that is unknown or not said of such a thing."""
    if thing.away:
        return None
    if asked in ("open", "closed") and (
        thing.kind == "cover" or (thing.kind == "binary_sensor" and thing.device_class in _OPEN_OR_CLOSED)
    ):
        return (thing.state in ("closed", "off")) is (asked == "closed")
    if asked in ("locked", "unlocked") and thing.kind == "lock":
        return (thing.state == "locked") is (asked == "locked")
    if asked == "playing" and thing.kind == "media_player":
        return thing.state == "playing"
    if asked in ("on", "running", "off") and thing.kind in _USES:
        return (thing.state in _ON) is (asked != "off")
    return None


def opens_a_way_in(thing: Thing) -> bool:
    """Whether a cover is a door or a gate, which is not opened without asking."""
    return thing.kind == "cover" and thing.device_class in _WAYS_IN


def _sensed(thing: Thing) -> str:
    on = thing.state == "on"
    if thing.device_class in _OPEN_OR_CLOSED:
        return "is open" if on else "is closed"
    return _SENSED.get(thing.device_class, ("is on", "is off"))[0 if on else 1]


def _climate(thing: Thing) -> str:
    now, wanted = thing.attributes.get("current_temperature"), thing.attributes.get("temperature")
    if thing.state == "off":
        return f"is off, at {now:g} degrees" if isinstance(now, int | float) else "is off"
    said = f"is at {now:g} degrees" if isinstance(now, int | float) else f"is on {thing.state.replace('_', ' ')}"
    return f"{said}, set to {wanted:g}" if isinstance(wanted, int | float) else said
