"""Lets the household's own model read a prompt before anybody waits for it."""

import asyncio
from typing import Final

from loguru import logger

from pipeline.orchestrator.admission import Priority, Saturated
from pipeline.orchestrator.answer import Household
from pipeline.orchestrator.servers import Request

LIMIT: Final = 20.0
"""Seconds for a server to read the prompt; a cold model of a large size takes that long."""


async def read(household: Household, request: Request, *, conversation: str, reasoning: bool) -> None:
    """Ask for a single token, so that the server keeps what it has read.

    It never waits in the queue and gives way to a voice, as a speculation does. What goes wrong is only logged:
    whoever asks next finds out.
    """
    server, admission = household.primary, household.admission
    if household.draining or household.closed or server.breaker.refuses:
        return
    try:
        place = await admission.admit(Priority.SPECULATION, conversation)
    except Saturated:
        return
    prepared = server.prepare(request, Priority.SPECULATION, reasoning=reasoning, budget=None)
    # What is not given stands there too, as OpenAI's own kind of nothing.
    longest = "max_completion_tokens" if isinstance(prepared.get("max_completion_tokens"), int) else "max_tokens"
    prepared |= {longest: 1, "stream": False}
    prepared.pop("stream_options", None)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LIMIT) as limit:
            place.on_drop = lambda: limit.reschedule(loop.time())
            await server.engine.client.chat.completions.create(**prepared)
    except Exception as error:  # noqa: BLE001 - whatever a server makes of it, the conversation goes on
        logger.debug(f"the prompt could not be warmed: {error!r}")
    finally:
        admission.release(place)
