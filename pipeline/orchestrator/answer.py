"""One answer: who is asked for it, who is asked next where that goes wrong, and what leaves of their words."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from loguru import logger
from openai.types.chat import ChatCompletionChunk

from pipeline.orchestrator.admission import Admission, Place, Priority, Saturated
from pipeline.orchestrator.continuation import Joint, continued
from pipeline.orchestrator.guard import GuardedStream, Kind, ModelMisbehaved
from pipeline.orchestrator.reasoning import ThinkFilter
from pipeline.orchestrator.reply import CHARACTERS_A_TOKEN, LONGEST_ANSWER, Reply, TextWatch, ended
from pipeline.orchestrator.servers import Engine, Fallback, Request, Server

FILLER_AFTER: Final = 1.0
"""Seconds without a word after which a person is told that it takes a while."""
QUEUE_BEFORE_FALLBACK: Final = 2.0
"""Seconds in the queue beyond which the hosted service answers a voice sooner."""
RETRY_FOR_VOICE: Final = 2.0
"""Seconds in which a server that failed is asked again; a person who waits bears no more."""
RETRY_FOR_TYPED: Final = 10.0
"""Seconds in which a server that failed is asked again where nobody listens."""
_RETRY_DELAY: Final = 0.25
_REPAIR: Final = "Your tool call could not be read: {}. Make it again with valid JSON, or answer in words."


class NoAnswer(Exception):  # noqa: N818 - reads as what is the matter
    """Nobody could answer, or finish the answer; the message says what happened."""

    def __init__(self, what: str, *, spoken: bool = False) -> None:
        """Say `what` happened, and whether the beginning of the answer was `spoken`."""
        self.spoken = spoken
        super().__init__(what)


class Why(StrEnum):
    """Why somebody else answers than the household's own model."""

    MAINTENANCE = "maintenance"
    SATURATED = "saturated"
    FAILED = "failed"


@dataclass(slots=True)
class Household:
    """Whom a household asks."""

    primary: Server
    admission: Admission
    """To the primary."""
    fallback: Server | None = None
    terms: Fallback | None = None
    """What the fallback may do."""
    draining: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, for whom; see `pipeline.orchestrator.completions.Completions.stream`."""

    request: Request
    private: bool
    conversation: str
    reasoning: bool
    budget: int | None
    redact: Callable[[Request], Request | None] | None
    on_wait: Callable[[], None] | None


class Answer:
    """One answer, as chunks: each holds some text, or one complete tool call, or the end, or the usage.

    Reading it raises `Saturated` and `NoAnswer` only. Whoever stops reading early closes it, which closes the
    connection and frees the place; so does a cancellation.
    """

    def __init__(self, household: Household, question: Question, priority: Priority) -> None:
        self.engine: Engine | None = None
        """Who answers, from the first chunk on."""
        self.why: Why | None = None
        """Why it is not the household's own model; None where it is."""
        self.waited = 0.0
        """Seconds in the queue."""
        self._household = household
        self._question = question
        self._priority = priority
        self._place: Place | None = None
        self._reading: GuardedStream | None = None
        self._said = ""
        self._last: ChatCompletionChunk | None = None
        self._repaired = False
        self._give_up: float | None = None
        self._chunks = self._stream()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        """Wait for the next chunk."""
        return await anext(self._chunks)

    async def close(self) -> None:
        """Stop; close the connection and free the place. May be called again."""
        await self._chunks.aclose()

    aclose = close

    def promote(self) -> None:
        """Note that a speculation was right: it is no longer dropped for a voice, for it is one."""
        if self._priority is Priority.SPECULATION:
            self._priority = Priority.VOICE
            if self._place is not None:
                self._household.admission.queue.promote(self._place)

    @property
    def _heard(self) -> bool:
        return self._priority <= Priority.SPECULATION

    async def _stream(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        waiting = asyncio.get_running_loop().call_later(FILLER_AFTER, self._tell_of_the_wait)
        try:
            server = await self._first()
            error: ModelMisbehaved | None = None
            while True:
                try:
                    async with aclosing(self._attempt(server, error)) as chunks:
                        async for chunk in chunks:
                            waiting.cancel()
                            yield chunk
                except ModelMisbehaved as misbehaved:
                    error = misbehaved
                else:
                    return
                logger.warning(f"{server.name} misbehaved in conversation {self._question.conversation}: {error}")
                if self._last is not None and self._said and (error.usable or error.kind is Kind.EMPTY):
                    yield ended(self._last, "length" if error.usable else "stop")
                    return
                server = await self._next(server, error)
        finally:
            waiting.cancel()
            self._leave()

    async def _first(self) -> Server:
        """Choose whom to ask first, and wait for a place there."""
        household = self._household
        if household.closed:
            raise NoAnswer("the assistant is closing")
        if household.draining:
            if (fallback := self._fall_back(Why.MAINTENANCE)) is None:
                raise NoAnswer(f"{household.primary.name} is under maintenance")
            return fallback
        if (fallback := self._instead_of_one_that_fails()) is not None:
            return fallback
        may_fall_back = self._priority is Priority.VOICE and self._may_fall_back()
        try:
            self._place = await household.admission.admit(
                self._priority,
                self._question.conversation,
                longest=QUEUE_BEFORE_FALLBACK if may_fall_back else None,
            )
        except Saturated:
            if may_fall_back and (fallback := self._fall_back(Why.SATURATED)) is not None:
                return fallback
            raise
        self._place.on_drop = self._drop
        self.waited = self._place.waited
        return self._instead_of_one_that_fails() or household.primary

    def _instead_of_one_that_fails(self) -> Server | None:
        # Where nobody else can answer, asking a server that keeps failing is all that is left.
        return self._fall_back(Why.FAILED) if self._household.primary.breaker.refuses else None

    async def _next(self, server: Server, error: ModelMisbehaved) -> Server:
        """Choose whom to ask after `server` has failed, and wait until that is worth it."""
        if error.kind is Kind.BROKEN_CALL and not self._repaired:
            self._repaired = True
            return server
        if server is self._household.primary and (fallback := self._fall_back(Why.FAILED)) is not None:
            return fallback
        now = asyncio.get_running_loop().time()
        if self._give_up is None:
            patience = {Priority.VOICE: RETRY_FOR_VOICE, Priority.SPECULATION: 0.0}
            self._give_up = now + patience.get(self._priority, RETRY_FOR_TYPED)
        delay = _RETRY_DELAY if error.retry_after is None else error.retry_after
        if error.passing and now + delay < self._give_up:
            await asyncio.sleep(delay)
            return server
        if error.kind is Kind.BUSY and not self._said:
            raise Saturated(delay) from error
        raise NoAnswer(f"{server.name}: {error}", spoken=bool(self._said)) from error

    async def _attempt(
        self, server: Server, failure: ModelMisbehaved | None
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        question = self._question
        words = self._words_for(server, failure)
        prepared = server.prepare(words, self._priority, reasoning=question.reasoning, budget=question.budget)
        reply = self._reply(server, prepared)
        limits = server.pace.limits(heard=self._heard, offers_tools=bool(prepared.get("tools")))
        ticket = server.breaker.enter()
        error: BaseException | None = None
        clock = asyncio.get_running_loop().time
        asked, began = clock(), False
        try:
            async with GuardedStream(lambda: server.ask(prepared), limits) as stream:
                self._reading = stream
                async for chunk in stream:
                    if not began:
                        began = True
                        server.pace.saw(clock() - asked)
                        self._begin()
                    leaving = reply.feed(chunk)
                    stream.finished, stream.speaking = reply.finished, reply.speaking
                    for cleaned in leaving:
                        self._note(server, cleaned)
                        yield cleaned
                reply.close()
        except BaseException as caught:
            error = caught
            if isinstance(caught, TimeoutError):
                raise Saturated(self._household.admission.queue.expected_wait(self._priority)) from None
            raise
        finally:
            server.report(ticket, error, answered=began)

    def _words_for(self, server: Server, failure: ModelMisbehaved | None) -> Request:
        """The request as this server may see it, after what has happened so far."""
        request = self._question.request
        if server is self._household.fallback:
            request = {name: value for name, value in request.items() if name != "extra_body"}
            if self._hides_from_fallback():
                redacted = self._question.redact(request) if self._question.redact is not None else None
                if redacted is None:
                    raise NoAnswer(f"{self._household.primary.name} does not answer, and nobody else may see this")
                request = redacted
        if self._said:
            request = continued(request, self._said)
        if failure is not None and failure.kind is Kind.BROKEN_CALL:
            note = {"role": "user", "content": _REPAIR.format(failure.said)}
            request = {**request, "messages": [*request["messages"], note]}
        return request

    def _reply(self, server: Server, prepared: Request) -> Reply:
        tokens = [prepared.get(name) for name in ("max_tokens", "max_completion_tokens")]
        characters = [CHARACTERS_A_TOKEN * limit for limit in tokens if isinstance(limit, int)]
        watch = TextWatch(max(characters, default=LONGEST_ANSWER), pages=not self._heard)
        joint = Joint(self._said)
        return Reply(ThinkFilter(begins_inside=server.family.begins_inside), watch, joint.feed, joint.close)

    def _may_fall_back(self) -> bool:
        terms, fallback = self._household.terms, self._household.fallback
        if terms is None or fallback is None or not terms.allowed or fallback.breaker.refuses:
            return False
        if self._priority is Priority.SPECULATION:
            return False
        # What was said of a private answer is private too, and the caller cannot redact it.
        return not self._hides_from_fallback() or (self._question.redact is not None and not self._said)

    def _hides_from_fallback(self) -> bool:
        terms = self._household.terms
        return self._question.private and terms is not None and not terms.private

    def _fall_back(self, why: Why) -> Server | None:
        """Give the place at the own model back and go to the fallback, where that may answer."""
        if not self._may_fall_back():
            return None
        self._leave()
        self.why = why
        return self._household.fallback

    def _begin(self) -> None:
        if self._place is not None:
            self._household.admission.begin(self._place)

    def _leave(self) -> None:
        if self._place is not None:
            self._household.admission.release(self._place)
            self._place = None

    def _drop(self) -> None:
        if self._reading is not None:
            self._reading.stop()

    def _note(self, server: Server, chunk: ChatCompletionChunk) -> None:
        self.engine, self._last = server.engine, chunk
        if chunk.choices:
            self._said += chunk.choices[0].delta.content or ""

    def _tell_of_the_wait(self) -> None:
        if self._question.on_wait is not None:
            self._question.on_wait()
