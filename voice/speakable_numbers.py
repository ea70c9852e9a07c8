"""Numbers in English words: alone, in ranges, with currencies and units."""

import re
from functools import lru_cache
from typing import Final

from num2words import num2words

from voice.units import CURRENCIES, CURRENCY_CODES, UNITS, Currency

NUMBER: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"
_SIGNED = rf"(?<![\w.,])(?:(?<![\])])[-−–+±])?{NUMBER}"
_TO = r"\s?[-–—]\s?"
_LONGEST_NUMBER: Final = 9
"""Digits from which on a number without separators is a code, and is read digit by digit."""

_MAGNITUDES: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "bn": "billion", "B": "billion",
    "b": "billion", "T": "trillion", "tn": "trillion",
}  # fmt: skip
_MAGNITUDE = r"(?:\s?(hundred|thousand|million|billion|trillion|mn|bn|tn|[kKmMBbT])\b)?"
_SYMBOL = "|".join(map(re.escape, sorted(CURRENCIES, key=len, reverse=True)))
_CODE = "|".join(sorted(CURRENCY_CODES))
_MONEY_BEHIND = re.compile(
    rf"([-−])?(?:({_SYMBOL})|\b({_CODE}))\s?({NUMBER})(?:{_TO}(?:{_SYMBOL})?({NUMBER}))?{_MAGNITUDE}(?![0-9])"
)
_MONEY_BEFORE = re.compile(rf"({_SIGNED})(?:{_TO}({NUMBER}))?{_MAGNITUDE}\s?(?:({_SYMBOL})|({_CODE})\b)")

_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_QUANTITY = re.compile(
    rf"({_SIGNED})(?:\s?(?:{_UNIT})?{_TO}({NUMBER}))?(\s?|-)({_UNIT})(?![\w°²³]|/[a-z]|'\w)(?:\.(?=\s[a-z]))?"
)
_DEGREES_WITHOUT_SIGN = re.compile(r"\b((?i:seat|gate|row|room|flat|unit|platform)\s)?([0-9]{1,3})([CF])\b")
_FEET_AND_INCHES = re.compile(r"\b([0-9])['′]\s?([0-9]{1,2})(?:[\"″]|\b)")

_PHONE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"\+[0-9]{1,3}(?:[ .-]?\(?[0-9]{1,5}\)?){2,6}"
    r"|(?:1[ .-])?\([0-9]{3}\)[ .-]?[0-9]{3}[ .-][0-9]{4}"
    r"|(?:1[ .-])?[0-9]{3}([ .-])[0-9]{3}\1[0-9]{4}"
    r"|[0-9]{3}-[0-9]{4}"
    r"|0[0-9]{2,4}[ /-][0-9]{3,8}(?:[ -][0-9]{2,5})*"
    r")(?![\w/-]|[.,][0-9])"
)
_DOTTED = re.compile(r"(?<![0-9.])[0-9]+(?:\.[0-9]+){2,}(?![0-9])")
_ORDINAL = re.compile(r"(?<![\w.,])([0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,9})(?:st|nd|rd|th)\b")
_DECADE = re.compile(r"(?:(?<!\w)['’‘])?\b((?:1[0-9]|20)[0-9]0)['’]?s\b")
_SHORT_DECADE = re.compile(
    r"(?:(?<!\w)['’‘]|\b((?:the|early|mid|late|low|high|upper|my|his|her|their|your)[ -]))([2-9]0)['’]?s\b",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"(?<![\w/.,])(?:([0-9]{1,6})\s+)?([0-9]{1,4})\s?/\s?([0-9]{1,4})(?![\w/]|\.[0-9])")
_RANGE = re.compile(rf"({_SIGNED})(?:[-–—]|\s[–—]\s|\s-\s(?![^=]{{0,20}}=))({NUMBER})(?![-–\w])")
_BARE_YEAR = re.compile(r"(?<![\w.,'’-])((?:1[1-9]|20)[0-9]{2})(?![\w]|[.,][0-9]|'[a-z])")
_ANY_NUMBER = re.compile(rf"{_SIGNED}|[0-9]+")
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=[0-9])|(?<=[0-9])(?=[^\W\d_])")

_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|until|till|during|year|early|late|mid|circa|summer|winter|spring|autumn|fall)\s$", re.IGNORECASE
)
_COUNTED = re.compile(
    r"\s(?:people|percent|more|other|different|[a-z]{2,}(?<!wa)(?<!i)(?<!ha)(?<!thi)(?<!it)(?<!s)s\b)"
)
_DENOMINATORS: Final = {2: "half", 4: "quarter"}
_FRACTIONS_OF: Final = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 32, 64})


@lru_cache(maxsize=4096)
def cardinal(value: int) -> str:
    """Say a number in words, without the commas and "and" that would make a synthesizer pause."""
    return str(num2words(value)).replace(",", "").replace(" and ", " ")


@lru_cache(maxsize=1024)
def ordinal(value: int) -> str:
    """Say which one in a sequence: 23 is "twenty-third"."""
    return str(num2words(value, to="ordinal")).replace(",", "").replace(" and ", " ")


@lru_cache(maxsize=1024)
def year(value: int) -> str:
    """Say a year, or a four-digit number read in pairs: 1984 is "nineteen eighty-four"."""
    return str(num2words(value, to="year")).replace(" and ", " ").replace("oh-", "oh ")


def digits(text: str) -> str:
    """Say each digit of a text."""
    return " ".join(cardinal(int(digit)) for digit in text if digit.isdigit())


def number(text: str) -> str:
    """Say a number as written: with a sign, with separators of thousands, with decimals, or with leading zeros."""
    sign = {"-": "minus ", "−": "minus ", "–": "minus ", "+": "plus ", "±": "plus or minus "}.get(text[0], "")
    whole, _, decimals = text.lstrip("-−–+±").partition(".")
    has_leading_zero = len(whole) > 1 and whole[0] == "0"
    is_code = has_leading_zero or len(whole) > (_LONGEST_NUMBER if "," not in whole else 60)
    spoken = digits(whole) if is_code else cardinal(int(whole.replace(",", "") or 0))
    return sign + spoken + (f" point {digits(decimals)}" if decimals else "")


def numbers_in_words(text: str) -> str:
    """Replace every number of an English text, with its unit or currency, by words."""
    text = _DOTTED.sub(lambda m: m[0].replace(".", " dot "), text) if text.count(".") > 1 else text
    text = _PHONE.sub(_phone, text)
    text = _MONEY_BEHIND.sub(_money_behind, text)
    text = _MONEY_BEFORE.sub(_money_before, text)
    text = _FEET_AND_INCHES.sub(lambda m: f"{cardinal(int(m[1]))} foot {cardinal(int(m[2]))}", text)
    text = _DECADE.sub(lambda m: _plural(year(int(m[1]))), text)
    text = _SHORT_DECADE.sub(lambda m: (m[1] or "") + _plural(cardinal(int(m[2]))), text)
    text = _DEGREES_WITHOUT_SIGN.sub(lambda m: m[0] if m[1] else f"{m[2]}°{m[3]}", text)
    text = _FRACTION.sub(_fraction, text)
    text = _QUANTITY.sub(_quantity, text)
    text = _ORDINAL.sub(lambda m: ordinal(int(m[1].replace(",", ""))), text)
    text = _RANGE.sub(lambda m: f"{_year_or_number(m[1])} to {_year_or_number(m[2])}", text)
    text = _BARE_YEAR.sub(_bare_year, text)
    text = _LETTER_BESIDE_DIGIT.sub(" ", text)
    return _ANY_NUMBER.sub(lambda m: number(m[0]), text)


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _year_or_number(text: str) -> str:
    return year(int(text)) if re.fullmatch(r"(?:1[1-9]|20)[0-9]{2}", text) else number(text)


def _bare_year(match: re.Match[str]) -> str:
    is_counted = _COUNTED.match(match.string, match.end())
    if is_counted and not _YEAR_BEFORE.search(match.string[max(0, match.start() - 12) : match.start()]):
        return cardinal(int(match[1]))
    return year(int(match[1]))


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"[0-9]+", match[0])
    return ("plus " if match[0].startswith("+") else "") + ", ".join(map(digits, groups))


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    if (top, bottom) == (24, 7):
        return f"{number(whole)} twenty-four seven" if whole else "twenty-four seven"
    if top < bottom and bottom in _FRACTIONS_OF:
        name = _DENOMINATORS.get(bottom) or ordinal(bottom)
        name = name if top == 1 else "halves" if bottom == 2 else f"{name}s"
        spoken = f"{cardinal(top)} {name}"
        return f"{number(whole)} and {'a half' if spoken == 'one half' else spoken}" if whole else spoken
    between = "out of" if top <= bottom and bottom in {5, 10, 20, 100} else "over"
    spoken = f"{cardinal(top)} {between} {cardinal(bottom)}"
    return f"{number(whole)} {spoken}" if whole else spoken


def _quantity(match: re.Match[str]) -> str:
    first, last, joint, symbol = match[1], match[2], match[3], match[4]
    singular, plural = UNITS[symbol]
    amount = number(first) + (f" to {number(last)}" if last else "")
    is_one = not last and first.lstrip("-−–+±") == "1"
    return f"{amount} {singular if is_one or joint == '-' else plural}"


def _money_behind(match: re.Match[str]) -> str:
    currency = CURRENCIES[match[2]] if match[2] else CURRENCY_CODES[match[3]]
    return _money((match[1] or "") + match[4], match[5], match[6], currency)


def _money_before(match: re.Match[str]) -> str:
    currency = CURRENCIES[match[4]] if match[4] else CURRENCY_CODES[match[5]]
    return _money(match[1], match[2], match[3], currency)


def _money(first: str, last: str | None, magnitude: str | None, currency: Currency) -> str:
    if magnitude:
        amount = number(first) + (f" to {number(last)}" if last else "")
        return f"{amount} {_MAGNITUDES.get(magnitude, magnitude)} {currency.plural}"
    if last:
        bare = number(first) if _has_no_cents(first) else _amount(first, currency)
        return f"{bare} to {_amount(last, currency)}"
    return _amount(first, currency)


def _has_no_cents(amount: str) -> bool:
    return not amount.partition(".")[2].strip("0")


def _amount(amount: str, currency: Currency) -> str:
    whole, _, decimals = amount.partition(".")
    if currency.cents is None or len(decimals) > 2:
        return f"{number(amount)} {currency.singular if amount == '1' else currency.plural}"
    value, cents = whole.lstrip("-−–+±"), int(decimals.ljust(2, "0") or 0)
    main = f"{number(whole)} {currency.singular if value == '1' else currency.plural}"
    if not cents:
        return main
    small = f"{cardinal(cents)} {currency.cent if cents == 1 else currency.cents}"
    if value != "0":
        return f"{main} and {small}"
    return f"minus {small}" if whole[0] in "-−–" else small
