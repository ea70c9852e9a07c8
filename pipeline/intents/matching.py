"""Plain household commands, matched by templates in a few milliseconds, without the language model.

Home Assistant's sentence templates (`home-assistant-intents`, by `hassil`) cover what they have in a language;
templates of our own, in `sentences/`, add what a voice assistant is asked besides. Only whole utterances match:
whatever says more than a command is for the language model.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Final

from hassil import Intents, SlotList, TextSlotList, TextSlotValue, recognize_all
from hassil.models import MatchEntity
from hassil.recognize import RecognizeResult
from home_assistant_intents import get_intents

from pipeline.intents import home_calls
from pipeline.intents.calls import CONVERSATION, DECLINED, FOLLOWED, RELATIVE_VOLUME, TOOLS, Call, calls
from pipeline.intents.follow_ups import UNDO, FollowUps, Said, irrevocable, undone
from pipeline.intents.phrases import Phrases, read_sentences
from pipeline.intents.replies import Replies
from tools.outcomes import Outcome, Status

LONGEST: Final = 160
"""Characters; no plain command is longer, nor are two."""
MOST_COMMANDS: Final = 3
"""Commands in one utterance."""
MOST_READINGS: Final = 20
"""Ways to read one utterance that are looked at."""
MOST_TURNS: Final = 4
"""Turns back to which somebody may go on from."""
AND_THEN: Final = "AndThen"
"""The intent of who asks the last question again with another word."""
_LONGEST_TIMER: Final = {"from": 1, "to": 300}
"""Of any unit: people say 120 minutes, where Home Assistant's templates end at 100."""
_EXAMPLE: Final = "timer 10"
"""Heard once while loading, where a language has no better one: hassil reads its templates when it first needs them."""
_OPTION = re.compile(r"\[[^\[\]]*\]")
_SLOT = re.compile(r"\{[^}]*\}|<name>|<area>")
_THEIR_CODES: Final = {"zh": "zh-CN", "no": "nb"}
"""Languages that Whisper and Home Assistant name differently."""
_INTENTS: Final = {tool: intent for intent, tool in reversed(list(TOOLS.items()))}
"""The first intent of each tool."""


@dataclass(frozen=True, slots=True)
class Match:
    """A command that was recognized."""

    intent: str
    """Home Assistant's name, or that of one of our own."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    """What was understood, by its name."""
    tool: str | None = None
    """The tool that carries it out; None where the conversation does that itself, or nobody can."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    """The slots as they were said."""
    response: str = "default"
    """Which of the intent's sentences answers it."""


class LocalIntents:
    """The commands of one language. Loading takes 0.1 to 0.4 s: do it in a thread."""

    def __init__(self, language: str = "en") -> None:
        self.language = "en" if language == "auto" else language
        self._others: dict[str, LocalIntents] = {}
        self._house: tuple[Sequence[tuple[str, str]], Sequence[str]] | None = None
        self._loading = asyncio.Lock()
        own, theirs = read_sentences(self.language), get_intents(_THEIR_CODES.get(self.language, self.language))
        self._declining = bool(own)
        self._phrases = Phrases(self.language, own)
        self._follow_ups = FollowUps(self._phrases, own.get("follow_ups", {}))
        self._replies = Replies(self.language, own, theirs)
        self._lists: dict[str, SlotList] = {name: TextSlotList(name, []) for name in ("area", "floor", "name", "zone")}
        self._sets: list[Intents] = []
        if own:
            skipped = theirs["skip_words"] if theirs else []
            mine = Intents.from_dict({**own, "skip_words": skipped})
            self._lists |= {name: mine.slot_lists[name] for name in self._lists if name in mine.slot_lists}
            self._sets.append(mine)
        if theirs is not None:
            self._sets.append(Intents.from_dict(_usable(theirs, declining=self._declining)))
        for intents in self._sets:
            self._readings(own.get("example", _EXAMPLE), intents)

    def match_all(self, text: str, before: Sequence[Said] = (), *, asked: bool = False) -> list[Match]:
        """Recognize one command, or several that are joined; empty where the words are for the language model.

        Args:
            before: what the same person said before, the latest last: they may go on from it.
            asked: whether the assistant has asked them something since.
        """
        if len(text) > LONGEST:
            return []
        context = _Before(self, before)
        found = self._joined(text, MOST_COMMANDS, context)
        if not found:
            found = self._followed(text, context, asked=asked) or self._corrected(text, context)
        if not found and (probably := self._phrases.misheard(text)):
            found = self._joined(probably, MOST_COMMANDS, context)
        return found[:1] if all(match == found[0] for match in found) else found

    def instead_of_a_model(self, text: str) -> list[Match]:
        """What is answered where no command was recognized and the model is too small to find out what is meant.

        Whoever says most of a command hears how it is said; who somebody is, an encyclopedia knows better.
        """
        command = self._phrases.command(text)
        if self._phrases.agrees(text) is not None:
            return [Match("Okay")]
        if self._phrases.addresses(text):
            return [Match("Listening")]
        if (person := self._phrases.asked_about(command)) is not None:
            return [Match("LookUp", {"topic": person}, TOOLS["LookUp"], {"about": person}, {"about": person})]
        hint = self._phrases.hint(command)
        return [] if hint is None else [Match(hint)]

    def say(self, match: Match, outcome: Outcome | None) -> str | None:
        """The sentence that answers a command, or None where there is none in this language."""
        return self._replies.say(match.intent, match.response, match.slots, match.words, outcome)

    def agrees(self, text: str) -> bool | None:
        """Whether somebody says yes or no to what they were asked; None where it is neither."""
        return self._phrases.agrees(text)

    def confirmed(self, outcome: Outcome) -> str:
        """The sentence about an action that somebody was asked to confirm: it was taken, or left."""
        intent = "Left" if outcome.status is Status.REFUSED else _INTENTS.get(outcome.tool, "")
        slots = dict(outcome.arguments)
        words = {name: str(value) for name, value in slots.items()}
        if intent == "Left":
            return self._replies.say(intent, "default", slots, words, None) or outcome.say
        return self._replies.say(intent, "default", slots, words, outcome) or outcome.say

    def furnish(self, things: Sequence[tuple[str, str]], rooms: Sequence[str]) -> None:
        """Learn the names of the house.

        Args:
            things: names of what can be commanded, with their domains in Home Assistant.
            rooms: names of rooms.
        """
        self._house = list(things), list(rooms)
        self._lists["name"] = TextSlotList(
            "name",
            [
                TextSlotValue.from_tuple((name, name, {"domain": domain}), allow_template=False)
                for name, domain in things
            ],
        )
        self._lists["area"] = TextSlotList.from_strings(rooms, name="area", allow_template=False)
        for other in self._others.values():
            other.furnish(things, rooms)

    async def in_language(self, language: str) -> "LocalIntents":
        """The commands of another language, loaded when they are first wanted."""
        if language == self.language:
            return self
        async with self._loading:
            if language not in self._others:
                other = await asyncio.to_thread(LocalIntents, language)
                if self._house:
                    other.furnish(*self._house)
                self._others[language] = other
        return self._others[language]

    def _joined(self, text: str, most: int, before: "_Before") -> list[Match]:
        if (found := self._named(self._phrases.command(text), before)) or most == 1:
            return found
        for first, rest in self._phrases.splits(text):
            matches = self._named(self._phrases.command(first), before)
            if not matches:
                continue
            others = self._joined(rest, most - 1, before.then(matches))
            if others or (others := self._another_such(matches, rest)):
                return [*matches, *others]
        return []

    def _named(self, command: str, before: "_Before") -> list[Match]:
        """The calls of one command in which a pronoun may stand for what was spoken of before."""
        if self._follow_ups.has_pronoun(command):
            named = self._follow_ups.with_names(command, _calls(before.matches))
            if named is not None and (found := self._match(named)):
                return found
        found = self._match(command)
        if found and found[0].intent == AND_THEN:
            return _asked_again(before.matches, found)
        return _taken_back(before.matches) if found and found[0].intent == UNDO else found

    def _another_such(self, before: Sequence[Match], words: str) -> list[Match]:
        """What "the rice timer" is behind "cancel the pasta timer and"."""
        return [_match_of(call) for call in self._follow_ups.another_such(_calls(before)[-1], words)]

    def _followed(self, text: str, before: "_Before", *, asked: bool) -> list[Match]:
        if not self._follow_ups.may_follow(text, asked=asked):
            return []
        return [_match_of(call) for call in self._follow_ups.read(text, _calls(before.matches), asked=asked)]

    def _corrected(self, text: str, before: "_Before") -> list[Match]:
        """What somebody wants who said one thing and another in the same breath: "for five minutes, no, eight"."""
        if (halves := self._follow_ups.halves(text)) is None:
            return []
        first = self._joined(halves[0], MOST_COMMANDS, before)
        if not first:
            return []
        if second := self._joined(halves[1], MOST_COMMANDS, before.then(first)):
            return second
        changed = self._follow_ups.corrected(_calls(first)[-1], halves[1])
        return [*first[:-1], *map(_match_of, changed)] if changed else []

    def _match(self, command: str) -> list[Match]:
        """The calls of one command: several only where it names several items."""
        if not command:
            return []
        if (expression := self._phrases.sum(command)) is not None:
            return [Match("Sum", tool=TOOLS["Sum"], arguments={"expression": expression})]
        if (conversion := self._phrases.conversion(command)) is not None:
            return [Match("Conversion", tool=TOOLS["Conversion"], arguments=asdict(conversion))]
        for intents in self._sets:
            for reading in self._readings(command, intents):
                if found := self._understood(command, reading):
                    return found
        return []

    def _readings(self, command: str, intents: Intents) -> list[RecognizeResult]:
        """What the templates make of a command, the most literal first."""
        # Templates that lack a room stand for the one where somebody speaks.
        here = {"area": {"value": "here", "text": ""}}
        found = recognize_all(command, intents, slot_lists=self._lists, intent_context=here)
        return sorted(islice(found, MOST_READINGS), key=_freedom)

    def _understood(self, command: str, reading: RecognizeResult) -> list[Match]:
        slots: dict[str, Any] = {}
        words: dict[str, str] = {}
        for entity in reading.entities_list:
            said: str | None = entity.text_clean
            if entity.is_wildcard:
                said = self._phrases.free(entity.name, _as_said(command, entity))
                if said is None:
                    return []
            slots[entity.name] = said if entity.is_wildcard else entity.value
            words[entity.name] = said or str(entity.value)
        response = reading.response or "default"
        return [
            Match(call.intent, {**slots, **call.arguments}, call.tool, call.arguments, _words(words, call), response)
            for call in calls(
                reading.intent.name, slots, self._phrases, home=bool(self._house), declining=self._declining
            )
        ]


class _Before:
    """What the turn before was understood to want, which is found out once somebody needs to know."""

    def __init__(self, intents: LocalIntents, said: Sequence[Said]) -> None:
        self._intents = intents
        self._said = said[-MOST_TURNS:]
        self._matches: list[Match] | None = None

    @property
    def matches(self) -> list[Match]:
        if self._matches is None:
            *earlier, last = self._said or [Said("")]
            self._matches = self._intents.match_all(last.text, earlier, asked=last.asked)
        return self._matches

    def then(self, matches: list[Match]) -> "_Before":
        """The same for what is said behind a command in the same breath."""
        after = _Before(self._intents, ())
        after._matches = matches
        return after


def _calls(matches: Sequence[Match]) -> list[Call]:
    return [Call(match.intent, match.tool, match.arguments) for match in matches]


def _match_of(call: Call) -> Match:
    words = {name: str(value) for name, value in call.arguments.items()}
    return Match(call.intent, call.arguments, call.tool, call.arguments, words)


def _asked_again(before: Sequence[Match], found: Sequence[Match]) -> list[Match]:
    """What was asked last, with the words in which somebody asks it again."""
    last, words = before[-1] if before else None, found[0]
    if last is None or last.tool is None or not words.slots.keys() <= FOLLOWED.get(last.tool, frozenset()):
        return []
    return [
        replace(
            last,
            slots={**last.slots, **words.slots},
            arguments={**last.arguments, **words.slots},
            words={**last.words, **words.words},
        )
    ]


def _taken_back(before: Sequence[Match]) -> list[Match]:
    calls = undone(_calls(before))
    if not calls:
        return [Match("NoUndo" if irrevocable(_calls(before)) else "StopTalking")]
    return [_match_of(call) for call in calls]


def _as_said(command: str, entity: MatchEntity) -> str:
    """The words of a free slot with their commas, which hassil leaves out of its text."""
    start, end = entity.text_span or (0, 0)
    said = command[start:end]
    # Behind a number in words hassil's place is too far to the right.
    return said if _letters(said) == _letters(entity.text) else entity.text


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _words(said: Mapping[str, str], call: Call) -> dict[str, str]:
    """What was said for each argument. Each of several items is answered by itself."""
    texts = {name: value for name, value in call.arguments.items() if isinstance(value, str)}
    return {**said, **{name: value for name, value in texts.items() if _part(value, said.get(name, value))}}


def _part(words: str, of: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", of, re.IGNORECASE) is not None


def _usable(theirs: Mapping[str, Any], *, declining: bool) -> dict[str, Any]:
    """Home Assistant's templates less those for what this house does not have.

    Args:
        theirs: as the package holds them.
        declining: whether there are sentences that say what cannot be done yet.
    """
    used = {*TOOLS, *CONVERSATION, RELATIVE_VOLUME, *home_calls.INTENTS, *(DECLINED if declining else ())}
    intents = {
        name: {"data": [_with_words(data) for data in intent["data"] if _is_ours(name, data)]}
        for name, intent in theirs["intents"].items()
        if name in used
    }
    longer = {name: {"range": _LONGEST_TIMER} for name in ("timer_hours", "timer_minutes", "timer_seconds")}
    return {**theirs, "intents": intents, "lists": {**theirs["lists"], **longer}}


def _with_words(data: Mapping[str, Any]) -> dict[str, Any]:
    """Templates less those that nothing but a name or a number matches: "the lamp", "5" is rather an answer."""
    sentences = [each for each in data["sentences"] if _SLOT.sub("", _without_options(each)).strip()]
    return {**data, "sentences": sentences}


def _without_options(sentence: str) -> str:
    while (shorter := _OPTION.sub("", sentence)) != sentence:
        sentence = shorter
    return sentence


def _is_ours(intent: str, data: Mapping[str, Any]) -> bool:
    """Whether templates ask for what our tools know: rooms have no timers of their own, and timers give no commands."""
    combination = data.get("metadata", {}).get("slot_combination", "")
    return "command" not in combination and (intent in DECLINED or not {"area", "floor"} & set(combination.split("_")))


def _freedom(reading: RecognizeResult) -> tuple[int, int, int]:
    """How much of a reading is free words, as hassil's `recognize_best` ranks it."""
    free = [entity for entity in reading.entities_list if entity.is_wildcard]
    return len(free), -reading.text_chunks_matched, sum(len(entity.text) for entity in free)
