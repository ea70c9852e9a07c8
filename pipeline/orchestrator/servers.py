"""The servers that language models are asked at, and what is known of how each one fares."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.families import Family, adapt, family_of
from pipeline.orchestrator.admission import Priority
from pipeline.orchestrator.guard import Kind, ModelMisbehaved, Pace
from tools.breaker import Breaker

Request = Mapping[str, Any]
"""What `AsyncOpenAI.chat.completions.create` takes."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A server with a model, and the client through which it is asked. The client must not retry by itself."""

    name: str
    """What the log and a person call it."""
    endpoint: Endpoint
    client: AsyncOpenAI = field(repr=False)
    family: Family | None = None
    """How it is told to reason; by default as the model's name says."""
    priorities: bool = False
    """Whether a request may carry a priority, as vLLM with `--scheduling-policy priority` takes it."""


@dataclass(frozen=True, slots=True)
class Fallback(Engine):
    """A hosted service, which answers where the household's own model cannot."""

    allowed: bool = False
    """Whether the household lets it."""
    private: bool = False
    """Whether it may see what is private."""


class Server:
    """An engine, and how it has been faring."""

    def __init__(self, engine: Engine, *, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = engine.name
        self.engine = engine
        self.family = engine.family or family_of(engine.endpoint.model, url=engine.endpoint.url)
        self.pace = pace
        self.breaker = Breaker(engine.name, clock=clock)

    def prepare(self, request: Request, priority: Priority, *, reasoning: bool, budget: int | None) -> dict[str, Any]:
        """Say the request in this server's words."""
        named = {**request, "model": self.engine.endpoint.model, "stream": True}
        prepared = adapt(named, self.family, reasoning, budget)
        if self.engine.priorities:
            prepared["extra_body"] = {"priority": int(priority), **(prepared.get("extra_body") or {})}
        return self.engine.endpoint.adapt(prepared)

    async def ask(self, prepared: Request) -> AsyncStream[ChatCompletionChunk]:
        """Send a prepared request and return when the answer's head is there."""
        return cast("AsyncStream[ChatCompletionChunk]", await self.engine.client.chat.completions.create(**prepared))

    def report(self, ticket: int | None, error: BaseException | None, *, answered: bool) -> None:
        """Learn from how a request ended; `answered` where any of the answer had come."""
        if isinstance(error, ModelMisbehaved) and error.kind is Kind.SILENT:
            self.pace.missed()
        if ticket is None:
            return
        if isinstance(error, ModelMisbehaved) and error.speaks_against_server:
            self.breaker.failed(ticket)
        elif error is None or answered or isinstance(error, ModelMisbehaved):
            self.breaker.succeeded(ticket)
        else:
            self.breaker.left(ticket)
