"""The design's own targets, for the engine in use."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from pipeline.intents.matching import LocalIntents
from tests.benchmarks.orchestrator.asking import LIMIT, Streamed, asked_with, asking, question, streamed
from tests.benchmarks.orchestrator.overhead import straight
from tests.benchmarks.servers import LanguageServer
from tests.benchmarks.tool_choice.asking import reached

TOKENS = 64
PEOPLE = 5
_TOOL = "set_timer"


@dataclass(frozen=True, slots=True)
class Speed:
    """What an engine reaches: seconds, and tokens a second."""

    first_token: float
    tool_call: float
    """Until a call of `set_timer`, which it is told to make, is complete."""
    token: float
    first_token_of_five: float
    token_of_five: float
    requests_a_second: float
    """Answers of at most 16 tokens, five at a time."""
    reasons: bool


async def measure(server: LanguageServer, folder: Path, rounds: int) -> Speed:
    """Ask what PASSFEL asks, with a warm prompt."""
    endpoint, _ = await reached(LanguageServer(server.url, server.key, server.model), folder)
    intents = await asyncio.to_thread(LocalIntents, "en")
    numbers = count(int(time.time()) % 10_000)
    async with (
        asking(endpoint, intents, folder) as asker,
        AsyncOpenAI(base_url=server.url, api_key=server.key, max_retries=0, timeout=LIMIT) as client,
    ):
        await asker.first_words(question(next(numbers)))
        body = straight(asker.sent) | {"max_tokens": TOKENS}

        async def ask(**changed: Any) -> Streamed:
            return await streamed(client, asked_with(body | changed, question(next(numbers))))

        alone = [await ask() for _ in range(rounds)]
        together = [answer for _ in range(rounds) for answer in await asyncio.gather(*(ask() for _ in range(PEOPLE)))]
        calls = [(await ask(**_forced(body))).last for _ in range(rounds)]
        began = time.perf_counter()
        for _ in range(rounds):
            await asyncio.gather(*(ask(max_tokens=16) for _ in range(PEOPLE)))
        rate = rounds * PEOPLE / (time.perf_counter() - began)
    return Speed(
        first_token=statistics.median(answer.first for answer in alone),
        tool_call=statistics.median(calls),
        token=statistics.median(answer.between for answer in alone),
        first_token_of_five=statistics.median(answer.first for answer in together),
        token_of_five=statistics.median(answer.between for answer in together),
        requests_a_second=rate,
        reasons=endpoint.reasons,
    )


def _forced(body: Mapping[str, Any]) -> dict[str, Any]:
    named = {"type": "function", "function": {"name": _TOOL}}
    return {"tool_choice": named, "tools": body["tools"]}
