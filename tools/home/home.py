"""What people have the house do, and what they ask about it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from tools.home.connection import Connection
from tools.home.features import can, colourful, dimmable
from tools.home.house import House, Thing
from tools.home.names import Meant, meant
from tools.home.states import Summary, agreeing, is_so, opens_a_way_in, spoken_state
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun, joined

SETTLE_SECONDS: Final = 1.0
"""How long a thing may take until it is as it was told to be."""
MOST_NAMED: Final = 4
"""Things that are named where somebody has to choose."""

_SWITCHED: Final = (
    "light", "switch", "fan", "media_player", "climate", "humidifier", "input_boolean", "scene", "script",
    "automation", "vacuum", "siren", "water_heater", "remote",
)  # fmt: skip
_ON: Final = {"scene": "scene.turn_on", "script": "script.turn_on", "vacuum": "vacuum.start"}
_OFF: Final = {"vacuum": "vacuum.return_to_base"}
_MEDIA: Final = {
    "play": "media_play", "pause": "media_pause", "stop": "media_stop", "next": "media_next_track",
    "previous": "media_previous_track", "louder": "volume_up", "quieter": "volume_down",
}  # fmt: skip
Media = Literal["play", "pause", "stop", "next", "previous", "louder", "quieter"]
_COLOURS: Final = (
    "red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "cyan", "magenta", "violet", "turquoise",
    "gold", "lime", "teal", "navy", "brown", "indigo",
)  # fmt: skip
_WARMTHS: Final = {"warm white": 2700, "warm": 2700, "cool white": 5000, "cold white": 6000, "daylight": 6000}


@dataclass(frozen=True, slots=True)
class _Order:
    """What some things are told."""

    service: str
    done: str
    """What is said when it is done, after the name: "is on"."""
    data: Mapping[str, Any]
    state: str | None = None
    """How they are then."""


class Home:
    """Controls a house by way of Home Assistant."""

    def __init__(self, house: House, connection: Connection) -> None:
        self._house = house
        self._connection = connection

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        control = Effect.CONTROL
        return [
            tool(self.turn_on, effect=control),
            tool(self.turn_off, effect=control),
            tool(self.set_light, effect=control),
            tool(self.set_temperature, effect=control),
            tool(self.open_cover, effect=control, question=self._ask_to_open),
            tool(self.close_cover, effect=control),
            tool(self.lock_door, effect=control),
            tool(self.unlock_door, effect=Effect.SECURE, question=_ask_to_unlock),
            tool(self.control_media, effect=control),
            tool(self.home_status, effect=Effect.READ),
        ]

    async def turn_on(self, context: Context, name: str, room: str | None = None) -> Result:
        """Turn on a lamp, a switch, a fan, a player or heating, or start a scene, a script or a vacuum cleaner.

        Args:
            name: what, as people call it, such as bed light or all lights.
            room: where it is.
        """
        things, called = self._meant(context, name, room, _SWITCHED)
        return await self._each(things, called, lambda thing: _Order(
            _ON.get(thing.kind, f"{thing.kind}.turn_on"),
            "is on" if thing.kind not in _ON else "has started",
            {},
            None if thing.kind in _ON or thing.kind in ("climate", "media_player") else "on",
        ))  # fmt: skip

    async def turn_off(self, context: Context, name: str, room: str | None = None) -> Result:
        """Turn off a lamp, a switch, a fan, a player or heating, or send a vacuum cleaner home.

        Args:
            name: what, as people call it, such as bed light or all lights.
            room: where it is.
        """
        kinds = tuple(kind for kind in _SWITCHED if kind != "scene")
        things, called = self._meant(context, name, room, kinds, likely=lambda thing: thing.state != "off")
        return await self._each(things, called, lambda thing: _Order(
            _OFF.get(thing.kind, f"{thing.kind}.turn_off"),
            "is off" if thing.kind not in _OFF else "goes home",
            {},
            None if thing.kind in _OFF else "off",
        ))  # fmt: skip

    async def set_light(
        self,
        context: Context,
        name: str = "light",
        room: str | None = None,
        brightness: int | None = None,
        color: str | None = None,
        change: int | None = None,
    ) -> Result:
        """Set how bright a lamp is, and its color.

        Args:
            name: which, as people call it.
            room: where it is.
            brightness: in percent; 0 turns it off.
            color: such as red, or warm white.
            change: by how many percent it is to be brighter, or darker with a negative number.
        """
        if change is not None:
            return await self._brighten(context, name, room, change)
        if brightness is None and color is None:
            raise TryAgain("How is the light to be? Give a brightness or a color.")
        if brightness is not None and not 0 <= brightness <= 100:
            raise TryAgain("The brightness is a percentage from 0 to 100.")
        if brightness == 0:
            return await self.turn_off(context, name, room)
        data: dict[str, Any] = {} if brightness is None else {"brightness_pct": brightness}
        said = [] if brightness is None else [f"at {brightness} percent"]
        if color is not None:
            wanted = color.strip().lower()
            if wanted in _WARMTHS:
                data["kelvin"] = _WARMTHS[wanted]
            elif wanted in _COLOURS:
                data["color_name"] = wanted
            else:
                raise TryAgain(f"{color!r} is no color that lamps have. There are: {', '.join(_COLOURS)}.")
            said.append(wanted)
        things, called = self._meant(context, name, room, ("light",))
        if brightness is not None and any(not dimmable(thing) for thing in things):
            raise Failed(f"{begun(things[0].spoken)} can't be dimmed.")
        if "color_name" in data and any(not colourful(thing) for thing in things):
            raise Failed(f"{begun(things[0].spoken)} has no colors.")
        order = _Order("light.turn_on", f"is {' and '.join(said)}", data, "on")
        return await self._each(things, called, lambda _: order)

    async def set_temperature(
        self,
        context: Context,
        degrees: float | None = None,
        name: str = "thermostat",
        room: str | None = None,
        change: float | None = None,
    ) -> Result:
        """Set the temperature that the heating or cooling is to reach.

        Args:
            degrees: as the household counts them.
            name: which thermostat, where there are several.
            room: where it is.
            change: by how many degrees it is to be warmer, or colder with a negative number.
        """
        things, called = self._meant(context, name, room, ("climate",))
        if len({_wanted(thing, degrees, change) for thing in things}) > 1:
            raise Failed(f"They are set to different temperatures. Which one? {_choice(things)}")
        wanted = _wanted(things[0], degrees, change)
        for thing in things:
            low, high = float(thing.attributes.get("min_temp", 7)), float(thing.attributes.get("max_temp", 95))
            if not low <= wanted <= high:
                raise Failed(f"{begun(thing.spoken)} goes from {low:g} to {high:g} degrees.")
        order = _Order("climate.set_temperature", f"is set to {wanted:g} degrees", {"temperature": wanted})
        return await self._each(things, called, lambda _: order)

    async def open_cover(
        self, context: Context, name: str, room: str | None = None, position: int | None = None
    ) -> Result:
        """Open a blind, a curtain, a window, a garage door or a gate.

        Args:
            name: what, as people call it.
            room: where it is.
            position: how far, in percent; 100 is open.
        """
        things, called = self._meant(context, name, room, ("cover",))
        if position is not None:
            if not 0 <= position <= 100:
                raise TryAgain("The position is a percentage from 0 to 100.")
            order = _Order("cover.set_cover_position", f"moves to {position} percent", {"position": position})
        else:
            order = _Order("cover.open_cover", "opens", {})
        return await self._each(things, called, lambda _: order)

    async def close_cover(self, context: Context, name: str, room: str | None = None) -> Result:
        """Close a blind, a curtain, a window, a garage door or a gate.

        Args:
            name: what, as people call it.
            room: where it is.
        """
        things, called = self._meant(context, name, room, ("cover",))
        return await self._each(things, called, lambda _: _Order("cover.close_cover", "closes", {}))

    async def lock_door(self, context: Context, name: str = "door", room: str | None = None) -> Result:
        """Lock a door.

        Args:
            name: which, as people call it.
            room: where it is.
        """
        things, called = self._meant(context, name, room, ("lock",))
        return await self._each(things, called, lambda _: _Order("lock.lock", "is locked", {}, "locked"))

    async def unlock_door(self, context: Context, name: str = "door", room: str | None = None) -> Result:
        """Unlock a door.

        Args:
            name: which, as people call it.
            room: where it is.
        """
        things, called = self._meant(context, name, room, ("lock",))
        if len(things) > 1:
            raise Failed(f"Which one? {_choice(things)}")
        return await self._each(things, called, lambda _: _Order("lock.unlock", "is unlocked", {}, "unlocked"))

    async def control_media(
        self, context: Context, action: Media, name: str = "player", room: str | None = None
    ) -> Result:
        """Have a television, a radio or a speaker of the house play, pause, skip, or be louder.

        Args:
            action: what it is to do.
            name: which, as people call it.
            room: where it is.
        """
        if name == "player" and room is None:
            things: Sequence[Thing] = self._players(context, f"media_player.{_MEDIA[action]}")
            called = ""
        else:
            things, called = self._player_in(context, name, room)
        done = {"play": "plays", "pause": "is paused", "stop": "has stopped", "next": "plays the next one",
                "previous": "plays the one before", "louder": "is louder", "quieter": "is quieter"}[action]  # fmt: skip
        return await self._each(things, called, lambda _: _Order(f"media_player.{_MEDIA[action]}", done, {}))

    async def home_status(
        self, context: Context, name: str | None = None, room: str | None = None, asked: str | None = None
    ) -> Result:
        """Tell how things in the house are: what is on, whether a door is locked, how warm a room is.

        Args:
            name: what is asked about, such as front door, lights or temperature; leave it out for all that is on.
            room: where it is.
            asked: whether it is so: on, off, open, closed, locked or unlocked.
        """
        self._reachable()
        summary = Summary(self._house)
        place = self._house.room_called(room) if room else None
        if room and place is None:
            raise Failed(f"I know of no room called {room}. There are {joined(self._house.rooms)}.")
        if not name or name.strip().lower() in ("everything", "what is on", "on"):
            return summary.what_is_on(place)
        if (found := summary.measured(name, place or context.room)) is not None:
            return found
        kinds = tuple({thing.kind for thing in self._house.things})
        answer = meant(name, self._house, kinds=kinds, room=place, here=context.room)
        if not answer.things:
            raise TryAgain(f"There is nothing called {name!r} in the house.")
        if asked is not None and all(is_so(thing, asked) is not None for thing in answer.things):
            return summary.whether(answer.things, answer.called or name, asked)
        if answer.several or len(answer.things) > 1:
            return summary.of_several(answer.things, answer.called or name)
        thing = answer.things[0]
        return Result(f"{begun(thing.spoken)} {spoken_state(thing)}.", {"things": [_data(thing)]})

    async def _brighten(self, context: Context, name: str, room: str | None, change: int) -> Result:
        things, called = self._meant(context, name, room, ("light",))
        lit = [thing for thing in things if thing.state == "on"]
        if change < 0 and not lit:
            off = agreeing("is off", plural=len(things) > 1 or things[0].plural)
            raise Failed(f"{begun(called or things[0].spoken)} {off}, so there is nothing to dim.")
        # Who wants it darker does not want those on that are off.
        told = lit if change < 0 else things
        if any(not dimmable(thing) for thing in told):
            raise Failed(f"{begun(told[0].spoken)} can't be dimmed.")
        how = "is brighter now" if change > 0 else "is darker now"
        return await self._each(told, called, lambda _: _Order("light.turn_on", how, {"brightness_step_pct": change}))

    def _meant(
        self,
        context: Context,
        name: str,
        room: str | None,
        kinds: Collection[str],
        *,
        likely: Callable[[Thing], bool] = lambda _: False,
    ) -> tuple[Sequence[Thing], str]:
        """The things that are meant, which are all to be told. Raises `Failed` where that is unclear.

        Args:
            likely: tells the thing that is meant from others where it is the only one of which this is so.
        """
        self._reachable()
        if room and self._house.room_called(room) is None:
            # It may be a part of the name: "the hall" is no room, and "hall window" a thing.
            name, room = f"{room} {name}", None
        answer: Meant = meant(name, self._house, kinds=kinds, room=room, here=context.room)
        things = answer.things
        if not things:
            raise TryAgain(f"There is nothing called {name!r} in the house that can do that.")
        if len(things) > 1 and not answer.several and len(fitting := [each for each in things if likely(each)]) == 1:
            things = fitting
        if len(things) > 1 and not answer.several:
            raise Failed(f"Which one? {_choice(things)}")
        there = [thing for thing in things if thing.state != "unavailable"]
        if not there:
            raise Failed(f"{begun(things[0].spoken)} can't be reached right now.")
        return there, answer.called

    def _player_in(self, context: Context, name: str, room: str | None) -> tuple[Sequence[Thing], str]:
        """Players are often called like the room that they are in, without being registered there."""
        try:
            return self._meant(context, name, room, ("media_player",))
        except TryAgain:
            if room is None:
                raise
            return self._meant(context, room, None, ("media_player",))

    def _players(self, context: Context, service: str) -> Sequence[Thing]:
        self._reachable()
        here = self._house.room_called(context.room) if context.room else None
        players = [thing for thing in self._house.things if thing.kind == "media_player" and not thing.away]
        players = [thing for thing in players if can(thing, service)] or players
        mine = [thing for thing in players if here and thing.room == here]
        playing = [thing for thing in mine or players if thing.state == "playing"]
        found = playing or mine or players
        if not found:
            raise Failed("There is nothing in the house that plays.")
        if len(found) > 1:
            raise Failed(f"Which one? {_choice(found)}")
        return found

    async def _each(self, things: Sequence[Thing], called: str, order: Callable[[Thing], _Order]) -> Result:
        """Tell each thing what to do: one call for those that are told the same."""
        orders: dict[str, tuple[_Order, list[Thing]]] = {}
        things = [thing for thing in things if can(thing, order(thing).service)] or things[:1]
        if not can(things[0], order(things[0]).service):
            raise Failed(f"{begun(things[0].spoken)} can't do that.")
        for thing in things:
            told = order(thing)
            orders.setdefault(told.service, (told, []))[1].append(thing)
        for told, those in orders.values():
            await self._connection.call(told.service, [thing.id for thing in those], told.data)
        last = next(reversed(orders.values()))[0]
        await self._settle([(thing, told.state) for told, those in orders.values() for thing in those])
        now = [self._house.thing(thing.id) or thing for thing in things]
        if len(things) == 1:
            said = f"{begun(things[0].spoken)} {agreeing(last.done, plural=things[0].plural)}."
        else:
            several = not called.startswith("everything")
            said = (
                f"{begun(called or joined([thing.spoken for thing in things]))} {agreeing(last.done, plural=several)}."
            )
        return Result(said, {"things": [_data(thing) for thing in now]})

    async def _settle(self, told: Sequence[tuple[Thing, str | None]]) -> None:
        """Wait for what they were told to be seen, where that can be seen."""
        wanted = {thing.id: state for thing, state in told if state is not None}
        if not wanted:
            return

        def slow() -> list[Thing]:
            now = [self._house.thing(id_) for id_ in wanted]
            return [each for each in now if each is not None and each.state != wanted[each.id]]

        if not await self._connection.seen(lambda: not slow(), within=SETTLE_SECONDS):
            first = slow()[0]
            raise Failed(f"I told it to, but {first.spoken} {spoken_state(first)}.")

    def _reachable(self) -> None:
        if self._connection.problem is not None:
            raise Failed("Home Assistant can't be reached right now. Please try again in a moment.")

    def _ask_to_open(self, arguments: Mapping[str, Any]) -> str | None:
        """Whoever opens a way into the house confirms it."""
        answer = meant(arguments["name"], self._house, kinds=("cover",), room=arguments.get("room"), here=None)
        ways = [thing for thing in answer.things if opens_a_way_in(thing)]
        return f"Shall I really open {ways[0].spoken}?" if ways else None


def _ask_to_unlock(arguments: Mapping[str, Any]) -> str:
    name = str(arguments["name"]).removeprefix("the ")
    return f"Shall I really unlock the {name}?"


def _wanted(thing: Thing, degrees: float | None, change: float | None) -> float:
    """The temperature that a thermostat is to be set to. Raises `Failed` or `TryAgain` where that is unknown."""
    if degrees is not None:
        return degrees
    if change is None:
        raise TryAgain("How warm is it to be? Give degrees, or by how many it is to change.")
    now = thing.attributes.get("temperature")
    if not isinstance(now, int | float):
        raise Failed(f"{begun(thing.spoken)} is set to no temperature that I could change. Please say how warm.")
    return now + change


def _choice(things: Sequence[Thing]) -> str:
    names = list(dict.fromkeys(thing.spoken for thing in things))
    if len(names) > MOST_NAMED:
        return f"There are {len(names)}, such as {joined(names[:MOST_NAMED])}."
    return f"There are {joined(names)}."


def _data(thing: Thing) -> dict[str, Any]:
    return {name: value for name, value in asdict(thing).items() if name in ("id", "name", "room", "state")}
