"""What one conversation's model is told of the household's memory: behind the words of the turn that it answers.

It stands in that turn's message and is gone from the next request, so nothing before it changes, which the server's
prefix cache needs, and a conversation does not fill up with what helped once.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from pipeline.caller import Caller
from pipeline.context.builder import ContextBuilder, Knowledge
from voice.hypothesis import words_of

FEW_WORDS: Final = 8
"""A question of fewer words that points back is looked up together with the one before: "and how often is that?"."""

FEWEST_WORDS: Final = 3
"""Fewer words of a turn that goes on say nothing yet."""
MOST_OF: Final = 0.7
"""Part of the words of a turn from which what was gathered for them is good for all of it."""

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
        self._preparing: asyncio.Task[Knowledge] | None = None
        self._prepared: tuple[list[str], Knowledge] | None = None

    @property
    def quotes(self) -> bool:
        """Whether this turn's model reads words that somebody outside the house may have written."""
        gathering = self._gathering
        return gathering is not None and gathering.done() and not gathering.cancelled() and gathering.result().quotes

    def prepare(self, text: str) -> None:
        """Begin to gather for what has been heard of a turn so far; it may serve where its end leaves no time."""
        if len(text.split()) < FEWEST_WORDS or self._preparing is not None:
            return
        self._preparing = asyncio.create_task(
            self._builder.gather(text, self._caller), name="context of a partial turn"
        )
        self._preparing.add_done_callback(partial(self._prepare_ended, text))

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
        under_way = [task for task in (self._gathering, self._preparing) if task is not None and not task.done()]
        self._gathering = self._preparing = None
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    async def _gathered(self, messages: Messages, turn: int) -> Knowledge:
        words = _words(messages[turn])
        before = next((_words(messages[at]) for at in range(turn - 1, -1, -1) if _words(messages[at])), "")
        points_back = len(words.split()) < FEW_WORDS and _POINTS_BACK.search(words) is not None
        knowledge = await asyncio.shield(self._begin(f"{before} {words}" if points_back and before else words))
        if knowledge.late and self._prepared is not None and _much_the_same(self._prepared[0], words_of(words)):
            # What was known of most of the words is better than what is missing of all of them.
            return self._prepared[1]
        return knowledge

    def _prepare_ended(self, text: str, task: asyncio.Task[Knowledge]) -> None:
        self._preparing = None
        if not task.cancelled() and not task.result().late:
            self._prepared = (words_of(text), task.result())

    def _begin(self, text: str) -> asyncio.Task[Knowledge]:
        gathering = self._gathering
        if gathering is None or text != self._asked or gathering.cancelled():
            # What was gathered for other words ends by its own deadline.
            self._asked = text
            gathering = self._gathering = asyncio.create_task(
                self._builder.gather(text, self._caller), name="context of a turn"
            )
        return gathering


def _much_the_same(some: Sequence[str], words: Sequence[str]) -> bool:
    """Whether these are most of the words, and no others."""
    return len(set(some) & set(words)) >= MOST_OF * max(len(set(some)), len(set(words)))


def _last(messages: Messages) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if _words(messages[at])), None)


def _words(message: Any) -> str:
    if not isinstance(message, dict) or message.get("role") != "user":
        return ""
    content = message.get("content")
    return content if isinstance(content, str) else ""
