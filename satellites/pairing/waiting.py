"""Devices without a keyboard that ask to be let in: each shows a code of its own, which somebody of the house accepts.

It is the other way round than `codes`, where the house shows the code: who accepts one is in already.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loguru import logger

from satellites.pairing.codes import DIGITS
from satellites.pairing.paired import Device, Paired

SECONDS: Final = 600.0
"""How long a code holds that its device asks for no more."""
MOST: Final = 32
"""Devices that wait at a time …"""
MOST_OF_ONE: Final = 4
"""… and of those from one address, so that nobody keeps the others out."""


@dataclass(slots=True)
class Asking:
    """A device that waits."""

    code: str
    what: str
    """What it says that it is."""
    address: str
    door: str
    secret: str
    until: float


class Waiting:
    """The devices that wait, and where they are let in.

    Args:
        paired: who is in.
        clock: seconds that only go forward.
    """

    def __init__(self, paired: Paired, clock: Callable[[], float] = time.monotonic) -> None:
        self.paired = paired
        self._clock = clock
        self._asking: dict[str, Asking] = {}

    def ask(self, secret: str, *, what: str, address: str, door: str) -> str | None:
        """Have a device wait: the code for it to show, the same for as long as it goes on asking.

        Args:
            secret: what proves that it is the same device when it comes back, once it is let in.

        Returns:
            None where too many wait.
        """
        now = self._clock()
        self._asking = {each: asking for each, asking in self._asking.items() if asking.until > now}
        asking = self._asking.get(secret)
        if asking is None:
            same = sum(each.address == address for each in self._asking.values())
            if same >= MOST_OF_ONE or len(self._asking) >= MOST:
                return None
            asking = Asking(self._new_code(), what, address, door, secret, now)
            self._asking[secret] = asking
            logger.warning("{!r} at {} asks to be let in: passfel pair --accept with the code it shows", what, address)
        asking.until = now + SECONDS
        return asking.code

    def asking(self) -> list[Asking]:
        """Who waits now."""
        return [each for each in self._asking.values() if each.until > self._clock()]

    async def accept(self, code: str, name: str | None = None) -> Device | None:
        """Let the device in that shows this code; None where there is none.

        Raises:
            TooMany: as many are in as can be.
            OSError: it could not be written down, and is not let in.
        """
        digits = "".join(filter(str.isdecimal, code))
        asking = next((each for each in self.asking() if each.code == digits), None)
        if asking is None:
            return None
        device, _ = await self.paired.add(name or asking.what, secret=asking.secret)
        self._asking.pop(asking.secret, None)
        return device

    def _new_code(self) -> str:
        taken = {each.code for each in self._asking.values()}
        while (code := f"{secrets.randbelow(10**DIGITS):0{DIGITS}}") in taken:
            pass
        return code
