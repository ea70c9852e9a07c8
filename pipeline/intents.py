"""Plain household commands, matched by templates in a few milliseconds, without the language model.

Home Assistant's sentence templates (`home-assistant-intents`, by `hassil`) cover what they have in a language;
templates of our own, in `sentences/`, add what a voice assistant is asked besides. Only whole utterances match:
whatever says more than a command is for the language model.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from hassil import Intents, SlotList, TextSlotList, recognize_best
from home_assistant_intents import get_intents
from jinja2.sandbox import SandboxedEnvironment

from tools.clock import zone_of
from tools.outcomes import Outcome
from tools.tool import Failed

LONGEST: Final = 120
"""Characters; no plain command is longer."""
WILDCARD_WORDS: Final = 6
"""Words in what somebody may say freely, such as an item of a list."""
_SENTENCES: Final = Path(__file__).parent / "sentences"

_NO_NAMES: Final[dict[str, SlotList]] = {name: TextSlotList(name, []) for name in ("area", "floor", "name", "zone")}
"""Names of the home's rooms and devices, which the templates may ask for."""

_ADDRESS = re.compile(r"^(?:(?:hey|hi|hello|ok|okay)[ ,]+)?(?:passfel|pass fell|passfell)\b[ ,.!:]*", re.IGNORECASE)
_FILLERS = re.compile(r"^(?:um+|uh+|er+|so|well|okay|ok|now|and|please|alright|all right)\b[ ,.]*", re.IGNORECASE)
_THANKS = re.compile(r"[ ,.]*\b(?:please|thanks|thank you|now please|would you)[ .!?]*$", re.IGNORECASE)
_POLITE = re.compile(r"^(?:can|could|would|will) you (?:please )?|^i(?:'d like| want) you to ", re.IGNORECASE)
_NOT_FREE: Final = frozenset("what when where why who how if because that which whether".split())
_ARTICLES: Final = frozenset("a an the my our another new".split())
_SUM = re.compile(
    r"(?:what(?:'s| is)|how much is|calculate|compute|work out)?\s*(?P<sum>(?:the )?(?:square root of )?"
    r"[-−]?\d[\d.,]*%?(?:\s*(?:plus|minus|times|divided by|multiplied by|over|to the power of|percent of|% of|squared|"
    r"cubed|percent|[-+*/x×÷^()])\s*(?:[-−]?\d[\d.,]*%?)?)*)\s*[?.=]*",
    re.IGNORECASE,
)

_CONVERTED: Final = {
    "HassStartTimer": "set_timer", "HassCancelTimer": "cancel_timer", "HassCancelAllTimers": "cancel_timer",
    "HassTimerStatus": "timer_status", "HassIncreaseTimer": "change_timer", "HassDecreaseTimer": "change_timer",
    "HassGetCurrentTime": "get_time", "HassGetCurrentDate": "get_date", "HassShoppingListAddItem": "add_to_list",
    "SetTimer": "set_timer", "GetTime": "get_time", "GetDate": "get_date", "TimerStatus": "timer_status",
    "SetAlarm": "set_alarm", "CancelAlarm": "cancel_timer", "SetReminder": "set_reminder", "ReadList": "read_list",
    "ClearList": "clear_list", "RemoveItem": "remove_from_list", "AddItem": "add_to_list", "Sum": "calculate",
}  # fmt: skip
"""Which tool carries an intent out."""
_RENAMED: Final = {
    "start_hours": "hours", "start_minutes": "minutes", "start_seconds": "seconds", "at": "time", "what": "item",
}  # fmt: skip
_USED: Final = tuple(name for name in _CONVERTED if name.startswith("Hass"))


@dataclass(frozen=True, slots=True)
class Match:
    """A command that was recognized."""

    intent: str
    """Home Assistant's name, or that of one of our own."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    tool: str | None = None
    """The tool that carries it out; None where the conversation does that itself, or nobody can."""
    arguments: Mapping[str, Any] = field(default_factory=dict)


class LocalIntents:
    """The commands of one language. Loading takes some 50 ms: do it in a thread."""

    def __init__(self, language: str = "en") -> None:
        self.language = "en" if language == "auto" else language
        self._sets: list[Intents] = []
        self._answers: Mapping[str, str] = {}
        self._replies: Mapping[str, Mapping[str, str]] = {}
        self._jinja = SandboxedEnvironment()
        own = _SENTENCES / f"{self.language}.json"
        if own.is_file():
            sentences = json.loads(own.read_text(encoding="utf-8"))
            self._answers = sentences.pop("answers")
            self._sets.append(Intents.from_dict(sentences))
        if (theirs := get_intents(self.language)) is not None:
            self._replies = theirs["responses"]["intents"]
            used = {name: intent for name, intent in theirs["intents"].items() if name in _USED}
            self._sets.append(Intents.from_dict({**theirs, "intents": used}))

    def match_all(self, text: str) -> list[Match]:
        """Recognize one command, or several joined by "and"; empty where the words are for the language model."""
        if len(text) > LONGEST:
            return []
        if (match := self._match(text)) is not None:
            return [match]
        parts = re.split(r",? (?:and|and then|then|und|et|y) ", text.strip(" .!?"))
        found = [self._match(part) for part in parts] if 1 < len(parts) <= 3 else []
        return [match for match in found if match] if found and all(found) else []

    def say(self, match: Match, outcome: Outcome | None) -> str | None:
        """The sentence that answers a command, or None where there is none in this language."""
        if outcome is None:
            return self._answers.get(match.intent)
        if self.language == "en":
            return outcome.say
        template = self._replies.get(match.intent, {}).get(_reply_name(match))
        if template is None:
            return None
        said = self._jinja.from_string(template).render(slots=_reply_slots(match, outcome), state=None)
        return " ".join(said.split()) or None

    def _match(self, text: str) -> Match | None:
        plain = _plain(text)
        if not plain:
            return None
        if self.language == "en" and (sum_ := _SUM.fullmatch(plain)) and re.search(r"\d.*\D.*\d|root", sum_["sum"]):
            return Match("Sum", tool="calculate", arguments={"expression": sum_["sum"].strip()})
        for intents in self._sets:
            found = recognize_best(plain, intents, slot_lists=_NO_NAMES, best_metadata_key="slot_combination")
            if found is None:
                continue
            slots = {name: entity.value for name, entity in found.entities.items()}
            free = [str(entity.value) for entity in found.entities.values() if entity.is_wildcard]
            if all(_is_free_word(words) for words in free) and _exists(slots.get("place")):
                name = found.intent.name
                return Match(name, slots, _CONVERTED.get(name), _arguments(name, slots))
        return None


def _plain(text: str) -> str:
    """Take away what surrounds a command: an address, fillers, courtesies and punctuation."""
    said = text.strip().replace("’", "'")
    for courtesy in (_FILLERS, _ADDRESS, _FILLERS, _POLITE, _THANKS):
        said = courtesy.sub("", said).strip()
    said = re.sub(r"\b([ap])\.? ?m\b\.?", r"\1m", said, flags=re.IGNORECASE)
    return re.sub(r"[?!;]|\.(?!\d)|,(?!\d)", " ", said).strip().lower()


def _is_free_word(words: str) -> bool:
    spoken = words.lower().split()
    return 0 < len(spoken) <= WILDCARD_WORDS and not _NOT_FREE.intersection(spoken) and spoken[-1] not in _ARTICLES


def _exists(place: str | None) -> bool:
    try:
        return place is None or zone_of(place) is not None
    except Failed:
        return False


def _arguments(intent: str, slots: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {_RENAMED.get(name, name): value for name, value in slots.items()}
    match intent:
        case "HassDecreaseTimer":
            return {name: value if name == "name" else -_number(value) for name, value in arguments.items()}
        case "HassCancelAllTimers":
            return {"all_of_them": True}
        case "SetReminder":
            arguments["text"] = arguments.pop("item")
    return arguments


def _number(value: object) -> float:
    return float(str(value))


def _reply_name(match: Match) -> str:
    return "item_added" if match.intent == "HassShoppingListAddItem" else "default"


def _reply_slots(match: Match, outcome: Outcome) -> dict[str, Any]:
    """What Home Assistant's templates speak of, made of what the tool told."""
    data: Mapping[str, Any] = outcome.data
    slots: dict[str, Any] = dict(match.slots)
    if "time" in data:
        slots["time"] = time.fromisoformat(data["time"])
    if "date" in data:
        slots["date"] = date.fromisoformat(data["date"])
    if "timers" in data:
        slots["timers"] = [_reply_timer(timer) for timer in data["timers"]]
    if "stopped" in data:
        slots["canceled"] = len(data["stopped"])
    return slots


def _reply_timer(timer: Mapping[str, Any]) -> dict[str, Any]:
    left, length = int(timer["left"]), int(timer["seconds"])
    parts = {"hours": left // 3600, "minutes": left % 3600 // 60, "seconds": left % 60}
    start = {"hours": length // 3600, "minutes": length % 3600 // 60, "seconds": length % 60}
    return {
        "is_active": True,
        "name": timer["name"],
        "area": "",
        "total_seconds_left": left,
        **{f"rounded_{unit}_left": value for unit, value in parts.items()},
        **{f"start_{unit}": value for unit, value in start.items()},
    }
