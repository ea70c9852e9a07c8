"""The sentences of a passage that have most to do with a question."""

import re

from pipeline.context.stems import stems


def best_sentences(passage: str, question: str) -> str:
    """Return the sentence that shares most words with the question, and the one behind it where that says more."""
    sentences = [each.strip() for each in re.split(r"(?<=[.!?])\s+|\n\s*\n", passage) if each.strip()]
    if not sentences:
        return passage.strip()
    asked = stems(question)
    shared = [len(asked & stems(sentence)) for sentence in sentences]
    best = shared.index(max(shared))
    last = best + 1 if best + 1 < len(sentences) and shared[best + 1] else best
    return " ".join(" ".join(sentences[best : last + 1]).split())
