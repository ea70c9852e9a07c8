"""Cuts documents into passages: what belongs together under one heading, as long as the embedding model reads."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.context.documents import Paragraph

LONGEST: Final = 900
"""Characters of a passage: MiniLM reads 256 word pieces, about a thousand characters of English."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)]*\s+")


def passages(paragraphs: Sequence[Paragraph]) -> list[Paragraph]:
    """Join short paragraphs under one heading, and cut long ones between sentences."""
    found: list[Paragraph] = []
    for paragraph in paragraphs:
        for part in _parts(paragraph.text):
            last = found[-1] if found else None
            joined = f"{last.text}\n\n{part}" if last else ""
            if last is not None and last.heading == paragraph.heading and len(joined) <= LONGEST:
                found[-1] = Paragraph(last.heading, joined)
            else:
                found.append(Paragraph(paragraph.heading, part))
    return found


def _parts(text: str) -> Iterator[str]:
    """Cut a long paragraph between sentences. The last sentence of a part begins the next one, so that none is lost
    between two passages."""
    if len(text) <= LONGEST:
        yield text
        return
    part: list[str] = []
    for sentence in _short_enough(text):
        if part and len(" ".join([*part, sentence])) > LONGEST:
            yield " ".join(part)
            last = part[-1]
            part = [last] if len(last) + len(sentence) < LONGEST // 2 else []
        part.append(sentence)
    yield " ".join(part)


def _short_enough(text: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(text):
        while len(sentence) > LONGEST:
            cut = sentence.rfind(" ", 1, LONGEST)
            cut = cut if cut > 0 else LONGEST
            yield sentence[:cut]
            sentence = sentence[cut:].lstrip()  # noqa: PLW2901
        if sentence:
            yield sentence
