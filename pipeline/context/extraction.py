"""What is worth remembering of a conversation, found when it has been over for a while and nobody waits for anything.

A model that is large enough is asked; what it answers has to be there in the person's own words. For a small one, plain
statements are found by their form.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from loguru import logger
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipeline.caller import Caller
from pipeline.context.plain_facts import plain_facts
from pipeline.context.search import Fact
from pipeline.context.secrets import WITHHELD, holds_secret
from pipeline.context.stems import stems
from pipeline.orchestrator.admission import Saturated
from pipeline.orchestrator.completions import Completions, NoAnswer, Priority
from pipeline.store.database import Database, StoreDown
from pipeline.store.facts import Facts

OVER_AFTER: Final = timedelta(minutes=2)
"""Silence after which a conversation is gone through."""
TRIED_FOR: Final = timedelta(hours=2)
"""How long a conversation is gone through again where the model makes nothing of it."""
MOST_FACTS: Final = 8
"""Of one conversation; who tells more tells a story."""

_LOOK_SECONDS = 30.0
_LATER_SECONDS = 120.0
_SECONDS = 10.0
_ANSWER_SECONDS = 120.0
_MOST_CONVERSATIONS = 5
_MOST_CHARACTERS = 8000
_LONGEST_FACT = 200
_SHARED = 0.6
_JSON_LIST = re.compile(r"\[.*\]", re.DOTALL)
_FEWEST_LETTERS = 4
_INSTRUCTION: Final = (
    "You keep the memory of a household's voice assistant. From what a person said in a conversation, list what will "
    "still be true and useful in a month: preferences, people and pets, health, dates, habits, where things are. Leave "
    "out questions, orders, what is only true today, what the assistant said, and every password or code. "
    "Write each as a short sentence in the person's own words and language, beginning with I or my where they "
    "speak of themselves. Where one changes something that is known, give its number. "
    "Answer with a JSON list and nothing else, such as "
    '[{"fact": "my dentist is Dr. Braun", "replaces": 3}, {"fact": "I am allergic to nuts", "replaces": null}]; '
    "with [] where there is nothing."
)


class _Found(BaseModel):
    fact: str = Field(min_length=3, max_length=_LONGEST_FACT)
    replaces: int | None = None


_FOUND = TypeAdapter(list[_Found])


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that is over."""

    conversation: str
    caller: Caller
    said: Sequence[tuple[str, str]]
    """What the person said, with the turn's name, oldest first."""
    upto: datetime


class Extraction:
    """Goes through what was said, once for each conversation.

    Args:
        model: the name of the household's own model; None where that is too small to be asked.
        may_work: whether there is time and memory for what nobody waits for.
    """

    def __init__(
        self,
        database: Database,
        facts: Facts,
        completions: Completions,
        *,
        model: str | None,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._facts = facts
        self._completions = completions
        self._model = model
        self._may_work = may_work

    async def run(self) -> None:
        """Look for conversations that are over, until cancelled. Raises `pipeline.store.database.Unusable`."""
        await self._database.until_open()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._may_work():
                    await self.go_through(datetime.now(UTC) - OVER_AFTER)
            except (StoreDown, NoAnswer, Saturated, TimeoutError) as error:
                logger.debug(f"what was said is gone through later: {error}")
                await asyncio.sleep(_LATER_SECONDS)

    async def go_through(self, before: datetime) -> int:
        """Remember what is worth it of conversations that were over by then; return how many those were.

        Raises `StoreDown`, `NoAnswer`, `Saturated` and `TimeoutError`; what is not done then is done the next time.
        """
        talks = await self._over(before)
        for talk in talks:
            try:
                worth = await self._found(talk)
            except NoAnswer:
                if datetime.now(UTC) - talk.upto < TRIED_FOR:
                    raise
                worth = []
            for found in worth:
                if holds_secret(found.fact) or WITHHELD in found.fact:
                    continue
                turn = next((turn for turn, words in talk.said if _stems(found.fact) & _stems(words)), "")
                words = dict(talk.said).get(turn, found.fact)
                await self._facts.remember(
                    found.fact,
                    talk.caller,
                    conversation=talk.conversation,
                    turn=turn,
                    said_as=words,
                    replaces=found.replaces,
                )
            await self._done(talk)
        return len(talks)

    async def _over(self, before: datetime) -> list[Talk]:
        async with self._database.connection(_SECONDS) as connection:
            over = await connection.fetch(
                "SELECT m.conversation, max(m.said) AS upto, t.upto AS done FROM messages m "
                "LEFT JOIN learned_talk t ON t.conversation = m.conversation GROUP BY m.conversation, t.upto "
                "HAVING max(m.said) < $1 AND max(m.said) > coalesce(t.upto, '-infinity') ORDER BY upto LIMIT $2",
                *(before, _MOST_CONVERSATIONS),
            )
            talks = []
            for row in over:
                rows = await connection.fetch(
                    "SELECT id, door, device, person, room, content FROM messages WHERE conversation = $1 "
                    "AND role = 'user' AND said > coalesce($2::timestamptz, '-infinity') ORDER BY said",
                    *(row["conversation"], row["done"]),
                )
                caller = Caller("", "")
                if rows:
                    first = rows[0]
                    caller = Caller(first["door"], first["device"], person=first["person"], room=first["room"])
                said = [(str(each["id"]), each["content"]) for each in rows]
                talks.append(Talk(row["conversation"], caller, said, row["upto"]))
        return talks

    async def _done(self, talk: Talk) -> None:
        async with self._database.connection(_SECONDS) as connection:
            await connection.execute(
                "INSERT INTO learned_talk VALUES ($1, $2) "
                "ON CONFLICT (conversation) DO UPDATE SET upto = EXCLUDED.upto",
                *(talk.conversation, talk.upto),
            )
            await connection.execute(
                "DELETE FROM learned_talk t "
                "WHERE NOT EXISTS (SELECT FROM messages m WHERE m.conversation = t.conversation)"
            )

    async def _found(self, talk: Talk) -> list[_Found]:
        if not talk.said:
            return []
        if self._model is None:
            return [_Found(fact=fact) for _, words in talk.said for fact in plain_facts(words)][:MOST_FACTS]
        text = "\n".join(words for _, words in talk.said)[-_MOST_CHARACTERS:]
        known = await self._facts.find(text[:1000], talk.caller.person, most=MOST_FACTS)
        answer = await self._ask(text, known)
        own = {fact.id for fact in known}
        return [
            found if found.replaces in own else found.model_copy(update={"replaces": None})
            for found in _read(answer)
            if _grounded(found.fact, text)
        ][:MOST_FACTS]

    async def _ask(self, text: str, known: Sequence[Fact]) -> str:
        listed = "\n".join(f"{fact.id}: {fact.content}" for fact in known) or "nothing"
        asked = f"Known already:\n{listed}\n\nThe person said:\n{text}"
        request: dict[str, Any] = {
            "messages": [{"role": "system", "content": _INSTRUCTION}, {"role": "user", "content": asked}],
            "temperature": 0.0,
            "max_tokens": 400,
        }
        async with asyncio.timeout(_ANSWER_SECONDS):
            stream = self._completions.stream(
                request, priority=Priority.BACKGROUND, private=True, conversation="memory", redact=None
            )
            async with aclosing(stream):
                words = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        return "".join(words)


def _read(answer: str) -> list[_Found]:
    """What a model has found; nothing where its answer is no such list."""
    listed = _JSON_LIST.search(answer)
    if listed is None:
        return []
    try:
        return _FOUND.validate_json(listed[0])
    except ValidationError as error:
        logger.debug(f"what the model would remember cannot be read: {error.errors()[0]['msg']}")
        return []


def _grounded(fact: str, text: str) -> bool:
    """Whether most of a fact's words were said: a model that makes something up is not believed."""
    words = _stems(fact)
    return bool(words) and len(words & _stems(text)) >= _SHARED * len(words)


def _stems(text: str) -> set[str]:
    return stems(text, fewest=_FEWEST_LETTERS)
