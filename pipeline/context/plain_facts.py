"""What people say of themselves in so many words, for models that are too small to find it: "I'm allergic to nuts"."""

import re
from typing import Final

LONGEST: Final = 140
"""Characters of a sentence that is one statement and no story."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_OPENING = re.compile(
    r"^(?:(?:well|so|oh|by the way|you know|actually|and|but|yes|no|also|übrigens|und|also|ja|nein|au fait|et|oui|non|"
    r"por cierto|y|sí)[, ]+)+",
    re.IGNORECASE,
)
_RELATIVES = (
    r"(?:wife|husband|partner|girlfriend|boyfriend|mother|father|mum|mom|dad|son|daughter|brother|sister|baby|dog|cat|"
    r"grand(?:mother|father|ma|pa)|uncle|aunt|boss|neighbou?r|teacher|doctor|dentist)"
)
_STATEMENTS = re.compile(
    r"^(?:"
    # English
    r"i(?:'m| am) (?:allergic|intolerant|vegetarian|vegan|diabetic|pregnant|left-handed|colou?r-?blind|deaf|blind|"
    r"retired|"
    r"an? (?!bit|little|lot|moment|minute|while|big fan\b))"
    r"|i (?:live|work|was born|grew up|study) (?:in|at|as|for|on)\b"
    r"|i (?:really |absolutely )?(?:like|love|hate|prefer|dislike|can't stand|don't like|don't eat|don't drink) "
    r"(?!it\b|that\b|this\b|you\b|to know\b|the (?:first|second|last|other)\b)"
    r"|(?:my|our) (?:\w+ )?(?:name|birthday|address|anniversary|favou?rite [\w ]+?|" + _RELATIVES + r"(?:'s [\w ]+?)?|"
    r"(?:phone|mobile) number|e-?mail(?: address)?) (?:is|are|lives?|works?)\b"
    r"|we (?:have|own) (?:an?|two|three|four|no) "
    r"(?:dogs?|cats?|pets?|kids?|children|sons?|daughters?|cars?|gardens?|hens|rabbits?)"
    r"|call me "
    # German
    r"|ich bin (?:allergisch|vegetarier\w*|veganer\w*|diabetiker\w*|schwanger|rentner\w*)"
    r"|ich (?:heiße|wohne in|arbeite (?:bei|als|in)|mag (?!das\b|es\b)|liebe (?!das\b|es\b)|hasse)\b"
    r"|(?:mein|meine|unser|unsere) [\w ]{2,30}? (?:ist|heißt|wohnt|arbeitet)\b"
    # French
    r"|je suis (?:allergique|végétarien\w*|végane|diabétique|enceinte|retraitée?)"
    r"|(?:je m'appelle|j'habite|je travaille (?:à|chez|comme)|j'aime (?!ça\b)|je déteste)\b"
    r"|(?:mon|ma|notre) [\w ]{2,30}? (?:est|s'appelle|habite)\b"
    # Spanish
    r"|soy (?:alérgic[oa]|vegetarian[oa]|vegan[oa]|diabétic[oa])"
    r"|(?:me llamo|vivo en|trabajo (?:en|como)|me gustan? (?!eso\b)|odio)\b"
    r"|(?:mi|nuestr[oa]) [\w ]{2,30}? (?:es|se llama|vive)\b"
    r")",
    re.IGNORECASE,
)
_NOTHING_LASTING = re.compile(
    r"\b(?:today|tonight|now|right now|at the moment|currently|tomorrow|yesterday|"
    r"this (?:morning|evening|week)|if|would|"
    r"could|might|heute|jetzt|gerade|morgen|gestern|wenn|falls|aujourd'hui|maintenant|demain|hier|si|hoy|ahora|mañana|ayer)\b",
    re.IGNORECASE,
)


def plain_facts(said: str) -> list[str]:
    """Return the sentences in which somebody says something lasting of themselves; questions and stories are none."""
    facts = []
    for sentence in _SENTENCE_END.split(" ".join(said.split())):
        if sentence.endswith("?") or len(sentence) > LONGEST:
            continue
        plain = _OPENING.sub("", sentence).strip(" .!,;")
        if _STATEMENTS.match(plain) and not _NOTHING_LASTING.search(plain) and len(plain.split()) > 2:
            facts.append(plain)
    return facts
