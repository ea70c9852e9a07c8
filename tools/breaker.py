"""A circuit breaker: a server that keeps failing is left alone for a while, so that nobody waits for it in vain.

The pattern is Michael Nygard's (Release It!, 2007). No input or output: the clock is given, and whoever asks the
server reports how that went.
"""

import time
from collections.abc import Callable
from enum import Enum, auto

from loguru import logger

FAILURES = 3
"""In a row; one or two happen to a healthy server too."""
SHORTEST_REST = 5.0
"""Seconds; the embedded engine is up again within two."""
LONGEST_REST = 60.0
"""Seconds after which even a server that is down for long is tried again: one person then waits for it in vain."""


class State(Enum):
    """What the breaker does with a request."""

    CLOSED = auto()
    """It lets every request through and counts failures in a row."""
    OPEN = auto()
    """It lets none through until the rest is over."""
    HALF_OPEN = auto()
    """It lets one through, whose result decides."""


class Breaker:
    """Decides whether a server is asked.

    Each rest is twice as long as the one before, from `shortest` to `longest` seconds, until a request succeeds.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = FAILURES,
        shortest: float = SHORTEST_REST,
        longest: float = LONGEST_REST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch over the server that the log calls `name`."""
        self._name = name
        self._most_failures = failures
        self._shortest = shortest
        self._longest = longest
        self._clock = clock
        self._state = State.CLOSED
        # Counts changes of state: what was asked before the last change says nothing about the server now.
        self._era = 0
        self._failures = 0
        self._rest = shortest
        self._until = 0.0
        self._trying = False

    @property
    def state(self) -> State:
        """The state now; a rest that is over shows as HALF_OPEN."""
        if self._state is State.OPEN and self._clock() >= self._until:
            return State.HALF_OPEN
        return self._state

    @property
    def refuses(self) -> bool:
        """Whether `enter` would let nothing through now."""
        return self.state is State.OPEN or (self._state is State.HALF_OPEN and self._trying)

    def enter(self) -> int | None:
        """Ask to be let through.

        Returns:
            A ticket, which goes back with exactly one of `succeeded`, `failed` and `left`; None where the server is to
            be left alone.
        """
        if self.refuses:
            return None
        if self._state is State.OPEN:
            self._change(State.HALF_OPEN)
        self._trying = self._state is State.HALF_OPEN
        return self._era

    def succeeded(self, ticket: int) -> None:
        """The server answered."""
        if ticket != self._era:
            return
        self._failures = 0
        if self._state is State.HALF_OPEN:
            self._rest = self._shortest
            self._change(State.CLOSED)

    def failed(self, ticket: int) -> None:
        """The server did not answer, or not properly."""
        if ticket != self._era:
            return
        self._failures += 1
        if self._state is State.HALF_OPEN:
            self._rest = min(2 * self._rest, self._longest)
        elif self._failures < self._most_failures:
            return
        self._until = self._clock() + self._rest
        self._change(State.OPEN)

    def left(self, ticket: int) -> None:
        """The request was withdrawn before it showed anything."""
        if ticket == self._era:
            self._trying = False

    def _change(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._failures = 0
        self._trying = False
        match state:
            case State.OPEN:
                logger.warning(f"{self._name} keeps failing and is left alone for {self._rest:g} s")
            case State.HALF_OPEN:
                logger.info(f"{self._name} is tried again")
            case State.CLOSED:
                logger.info(f"{self._name} answers again")
