"""A cancellation that was kept from who has to end by it."""

import asyncio


def heed_cancellation() -> None:
    """Raise `CancelledError` where the task that runs has been asked to end; to be called before trying again.

    Before Python 3.13 a task group that ends by an error just when it is cancelled raises the error alone (CPython's
    issue 116720), and a library may keep a cancellation to itself: who tries again after errors would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
