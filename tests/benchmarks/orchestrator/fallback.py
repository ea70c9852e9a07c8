"""How soon somebody else answers where the own model fails, and how soon nobody does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from aiohttp import web
from openai import AsyncOpenAI

from pipeline.engines.endpoint import Endpoint
from pipeline.orchestrator.completions import Answer, Completions, Engine, Fallback, NoAnswer, Priority
from tests.benchmarks.orchestrator.asking import LIMIT, question
from tests.benchmarks.servers import LanguageServer
from tests.pipeline.misbehaving_server import Exchange, hangs_up, misbehaving_server, responds, says, stalls

FAILURES: dict[str, Callable[[Exchange], Awaitable[web.StreamResponse]] | None] = {
    "refuses the connection": None,
    "answers 500": responds("{}", status=500),
    "hangs up before the first word": hangs_up(),
    "breaks off in mid-sentence": hangs_up("Well, the village ", "is known for "),
    "stalls before the first word": stalls(),
}

SETTLE = 0.3
"""Seconds in which a server notices that it was given up."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a person met: seconds."""

    failure: str
    after_failure: list[float]
    """From the moment at which the own model failed, or was given up, to the hosted one's first words."""
    after_question: list[float]
    """From the question to those words."""
    apology: list[float]
    """From the question until it is known that nobody answers, where there is no hosted service."""


async def measure(hosted: LanguageServer, rounds: int) -> list[Recovery]:
    """Let a server fail in several ways, with `hosted` behind it and with nobody."""
    return [await _recovery(name, failure, hosted, rounds) for name, failure in FAILURES.items()]


async def _recovery(
    name: str, failure: Callable[[Exchange], Awaitable[web.StreamResponse]] | None, hosted: LanguageServer, rounds: int
) -> Recovery:
    found = Recovery(name, [], [], [])
    other = Endpoint(hosted.url, hosted.key, hosted.model)
    async with (
        misbehaving_server() as broken,
        AsyncOpenAI(base_url=hosted.url, api_key=hosted.key, max_retries=0, timeout=LIMIT) as there,
    ):
        failed: list[float] = []
        address = "http://127.0.0.1:9/v1" if failure is None else broken.url
        async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0, timeout=LIMIT) as here:
            own = Engine("the own model", Endpoint(address, "none", "own"), here)
            for number in range(rounds):
                behind = Fallback("the hosted service", other, there, allowed=True, private=True)
                backed, lonely = Completions(own, behind), Completions(own)
                if failure is not None:
                    # It was well a moment ago, so it is known how fast it is.
                    broken.will(says("Hello."))
                    for completions in (backed, lonely):
                        await _read(completions, number)
                    broken.will(_noting(failure, failed))
                failed.clear()
                asked = time.perf_counter()
                words = await _hosted_words(backed, behind, number)
                await asyncio.sleep(SETTLE)
                found.after_question.append(words - asked)
                found.after_failure.append(words - (failed[0] if failed else asked))
                asked = time.perf_counter()
                with suppress(NoAnswer):
                    await _read(lonely, number)
                found.apology.append(time.perf_counter() - asked)
    return found


def _noting(
    failure: Callable[[Exchange], Awaitable[web.StreamResponse]], failed: list[float]
) -> Callable[[Exchange], Awaitable[web.StreamResponse]]:
    async def behave(exchange: Exchange) -> web.StreamResponse:
        try:
            return await failure(exchange)
        finally:
            # Also where the caller has given up, who then hangs up.
            failed.append(time.perf_counter())

    return behave


async def _hosted_words(completions: Completions, hosted: Fallback, number: int) -> float:
    async with aclosing(_ask(completions, number)) as answer:
        async for chunk in answer:
            if answer.engine is hosted and chunk.choices and chunk.choices[0].delta.content:
                return time.perf_counter()
    raise RuntimeError("the hosted service said nothing")


async def _read(completions: Completions, number: int) -> None:
    async with aclosing(_ask(completions, number)) as answer:
        async for _ in answer:
            pass


def _ask(completions: Completions, number: int) -> Answer:
    return completions.stream(
        {"messages": [{"role": "user", "content": question(number)}], "max_tokens": 16},
        priority=Priority.VOICE,
        private=False,
        conversation="benchmark",
    )
