"""The caller's words as the Realtime API tells them: deltas that only ever append, then the whole."""

from collections.abc import Sequence


class StableTranscript:
    """Finds the part of a changing hypothesis that may already be shown.

    A recogniser revises its latest words. Words are taken for stable once two hypotheses in a row agree on
    them (LocalAgreement-2: Liu, Spanakis and Niehues, "Low-latency sequence-to-sequence speech recognition
    and translation by partial hypothesis selection", Interspeech 2020).
    """

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._previous: list[str] = []

    def hypothesis(self, text: str) -> str:
        """Take the newest hypothesis and return the text to append to what has been shown, often none."""
        words = text.split()
        agreed = _common(words, self._previous)
        self._previous = words
        return self._show(words[:agreed])

    def final(self, text: str) -> str:
        """Take the final text and return what is left to append; nothing, where what was shown proved
        wrong."""
        return self._show(text.split())

    def _show(self, words: list[str]) -> str:
        count = len(self._shown)
        if len(words) <= count or words[:count] != self._shown:
            return ""
        self._shown = words
        return (" " if count else "") + " ".join(words[count:])


def _common(words: Sequence[str], others: Sequence[str]) -> int:
    """Count the words that both begin with."""
    count = 0
    for word, other in zip(words, others, strict=False):
        if word != other:
            break
        count += 1
    return count
