"""A burst of typed requests beside people who speak."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.clients import Caller, calling
from tests.benchmarks.orchestrator.asking import LIMIT, question
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.servers import LanguageServer, Passfel, serving
from tests.benchmarks.turns import Turn, converse

RATE = 20.0
"""Requests a second."""
SECONDS = 10.0
VOICES = 3
TOKENS = 16
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Voices:
    """What people who speak met: seconds from the end of their speech."""

    turns: list[Turn]
    first_token: list[float]
    """Until the model's first token, of the turns that the model answered."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What became of the requests, and of the people beside them."""

    completed: int
    refused: int
    """Told 429 with the time to come back."""
    lost: int
    """Anything else."""
    drain: float
    """Seconds from the last arrival to the last answer."""
    waited: list[float]
    """Seconds of each completed request."""
    idle: Voices
    busy: Voices


async def measure(server: LanguageServer, spoken: Corpus, folder: Path) -> Burst:
    """Let three people speak for a while by themselves, then beside the burst."""
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(Passfel(server, folder, "")))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", trust_env=False, timeout=LIMIT)
        )
        callers = [await stack.enter_async_context(calling(running.caller(each))) for each in spoken.orders[:VOICES]]
        for caller, each in zip(callers, spoken.orders, strict=False):
            await converse("PASSFEL", caller, each)
        idle = await _voices(http, callers, spoken, asyncio.sleep(SECONDS))
        outcome: list[_Outcome] = []
        busy = await _voices(http, callers, spoken, _arrive(http, outcome))
    last = max(each.arrived for each in outcome)
    return Burst(
        completed=sum(each.kind == "completed" for each in outcome),
        refused=sum(each.kind == "refused" for each in outcome),
        lost=sum(each.kind == "lost" for each in outcome),
        drain=max(each.ended for each in outcome) - last,
        waited=[each.ended - each.arrived for each in outcome if each.kind == "completed"],
        idle=idle,
        busy=busy,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    kind: str
    arrived: float
    ended: float


async def _arrive(http: httpx.AsyncClient, outcome: list[_Outcome]) -> None:
    """Send requests on schedule, whatever becomes of those before, and wait for all."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(RATE * SECONDS)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            tasks.create_task(_one(http, number, outcome))


async def _one(http: httpx.AsyncClient, number: int, outcome: list[_Outcome]) -> None:
    arrived = time.perf_counter()
    body: dict[str, Any] = {"model": "passfel", "max_tokens": TOKENS, "user": f"burst {number}"}
    body["messages"] = [{"role": "user", "content": question(number)}]
    kind = "lost"
    with contextlib.suppress(httpx.HTTPError, ValueError, LookupError):
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code == _TOO_MANY and float(answer.headers["retry-after"]) > 0:
            kind = "refused"
        elif answer.is_success and answer.json()["choices"][0]["finish_reason"] in ("stop", "length"):
            kind = "completed"
    outcome.append(_Outcome(kind, arrived, time.perf_counter()))


async def _voices(http: httpx.AsyncClient, callers: list[Caller], spoken: Corpus, meanwhile: Any) -> Voices:
    known = {turn["id"] for turn in (await http.get("/v1/turns")).json()}
    over, turns = asyncio.Event(), list[Turn]()
    async with asyncio.TaskGroup() as tasks:
        for number, caller in enumerate(callers):
            tasks.create_task(_speak(caller, spoken.orders[number::VOICES], over, turns))
        await meanwhile
        over.set()
    records = [turn for turn in (await http.get("/v1/turns")).json() if turn["id"] not in known]
    firsts = [turn["timings"]["first_token"] for turn in records if turn["door"] == "realtime"]
    return Voices(turns, [first for first in firsts if first is not None])


async def _speak(caller: Caller, orders: tuple[Recording, ...], over: asyncio.Event, turns: list[Turn]) -> None:
    for order in cycle(orders):
        turns.append(await converse("PASSFEL", caller, order))
        if over.is_set():
            return
