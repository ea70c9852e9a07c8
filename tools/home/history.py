"""How things of a house have been, as Home Assistant has written it down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tools.clock import spoken_time
from tools.days import spoken_day
from tools.home.connection import Connection
from tools.home.house import House, Thing
from tools.home.names import meant
from tools.home.states import Summary, spoken_state
from tools.past import Past, past
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun, joined, spoken_length

WITHOUT_WORDS: Final = "the last 7 days"
"""How far back is looked where somebody asks when something was last so."""
MOST_TOLD: Final = 4
_AWAY: Final = frozenset({"unavailable", "unknown", ""})
_ACTIVE: Final = frozenset(
    {"on", "open", "unlocked", "home", "playing", "heat", "cool", "heat_cool", "auto", "dry", "fan_only", "cleaning"}
)


class _State(BaseModel):
    s: str
    a: dict[str, Any] = Field(default_factory=dict)
    lu: float


_HISTORY: Final = TypeAdapter(dict[str, list[_State]])


@dataclass(frozen=True, slots=True)
class Moment:
    """How something was from a moment on, in seconds since 1970."""

    at: float
    state: str
    number: float | None = None


class HouseHistory:
    """Answers what was.

    Args:
        zone: tells the household's.
        now: tells the time there.
    """

    def __init__(
        self,
        house: House,
        connection: Connection,
        *,
        zone: Callable[[], tzinfo],
        now: Callable[[tzinfo], datetime] = datetime.now,
    ) -> None:
        self._house = house
        self._connection = connection
        self._zone = zone
        self._now = now

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.home_history, effect=Effect.PRIVATE)]

    async def home_history(
        self, context: Context, name: str, when: str | None = None, room: str | None = None
    ) -> Result:
        """Tell how things in the house were: how warm a room was last night, when a door was last opened.

        Args:
            name: what is asked about, such as front door or temperature.
            when: last night, yesterday, this morning, last monday, last 3 hours; leave it out for the last time.
            room: where it is.
        """
        if self._connection.problem is not None:
            raise Failed("Home Assistant can't be reached right now. Please try again in a moment.")
        now = self._now(self._zone())
        time = past(when or WITHOUT_WORDS, now)
        things = self._things(name, room, context)
        answer = await self._connection.ask(
            "history/history_during_period",
            start_time=time.starts.isoformat(),
            end_time=time.ends.isoformat(),
            entity_ids=[thing.id for thing in things],
            minimal_response=False,
            no_attributes=all(thing.kind != "climate" for thing in things),
            significant_changes_only=False,
        )
        try:
            found = _HISTORY.validate_python(answer)
        except ValidationError as strange:
            raise Failed("Home Assistant sent something that I can't read.") from strange
        told, data = [], []
        for thing in things:
            moments = _moments(thing, found.get(thing.id, []))
            said = _measured(thing, moments, time) or _changes(thing, moments, time, now, last=when is None)
            if said:
                told.append(said)
                data.append(
                    {"name": thing.name, "room": thing.room, "states": [[each.at, each.state] for each in moments]}
                )
        if not told:
            raise Failed(
                f"Home Assistant has nothing written down about {joined([each.spoken for each in things])} {time.name}."
            )
        return Result(f"{begun('; '.join(told))}.", {"things": data})

    def _things(self, name: str, room: str | None, context: Context) -> Sequence[Thing]:
        place = self._house.room_called(room) if room else None
        if room and place is None:
            raise Failed(f"I know of no room called {room}. There are {joined(self._house.rooms)}.")
        sensors = Summary(self._house).sensors(name, place or context.room)
        if sensors is not None:
            return sensors[:MOST_TOLD]
        kinds = tuple({thing.kind for thing in self._house.things})
        things = meant(name, self._house, kinds=kinds, room=place, here=context.room).things
        if not things:
            raise TryAgain(f"There is nothing called {name!r} in the house.")
        if len(things) > MOST_TOLD:
            raise Failed(f"Which one? There are {len(things)} of them.")
        return things


def _moments(thing: Thing, states: Sequence[_State]) -> list[Moment]:
    found = [Moment(each.lu, each.s, _number(thing, each)) for each in states if each.s not in _AWAY]
    return sorted(found, key=lambda moment: moment.at)


def _number(thing: Thing, state: _State) -> float | None:
    measured: Any = state.a.get("current_temperature") if thing.kind == "climate" else state.s
    try:
        return float(measured)
    except (TypeError, ValueError):
        return None


def _measured(thing: Thing, moments: Sequence[Moment], time: Past) -> str | None:
    """What a sensor has measured: between what, and on average over the time."""
    numbers = [(moment.at, moment.number) for moment in moments if moment.number is not None]
    if not numbers:
        return None
    low, high = min(number for _, number in numbers), max(number for _, number in numbers)

    def at(number: float) -> str:
        if thing.kind == "climate":
            return f"{round(number, 1):g} degrees"
        return spoken_state(replace(thing, state=str(number))).partition(" at ")[2]

    if round(low, 1) == round(high, 1):
        return f"{thing.spoken} {_were(thing)} at {at(low)} all the time {time.name}"
    ends = [each for each, _ in numbers[1:]] + [time.ends.timestamp()]
    weights = [
        max(end - max(start, time.starts.timestamp()), 0.0) for (start, _), end in zip(numbers, ends, strict=True)
    ]
    total = sum(weights) or 1.0
    mean = sum(number * weight for (_, number), weight in zip(numbers, weights, strict=True)) / total
    lowest = at(low).partition(" ")[0]
    return f"{thing.spoken} {_were(thing)} between {lowest} and {at(high)} {time.name}, {mean:.1f} on average"


def _changes(thing: Thing, moments: Sequence[Moment], time: Past, now: datetime, *, last: bool) -> str | None:
    """When something was on, open or unlocked."""
    if not moments:
        return None
    active = [moment for moment in moments if moment.state in _ACTIVE]
    were, how = _were(thing), _adjective(thing, (active or moments)[-1].state)
    begins = time.starts.timestamp()
    began = [
        moment
        for before, moment in zip([None, *moments], moments, strict=False)
        if moment.state in _ACTIVE and (moment.at > begins if before is None else before.state not in _ACTIVE)
    ]
    if not began:
        return f"{thing.spoken} {were} {how} all the time {time.name}"
    moment = datetime.fromtimestamp(began[-1].at, now.tzinfo)
    when = f"{spoken_day(moment.date(), now.date())} at {spoken_time(moment)}"
    if last:
        return f"{thing.spoken} {were} last {how} {when}"
    ends = [each.at for each in moments[1:]] + [time.ends.timestamp()]
    length = sum(
        (end - max(moment.at, begins) for moment, end in zip(moments, ends, strict=True) if moment.state in _ACTIVE),
        0.0,
    )
    times = f"{len(began)} times" if len(began) > 1 else "once"
    return f"{thing.spoken} {were} {how} {times} {time.name}, last {when}, for {spoken_length(length)} in all"


def _were(thing: Thing) -> str:
    return "were" if thing.plural else "was"


def _adjective(thing: Thing, state: str) -> str:
    """How a thing is, without its verb: "open", "sensing motion"."""
    said = spoken_state(replace(thing, state=state, attributes={}))
    verb, _, rest = said.partition(" ")
    if verb in ("is", "are"):
        return rest
    return {"senses": f"sensing {rest}", "has": f"with {rest}", "plays": "playing"}.get(verb, state.replace("_", " "))
