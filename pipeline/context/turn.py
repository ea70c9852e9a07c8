"""What one conversation's model is told of the household's memory: behind the words of the turn that it answers.

It stands in that turn's message and is gone from the next request, so nothing before it changes, which the server's
prefix cache needs, and a conversation does not fill up with what helped once.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from pipeline.caller import Caller
from pipeline.context.builder import ContextBuilder, Knowledge

FEW_WORDS: Final = 8
"""A question of fewer words that points back is looked up together with the one before: "and how often is that?"."""

_POINTS_BACK = re.compile(
    r"^(?:and|what about|how about|und|was ist mit|et|y|e)\b|"
    r"\b(?:it|its|that|this|they|them|those|there|he|she|his|her|er|sie|es|das|dort|ihn|ihr|il|elle|ils|ça|cela|là|"
    r"eso|esto|él|ella|ellos|allí)\b",
    re.IGNORECASE,
)

Messages = Sequence[Any]


class TurnKnowledge:
    """Gathers once for each turn, also where the model is asked several times in it."""

    def __init__(self, builder: ContextBuilder, caller: Caller) -> None:
        """Gather for `caller`."""
        self._builder = builder
        self._caller = caller
        self._asked = ""
        self._gathering: asyncio.Task[Knowledge] | None = None

    @property
    def quotes(self) -> bool:
        """Whether this turn's model reads words that somebody outside the house may have written."""
        gathering = self._gathering
        return gathering is not None and gathering.done() and not gathering.cancelled() and gathering.result().quotes

    async def joined(self, messages: Messages) -> list[Any]:
        """Return the messages of a request with what helps to answer the last of the person's."""
        told = list(messages)
        turn = _last(told)
        if turn is None:
            return told
        knowledge = await self._gathered(told, turn)
        if knowledge.text:
            told[turn] = {**told[turn], "content": f"{_words(told[turn])}\n\n{knowledge.text}"}
        return told

    async def answer(self, messages: Messages) -> str:
        """Return what to say to the last of the person's messages without asking the model; empty where it is asked."""
        turn = _last(messages)
        return "" if turn is None else (await self._gathered(messages, turn)).answer

    async def close(self) -> None:
        """Gather nothing more."""
        gathering, self._gathering = self._gathering, None
        if gathering is not None and not gathering.done():
            gathering.cancel()
            await asyncio.wait({gathering})

    async def _gathered(self, messages: Messages, turn: int) -> Knowledge:
        words = _words(messages[turn])
        before = next((_words(messages[at]) for at in range(turn - 1, -1, -1) if _words(messages[at])), "")
        points_back = len(words.split()) < FEW_WORDS and _POINTS_BACK.search(words) is not None
        return await asyncio.shield(self._begin(f"{before} {words}" if points_back and before else words))

    def _begin(self, text: str) -> asyncio.Task[Knowledge]:
        gathering = self._gathering
        if gathering is None or text != self._asked or gathering.cancelled():
            # What was gathered for other words ends by its own deadline.
            self._asked = text
            gathering = self._gathering = asyncio.create_task(
                self._builder.gather(text, self._caller), name="context of a turn"
            )
        return gathering


def _last(messages: Messages) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if _words(messages[at])), None)


def _words(message: Any) -> str:
    if not isinstance(message, dict) or message.get("role") != "user":
        return ""
    content = message.get("content")
    return content if isinstance(content, str) else ""
