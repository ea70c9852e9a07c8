"""How one model goes on where another one broke off in mid-sentence. No input or output."""

import re
from collections.abc import Mapping
from typing import Any

_INSTRUCTION = (
    "Your answer broke off after these words. Go on exactly where it stopped, in the same language. "
    "Repeat nothing, and say nothing about this."
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")


def continued(request: Mapping[str, Any], said: str) -> dict[str, Any]:
    """Make the request that asks a model to go on after the words that were `said`."""
    # As a person's message: some chat templates allow no system message but the first.
    added = [{"role": "assistant", "content": said}, {"role": "user", "content": _INSTRUCTION}]
    return {**request, "messages": [*request["messages"], *added]}


class Joint:
    """Joins a continuation to what was said, and cuts from its beginning what it repeats of that.

    Words count, whatever their case and punctuation. Text is held back only while it may still be a repetition. The
    result does not depend on how the text is split.
    """

    def __init__(self, said: str) -> None:
        """Go on after `said`; after nothing, all text passes."""
        self._said = said
        self._words = [word.group().casefold() for word in _WORD.finditer(said)]
        self._broken_word = bool(re.search(r"\w$", said))
        self._held: str | None = "" if self._words else None
        self._unwanted: re.Pattern[str] | None = None

    def feed(self, text: str) -> str:
        """Take the next piece and return what goes on from what was said."""
        if self._held is None:
            return self._trimmed(text)
        self._held += text
        return self._decide(last=False)

    def close(self) -> str:
        """Return what was held back and is no repetition."""
        return "" if self._held is None else self._decide(last=True)

    def _decide(self, *, last: bool) -> str:
        held = self._held or ""
        found = list(_WORD.finditer(held))
        if not last and re.search(r"[\w'’]$", held):
            # It may be the beginning of a longer word.
            found = found[:-1]
        words = [word.group().casefold() for word in found]
        overlaps = [size for size in range(len(self._words), 0, -1) if self._repeats(words, size)]
        if not last and overlaps and overlaps[0] > len(words):
            return ""
        self._held = None
        overlap = next((size for size in overlaps if size <= len(words)), 0)
        if not overlap:
            return self._spaced(held)
        if re.search(r"[^\w\s]\s*$", self._said):
            # The punctuation behind the repeated words was said too.
            self._unwanted = re.compile(r"^[^\w\s]+")
        elif self._said[-1:].isspace():
            self._unwanted = re.compile(r"^\s+")
        word = found[overlap - 1]
        # Of a word that broke off, the rest is still to be said.
        end = word.start() + len(self._words[-1]) if self._broken_word else word.end()
        return self._trimmed(held[end:])

    def _repeats(self, words: list[str], size: int) -> bool:
        """Whether `words` agree with the last `size` words said, as far as they go."""
        known, new = self._words[-size:], words[:size]
        if known[: len(new)] == new:
            return True
        partly = self._broken_word and size > 1 and len(new) == size
        return partly and known[:-1] == new[:-1] and new[-1].startswith(known[-1])

    def _spaced(self, text: str) -> str:
        ends_word = re.search(r"[\w.,;:!?)]$", self._said) is not None
        unspaced = _UNSPACED.match(self._said[-1:]) or _UNSPACED.match(text[:1])
        return f" {text}" if ends_word and text[:1].isalnum() and not unspaced else text

    def _trimmed(self, text: str) -> str:
        if self._unwanted is not None and text:
            rest = self._unwanted.sub("", text)
            if rest:
                self._unwanted = None
            return rest
        return text
