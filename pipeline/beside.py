"""Work that goes on beside the conversations until its owner is left."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

from loguru import logger


def run_beside(stack: AsyncExitStack, work: Coroutine[None, None, None], name: str) -> None:
    """Begin `work`, which `stack` ends when it is closed. Where it ends by an error before, that is told at once."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    stack.push_async_callback(_stop, task)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.opt(exception=error).error(f"{task.get_name()}: this has stopped, and stays so until the next start")


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    # wait() and not await: that the task was cancelled is no reason to cancel who waits for it.
    await asyncio.wait({task})
