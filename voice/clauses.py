"""Where a stream of written words can be cut so that speech begins early and still sounds whole.

The first clause of a response is cut as soon as it can stand alone, because the listener waits for it. What follows is
cut at sentence ends, because a synthesizer gives a whole sentence a better melody and speech already covers the wait.

A cut depends only on the text before it and the character or word after it, so the sizes in which text arrives do not
change what is said. One thing is taken on trust: a mark that is the last character so far is judged without what
follows it, since that may be hundreds of milliseconds away.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pipecat.utils.text.base_text_aggregator import Aggregation, BaseTextAggregator, TextType

from voice.abbreviations import BEFORE_NAME_OR_TEXT, BEFORE_NUMBER, MAY_END_SENTENCE


@dataclass(frozen=True, slots=True)
class _Pace:
    """From how many words on each kind of cut is allowed."""

    mark: int
    """Comma, semicolon, colon, dash."""

    conjunction: int
    """Before "but", "because" and others that begin a clause."""

    and_or: int
    """Before "and" and "or": later, since they join words ("salt and pepper") more often than clauses."""

    longest: int
    """Anywhere that does not tear apart what belongs together; from twice as many, anywhere between words."""


_FIRST: Final = _Pace(mark=3, conjunction=3, and_or=5, longest=10)
_LATER: Final = _Pace(mark=25, conjunction=30, and_or=35, longest=45)

_BEGUN: Final = 3
"""Words after which a response has begun. A first "Sure!" is over in 0.4 s, so what follows it hurries too."""

_CLOSERS: Final = "\"'”’»)*_~`"
_TOKEN = re.compile(
    r"```[\s\S]*?(?:```|\Z)"  # Code is one token, however long
    r"|(?:\S*(?:://|@)|www\.)\S+"
    rf"|[^\s—。！？?!]*[—。！？?!.]+[{_CLOSERS}]*"
    r"|\S+"
)
_ADDRESS = re.compile(r"\S*(?:://|@)|www\.")
_SENTENCE_MARK = re.compile(rf"([.…?!。！？]+)([{_CLOSERS}]*)$")
_CLAUSE_MARK = re.compile(rf"([,;:—，；：])([{_CLOSERS}]*)$")
_SPACED_DASH: Final = frozenset({"-", "--", "–", "—"})
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d{1,3}[.)]$")
_LAST_WORD = re.compile(r"[^\W\d_](?:[\w.’'-]*\w)?$")
_PLAIN_WORD = re.compile(
    r"(?:^|[\s\"'“‘(*_-])"
    r"(?:[a-z’']*[a-z]{3}|as|at|be|by|do|go|he|if|in|is|it|me|my|of|on|so|to|up|us|we)$"
)
"""A word before a period that need not wait for what follows; short ones may be abbreviations or parts of names."""

_INITIALS = re.compile(r"(?:\w\.)*\w")

_LONGEST_EMPHASIS: Final = 300
"""Characters after which a mark that was never closed is taken for a character like any other."""

_OPEN_LINK = re.compile(r"\[[^\]\n]{0,300}$|\]\([^)\s]{0,500}$")
_EMPHASIS = re.compile(r"(?<![\w*_~`])(\*{1,3}|_{1,3}|~~|`{1,2})(?=[^\s*_~`])")
_OPEN_QUOTE = re.compile(r"[(“«][^)”»]*$")

_CONJUNCTIONS: Final = frozenset(
    {"although", "because", "but", "if", "though", "unless", "when", "whereas", "which", "while"}
)
_AND_OR: Final = frozenset({"and", "or"})
_OPENS_PHRASE: Final = _CONJUNCTIONS | {
    "about", "after", "and", "as", "at", "before", "between", "by", "during", "for", "from", "in", "into", "on", "or",
    "since", "so", "than", "that", "through", "to", "until", "where", "who", "with", "without",
}  # fmt: skip
_LEANS_ON_NEXT: Final = _OPENS_PHRASE | {
    "a", "an", "are", "be", "can", "could", "every", "he", "her", "his", "i", "is", "it", "its", "my", "no", "not",
    "of", "one", "our", "she", "should", "some", "the", "their", "these", "they", "this", "those", "very", "was", "we",
    "were", "will", "would", "you", "your",
}  # fmt: skip


class ClauseSplitter:
    """Cuts one response, fed piece by piece, into clauses.

    The pieces joined together are the text exactly; space between two pieces is at the beginning of the second.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._words_out = 0

    @property
    def pending(self) -> str:
        """The text that was fed and has not come out."""
        return self._pending

    def feed(self, text: str) -> list[str]:
        """Take the next text of the response and return the pieces that are complete with it, often none."""
        self._pending += text
        pieces = []
        while cut := _first_cut(self._pending, _FIRST if self._words_out < _BEGUN else _LATER):
            pieces.append(self._pending[:cut])
            self._words_out += _count_words(pieces[-1])
            self._pending = self._pending[cut:]
        return pieces

    def flush(self) -> str | None:
        """Return what is left at the end of the response, if anything, and be ready for another response."""
        rest = self._pending
        self.reset()
        return rest or None

    def reset(self) -> None:
        """Forget the response."""
        self._pending = ""
        self._words_out = 0


class ClauseAggregator(BaseTextAggregator):
    """Pipecat's interface to `ClauseSplitter`. Aggregations are stripped of the white space around them."""

    def __init__(self, *, language: str | None = None) -> None:
        super().__init__(aggregation_type=TextType.SENTENCE, language=language)
        self._splitter = ClauseSplitter()

    @property
    def text(self) -> Aggregation:
        """The text that waits for the rest of its clause."""
        return Aggregation(self._splitter.pending.strip(), TextType.SENTENCE)

    async def aggregate(self, text: str) -> AsyncIterator[Aggregation]:
        """Yield the clauses that are complete with this text."""
        for piece in self._splitter.feed(text):
            yield Aggregation(piece.strip(), TextType.SENTENCE)

    async def flush(self) -> Aggregation | None:
        """Return what is left at the end of a response, or None where that is nothing or only white space."""
        rest = (self._splitter.flush() or "").strip()
        return Aggregation(rest, TextType.SENTENCE) if rest else None

    async def handle_interruption(self) -> None:
        """Forget the response: the next text begins another."""
        self._splitter.reset()

    async def reset(self) -> None:
        """Forget the response: the next text begins another."""
        self._splitter.reset()


def _first_cut(text: str, pace: _Pace) -> int:
    """Where the first piece of `text` ends, or 0 where that cannot be known yet.

    Tokens are judged in the order in which they arrived, so that the result is that of the earliest moment at which one
    was possible.
    """
    tokens: list[re.Match[str]] = []
    words = 0
    for token in _TOKEN.finditer(text):
        if words >= pace.conjunction and _opens_clause(token, words, pace, tokens):
            cut = tokens[-1].end()
            if not _is_inside_markup(text[:cut]):
                return cut
        tokens.append(token)
        words += _is_word(token.group())
        if words and _ends_piece(token, words, pace) and not _is_inside_markup(text[: token.end()]):
            return token.end()
        if words >= pace.longest and text[token.end() :].strip():
            cut = _cut_overlong(tokens, words, pace)
            if cut:
                return cut
    return 0


def _ends_piece(token: re.Match[str], words: int, pace: _Pace) -> bool:
    """Tell whether a piece may end after the token, of which `words` came before or are in it."""
    before, after = token.string[: token.end()], token.string[token.end() :]
    if re.match(r"[ \t]*\n", after):
        return True
    if not after and (_ADDRESS.match(token.group()) or _has_open_quote(before)):
        return False
    if mark := _SENTENCE_MARK.search(before, token.start()):
        return _ends_sentence(mark[1], before[: mark.start()], after)
    return words >= pace.mark and _ends_clause(token.group(), before, after)


def _ends_sentence(mark: str, text: str, after: str) -> bool:
    """Tell whether a sentence ends with the mark after `text`; only a certain end is one before anything follows."""
    is_loud = mark[-1] in "?!。！？"
    stands_off = text[-1:].isspace()  # "Bonjour !", but also an image: "![alt](address)"
    if not after:
        is_plain_end = mark == "." and bool(_PLAIN_WORD.search(text)) and not _is_abbreviation(text)
        return is_plain_end or (is_loud and not stands_off)
    if not after[0].isspace():
        return is_loud and not stands_off
    if mark != ".":
        return True
    return not _LIST_NUMBER.search(text + mark) and _period_ends_sentence(text, after.lstrip())


def _period_ends_sentence(text: str, following: str) -> bool:
    """Tell whether the period after `text` is more than an abbreviation's, given what follows the space after it."""
    if not _is_abbreviation(text):
        return True
    word = _last_word(text)
    if word in BEFORE_NAME_OR_TEXT or not following:
        return False
    if word in BEFORE_NUMBER:
        return not following[0].isdigit()
    # What is left are initials: "J. R. R. Tolkien", "the U.S. Army".
    return word in MAY_END_SENTENCE and following[0].isupper()


def _ends_clause(word: str, before: str, after: str) -> bool:
    if word in _SPACED_DASH:
        return (after[:1].isspace() or word == "—") and not before[: -len(word)].rstrip()[-1:].isdigit()
    mark = _CLAUSE_MARK.search(word)
    if not mark:
        return False
    previous = word[: mark.start()][-1:]
    if not after:
        return mark[1] != ":" and previous.isalpha()
    if previous.isdigit():
        # "November 23, 2026" and "1, 2 and 3" stay together.
        following = after.lstrip()
        return after[0].isspace() and bool(following) and not following[0].isdigit()
    return after[0].isspace() or mark[1] in "—，；："


def _opens_clause(token: re.Match[str], words: int, pace: _Pace, tokens: list[re.Match[str]]) -> bool:
    if not token.string[token.end() : token.end() + 1].isspace():
        return False
    enough = words >= pace.and_or if token.group() in _AND_OR else token.group() in _CONJUNCTIONS
    return enough and not _leans_on_next(tokens[-1].group())


def _cut_overlong(tokens: list[re.Match[str]], words: int, pace: _Pace) -> int:
    """Where to cut a text that has grown too long without a mark: before a phrase, or else between any two words."""
    last, text = tokens[-1].group(), tokens[-1].string
    end = tokens[-1].end()
    if words == pace.longest and _is_word(last):
        for i in range(len(tokens) - 1, pace.longest * 6 // 10, -1):
            cut = tokens[i - 1].end()
            opens = tokens[i].group() in _OPENS_PHRASE and not _leans_on_next(tokens[i - 1].group())
            if opens and not _is_inside_markup(text[:cut]):
                return cut
    following = text[end:].lstrip()[0]
    belongs_together = following.isdigit() or (last[0].isupper() and following.isupper()) or _leans_on_next(last)
    is_overdue = words >= 2 * pace.longest
    if not text[end].isspace() or (belongs_together and not is_overdue) or _is_inside_markup(text[:end]):
        return 0
    return end


def _leans_on_next(token: str) -> bool:
    """Tell whether a token should not be the last of a piece: "the", "of", "20" (of what?), "Dr."."""
    return (
        not _is_word(token)
        or token[-1].isdigit()
        or token.lower() in _LEANS_ON_NEXT
        or (token.endswith(".") and _is_abbreviation(token[:-1]))
    )


def _is_abbreviation(text: str) -> bool:
    """Tell whether the last word of a text, whose period follows, is often written with a period."""
    word = _last_word(text)
    return (
        word in BEFORE_NAME_OR_TEXT
        or word in BEFORE_NUMBER
        or word in MAY_END_SENTENCE
        or bool(_INITIALS.fullmatch(word))
    )


def _last_word(text: str) -> str:
    found = _LAST_WORD.search(text)
    return found.group() if found else ""


def _is_inside_markup(text: str) -> bool:
    """Tell whether text ends inside a link or emphasis of its last line."""
    line = text[text.rfind("\n") + 1 :]
    if _OPEN_LINK.search(line):
        return True
    position = 0
    while opening := _EMPHASIS.search(line, position):
        closing = re.compile(rf"(?<=\S){re.escape(opening[1])}").search(line, opening.end())
        if not closing:
            return len(line) - opening.end() < _LONGEST_EMPHASIS
        position = closing.end()
    return False


def _has_open_quote(text: str) -> bool:
    return bool(_OPEN_QUOTE.search(text)) or text.count('"') % 2 == 1


def _is_word(token: str) -> bool:
    return any(character.isalnum() for character in token)


def _count_words(text: str) -> int:
    return sum(map(_is_word, text.split()))
