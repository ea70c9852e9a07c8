"""What somebody means who goes on from what was said before: "no, eight minutes", "turn it off", "and butter", "the
ecobee" in answer to "Which one?".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.intents.calls import TOOLS, Call, items_of, length_of
from pipeline.intents.moments import UNITS
from pipeline.intents.phrases import Phrases
from pipeline.intents.sums import Rewrites, compiled, rewritten

UNDO: Final = "Undo"
"""The intent of whoever takes back what they asked for last."""

_SET: Final = frozenset({"set_timer", "set_alarm", "set_reminder"})
_TIMERS: Final = frozenset({"cancel_timer", "change_timer", "timer_status"})
_LISTS: Final = frozenset({"add_to_list", "remove_from_list"})
THING_TOOLS: Final = frozenset(
    {"turn_on", "turn_off", "set_light", "set_temperature", "open_cover", "close_cover", "lock_door", "unlock_door",
     "control_media", "home_status"}
)  # fmt: skip
"""Tools that are told a thing of the house by its name."""
_OPPOSITE: Final[Mapping[str, str]] = {
    "turn_on": "turn_off", "turn_off": "turn_on", "add_to_list": "remove_from_list", "remove_from_list": "add_to_list",
    "open_cover": "close_cover", "close_cover": "open_cover", "lock_door": "unlock_door", "unlock_door": "lock_door",
    "do_not_disturb": "disturb_again", "add_event": "delete_event",
}  # fmt: skip
_IRREVOCABLE: Final = frozenset(
    {"cancel_timer", "set_light", "set_temperature", "control_media", "clear_list", "delete_event"}
)
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    "disturb_again": frozenset(), "delete_event": frozenset({"title"}), "open_cover": frozenset({"name", "room"}),
    "close_cover": frozenset({"name", "room"}),
}  # fmt: skip
"""What the opposite is told of the same; all of it where nothing is said here."""
_INTENTS: Final = {tool: intent for intent, tool in reversed(list(TOOLS.items()))} | {
    "turn_on": "HomeOn", "turn_off": "HomeOff", "open_cover": "HomeOpen", "close_cover": "HomeClose",
    "lock_door": "HomeLock", "unlock_door": "HomeUnlock",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said earlier."""

    text: str
    asked: bool = False
    """Whether the assistant had asked them something."""


class FollowUps:
    """Reads what goes on from the turn before, in one language.

    Args:
        phrases: those of the language.
        data: patterns with a group `rest` for what takes the place of what was said: `corrects`, `remakes` where only
            a time is meant, `midway` where it is said in the same breath, behind a group `first`; `adds`, whose groups
            hold what comes to it; `more` of the same; `answers`, rewrites that leave of an answer what tells one thing
            from another; `pronouns`, rewrites in which `{thing}` stands for what the turn before was about; `groups`,
            what the tools' words for many things are in this language, and `within`, how something in a room is
            called; `another`, rewrites that make a command of "another one".
    """

    def __init__(self, phrases: Phrases, data: Mapping[str, Any]) -> None:
        self._phrases = phrases
        self._corrects = _pattern(data.get("corrects"))
        self._remakes = _pattern(data.get("remakes"))
        self._midway = _pattern(data.get("midway"))
        self._groups: Mapping[str, str] = data.get("groups", {})
        self._within = str(data.get("within", "{thing} in {room}"))
        self._more = _pattern(data.get("more"))
        self._adds = _pattern(data.get("adds"))
        self._answers: Rewrites = compiled(data.get("answers", ()))
        self._another: Rewrites = compiled(data.get("another", ()))
        self._pronouns: Rewrites = compiled(data.get("pronouns", ()))

    def read(self, text: str, before: Sequence[Call], *, asked: bool) -> list[Call]:
        """What is to be done now; nothing where the words do not go on from before.

        Args:
            text: as it was said.
            before: what the turn before was understood to want.
            asked: whether the assistant has asked something since.
        """
        if not before:
            return []
        last, said = before[-1], text.strip(" .!?")
        for pattern in (self._corrects, self._remakes):
            # "Make it blue" is no other thing.
            if (found := pattern.fullmatch(said)) and (pattern is self._corrects or last.tool in _SET):
                changed = self.corrected(last, found["rest"])
                return [*undone(before), *changed] if changed else []
        if self._more.fullmatch(said) and "change" in last.arguments:
            return [last]
        if found := self._adds.fullmatch(said):
            return self.corrected(last, next(filter(None, found.groups()))) if last.tool in _LISTS | THING_TOOLS else []
        return self.corrected(last, self._phrases.command(text)) if asked else []

    def may_follow(self, text: str, *, asked: bool) -> bool:
        """Whether these words may go on from the turn before, which is worth finding out about then."""
        said = text.strip(" .!?")
        return asked or any(
            pattern.fullmatch(said) for pattern in (self._corrects, self._remakes, self._more, self._adds)
        )

    def halves(self, text: str) -> tuple[str, str] | None:
        """What somebody said first, and what they corrected it to in the same breath."""
        found = self._midway.fullmatch(text.strip(" .!?"))
        return (found["first"], found["rest"]) if found else None

    def another_such(self, before: Call, words: str) -> list[Call]:
        """The same with another timer, where these words name one and nothing else."""
        return self.corrected(before, words) if before.tool in _TIMERS and self._names_timer(words) else []

    def _names_timer(self, words: str) -> bool:
        return any(pattern.search(f" {words}") for pattern, _ in self._answers[1:])

    def with_names(self, command: str, before: Sequence[Call]) -> str | None:
        """A command with what its words stand for; None where they stand for nothing, or nobody knows for what."""
        for pattern, said in self._another:
            if (found := pattern.match(command)) and before and before[-1].tool == "set_timer":
                return found.expand(said) + command[found.end() :]
        for pattern, named in self._pronouns:
            if found := pattern.search(command):
                thing = self._thing(before[-1]) if before else None
                if thing is None:
                    return None
                return found.expand(named).replace("{thing}", thing) + command[found.end() :]
        return None

    def has_pronoun(self, command: str) -> bool:
        """Whether a command may mean something that was spoken of before."""
        return any(pattern.search(command) for pattern, _ in (*self._another, *self._pronouns))

    def _thing(self, call: Call) -> str | None:
        if call.tool not in THING_TOOLS or "name" not in call.arguments:
            return None
        name, room = str(call.arguments["name"]), call.arguments.get("room")
        thing = self._groups.get(name, name)
        return self._within.format(thing=thing, room=room) if room else thing

    def corrected(self, last: Call, words: str) -> list[Call]:
        """The same with these words in place of those that they correct or complete; nothing where they fit nowhere."""
        said, phrases, tool = dict(last.arguments), self._phrases, last.tool
        if last.intent in ("AskTimer", "AskAlarm", "AskReminder"):
            return self._completed(last, words)
        if tool == "set_timer":
            unit = next((unit for unit in UNITS if unit in said), "minutes")
            seconds = phrases.length(words) or (phrases.number(words) or 0) * UNITS[unit] or None
            kept = {name: value for name, value in said.items() if name not in UNITS}
            return [] if seconds is None else [Call(last.intent, tool, {**length_of(seconds), **kept})]
        if tool in _SET:
            moment = phrases.moment(words)
            if moment is None:
                return []
            if moment.seconds is not None:
                text = {name: value for name, value in said.items() if name == "text"}
                return [Call(last.intent, tool, {**text, "minutes": moment.seconds / 60})] if text else []
            said.pop("minutes", None)
            return [Call(last.intent, tool, {**said, **moment.arguments})]
        if tool in _LISTS and (free := phrases.free("what", words)):
            said.pop("others", None)
            return [Call(last.intent, tool, {**said, **items_of(phrases.listed(free))})]
        if tool in THING_TOOLS and (free := phrases.free("thing", self._plain(words))):
            kept = {name: value for name, value in said.items() if name != "room"}
            return [Call(last.intent, tool, {**kept, "name": free})]
        if tool in _TIMERS:
            return self._other_timer(last, self._plain(words))
        return []

    def _completed(self, last: Call, words: str) -> list[Call]:
        """What could not be done because something was left out."""
        if last.intent == "AskTimer":
            if (seconds := self._phrases.length(words)) is None:
                return []
            return [Call("HassStartTimer", "set_timer", {**length_of(seconds), **last.arguments})]
        moment = self._phrases.moment(words)
        if moment is None:
            return []
        if moment.seconds is not None:
            reminded = last.intent == "AskReminder"
            length = {"minutes": moment.seconds / 60} if reminded else length_of(moment.seconds)
            intent = "SetReminder" if reminded else "HassStartTimer"
            return [Call(intent, TOOLS[intent], {**last.arguments, **length})]
        intent = last.intent.replace("Ask", "Set")
        if intent == "SetAlarm" and moment.time is None:
            return [Call(last.intent, None, {**last.arguments, **moment.arguments})]
        return [Call(intent, TOOLS[intent], {**last.arguments, **moment.arguments})]

    def _other_timer(self, last: Call, words: str) -> list[Call]:
        kept = {name: value for name, value in last.arguments.items() if name not in ("name", "time")}
        if last.arguments.get("kind") == "alarm":
            time = self._phrases.time_of_day(words)
            return [] if time is None else [Call(last.intent, last.tool, {**kept, "time": time})]
        seconds = self._phrases.length(words) if last.tool == "cancel_timer" else None
        if seconds is None and (not words or self._phrases.free("name", words) is None):
            return []
        which = {"name": words} if seconds is None else length_of(seconds)
        return [Call(last.intent, last.tool, {**kept, **which})]

    def _plain(self, words: str) -> str:
        return rewritten(words, self._answers).strip(" .,!?")


def irrevocable(before: Sequence[Call]) -> bool:
    """Whether what was wanted last has changed something that cannot be taken back."""
    return any(call.tool in _IRREVOCABLE for call in before)


def undone(before: Sequence[Call]) -> list[Call]:
    """What takes back what was wanted last; nothing where that cannot be taken back."""
    calls = []
    for call in before:
        said = call.arguments
        if call.tool == "set_timer":
            calls.append(Call("HassCancelTimer", "cancel_timer", dict(said)))
        elif call.tool == "set_alarm":
            calls.append(Call("HassCancelTimer", "cancel_timer", {"kind": "alarm", "time": said["time"]}))
        elif call.tool == "set_reminder":
            calls.append(Call("HassCancelTimer", "cancel_timer", {"kind": "reminder", "name": said["text"]}))
        elif call.tool == "change_timer":
            back = {name: -value if name in UNITS else value for name, value in said.items()}
            calls.append(Call(call.intent, "change_timer", back))
        elif (tool := _OPPOSITE.get(call.tool or "")) is not None:
            kept = _KEPT.get(tool, said.keys())
            calls.append(Call(_INTENTS[tool], tool, {name: said[name] for name in said if name in kept}))
    return calls


def _pattern(pattern: str | None) -> re.Pattern[str]:
    return re.compile(pattern or r"(?!)", re.IGNORECASE)
