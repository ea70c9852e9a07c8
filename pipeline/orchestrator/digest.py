"""What stays of the messages that no longer fit into a conversation: what was promised and done, and what it was about.

It is made of the words that were said, at once and without a model, so that nothing is invented and nobody waits.
"""

import re
from collections.abc import Sequence
from typing import Final

from pipecat.processors.aggregators.llm_context import LLMContextMessage

MOST_PROMISES: Final = 12
MOST_TOPICS: Final = 12
LONGEST: Final = 160
"""Characters of each."""

_OPENING: Final = "Earlier in this conversation, which is too long to be shown whole."
_ASKED, _PROMISED = "The person said:", "You said or did:"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_PROMISE = re.compile(
    r"\b(?:i'll|i will|i have|i've|i am going to|i'm going to|i won't|shall i|remind\w*|timer|alarm|is on the|"
    r"set for|set to|"
    r"ich werde|ich habe|ich merke|ich erinnere|soll ich|wecker|erinner\w*|"
    r"je vais|j'ai|je te|dois-je|minuteur|réveil|voy a|he |te recordaré|temporizador|alarma)\b",
    re.IGNORECASE,
)


def digest(messages: Sequence[object]) -> LLMContextMessage | None:
    """Return a message that stands for these, or None where they say nothing. What an earlier one stood for is kept."""
    topics: list[str] = []
    promises: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str) or not isinstance(message, dict):
            continue
        if content.startswith(_OPENING):
            before, _, after = content.partition(_PROMISED)
            topics += _lines(before.partition(_ASKED)[2])
            promises += _lines(after)
        elif message.get("role") == "user":
            topics.append(_short(content))
        elif message.get("role") == "assistant":
            promises += [_short(each) for each in _SENTENCE_END.split(content) if _PROMISE.search(each)]
    if not topics and not promises:
        return None
    told = [_OPENING]
    if topics:
        told += [_ASKED, *(f"- {each}" for each in topics[-MOST_TOPICS:])]
    if promises:
        told += [_PROMISED, *(f"- {each}" for each in promises[-MOST_PROMISES:])]
    return {"role": "developer", "content": "\n".join(told)}


def _lines(listed: str) -> list[str]:
    return [line.removeprefix("- ") for line in listed.strip().splitlines() if line.startswith("- ")]


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST].rsplit(' ', 1)[0]} …"
