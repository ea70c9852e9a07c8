"""Keeping an account registered, however often its registrar goes away."""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from baresip import Event, RegistrationError, StackEvent, UserAgent
from baresip.errors import split_status

from satellites.sip.stack import place_of
from satellites.sip.wire import AccountSetup, Registration

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries where nobody answers, twice as many each time: a router that starts takes a minute."""
REFUSED_PAUSE: Final = 300.0
"""Seconds until a registrar that has not liked the password twice is asked again: some lock out who asks too often, and
some that have just started know nobody yet."""
LOOK_SECONDS: Final = 5.0
"""What a server gets to show its certificate."""
TLS_PORT: Final = 5061
"""Where SIP over TLS is, where nothing else is said."""
REFUSALS: Final = frozenset({401, 403, 404, 407})
"""Answers that say that user or password are wrong."""


async def keep_registered(
    agent: UserAgent, account: AccountSetup, tell: Callable[[Registration], None], authorities: str | None
) -> None:
    """Register, and again whenever that is lost, until cancelled.

    Args:
        tell: hears how it fares.
        authorities: the file of those who may vouch for the server; None where nobody has to.
    """
    server = account.proxy or account.server
    proves = authorities if account.transport == "tls" else None
    pause, refused = FIRST_PAUSE, False
    with _losses(agent) as lost:
        while True:
            while not lost.empty():
                lost.get_nowait()
            try:
                await _register(agent, server, proves)
            except RegistrationError as error:
                wait = REFUSED_PAUSE if refused and error.status in REFUSALS else pause
                refused = error.status in REFUSALS
                unproven = await _why_unproven(server, proves) if proves is not None and error.status is None else ""
                tell(Registration(account.name, False, error.status, error.reason or str(error), wait, unproven))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                refused = False
                tell(Registration(account.name, True))
                pause = wait = FIRST_PAUSE
                # The stack renews it by itself until that fails.
                status, reason = split_status(await lost.get())
                tell(Registration(account.name, False, status, reason, wait))
            await asyncio.sleep(wait)


@contextmanager
def _losses(agent: UserAgent) -> Iterator[asyncio.Queue[str]]:
    lost: asyncio.Queue[str] = asyncio.Queue(maxsize=8)

    def follow(event: StackEvent) -> None:
        if event.event is Event.REGISTER_FAIL and not lost.full():
            lost.put_nowait(event.text or "")

    agent.on(follow)
    try:
        yield lost
    finally:
        agent.off(follow)


async def _register(agent: UserAgent, server: str, proves: str | None) -> None:
    # The stack itself compares a certificate with names alone.
    if proves is not None and _is_address(server) and (unproven := await _why_unproven(server, proves)):
        raise RegistrationError(unproven)
    await agent.register()


def _is_address(server: str) -> bool:
    try:
        ipaddress.ip_address(place_of(server)[0])
    except ValueError:
        return False
    return True


async def _why_unproven(server: str, authorities: str) -> str:
    """Return what is wrong with a server's certificate, which the stack does not tell; "" where nothing is known."""
    host, port = place_of(server)
    try:
        trusted = ssl.create_default_context(cafile=authorities)
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(host, port or TLS_PORT, ssl=trusted)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return ""
    writer.close()
    return ""
