"""What conversations cost: memory for each, several at once, and an open one that is silent."""

import asyncio
import contextlib
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.clients import calling
from tests.benchmarks.processes import cpu_seconds, memory
from tests.benchmarks.recordings import Corpus
from tests.benchmarks.servers import Side, serving
from tests.benchmarks.turns import Turn, converse

SETTLE = 2.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of a server, as proportional set size and without the language model."""

    side: str
    megabytes: tuple[float, ...]
    """With 1, 2, … conversations open, each of which has answered one question."""

    @property
    def each_further(self) -> float:
        """Megabytes for each conversation beyond the first: the slope of the least-squares line."""
        return float(np.polyfit(np.arange(len(self.megabytes)), self.megabytes, 1)[0])


@dataclass(frozen=True, slots=True)
class Idle:
    """Share of one core that a server uses while one conversation is open and nobody speaks."""

    side: str
    core: float


async def memory_of(side: Side, spoken: Corpus, conversations: int) -> Memory:
    """Open conversations one by one, hold a turn in each, and weigh the server."""
    question = spoken.questions[0]
    weighed: list[float] = []
    async with serving(side) as server, contextlib.AsyncExitStack() as calls:
        for _ in range(conversations):
            caller = await calls.enter_async_context(calling(server.caller(question)))
            await converse(side.name, caller, question)
            await asyncio.sleep(SETTLE)
            weighed.append(memory(server.pid))
    return Memory(side.name, tuple(weighed))


async def concurrent(side: Side, spoken: Corpus, conversations: int) -> list[Turn]:
    """Ask something in several conversations at the same moment."""
    utterances = (*spoken.questions, *spoken.orders)[:conversations]
    async with serving(side) as server, contextlib.AsyncExitStack() as calls:
        callers = [await calls.enter_async_context(calling(server.caller(each))) for each in utterances]
        await asyncio.sleep(SETTLE)
        return await asyncio.gather(
            *(converse(side.name, caller, each) for caller, each in zip(callers, utterances, strict=True))
        )


async def idle(side: Side, spoken: Corpus, seconds: float) -> Idle:
    """Stream room tone for a while and count the processor time."""
    async with serving(side) as server, calling(server.caller(spoken.questions[0])):
        await asyncio.sleep(SETTLE)
        before = cpu_seconds(server.pid)
        await asyncio.sleep(seconds)
        return Idle(side.name, (cpu_seconds(server.pid) - before) / seconds)
