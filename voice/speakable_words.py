"""Abbreviations and symbols in English words."""

import re
from typing import Final

from voice.speakable_numbers import cardinal, ordinal

_TITLES: Final = {
    "Mr": "Mister", "Mrs": "Missus", "Prof": "Professor", "Gen": "General", "Sgt": "Sergeant", "Capt": "Captain",
    "Lt": "Lieutenant", "Col": "Colonel", "Rev": "Reverend", "Gov": "Governor", "Sen": "Senator",
    "Rep": "Representative", "Mt": "Mount", "Dr": "Doctor", "St": "Saint", "Ms": "Ms",
}  # fmt: skip
_STREETS: Final = {
    "St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Dr": "Drive", "Hwy": "Highway",
}  # fmt: skip
_ABBREVIATIONS: Final = {
    "e.g": "for example", "eg": "for example", "i.e": "that is", "approx": "approximately", "vs": "versus",
    "incl": "including", "excl": "excluding", "tel": "telephone",
}  # fmt: skip
_MAY_END_SENTENCE: Final = {
    "etc": "et cetera", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation", "Co": "Company", "Jr": "Junior",
    "Sr": "Senior", "et al": "and others", "dept": "department", "misc": "miscellaneous", "govt": "government",
}  # fmt: skip
_DAYS: Final = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_MONTHS: Final = {
    "Jan": "January", "Feb": "February", "Apr": "April", "Jun": "June", "Jul": "July", "Aug": "August",
    "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip

_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})\.(?=\s+[A-Z])")
_STREET = re.compile(
    r"\b((?:[0-9]+\s(?:[A-Z]\w+\s){1,3})|[A-Z][a-z]+\s|[0-9]+(?:st|nd|rd|th)\s)"
    rf"({'|'.join(_STREETS)})\b(\.)?(?=(\s+[A-Z])|(\s*$)|\W)"
)
_ABBREVIATION = re.compile(rf"\b({'|'.join(map(re.escape, _ABBREVIATIONS))})\.", re.IGNORECASE)
_BARE_VERSUS = re.compile(r"\bvs\b")
_ENDING = re.compile(rf"\b({'|'.join(_MAY_END_SENTENCE)})\.(\s*$|\s+[A-Z])?")
_DAY_RANGE = re.compile(rf"\b({'|'.join(_DAYS)})\.?\s?[-–—]\s?({'|'.join(_DAYS)})\b\.?")
_DAY = re.compile(r"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri)\b(?:\.(?!\s*$|\s+[A-Z])|(?!['’]))")
_WEEKEND_DAY = re.compile(r"\b(Sat|Sun)\b(?:\.,?|,)(?=\s+(?:[a-z]|[0-9]|[A-Z][a-z]{2}))")
_MONTH = re.compile(r"\b(Feb|Apr|Aug|Sept?|Oct|Nov|Dec)\b(?:\.(?!\s*$|\s+[A-Z]))?|\b(Jan|Jun|Jul)\.(?=\s)")
_BEFORE_NUMBER = re.compile(r"\b([Ff]ig|[Vv]ol|[Cc]h|[Pp]{1,2}|[Ee]xt)\.\s?(?=[0-9])")
_BEFORE_NUMBER_NAMES: Final = {
    "fig": "figure",
    "vol": "volume",
    "ch": "chapter",
    "p": "page",
    "pp": "pages",
    "ext": "extension",
}
_INITIALISM = re.compile(r"\b((?:[A-Z]\.){2,})(\s*$)?")
_HALF_DAY = re.compile(r"\b([ap])\.m\.?(?=(\s+[A-Z]|\s*$)?)")
_DOT_IN_NAME = re.compile(r"(?<=[A-Za-z_])\.(?=[a-z][a-z0-9]{1,4}\b)")

_NUMERAL = r"(M{0,3}(?:C[MD]|D?C{0,3})(?:X[CL]|L?X{0,3})(?:I[XV]|V?I{0,3}))"
_PART = re.compile(
    rf"\b((?:War|Chapter|Part|Act|Volume|Phase|Type|Section|Episode|Book|Level|Class|Article|Bowl)\s){_NUMERAL}\b"
)
_RULER = re.compile(
    r"\b((?:Henry|Louis|Elizabeth|George|Charles|Edward|James|Richard|William|Napoleon|Philip|John|Paul|Benedict|Pius"
    rf"|Francis|Leo|Catherine|Frederick|Alexander|Nicholas|Wilhelm|(?:Pope|King|Queen)\s[A-Z][a-z]+)\s)(?=[IVX]{{2}}|[VX]\b){_NUMERAL}\b"
)
_ROMAN: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _compiled(*rules: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), spoken) for pattern, spoken in rules)


_OPERATORS: Final = _compiled(
    (r"(?:\b[Nn]os?\.\s?|#\s?|№\s?)(?=[0-9])", "number "),
    (r"(?<![\w.])\.(?=[0-9])", "0."),
    (r"(?<=[0-9])\s?x\s?(?=[0-9])", " by "),
    (r"(?<=[0-9])\s?\^\s?(?=[0-9])", " to the power of "),
    (r"(?<=[0-9])\s?−\s?(?=[0-9])|(?<=[0-9])\s-\s(?=[0-9.]+\s?=)", " minus "),
    (r"(?<=[0-9])\s?\+\s?(?=[0-9])", " plus "),
    (r"(?<=[0-9])\+", " plus"),
    (r"[~≈≃]\s?(?=[$€£]?[0-9])", "about "),
    (r"(?<=[0-9])\s?<\s?(?=[0-9])", " is less than "),
    (r"(?<=[0-9])\s?>\s?(?=[0-9])", " is more than "),
    (r"(?<!\w)<\s?(?=[$€£]?[0-9])", "less than "),
    (r"(?<!\w)>\s?(?=[$€£]?[0-9])", "more than "),
)
"""What stands beside figures, so it is said while they still are figures."""

_PER = "day|week|month|year|hour|minute|min|second|person|night|serving|kg|lb|unit|page"
_SYMBOLS: Final = _compiled(
    (r"\bC\+\+", "C plus plus"),
    (r"\b([CF])#", r"\1 sharp"),
    (r"\bw/o\b", "without"),
    (r"\bw/(?=\s)", "with"),
    (r"\band/or\b", "and or"),
    (r"\bkm/h\b", "kilometers per hour"),
    (r"#(?=[A-Za-z])", "hashtag "),
    (r"\s?&\s?", " and "),
    (r"(?<=\w)@(?=\w)|\s@\s", " at "),
    (r"(?<!\w)@(?=\w)", "at "),
    (rf"(?<=[\w)%])/(?=(?:{_PER})\b)", " per "),
    (r"(?<=[a-z])/(?=[a-z])", " or "),
    (r"\s?/\s?", " "),
    (r"\s?×\s?", " times "),
    (r"\s?÷\s?", " divided by "),
    (r"\s?≈\s?", " is about "),
    (r"\s?≠\s?", " is not equal to "),
    (r"\s?(?:≤|<=)\s?", " at most "),
    (r"\s?(?:≥|>=)\s?", " at least "),
    (r"\s?(?:→|⇒|➔|➜|[-=]>)\s?", " to "),
    (r"\s?=+\s?", " equals "),
    (r"(?<=\w)\s\+\s(?=\w)", " plus "),
    (r"±", " plus or minus "),
    (r"\+", " plus "),
    (r"√", " square root of "),
    (r"²", " squared"),
    (r"³", " cubed"),
    (r"§+\s?", "section "),
    (r"∞", " infinity "),
    (r"\s?[°º]", " degrees"),
    (r"\s?%", " percent"),
    (r"\$", " dollars "),
    (r"€", " euros "),
    (r"£", " pounds "),
)
_SYMBOL = re.compile(r"[²³º]|[^\w\s.,;:!?'\"()’‘“”–—-]")


def abbreviations_in_words(text: str) -> str:
    """Write out abbreviations with a period, days, months and the Roman numerals that cannot be anything else."""
    text = _STREET.sub(_street, text)
    if "." in text:
        text = _TITLE.sub(lambda m: _TITLES[m[1]], text)
        text = _BEFORE_NUMBER.sub(lambda m: _BEFORE_NUMBER_NAMES[m[1].lower()] + " ", text)
        text = _ABBREVIATION.sub(_abbreviation, text)
        text = _ENDING.sub(_ending, text)
        text = _INITIALISM.sub(_initialism, text)
        text = _HALF_DAY.sub(lambda m: f"{m[1].upper()}M" + ("." if m[2] is not None else ""), text)
        text = _DOT_IN_NAME.sub(" dot ", text)
    text = _BARE_VERSUS.sub("versus", text)
    text = _DAY_RANGE.sub(lambda m: f"{_DAYS[m[1]]} to {_DAYS[m[2]]}", text)
    text = _DAY.sub(lambda m: _DAYS[m[1]], text)
    text = _WEEKEND_DAY.sub(lambda m: _DAYS[m[1]] + "," * m[0].endswith(","), text)
    text = _MONTH.sub(lambda m: _MONTHS[m[1] or m[2]], text)
    text = _PART.sub(lambda m: m[1] + (cardinal(_roman(m[2])) if m[2] else ""), text)
    return _RULER.sub(lambda m: f"{m[1]}the {ordinal(_roman(m[2]))}", text)


def operators_in_words(text: str) -> str:
    """Say the signs that stand beside figures."""
    for pattern, spoken in _OPERATORS:
        text = pattern.sub(spoken, text)
    return text


def symbols_in_words(text: str) -> str:
    """Say symbols that stand between or beside words; a stroke between two words means either."""
    if _SYMBOL.search(text):
        for pattern, spoken in _SYMBOLS:
            text = pattern.sub(spoken, text)
    return text


def _abbreviation(match: re.Match[str]) -> str:
    spoken = _ABBREVIATIONS[match[1].lower()]
    return spoken.capitalize() if match[1][0].isupper() else spoken


def _ending(match: re.Match[str]) -> str:
    """Write the word out; the period of one that also ends its sentence stays."""
    after = match[2]
    return _MAY_END_SENTENCE[match[1]] + ("" if after is None else f".{after}")


def _street(match: re.Match[str]) -> str:
    """Tell a street from a saint and a drive from a doctor: those have a name behind them and no number before."""
    before, name, period, capital, end = match.groups()
    if capital and not before[0].isdigit():
        return match[0]
    ends_sentence = period and (capital or end is not None)
    return before + _STREETS[name] + ("." if ends_sentence else "")


def _initialism(match: re.Match[str]) -> str:
    return match[1].replace(".", "") + ("" if match[2] is None else f".{match[2]}")


def _roman(numeral: str) -> int:
    values = [_ROMAN[letter] for letter in numeral]
    return sum(-v if v < following else v for v, following in zip(values, [*values[1:], 0], strict=True))
