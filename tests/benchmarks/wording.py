"""Word errors and slot values: is what was heard what was said?

Before counting, both sides are written the same way, so that only a misheard word is an error: lower case; no
punctuation, hyphens and apostrophes split nothing off (`what's` is `whats`, `sixteen-ounce` is two words);
numbers as words (`16` is `sixteen`, `twenty-five` two words); abbreviations that the recogniser chooses
itself written out (`oz`, `mr`, `ok`); British spellings as American ones; plural ounces and shots as
singular, which an order does not depend on.
"""

import re

from num2words import num2words

SPELLINGS = {
    "oz": "ounce", "ounces": "ounce", "shots": "shot", "mr": "mister", "mrs": "missus", "ok": "okay",
    "favourite": "favorite", "colour": "color", "grey": "gray", "centre": "center", "litre": "liter",
    "sweetner": "sweetener", "capuccino": "cappuccino", "sizes": "size",
}  # fmt: skip


def normalised(text: str) -> list[str]:
    """Return the words of a text as they are compared."""
    text = re.sub(r"(\d)(?=[a-z])", r"\1 ", text.lower())
    text = re.sub(r"\d+", lambda number: f" {num2words(int(number[0]))} ", text)
    text = re.sub(r"['’.]", "", text)
    words = re.sub(r"[^a-z]+", " ", text).split()
    return [SPELLINGS.get(word, word) for word in words]


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Return the fewest words to insert, delete or replace, and the number of words said."""
    reference, hypothesis = normalised(said), normalised(heard)
    row = list(range(len(hypothesis) + 1))
    for n, word in enumerate(reference, start=1):
        diagonal, row[0] = row[0], n
        for m, other in enumerate(hypothesis, start=1):
            diagonal, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, diagonal + (word != other))
    return row[-1], len(reference)


def slots_heard(values: tuple[str, ...], heard: str) -> int:
    """Count the slot values that occur in what was heard, each as consecutive whole words."""
    sentence = f" {' '.join(normalised(heard))} "
    return sum(f" {' '.join(normalised(value))} " in sentence for value in values)
