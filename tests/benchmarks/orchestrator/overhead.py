"""What PASSFEL adds to the engine's own first token, and how fast it answers by itself."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from openai import AsyncOpenAI

from pipeline.intents.matching import LocalIntents
from tests.benchmarks.orchestrator.asking import LIMIT, asked_with, asking, question, streamed
from tests.benchmarks.servers import LanguageServer, Passfel, serving
from tests.benchmarks.tool_choice.asking import reached

COMMANDS = (
    "What time is it?",
    "What day is it today?",
    "Set a timer for twenty minutes.",
    "How long is left on the timer?",
    "Cancel the timer.",
    "Add milk to the shopping list.",
    "What's on the shopping list?",
    "Take milk off the shopping list.",
    "What's seventeen times twenty three?",
    "Turn up the volume.",
)


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds to the first token, question by question in pairs of neighbours."""

    straight: list[float]
    in_process: list[float]
    """Through prompt, admission, guard and filters, in the benchmark's own process."""
    over_http: list[float]
    """Through `passfel serve`."""


async def overhead(server: LanguageServer, folder: Path, rounds: int) -> Overhead:
    """Ask one question after the other in three ways in turn; the prompt before the question is warm in all of them."""
    plain = LanguageServer(server.url, server.key, server.model)
    endpoint, _ = await reached(plain, folder)
    intents = await asyncio.to_thread(LocalIntents, "en")
    found = Overhead([], [], [])
    numbers = count(int(time.time()) % 10_000)
    async with (
        serving(Passfel(plain, folder, "")) as running,
        asking(endpoint, intents, folder) as asker,
        AsyncOpenAI(base_url=server.url, api_key=server.key, max_retries=0, timeout=LIMIT) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", trust_env=False, timeout=LIMIT) as http,
    ):
        await asker.first_words(question(next(numbers)))
        await _first_words(http, question(next(numbers)))
        for _ in range(rounds):
            found.in_process.append(await asker.first_words(question(next(numbers))))
            body = straight(asker.sent)
            found.straight.append((await streamed(client, asked_with(body, question(next(numbers))))).first)
            found.over_http.append(await _first_words(http, question(next(numbers))))
    return found


async def commands(server: LanguageServer, folder: Path, rounds: int) -> list[float]:
    """Seconds until a plain command is answered, whole, over HTTP."""
    seconds = []
    async with (
        serving(Passfel(server, folder, "")) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", trust_env=False, timeout=LIMIT) as http,
    ):
        for command in _repeated(rounds):
            asked = time.perf_counter()
            answer = await http.post("/v1/chat/completions", json=_request(command))
            seconds.append(time.perf_counter() - asked)
            answer.raise_for_status()
    return seconds[len(COMMANDS) :]


def _repeated(rounds: int) -> Iterator[str]:
    for _ in range(rounds + 1):
        yield from COMMANDS


def _request(text: str) -> dict[str, Any]:
    return {"model": "passfel", "messages": [{"role": "user", "content": text}], "max_tokens": 16}


def straight(sent: dict[str, Any]) -> dict[str, Any]:
    """What was sent to a server, as OpenAI's client takes it."""
    # What OpenAI's client does not know by name goes beside.
    known = ("model", "messages", "tools", "tool_choice", "temperature", "max_tokens", "max_completion_tokens")
    beside = {name: value for name, value in sent.items() if name not in (*known, "stream", "stream_options")}
    return {name: sent[name] for name in known if name in sent} | ({"extra_body": beside} if beside else {})


async def _first_words(http: httpx.AsyncClient, text: str) -> float:
    asked = time.perf_counter()
    async with http.stream("POST", "/v1/chat/completions", json=_request(text) | {"stream": True}) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if '"content":"' in line and '"content":""' not in line:
                return time.perf_counter() - asked
    raise RuntimeError(f"nothing was answered to {text!r}")
