"""What a language model wrote, as a person would say it."""

import re
import unicodedata
from typing import Final

from num2words import CONVERTER_CLASSES, num2words

from voice.speakable_markup import without_addresses, without_emoji, without_markup
from voice.speakable_numbers import numbers_in_words
from voice.speakable_times import dates_in_words, times_in_words
from voice.speakable_words import abbreviations_in_words, operators_in_words, symbols_in_words

_VULGAR_FRACTION = re.compile(r"[¼½¾⅐-⅞]")
_OTHER_DIGIT = re.compile(r"[^\x00-\x7f²³]")
_ELLIPSIS = re.compile(r"\s?(?:\.{2,}|…)(?=\s*([a-z])?)")
_NUMBER_ALONE = re.compile(
    r"(?<![\w.,:/°$€£%+-])(\d{1,3}(?:[.,\u00a0\u202f]\d{3})+|\d{1,9}(?:[.,]\d{1,6})?)(?![\w:/°%€$£-]|[.,]\d|\s?[€$£%°])"
)

_UNSPOKEN = re.compile(
    r"[*_`#|~^<>\[\]{}\\=@©®™•·¤¦¨¯´¸\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]+"
)
_EMPTY_PARENTHESES = re.compile(r"\(\s*[.,;:]*\s*\)")
_SPACE = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?)](?:\s|$))")
_REPEATED_MARK = re.compile(r"([,;:])(?:\s*[,;:])+|[,;:]\s*(?=[.!?](?:\s|$))")
_LEADING_MARK = re.compile(r"^(?:[.,;:!?)\]…/+]+|[-–—]+(?=\s))\s*")

_WITH_DECIMAL_POINT: Final = frozenset({"en", "ja", "ko", "zh", "th", "he", "hi", "bn", "te", "kn"})
_WITHOUT_NUMBERS: Final = frozenset({"am"})
"""num2words' Amharic does not come back from some numbers."""


def speakable(text: str, language: str = "en") -> str:
    """Return what a person would say who reads `text` aloud: no markup, no addresses, no emoji, numbers in words.

    For English everything is written out. For other languages (`language` is a code such as "de" or "pt-BR") numbers
    that stand alone are, where num2words knows the language; the rest is left to the synthesizer. The result is empty
    where there is nothing to say. Any text is accepted.
    """
    base = re.split(r"[-_]", language.lower(), maxsplit=1)[0]
    text = without_markup(text)
    text = without_addresses(text, base)
    text = without_emoji(text)
    text = _in_english_words(text) if base == "en" else _numbers_alone(text, language.replace("-", "_"), base)
    return _tidy(text)


def _in_english_words(text: str) -> str:
    text = _ascii_digits(text)
    text = _ELLIPSIS.sub(lambda m: "," if m[1] else ".", text)
    has_number = any(character in "0123456789" for character in text)
    if has_number:
        text = dates_in_words(text)
        text = times_in_words(text)
    text = abbreviations_in_words(text)
    if has_number:
        text = operators_in_words(text)
        text = numbers_in_words(text)
    return symbols_in_words(text)


def _ascii_digits(text: str) -> str:
    """Write digits and fractions of any script in ASCII, except the exponents that units are written with."""
    if text.isascii():
        return text
    text = _VULGAR_FRACTION.sub(_vulgar_fraction, text)
    return _OTHER_DIGIT.sub(lambda m: str(unicodedata.digit(m[0], m[0])), text)


def _vulgar_fraction(match: re.Match[str]) -> str:
    written = unicodedata.normalize("NFKC", match[0]).replace("\u2044", "/")
    return f" {written}"


def _numbers_alone(text: str, language: str, base: str) -> str:
    name = language if language in CONVERTER_CLASSES else "no" if base in {"nb", "nn"} else base
    if name not in CONVERTER_CLASSES or name in _WITHOUT_NUMBERS:
        return text
    thousands, point = (",", ".") if base in _WITH_DECIMAL_POINT else (".", ",")

    def in_words(match: re.Match[str]) -> str:
        written = match[0].replace("\u00a0", "").replace("\u202f", "")
        if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+", written):
            written = written.replace(thousands, "")
        try:
            return str(num2words(written.replace(point, "."), lang=name))
        except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
            return match[0]  # Its converters fail each in its own way; the synthesizer reads digits too

    return _NUMBER_ALONE.sub(in_words, text)


def _tidy(text: str) -> str:
    text = _UNSPOKEN.sub(" ", text)
    text = _EMPTY_PARENTHESES.sub(" ", text)
    text = _SPACE.sub(" ", text).strip()
    text = _SPACE_BEFORE_MARK.sub("", text)
    text = _REPEATED_MARK.sub(r"\1", text)
    text = _LEADING_MARK.sub("", text)
    return text if any(character.isalnum() for character in text) else ""
