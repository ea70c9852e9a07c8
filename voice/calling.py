"""The wake word in front of what is asked, which people also say where they are listened to without it."""

import re
from typing import Final

_CALL: Final = re.compile(
    r"""\W*(?:
        ok(?:ay)?\W+n[aeo]+h?[\s-]?b(?:u|oo|ou|o|ew)h?\b   # Okay Nabu, of which Whisper makes "Okay, Naboo"
        |hey\W+jarvis\b
        |hey\W+my\s?croft\b
        |alexa\b(?=[,.!]|\W*$)                              # without a pause it is somebody's name
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
