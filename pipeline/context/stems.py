"""Words by how they begin, so that "change", "changed" and "changing" are the same one."""

import re
from typing import Final

LENGTH: Final = 5
"""Letters of a stem."""

_WORD = re.compile(r"[^\W_]{3,}")


def stems(text: str, *, fewest: int = 3) -> set[str]:
    """Return the stems of a text's words that have at least so many letters, in lower case."""
    return {word[:LENGTH].lower() for word in _WORD.findall(text) if len(word) >= fewest}
