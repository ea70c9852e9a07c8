"""What a decoder's text shows of its own quality.

A decoder that does not find the end of short audio says the sentence again, word for word; one that hears no speech
writes a caption ("[Music]") or thanks an audience. Both are known from the text, its probability and the time it took.
"""

import re
from dataclasses import dataclass
from typing import Final

FASTEST_SPEECH: Final = 5.0
"""Words a second that nobody exceeds over a whole utterance (auctioneers excepted)."""

LEAST_LOG_PROBABILITY: Final = -0.7
LEAST_UNFINISHED: Final = -0.5
"""The same for short text that does not end as a sentence does: its last word may not have been written."""
CHEAP_RETRY: Final = 4.0
"""Seconds of audio up to which a repetition is worth a second decode, which brings the punctuation back."""
LATE: Final = 2 / 3
"""The share of the audio behind which nobody begins to speak: there is little silence before speech in it."""
LOOPS: Final = 5
"""Times that nobody says the same few words in a row."""
_ANNOTATION = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫]+")
_CREDIT = re.compile(
    r"amara\.org|(?:subtitles|captions|subtitled|transcribed|translated) by\b"
    r"|thank(?:s| you)(?: very much| so much)? for watching|subscribe to (?:my|our|the) channel"
    r"|untertitel(?:ung)? (?:im auftrag|de[rs] |von )|(?:danke|vielen dank) fürs zuschauen"
    r"|sous-titr(?:es|age)(?: st'? ?501| société| réalisé| fait| par)|merci d['’]avoir regardé"
    r"|subtítulos (?:realizados|por|creados)|gracias por ver (?:el|este) v[ií]deo"
    r"|sottotitoli (?:creati|a cura)|grazie per (?:la visione|aver guardato)"
    r"|legendas (?:pela|por)|obrigad[oa] por assistir|ondertitel(?:s|ing) (?:ingediend|door)"
    r"|ご視聴ありがとうございました",
    re.IGNORECASE,
)
"""Sentences below the films that Whisper has learned from, written where music or noise is heard: by who reports them,
"Untertitelung des ZDF", "Sous-titrage Société Radio-Canada". Nobody says them to an assistant."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[\w'’-]+")

INVENTED: Final = frozenset(
    {
        "you", "thank you", "thanks", "thank you very much", "bye", "bye bye", "okay", "so", "the", "i", "oh", "ah",
        "hmm", "please subscribe", "subscribe", "blank audio", "music", "applause", "silence", "we'll be right back",
        "see you next time", "vielen dank", "danke", "danke schön", "tschüss", "bis zum nächsten mal", "merci",
        "merci beaucoup", "au revoir", "à bientôt", "gracias", "muchas gracias", "adiós", "hasta la próxima",
    }
)  # fmt: skip
"""What Whisper writes most often where nobody spoke."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One decoder's result: its text, mean log-probability of a token, and probability that nobody spoke."""

    text: str
    log_probability: float
    no_speech_probability: float
    begins: float = 0.0
    """Seconds at which the decoder takes the speech to begin; 0 where it was not asked."""

    def looks_wrong(self, seconds: float) -> bool:
        """Tell whether a second decode with more context is worth its time, for audio of this many seconds."""
        return (
            self.log_probability < LEAST_LOG_PROBABILITY
            or (seconds < CHEAP_RETRY and self.log_probability < LEAST_UNFINISHED and not _ends_sentence(self.text))
            or self.begins > LATE * seconds
            or is_looping(self.text)
            or (seconds < CHEAP_RETRY and without_invented_repetition(self.text, seconds) != self.text)
            or words_a_second(without_invented_repetition(self.text, seconds), seconds) > FASTEST_SPEECH
        )


def _ends_sentence(text: str) -> bool:
    return text.rstrip().endswith((".", "?", "!", "…", "。", "？", "！"))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def words_a_second(text: str, seconds: float) -> float:
    """Words a second, where the ends of the audio are taken to be silent for 0.3 s."""
    return len(words_of(text)) / max(seconds - 0.3, 0.3)


def strip_annotations(text: str) -> str:
    """Remove captions of sounds (`[Music]`, `(coughs)`, `*sighs*`, notes) and the credits of subtitles."""
    sentences = _SENTENCE_END.split(_ANNOTATION.sub(" ", text))
    return " ".join(word for sentence in sentences if not _CREDIT.search(sentence) for word in sentence.split())


def is_invented(text: str) -> bool:
    """Tell whether a text is one that Whisper writes where nobody spoke."""
    words = words_of(strip_annotations(text))
    return " ".join(words) in INVENTED or not words


def without_invented_repetition(text: str, seconds: float) -> str:
    """Cut off a verbatim repetition that was never spoken: of the whole text, or of its last part.

    A person may well say a thing twice; then the words take their time. Only a repetition that breaks off before it
    is complete, or that would make the speech very fast, is cut.
    """
    pieces = text.split()
    words = [" ".join(words_of(piece)) for piece in pieces]
    too_fast = words_a_second(text, seconds) > FASTEST_SPEECH * 0.65
    for start in range(max(1, len(words) - 1)):
        for period in range(1 if start == 0 else 3, len(words) - start):
            if not _repeats(words[start:], period):
                continue
            repeated = len(words) - start - period
            breaks_off_at_once = start == 0 and min(3, period) <= repeated < period
            if breaks_off_at_once or too_fast:
                return " ".join(pieces[: start + period])
    return text


def is_looping(text: str) -> bool:
    """Tell whether up to four words are said over and over: a decoder that has lost its place."""
    words = words_of(text)
    for length in range(1, 5):
        stretch = length * LOOPS
        for start in range(len(words) - stretch + 1):
            part = words[start : start + stretch]
            if part == part[:length] * LOOPS:
                return True
    return False


def _repeats(words: list[str], period: int) -> bool:
    """Tell whether all words behind the first `period` repeat them; the last may be cut off or misheard."""
    tail = words[period:]
    if any(word != words[i] for i, word in enumerate(tail[:-1])):
        return False
    return len(tail) >= 3 or words[len(tail) - 1].startswith(tail[-1])
