"""Questions to a language model, straight or as PASSFEL asks them, and when their answers come."""

import dataclasses
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from openai import AsyncOpenAI

from pipeline.caller import Caller, Permission
from pipeline.engines.endpoint import Endpoint
from pipeline.intents.matching import LocalIntents
from pipeline.latency import LatencyLog
from pipeline.orchestrator.completions import Completions, Engine
from pipeline.settings import Settings
from pipeline.writer import Text, WrittenRequest
from pipeline.written import WrittenConversation
from tests.benchmarks.tool_choice.asking import Recorder, house_tools
from tools.executor import Executor

LIMIT = 120.0
"""Seconds for any single answer."""
_CALLER = Caller("benchmark", "benchmark", permissions=frozenset(Permission))


@dataclass(frozen=True, slots=True)
class Streamed:
    """When an answer came, in seconds after it was asked for."""

    first: float
    last: float
    pieces: int

    @property
    def between(self) -> float:
        """Seconds between two pieces, each of which is a token."""
        return (self.last - self.first) / max(1, self.pieces - 1)


async def streamed(client: AsyncOpenAI, body: Mapping[str, Any]) -> Streamed:
    """Ask a server straight, and time what comes: words and the pieces of calls."""
    asked = time.perf_counter()
    times = []
    stream = await client.chat.completions.create(**{**body, "stream": True})
    async for chunk in stream:
        delta = chunk.choices[0].delta if chunk.choices else None
        if delta is not None and (delta.content or delta.tool_calls):
            times.append(time.perf_counter() - asked)
    if not times:
        raise RuntimeError("the model answered nothing")
    return Streamed(times[0], times[-1], len(times))


class Asker:
    """Asks through PASSFEL's written conversation, in this process, and knows what it sends."""

    def __init__(self, endpoint: Endpoint, client: AsyncOpenAI, executor: Executor, intents: LocalIntents) -> None:
        self._endpoint, self._client, self._executor, self._intents = endpoint, client, executor, intents
        self._completions = Completions(Engine("the language model", endpoint, client))
        self.sent: dict[str, Any] = {}
        """The latest request to the server."""

    async def first_words(self, question: str) -> float:
        """Seconds until the answer begins; the rest of it is not waited for."""
        request = WrittenRequest([{"role": "user", "content": question}], max_tokens=16)
        conversation = WrittenConversation(
            _CALLER,
            request.identity(_CALLER),
            endpoint=self._endpoint,
            client=self._client,
            completions=self._completions,
            settings=Settings(),
            latency=LatencyLog(),
            executor=self._executor,
            intents=self._intents,
        )
        asked = time.perf_counter()
        async with aclosing(conversation.answer(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Text):
                    return time.perf_counter() - asked
        raise RuntimeError(f"nothing was answered to {question!r}")

    async def note(self, request: httpx.Request) -> None:
        """Keep what is sent."""
        self.sent = json.loads(request.content)


@asynccontextmanager
async def asking(endpoint: Endpoint, intents: LocalIntents, folder: Any) -> AsyncIterator[Asker]:
    """Give an asker with a client of its own, and with the house's tools, which run nothing."""
    hooks: dict[str, Any] = {"request": []}
    async with httpx.AsyncClient(event_hooks=hooks, trust_env=False, timeout=LIMIT) as http:
        client = AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.api_key, http_client=http, max_retries=0)
        tools = list(house_tools(folder).values())
        asker = Asker(dataclasses.replace(endpoint, slots=0), client, Recorder(tools), intents)
        http.event_hooks = {"request": [asker.note]}
        yield asker


def asked_with(body: Mapping[str, Any], question: str) -> dict[str, Any]:
    """The same request with another question at its end."""
    *before, last = body["messages"]
    return {**body, "messages": [*before, {**last, "content": question}]}


def question(number: int) -> str:
    """A question that no local intent takes; each number makes it another one of the same length."""
    return f"Tell me something about the village {number:05d} in the mountains, please."
