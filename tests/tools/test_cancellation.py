import asyncio

import pytest

from tools.cancellation import heed_cancellation


async def test_who_tries_again_after_errors_ends_although_an_error_hid_the_cancellation() -> None:
    failing = asyncio.Event()

    async def ends_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            failing.set()
            await asyncio.sleep(0.01)

    async def breaks() -> None:
        raise OSError("it broke")

    async def tries_again() -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(ends_slowly())
                    await asyncio.sleep(0)
                    tasks.create_task(breaks())
            except* OSError:
                heed_cancellation()

    task = asyncio.create_task(tries_again())
    await failing.wait()
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_who_is_not_cancelled_goes_on() -> None:
    heed_cancellation()
