"""Keeping an account registered, however often its registrar goes away."""

import asyncio
from collections.abc import Callable
from typing import Final

from baresip import Event, RegistrationError, StackEvent, UserAgent
from baresip.errors import split_status

from satellites.sip.wire import AccountSetup, Registration

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries where nobody answers, twice as many each time: a router that starts takes a minute."""
REFUSED_PAUSE: Final = 300.0
"""Seconds until a registrar that did not like the password is asked again: some lock out who asks too often."""
REFUSALS: Final = frozenset({401, 403, 404, 407})
"""Answers that say that user or password are wrong."""


async def keep_registered(agent: UserAgent, account: AccountSetup, tell: Callable[[Registration], None]) -> None:
    """Register, and again whenever that is lost, until cancelled; `tell` hears how it fares."""
    lost: asyncio.Queue[str] = asyncio.Queue(maxsize=8)

    def follow(event: StackEvent) -> None:
        if event.event is Event.REGISTER_FAIL and not lost.full():
            lost.put_nowait(event.text or "")

    agent.on(follow)
    pause = FIRST_PAUSE
    while True:
        while not lost.empty():
            lost.get_nowait()
        try:
            await agent.register()
        except RegistrationError as error:
            wait = REFUSED_PAUSE if error.status in REFUSALS else pause
            tell(Registration(account.name, False, error.status, error.reason or str(error), wait))
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            tell(Registration(account.name, True))
            pause = wait = FIRST_PAUSE
            # The stack renews it by itself until that fails.
            status, reason = split_status(await lost.get())
            tell(Registration(account.name, False, status, reason, wait))
        await asyncio.sleep(wait)
