import asyncio

import pytest

from pipeline.providers import kept_running


async def test_what_fails_is_begun_again_until_it_is_done() -> None:
    left = iter([ValueError("nonsense"), KeyError("more of it")])

    async def work() -> None:
        if error := next(left, None):
            raise error

    await kept_running(work, again=0)
    assert next(left, None) is None


async def test_what_is_cancelled_is_not() -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()

    running = asyncio.create_task(kept_running(work, again=0))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert begun == 1


async def test_a_cancellation_that_an_error_hides_ends_it_all_the_same() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("in place of the cancellation") from None

    running = asyncio.create_task(kept_running(work, again=0))
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({running})
    assert running.cancelled()
