"""What is never kept: passwords, PINs, one-time codes, card and account numbers, keys.

Nobody can know every secret. What follows a word such as "PIN" or "Passwort", and what has the form of a card number,
an account number or a key, is left out of what is kept.
"""

import re
from typing import Final

WITHHELD: Final = "[not kept]"

_NAMES = (
    r"pass ?words?|pass ?codes?|pass ?phrases?|pins?|pin ?(?:code|number)s?|tans?|cvv|cvc|"
    r"(?:one[- ]time|security|access|verification|confirmation|alarm|door|gate|safe|lock|entry|secret|login) "
    r"(?:codes?|numbers?|keys?)|"
    r"api[- ]?keys?|"
    r"pass(?:wo|wö)rt(?:er|es)?|kennw(?:o|ö)rt(?:er)?|geheimzahl|zugangscode|"
    r"(?:einmal|sicherheits|bestätigungs|tür|alarm)[- ]?codes?|"
    r"mots? de passe|codes? (?:pin|secret|d'accès|de sécurité|de la porte)|"
    r"contraseñas?|claves?|códigos? (?:pin|de acceso|de seguridad|de un solo uso)"
)
_DIGIT_WORDS = (
    "zero|oh|one|two|three|four|five|six|seven|eight|nine|null|eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|"
    "zéro|un|deux|trois|quatre|cinq|sept|huit|neuf|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
)
_SPOKEN_DIGITS = rf"(?:(?:{_DIGIT_WORDS})(?:[ ,-]+|\b)){{3,}}"
_NAMED = re.compile(
    rf"\b(?P<name>(?:{_NAMES})\b(?:\s+(?:for|of|to|von|für|de|du|para)\s+(?:\w+\s+){{0,3}}?\w+?)??"
    r"(?:\s*(?:is|are|was|ist|sind|lautet|est|es|reads|now|jetzt)\b|\s*[:=])+\s*)"
    r"(?P<secret>.+?)(?=[.;!?](?:\s|$)|\s+(?:and|und|et|y)\s+(?!(?:" + _DIGIT_WORDS + r")\b)\D|$)",
    re.IGNORECASE,
)
_NEXT_TO = re.compile(
    rf"\b(?P<name>(?:{_NAMES})\s+)(?P<secret>\d[\d -]{{2,}}\d|(?=\w*\d)\w{{4,}}|{_SPOKEN_DIGITS})", re.IGNORECASE
)
_CODE_FOR = re.compile(
    rf"(?P<secret>\b\d{{4,10}}\b|\b\d{{3}}[ -]\d{{3}}\b|\b{_SPOKEN_DIGITS})"
    rf"(?P<name>\s+(?:is|ist|est|es)\s+(?:\w+\s+){{0,4}}?(?:code|{_NAMES})\b)",
    re.IGNORECASE,
)
_CODE_IS = re.compile(
    rf"(?P<name>\bcodes?\b(?:\s+\w+){{0,6}}?\s*(?:is|ist|est|es|:)\s*)"
    rf"(?P<secret>[A-Z]?-?\d[\d -]{{2,}}\d|{_SPOKEN_DIGITS})",
    re.IGNORECASE,
)
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_KEY = re.compile(
    r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA|eyJ)[-_A-Za-z0-9.]{14,}|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])\w{24,}\b"
)


def kept(text: str) -> str:
    """Return `text` without its secrets, and without what a database cannot hold."""
    clean = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    for pattern in (_NAMED, _NEXT_TO, _CODE_FOR, _CODE_IS):
        clean = pattern.sub(_without, clean)
    clean = _CARD.sub(lambda found: WITHHELD if _is_card(found[0]) else found[0], clean)
    return _KEY.sub(WITHHELD, _ACCOUNT.sub(WITHHELD, clean))


def holds_secret(text: str) -> bool:
    """Whether something in `text` would not be kept."""
    return WITHHELD in kept(text)


def _without(found: re.Match[str]) -> str:
    return found[0].replace(found["secret"], WITHHELD)


def _is_card(number: str) -> bool:
    """Luhn's check, which all card numbers pass (ISO/IEC 7812)."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
