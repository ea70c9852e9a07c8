"""The wake word in front of what is asked, which people also say where they are listened to without it."""

import re
from typing import Final

# As Whisper spells them: okay nabu, hey jarvis, hey mycroft, alexa.
_CALL: Final = re.compile(
    r"""\W*(?:
        ok(?:ay)?\W+n[aeo]+[hw]?\W*b(?:u|oo|ou|o|e|ew)h?\b              # "Okay, Naboo", "Okay, now, boo"
        |(?:hey|a)\W+jarvis\b
        |(?:hey|a)\W+m[aeiy]*[ck]+[eh]*\W?c?r[aou]+(?:f|ft|gh\w*|ff\w*)\b  # "Hey, McRought", "Hey, mikroft"
        |alexa\b(?=[,.!]|\W*$)                                          # without a pause it is somebody's name
    )\W*""",
    re.IGNORECASE | re.VERBOSE,
)


def without_call(text: str) -> str:
    """Take a wake word off the beginning of what was heard; nothing is left where somebody has only called."""
    called = _CALL.match(text)
    if called is None:
        return text
    rest = text[called.end() :]
    return rest[:1].upper() + rest[1:]
