"""Reasoning: when it is worth the wait, and how it is kept unheard."""

import re
from enum import Enum, auto

# A clause of its own, said to somebody: "I'll think about it" and "what do you think about it" ask for nothing. Each
# language has the words that may stand before it, and the phrases.
_ASKED = {
    "en": (
        "please|now|first|you to|(?:can|could|would) you|let's",
        r"think (?:about (?:it|this|that)|carefully|harder|hard|again|step by step|(?:it|this) (?:through|over))",
        "take your time",
        "reason (?:it |this )?through",
        "work (?:it |this )?out step by step",
    ),
    "de": (
        "bitte|jetzt|erst|mal",
        r"denk(?:e|en sie)? (?:\w+ ){0,3}nach",
        r"überleg(?:e|en sie)? (?:\w+ ){0,3}(?:gut|genau|gründlich|in ruhe)",
        "lass dir zeit",
    ),
    "fr": ("et|mais|puis", "réfléchis(?:sez)?(?: bien|-y| y)?", "prends ton temps", "prenez votre temps"),
    "es": ("y|pero|luego|por favor", "piénsa(?:lo|telo)", "piensa (?:bien|con cuidado|en ello)", "tómate tu tiempo"),
    "it": ("e|ma|poi|per favore", "pensaci", "rifletti(?:ci)?", "pensa bene", "prenditi il tuo tempo"),
    "pt": ("e|mas|por favor", "pens[ae] (?:bem|nisso|com cuidado)", "reflit[ae]"),
    "nl": ("en|maar|eens", r"denk (?:\w+ ){0,3}na", "neem de tijd"),
}
_PLANNING = {
    "en": (
        "please|now|so|okay|(?:can|could|would) you|help (?:me|us)(?: to)?",
        "plan (?:out )?(?:a|an|my|our|the)",
        r"make (?:me |us )?an? (?:\w+ ){0,4}plan (?:for|to)",
        "(?:work|figure) out (?:an?|the best|which|how)",
        "what are the pros and cons of",
    ),
    "de": (
        "bitte|und|mal|kannst du",
        "plane? (?:mir |uns )?(?:eine?n?|meine?n?|unsere?n?)",
        r"hilf (?:mir|uns) (?:\w+ ){0,5}planen",
        "(?:was sind|nenne?) (?:mir )?die (?:vor- und nachteile|vorteile und nachteile)",
    ),
}
_NUMBER = (
    r"\d+(?:[.,:]\d+)*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
    r"|hundred|half|twice|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|hundert|doppelt"
)
_OPERATION = (
    r"\b(?:plus|minus|times|multiplied by|divided by|squared|mal|geteilt durch|fois|divisé par|por|dividido)\b"
    r"|\bpercent (?:of|off)\b|\bprozent von\b|[+*×÷]|\s[-/]\s"
)
_HOW_MANY = (
    r"\b(?:how (?:many|much|long|old|far|fast|tall)|what time (?:will|would|does)|when (?:will|would|do)|what is left"
    r"|wie (?:viele?|lange?|alt|weit|schnell)|combien|cuánt[oa]s?|quant[oiae])\b"
)
_STORY = r"\b(?:if|each|every|altogether|in total|left over|wenn|jede[rsn]?|insgesamt|si|chaque|cada|se)\b"


def wants_reasoning(text: str, language: str) -> bool:
    """Whether a person's words are worth reasoning about: they ask for it, for a plan, or for arithmetic in steps.

    Most turns are not, and reasoning keeps a person waiting for seconds: in doubt it is not.

    Args:
        text: what the person said or wrote.
        language: ISO 639-1, `en` or `de`, say; others know fewer phrases.
    """
    words = " ".join(text.lower().replace("’", "'").split())
    code = language.lower()[:2]
    asked = any(_holds_clause(words, clauses[code]) for clauses in (_ASKED, _PLANNING) if code in clauses)
    return asked or _is_arithmetic(words)


def _holds_clause(words: str, clause: tuple[str, ...]) -> bool:
    before, *phrases = clause
    return re.search(rf"(?:^|[.,;:!?] ?|\b(?:{before}) )(?:{'|'.join(phrases)})\b", words) is not None


def _is_arithmetic(words: str) -> bool:
    numbers = len(re.findall(rf"(?<![\w.,])(?:{_NUMBER})\b", words))
    if numbers >= 3 and len(re.findall(_OPERATION, words)) >= 2:
        return True
    return numbers >= 2 and re.search(_HOW_MANY, words) is not None and re.search(_STORY, words) is not None


class _Where(Enum):
    """Where in a model's output the filter is."""

    ANSWER = auto()
    """In what is meant for the person."""
    UNSURE = auto()
    """In what is reasoning if a closing tag follows, and the answer otherwise."""
    THOUGHT = auto()
    """Between an opening tag and its closing one."""
    HEADER = auto()
    """In the header of a message of the Harmony format, which names its channel."""
    ASIDE = auto()
    """In a message of the Harmony format that is not the final one."""


_CLOSING = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "[THINK]": "[/THINK]",
}
_HEADERS = ("<|start|>", "<|channel|>")
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_EVERYWHERE = (*_CLOSING, *_CLOSING.values(), *_HEADERS, *_ENDS, "<|message|>")
# No tag begins another one or holds a second "<" or "[", so the first that is complete is the right one however the
# text was split.
_TAGS = {
    _Where.ANSWER: _EVERYWHERE,
    _Where.UNSURE: _EVERYWHERE,
    _Where.THOUGHT: tuple(_CLOSING.values()),
    _Where.HEADER: (*_HEADERS, "<|message|>"),
    _Where.ASIDE: (*_HEADERS, *_ENDS),
}
_PATTERNS = {where: re.compile("|".join(map(re.escape, tags))) for where, tags in _TAGS.items()}


class ThinkFilter:
    """Lets an answer through and keeps what the model thought, however its text was split into pieces.

    Knows `<think>` and its likes, and OpenAI's Harmony format, of whose channels only `final` is the answer. A tag
    that is never closed hides all that follows. Leading white space goes too.
    """

    def __init__(self, *, begins_inside: bool = False) -> None:
        """With `begins_inside`, hold the answer back until a closing tag, because the opening one is not written."""
        self._where = _Where.UNSURE if begins_inside else _Where.ANSWER
        self._rest = ""
        self._held: list[str] = []
        self._header = ""
        self._opened_by = ""
        self._spoken = False

    def feed(self, text: str) -> str:
        """Take the next piece and return what of the answer is certain now."""
        text = self._rest + text
        out: list[str] = []
        while found := _PATTERNS[self._where].search(text):
            self._keep(text[: found.start()], out)
            self._pass(found.group(), out)
            text = text[found.end() :]
        cut = self._unfinished_tag(text)
        self._rest = text[cut:]
        self._keep(text[:cut], out)
        return self._trimmed("".join(out))

    def close(self, *, complete: bool = True) -> str:
        """Return what was held back and turned out to be the answer.

        Args:
            complete: whether the model ended by itself; an answer that was cut off may be all thought.
        """
        out: list[str] = []
        self._keep(self._rest, out)
        self._rest = ""
        if self._where is _Where.UNSURE and complete:
            out = self._held
        return self._trimmed("".join(out))

    def parsed(self) -> None:
        """Note that the server itself keeps the thoughts apart, so that all that is text is answer."""
        if self._where is _Where.UNSURE and not "".join(self._held).strip():
            self._held.clear()
            self._where = _Where.ANSWER

    def _keep(self, text: str, out: list[str]) -> None:
        match self._where:
            case _ if not text:
                pass
            case _Where.ANSWER:
                out.append(text)
            case _Where.UNSURE:
                self._held.append(text)
            case _Where.HEADER:
                self._header += text

    def _pass(self, tag: str, out: list[str]) -> None:
        if tag in _HEADERS:
            self._settle(out)
            self._where = _Where.HEADER
            self._header = tag
        elif tag == "<|message|>" and self._where is _Where.HEADER:
            final = "<|channel|>" not in self._header or "<|channel|>final" in self._header.replace(" ", "")
            self._where = _Where.ANSWER if final else _Where.ASIDE
        elif tag in _CLOSING:
            self._settle(out)
            self._where = _Where.THOUGHT
            self._opened_by = tag
        elif self._where is _Where.UNSURE:
            self._held.clear()
            self._where = _Where.ANSWER
        elif self._where is _Where.ASIDE or tag == _CLOSING.get(self._opened_by):
            self._where = _Where.ANSWER

    def _settle(self, out: list[str]) -> None:
        """What was held before an opening tag was answer after all."""
        out += self._held
        self._held.clear()

    def _unfinished_tag(self, text: str) -> int:
        start = max(text.rfind("<"), text.rfind("["))
        if start >= 0 and any(tag.startswith(text[start:]) for tag in _TAGS[self._where]):
            return start
        return len(text)

    def _trimmed(self, text: str) -> str:
        if not self._spoken:
            text = text.lstrip()
            self._spoken = bool(text)
        return text
