"""Which tool carries out a command, and with which arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.intents import home_calls
from pipeline.intents.moments import UNITS, Moment
from pipeline.intents.phrases import Phrases
from tools.clock import zone_of
from tools.tool import Failed

TOOLS: Final[Mapping[str, str]] = {
    "HassStartTimer": "set_timer", "HassCancelTimer": "cancel_timer", "HassCancelAllTimers": "cancel_timer",
    "HassTimerStatus": "timer_status", "HassIncreaseTimer": "change_timer", "HassDecreaseTimer": "change_timer",
    "HassGetCurrentTime": "get_time", "HassGetCurrentDate": "get_date", "HassShoppingListAddItem": "add_to_list",
    "HassShoppingListCompleteItem": "remove_from_list", "ReadList": "read_list", "ClearList": "clear_list",
    "SetAlarm": "set_alarm", "Snooze": "snooze", "SetReminder": "set_reminder", "Sum": "calculate",
    "Conversion": "convert_units", "Remember": "remember", "Recall": "recall", "Forget": "forget",
    "HassGetWeather": "get_weather", "GetWeather": "get_weather", "WeatherAlerts": "weather_alerts",
    "ListEvents": "list_events", "FindEvent": "find_event", "FreeTime": "free_time", "AddEvent": "add_event",
    "DeleteEvent": "delete_event", "GetNews": "get_news", "MoreNews": "more_news", "GetPrice": "get_price",
    "ConvertCurrency": "convert_currency", "Portfolio": "get_portfolio", "LookUp": "look_up", "GetFact": "get_fact",
    "FindPapers": "find_papers", "DoNotDisturb": "do_not_disturb", "DisturbAgain": "disturb_again",
    "ReadTodos": "read_todos", "FinishTodo": "finish_todo", "FindNote": "find_note", "AddNote": "add_note",
    "FindOnList": "find_on_list", "NameLists": "name_lists", "DaysUntil": "days_until", "MoveEvent": "move_event",
    "CompareNews": "compare_news", "PhoneCall": "call_person",
    "ReadMessages": "read_messages", "PutThrough": "put_through",
}  # fmt: skip
"""The tool of an intent, which is Home Assistant's or, where it has none, our own."""

CONVERSATION: Final[Mapping[str, str]] = {"HassNevermind": "StopTalking", "HassSetVolume": "SetVolume"}
"""Intents of Home Assistant that the conversation carries out itself, and what we call them."""

DECLINED: Final[Mapping[str, str]] = {
    "HassTurnOn": "NoHome", "HassTurnOff": "NoHome", "HassLightSet": "NoHome", "HassFanSetSpeed": "NoHome",
    "HassSetPosition": "NoHome", "HassClimateSetTemperature": "NoHome", "HassClimateGetTemperature": "NoHome",
    "HassVacuumStart": "NoHome", "HassVacuumReturnToBase": "NoHome", "HassVacuumCleanArea": "NoHome",
    "HassLawnMowerStartMowing": "NoHome", "HassLawnMowerDock": "NoHome",
    "HassPauseTimer": "NoPause", "HassUnpauseTimer": "NoPause",
}  # fmt: skip
"""What nobody carries out yet, and what is said about it."""

MISSING: Final[Mapping[str, str]] = {
    "get_weather": "NoWeather", "weather_alerts": "NoWeather", "list_events": "NoCalendar", "free_time": "NoCalendar",
    "add_event": "NoCalendar", "get_news": "NoNews", "get_portfolio": "NoHoldings",
    "call_person": "NoPhone", "put_through": "NoPhone", "read_messages": "NoMessages",
}  # fmt: skip
"""What is said where the house has no such tool."""

FOLLOWED: Final[Mapping[str, frozenset[str]]] = {
    "get_weather": frozenset({"when", "place"}),
    "list_events": frozenset({"when"}),
    "free_time": frozenset({"when"}),
}
"""Tools that people ask again with another word: "and on Sunday?"; and the arguments that they change."""

RELATIVE_VOLUME: Final = "HassSetVolumeRelative"
_RENAMED: Final = {
    "start_hours": "hours", "start_minutes": "minutes", "start_seconds": "seconds", "at": "time", "what": "item",
}  # fmt: skip
_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "set_timer": frozenset({"hours", "minutes", "seconds", "name"}),
    "cancel_timer": frozenset({"hours", "minutes", "seconds", "name", "kind", "time", "all_of_them"}),
    "timer_status": frozenset({"name", "kind", "day"}),
    "change_timer": frozenset({"hours", "minutes", "seconds", "name"}),
    "get_time": frozenset({"place"}),
    "get_date": frozenset({"day"}),
    "get_weather": frozenset({"place", "when", "about"}),
}
"""What a tool can be told; Home Assistant's templates know more."""

_TITLED: Final[Mapping[str, Mapping[str, str]]] = {
    "add_event": {"item": "title"},
    "delete_event": {"about": "title", "when": "on"},
    "get_news": {"topic": "about"}, "get_price": {"topic": "what", "coin": "what"}, "look_up": {"topic": "about"},
    "finish_todo": {"item": "title"}, "find_note": {"topic": "about"}, "add_note": {"fact": "text"},
    "compare_news": {"topic": "about"}, "call_person": {"contact": "who", "fact": "message"},
    "put_through": {"contact": "who"},
    "get_fact": {"topic": "about"}, "find_papers": {"topic": "about"},
}  # fmt: skip
"""Tools with other names for what was said."""
_ZONES: Final = frozenset({"get_time", "get_date"})
"""Tools that know a place by its time zone."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be done: by a tool, or by the conversation where that is None."""

    intent: str
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def calls(intent: str, slots: Mapping[str, Any], phrases: Phrases, *, home: bool, declining: bool) -> list[Call]:
    """What an intent comes to; several calls for several items, and none where its slots make no sense.

    Args:
        home: whether there is a house to command.
        declining: whether there are words for what cannot be done.
    """
    if (at_home := _at_home(intent, slots, phrases, home=home)) is not None:
        return at_home
    if "place" in slots:
        slots = {**slots, "place": phrases.place(slots["place"])}
        if TOOLS.get(intent) in _ZONES and not _exists(slots["place"]):
            return []
    if intent in DECLINED:
        return [Call(DECLINED[intent])] if declining else []
    if intent == RELATIVE_VOLUME:
        step = str(slots.get("volume_step", ""))
        return [Call("Quieter" if step == "down" or step.startswith("-") else "Louder")]
    if intent not in TOOLS:
        level = slots.get("volume_level")
        return [Call(CONVERSATION.get(intent, intent), None, {} if level is None else {"percent": level})]
    if asked := _asked_when(intent, slots, phrases):
        return asked
    if slots.keys() & {"moment", "length", "reminder"}:
        return _timed(intent, dict(slots), phrases)
    tool = TOOLS[intent]
    arguments = _dated({_RENAMED.get(name, name): value for name, value in slots.items()}, phrases)
    if arguments is None:
        return []
    if tool == "do_not_disturb":
        return [Call(intent, tool, {{"time": "until"}.get(name, name): value for name, value in arguments.items()})]
    return [Call(intent, tool, each) for each in _arguments(intent, tool, arguments, phrases)]


def _dated(arguments: dict[str, Any], phrases: Phrases) -> dict[str, Any] | None:
    """Arguments with days and times as tools understand them; None where the words are none."""
    if "date" in arguments:
        moment = phrases.moment(arguments.pop("date"))
        if moment is None or moment.day is None or moment.time is not None:
            return None
        arguments["day"] = moment.day
    if "time" in arguments and (time := phrases.time_of_day(arguments["time"])) is None:
        return None
    return arguments | ({"time": time} if "time" in arguments else {})


def _at_home(intent: str, slots: Mapping[str, Any], phrases: Phrases, *, home: bool) -> list[Call] | None:
    """What an intent about the house comes to; None where it is about something else, or there is no house."""
    if home and intent in home_calls.INTENTS:
        tool, arguments = home_calls.home_call(intent, slots)
        if phrases.ends_in_moment(arguments.get("name", "")):
            return [Call("NotLater")]
        names = phrases.items(arguments["name"]) if "name" in arguments else []
        return [Call(intent, tool, arguments | {"name": name}) for name in names] or [Call(intent, tool, arguments)]
    # What a house without this thing could not do, the model may know more about.
    if home and (intent == "NoHome" or DECLINED.get(intent) == "NoHome"):
        return []
    return [] if not home and intent in home_calls.OWN else None


def _asked_when(intent: str, slots: Mapping[str, Any], phrases: Phrases) -> list[Call]:
    """What is asked back where somebody left out when it is to be."""
    if intent == "SetAlarm" and not slots:
        return [Call("AskAlarm")]
    if intent == "HassStartTimer" and not slots.keys() & {*UNITS, "length"}:
        return [Call("AskTimer", None, {"name": slots["name"]} if "name" in slots else {})]
    if intent == "SetReminder" and "reminder" in slots:
        reminder = phrases.reminder(slots["reminder"])
        return [Call("AskReminder", None, {"text": reminder[0]})] if reminder and reminder[1] is None else []
    return []


def _timed(intent: str, slots: dict[str, Any], phrases: Phrases) -> list[Call]:
    """What is to be at a moment or for a length of time that people say in a hundred ways."""
    if "length" in slots:
        seconds = phrases.length(slots.pop("length"))
        return [] if seconds is None else _timer(intent, seconds, slots)
    text = None
    if "reminder" in slots:
        text, moment = phrases.reminder(slots["reminder"]) or ("", None)
    else:
        text, moment = slots.get("what"), phrases.moment(slots["moment"])
    if intent == "MoveEvent":
        return _moved(slots["about"], moment)
    if intent == "SetAlarm" and moment is None:
        every = phrases.moments(slots["moment"])
        return [Call(intent, TOOLS[intent], each.arguments) for each in every if each.time is not None]
    if moment is None or (intent == "SetReminder" and not text):
        return []
    if intent == "SetReminder":
        when = moment.arguments if moment.seconds is None else {"minutes": moment.seconds / 60}
        return [Call(intent, TOOLS[intent], {"text": text, **when})]
    if moment.seconds is not None:
        return _timer("HassStartTimer", moment.seconds, {})
    if moment.time is None:
        return [Call("AskAlarm", None, moment.arguments)]
    return [Call(intent, TOOLS[intent], moment.arguments)]


def _moved(title: str, moment: Moment | None) -> list[Call]:
    if moment is None or moment.repeat is not None or not moment.arguments:
        return []
    when = {"day": "when"}
    return [
        Call("MoveEvent", "move_event", {"title": title} | {when.get(k, k): v for k, v in moment.arguments.items()})
    ]


def _timer(intent: str, seconds: float, slots: Mapping[str, Any]) -> list[Call]:
    length = length_of(-seconds if intent == "HassDecreaseTimer" else seconds)
    return [Call(intent, TOOLS[intent], {**length, **slots})]


def length_of(seconds: float) -> dict[str, float]:
    """A length as the timers take it: whole hours, minutes and seconds, all negative where it is."""
    sign, whole = (-1 if seconds < 0 else 1), round(abs(seconds))
    parts = {"hours": whole // 3600, "minutes": whole % 3600 // 60, "seconds": whole % 60}
    return {unit: sign * count for unit, count in parts.items() if count}


def _arguments(intent: str, tool: str, said: dict[str, Any], phrases: Phrases) -> list[dict[str, Any]]:
    if tool in ("add_to_list", "remove_from_list"):
        return [said | items_of(phrases.listed(said["item"]))]
    if tool == "set_reminder":
        return _reminders(said)
    if tool == "convert_currency":
        amount = phrases.number(str(said.get("amount", "")))
        return [] if amount is None else [said | {"amount": amount}]
    if tool == "set_alarm":
        return [{{"when": "day"}.get(name, name): value for name, value in said.items()}]
    if "contact" in said and len(phrases.items(said["contact"])) > 1:
        # "Ana and tell her …" is read again, as a name and a message.
        return []
    if tool in _TITLED:
        return [{_TITLED[tool].get(name, name): value for name, value in said.items()}]
    if tool in _TAKEN and not said.keys() <= _TAKEN[tool]:
        return []
    if intent == "HassDecreaseTimer":
        return [{name: value if name == "name" else -float(value) for name, value in said.items()}]
    return [said | {"all_of_them": True} if intent == "HassCancelAllTimers" else said]


def items_of(items: Sequence[str]) -> dict[str, Any]:
    """Things for a list as its tools take them."""
    first, *others = items or [""]
    return {"item": first, "others": others} if others else {"item": first}


def _reminders(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool counts in minutes."""
    text = said["item"]
    if said.keys() & {"time", "when"}:
        named = {"when": "day"}
        return [
            {"text": text} | {named.get(name, name): said[name] for name in ("time", "when", "repeat") if name in said}
        ]
    lengths = (
        float(said.get(unit, 0)) * minutes for unit, minutes in (("hours", 60), ("minutes", 1), ("seconds", 1 / 60))
    )
    return [{"text": text, "minutes": sum(lengths)}]


def _exists(place: str) -> bool:
    try:
        zone_of(place)
    except Failed:
        return False
    return True
