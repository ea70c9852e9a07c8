import asyncio
from collections.abc import Callable
from typing import Any, cast

from baresip import RegistrationError, UserAgent

from satellites.sip.registering import FIRST_PAUSE, REFUSED_PAUSE, keep_registered
from satellites.sip.wire import AccountSetup, Registration

BOX = AccountSetup("box", "fritz.box", "620", "secret", None, None, "udp", "off", 180, registers=True)


class Agent:
    """Registers as a script says: a status that it is refused with, or None."""

    def __init__(self, script: list[int | None]) -> None:
        self.listeners: list[Callable[..., None]] = []
        self._script = script

    def on(self, listener: Callable[..., None]) -> None:
        self.listeners.append(listener)

    def off(self, listener: Callable[..., None]) -> None:
        self.listeners.remove(listener)

    async def register(self) -> None:
        if (status := self._script.pop(0)) is not None:
            raise RegistrationError("refused", status=status, reason="Unauthorized")


async def told(script: list[int | None], times: int) -> list[Registration]:
    agent, reports = Agent(script), asyncio.Queue[Registration]()
    keeping = asyncio.create_task(keep_registered(cast("UserAgent", cast("Any", agent)), BOX, reports.put_nowait, None))
    async with asyncio.timeout(10):
        heard = [await reports.get() for _ in range(times)]
    keeping.cancel()
    await asyncio.wait({keeping})
    assert not agent.listeners
    return heard


async def test_a_first_refusal_is_asked_about_soon_and_a_second_one_late():
    first, second = await told([401, 401], 2)
    assert [(each.registered, each.again) for each in (first, second)] == [(False, FIRST_PAUSE), (False, REFUSED_PAUSE)]


async def test_whoever_was_refused_once_and_is_not_again_is_registered():
    assert [each.registered for each in await told([403, None], 2)] == [False, True]
