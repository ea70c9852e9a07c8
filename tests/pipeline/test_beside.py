import asyncio
from contextlib import AsyncExitStack

from loguru import logger

from pipeline.beside import run_beside


async def test_what_stops_by_an_error_is_told_of_at_once() -> None:
    told: list[str] = []
    sink = logger.add(told.append, format="{message}", level="ERROR")

    async def fails() -> None:
        raise ValueError("nonsense")

    try:
        async with AsyncExitStack() as stack:
            run_beside(stack, fails(), "timers")
            async with asyncio.timeout(5):
                while not told:
                    await asyncio.sleep(0)
    finally:
        logger.remove(sink)
    assert told[0].startswith("timers: this has stopped")
    assert "nonsense" in told[0]


async def test_what_goes_on_ends_with_its_owner_and_nothing_is_told() -> None:
    told: list[str] = []
    sink = logger.add(told.append, level="ERROR")
    ended = asyncio.Event()

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    try:
        async with AsyncExitStack() as stack:
            run_beside(stack, goes_on(), "timers")
            await asyncio.sleep(0)
        assert ended.is_set()
    finally:
        logger.remove(sink)
    assert told == []
