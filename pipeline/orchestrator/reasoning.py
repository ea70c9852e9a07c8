"""Reasoning: how each family of models is told to reason or not, when it is worth the wait, how it is kept unheard."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

BUDGET = 500
"""Tokens of reasoning; Nemotron-3-Nano rose from 50 to 76 points on BigBench-Audio with as many."""


@dataclass(frozen=True, slots=True)
class Family:
    """How models of one kind are told whether to reason. The words are added to what a request says already."""

    name: str
    models: str
    """Matches a model's name, wherever and in whatever case; empty where it cannot be told from the name."""
    on: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a request, and under `extra_body` those that the OpenAI client does not know."""
    off: Mapping[str, Any] = field(default_factory=dict)
    instruction_on: str = ""
    """Ends the system prompt. Only this moves the prefix that a server keeps, so each setting has one of its own."""
    instruction_off: str = ""
    budget: str = ""
    """The field of `extra_body` that caps the tokens of reasoning."""
    reasons: bool = True
    """Whether it can reason, so that `on` is worth something."""
    begins_inside: bool = False
    """Its chat template opens the reasoning, so that the model writes only the closing tag."""


_TEMPLATE_ON = {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}
_TEMPLATE_OFF = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
_VENICE = {"include_venice_system_prompt": False, "strip_thinking_response": True, "enable_web_search": "off"}

PLAIN = Family("plain", "", reasons=False)
"""Models that do not reason, or that nothing is known of."""
VENICE = Family(
    "venice",
    "",
    on={"extra_body": {"venice_parameters": _VENICE | {"disable_thinking": False}}},
    off={"extra_body": {"venice_parameters": _VENICE | {"disable_thinking": True}}},
)
"""Any model at Venice.ai, whose own system prompt is on by default."""
FAMILIES = (
    Family("instruct", r"qwen3[^/]*instruct|qwen2", reasons=False),
    Family("always", r"deepseek-r1|qwq|qwen3[^/]*thinking", begins_inside=True),
    Family("nemotron-3", r"nemotron-3", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("nemotron-super", r"nemotron-(super|nano)", instruction_off="/no_think"),
    Family("smollm3", r"smollm3", instruction_on="/think", instruction_off="/no_think"),
    Family("qwen", r"qwen-?3", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("glm", r"glm-?(4\.[5-9]|[5-9])", _TEMPLATE_ON, _TEMPLATE_OFF, budget="thinking_token_budget"),
    Family("gpt-oss", r"gpt-oss", {"reasoning_effort": "medium"}, {"reasoning_effort": "low"}),
)
"""The first that matches a model's name is its family."""


def family_of(model: str, *, url: str = "") -> Family:
    """Tell a model's family by its name, and a service that has its own way by its address."""
    if re.match(r"https://([a-z0-9-]+\.)*venice\.ai(/|$)", url):
        return VENICE
    return next((family for family in FAMILIES if re.search(family.models, model, re.IGNORECASE)), PLAIN)


def adapt(request: Mapping[str, Any], family: Family, on: bool, budget: int | None = BUDGET) -> dict[str, Any]:
    """Rewrite a chat completion request so that the model reasons, for `budget` tokens at most, or does not.

    What the request says itself wins. The same request and setting give the same prompt, byte for byte. Reasoning
    counts as part of the answer's length, so the longest answer grows by the budget.
    """
    adapted = _merged(family.on if on else family.off, request)
    instruction = family.instruction_on if on else family.instruction_off
    if instruction:
        adapted["messages"] = _instructed(request["messages"], instruction)
    if on and family.reasons and budget is not None:
        if family.budget:
            adapted = _merged({"extra_body": {family.budget: budget}}, adapted)
        for limit in ("max_tokens", "max_completion_tokens"):
            if isinstance(adapted.get(limit), int):
                adapted[limit] += budget
    return adapted


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            merged[key] = _merged(below[key], above[key])
    return merged


def _instructed(messages: list[Any], instruction: str) -> list[Any]:
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


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
