"""What people of one language say around a command and inside it: courtesies, joiners, times of day.

The words are data, in `sentences/<language>.json`, beside the templates of our own. A language without such a file
still has what Home Assistant's templates know.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.intents.conversions import Conversion, SpokenConversions
from pipeline.intents.moments import Moment, SpokenMoments
from pipeline.intents.sums import NumberWords, Rewrites, SpokenSums, compiled, rewritten
from voice.hypothesis import words_of

MOST_COURTESIES: Final = 6
"""Courtesies taken off either end of an utterance."""
MOST_JOINERS: Final = 4
"""More than this many, and the utterance is no list of commands."""
FREE_WORDS: Final = 8
"""Words in what somebody may say freely, such as an item of a list."""
WORDS_OF_A_NAME: Final = 3
"""Words in the name of a timer or a place."""
WORDS_OF_A_THING: Final = 7
"""Words that name something in the house, with its room."""
_YES: Final = ("yes", "ok", "okay")
_NO: Final = ("no", "stop")
"""What is understood in languages without a file of their own."""
_SENTENCES: Final = Path(__file__).parent / "sentences"
_NEVER: Final = r"(?!)"
_TIME_OF_DAY = re.compile(
    r"(?:(?:quarter|\d{1,2}(?: minutes?)?) (?:to|past) )?(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?( ?[ap]m)?",
    re.IGNORECASE,
)
_NAMES: Final = frozenset({"name", "place"})
"""Slots for what has a name: it has no article and few words."""
_TIMES: Final = frozenset({"at", "moment", "length", "reminder", "date"})
"""Slots whose words have to name a time, a length, or something to be reminded of then."""
_NAME: Final = "name"
_PLACE: Final = "place"
_THING: Final = "thing"
"""Something in the house, which Home Assistant may call anything."""
_TOPIC: Final = "topic"
"""What somebody asks about: no pronoun, which only the conversation explains."""
_FACT: Final = "fact"
_OPEN: Final = frozenset({_FACT, "about"})
"""Slots for whatever somebody has to say, which may be a sentence."""


def read_sentences(language: str) -> dict[str, Any]:
    """The file of a language: hassil's keys, and those that `Phrases` reads; empty where there is none."""
    file = _SENTENCES / f"{language}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


class Phrases:
    """The phrases of one language, from its file."""

    def __init__(self, language: str, data: Mapping[str, Any]) -> None:
        self._before = _any_of(data.get("before", ()), "{}")
        self._after = _any_of(data.get("after", ()), r"{}[\s.!?]*$")
        self._fillers: Rewrites = compiled((pattern, "") for pattern in data.get("fillers", ()))
        self._rewrites: Rewrites = compiled(data.get("rewrites", ()))
        self._misheard: Rewrites = compiled(data.get("misheard", ()))
        self._hints = [(re.compile(pattern, re.IGNORECASE), intent) for pattern, intent in data.get("hints", ())]
        self._about = re.compile(data.get("asked_about", _NEVER), re.IGNORECASE)
        self._joiner = re.compile(data.get("joiner", r"[.;!?] "), re.IGNORECASE)
        self._between_items = re.compile(data.get("between_items", r"\s*,\s*"), re.IGNORECASE)
        self._kept_together = frozenset(data.get("kept_together", ()))
        self._before_an_item = re.compile(f"^(?:{data.get('before_an_item', _NEVER)})", re.IGNORECASE)
        self._places: Mapping[str, str] = data.get("places", {})
        self._articles = frozenset(data.get("articles", ()))
        self._not_facts = frozenset(data.get("not_facts", ()))
        self._not_free = frozenset(data.get("not_free", ()))
        self._not_names = self._not_free.union(data.get("not_names", ()))
        self._not_things = self._not_free.union(data.get("not_things", ()))
        self._yes, self._no = (_spoken(data.get(answer, words)) for answer, words in (("yes", _YES), ("no", _NO)))
        self._polite = _spoken(data.get("polite", ()))
        self._times: Rewrites = compiled(data.get("times", ()))
        self._numbers = NumberWords(language, data.get("number_variants", ())) if data else None
        numbers = self._numbers
        moments = data.get("moments")
        self._moments = SpokenMoments(numbers, self.time_of_day, moments) if numbers and moments else None
        self._reminded = re.compile(f"(?:{moments['reminded']})", re.IGNORECASE) if moments else None
        doing = data.get("to_be_done", moments["reminded"] if moments else _NEVER)
        self._asked_back = re.compile(f"(?:{doing})", re.IGNORECASE)
        self._sums = SpokenSums(numbers, data["sums"]) if numbers and "sums" in data else None
        self._conversions = (
            SpokenConversions(numbers, data["conversions"]) if numbers and "conversions" in data else None
        )

    def command(self, text: str) -> str:
        """Take away what surrounds a command: an address, fillers, courtesies and punctuation."""
        said = rewritten(" ".join(text.replace("’", "'").split()), self._fillers)
        for _ in range(MOST_COURTESIES):
            courtesy = self._before.match(said)
            # "Thanks!" is all that somebody says.
            said = said[courtesy.end() :] if courtesy and words_of(said[courtesy.end() :]) else said
        for _ in range(MOST_COURTESIES):
            courtesy = self._after.search(said)
            said = said[: courtesy.start()] if courtesy and words_of(said[: courtesy.start()]) else said
        return rewritten(said.strip(" .,;:!?¿¡…-"), self._rewrites)

    def addresses(self, text: str) -> bool:
        """Whether somebody says the assistant's name and nothing more."""
        said = " ".join(words_of(text))
        found = self._before.match(f"{said} ")
        return bool(said) and found is not None and found.end() >= len(said)

    def misheard(self, text: str) -> str | None:
        """What was probably said where the words as heard are no command; None where nothing sounds alike."""
        said = " ".join(text.replace("’", "'").split())
        probably = rewritten(said, self._misheard)
        return probably if probably != said else None

    def agrees(self, text: str) -> bool | None:
        """Whether somebody says yes or no to what they were asked; None where it is neither, or both."""
        words = words_of(rewritten(text, self._fillers))
        if (whole := " ".join(words)) in self._yes | self._no:
            return whole in self._yes
        answers = self._answers(words) or set()
        return answers.pop() if len(answers) == 1 else None

    def _answers(self, words: Sequence[str]) -> set[bool] | None:
        """The answers that these words are made up of, as in "yes, please do it"; None where they say more."""
        if not words:
            return set()
        for length in range(len(words), 0, -1):
            said = " ".join(words[:length])
            polite = said in self._polite
            if (polite or said in self._yes | self._no) and (rest := self._answers(words[length:])) is not None:
                return rest if polite else {said in self._yes, *rest}
        return None

    def hint(self, command: str) -> str | None:
        """The intent that tells how a command is said of which these words are most; None where they are none."""
        return next((intent for pattern, intent in self._hints if pattern.search(command)), None)

    def asked_about(self, command: str) -> str | None:
        """Who or what an encyclopedia is to be asked about; None where somebody asks something else."""
        found = self._about.fullmatch(command)
        return self.free(_TOPIC, found["topic"]) if found else None

    def splits(self, text: str) -> list[tuple[str, str]]:
        """The ways to take an utterance for one command and what follows it."""
        joiners = list(self._joiner.finditer(text))
        return [(text[: at.start()], text[at.end() :]) for at in joiners] if len(joiners) <= MOST_JOINERS else []

    def free(self, slot: str, words: str) -> str | None:
        """What somebody said freely, without its article, or None where it is rather the rest of a sentence."""
        spoken = words.strip(" .,;:!?\"'").split()
        if slot == _FACT and spoken and spoken[0].lower() in self._not_facts:
            # "Remember when we went to Lisbon?" asks for nothing to be written down.
            return None
        if slot in _TIMES or slot in _OPEN:
            return " ".join(spoken)
        while slot in _NAMES and spoken and spoken[0].lower() in self._articles:
            spoken = spoken[1:]
            if slot == _PLACE and spoken and spoken[0].islower():
                # "In the Azores" is somewhere, "in the film" is not.
                return None
        if slot == _NAME and any(word.endswith(",") for word in spoken[:-1]):
            return None
        said = [word.strip(",.").lower() for word in spoken]
        wrong, most = (self._not_names, WORDS_OF_A_NAME) if slot in _NAMES else (self._not_free, FREE_WORDS)
        if slot == _TOPIC:
            wrong = self._not_things
        elif slot == _THING:
            wrong, most = self._not_things, WORDS_OF_A_THING
            if self.ends_in_moment(words):
                # What is wanted later is not done at all, whatever it is.
                return " ".join(spoken)
            if any(not self._articles.intersection(item.split()[:1]) for item in self.items(" ".join(spoken))[1:]):
                # "Turn on the fan and close the window" are two commands, not two things.
                return None
        if not said or said[-1] in self._articles or wrong.intersection(said):
            return None
        longest = max(len(item.split()) for item in self.items(" ".join(spoken)) or spoken)
        return " ".join(spoken) if longest <= most else None

    def items(self, words: str) -> list[str]:
        """The items of "milk, eggs and bread"."""
        if words.lower() in self._kept_together:
            return [words]
        return [item for item in self._between_items.split(words) if item]

    def listed(self, words: str) -> list[str]:
        """The items of "the milk, some eggs and bread" as they stand on a list."""
        return [self._before_an_item.sub("", item) for item in self.items(words)]

    def place(self, words: str) -> str:
        """A place as the tools know it: "Tokio" is Tokyo."""
        return self._places.get(words.lower(), words)

    def time_of_day(self, words: str) -> str | None:
        """A time of day as the tools understand it, such as 7:30 pm; None where the words are none."""
        digits = self._numbers.as_digits(words) if self._numbers else words
        said = rewritten(digits.lower().strip(), self._times).strip()
        time = _TIME_OF_DAY.fullmatch(said)
        return said if time and int(time["hour"]) < 24 and int(time["minute"] or 0) < 60 else None

    def moment(self, words: str) -> Moment | None:
        """When something is to be; None where the words say nothing of it."""
        return self._moments.read(words) if self._moments else None

    def ends_in_moment(self, words: str) -> bool:
        """Whether words end in a moment, as in "the lights in ten minutes"."""
        return self._moments is not None and self._moments.ends(words)

    def moments(self, words: str) -> list[Moment]:
        """The moments that words name which may be of several days; empty where they say nothing of any."""
        return self._moments.read_all(words) if self._moments else []

    def length(self, words: str) -> float | None:
        """Seconds of a length of time; None where the words are none."""
        return self._moments.length(words) if self._moments else None

    def reminder(self, words: str) -> tuple[str, Moment | None] | None:
        """Of what somebody wants to be reminded, and when, where they said so; None where they want no such thing."""
        if self._moments is None or self._reminded is None:
            return None
        if (found := self._moments.split(words, self._reminded)) is not None:
            return found
        begins = self._asked_back.match(words)
        return (words[begins.end() :], None) if begins else None

    def number(self, words: str) -> float | None:
        """An amount in words or digits; None where the words are none."""
        digits = self._numbers.as_digits(words) if self._numbers else words
        return float(digits.replace(",", "")) if re.fullmatch(r"\d[\d,]*(\.\d+)?", digits.strip()) else None

    def conversion(self, command: str) -> Conversion | None:
        """The conversion of units that a command asks for, or None where it does not."""
        return self._conversions.read(command) if self._conversions else None

    def sum(self, command: str) -> str | None:
        """The arithmetic that a command asks for, or None where it does not."""
        return self._sums.read(command) if self._sums else None


def _spoken(answers: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(words_of(answer)) for answer in answers)


def _any_of(patterns: Iterable[str], around: str) -> re.Pattern[str]:
    found: Sequence[str] = list(patterns)
    return re.compile(around.format(f"(?:{'|'.join(found)})") if found else _NEVER, re.IGNORECASE)
