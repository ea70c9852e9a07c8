"""Where outcomes of calls are remembered, so that nothing runs twice."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

KEPT: Final = 500


class Status(StrEnum):
    """What became of a call."""

    DONE = "done"
    FAILED = "failed"
    """`say` is a sentence for the person."""
    INVALID = "invalid"
    """No such tool, or arguments that it cannot take; `say` tells the model what would do."""
    REFUSED = "refused"
    """The caller may not do that."""
    UNCONFIRMED = "unconfirmed"
    """`say` is what to ask the person first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call, and what became of it."""

    key: str
    tool: str
    arguments: Mapping[str, Any]
    status: Status
    say: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Outcomes(Protocol):
    """Remembers outcomes by their key."""

    async def get(self, key: str) -> Outcome | None:
        """Find an outcome."""

    async def put(self, outcome: Outcome) -> None:
        """Remember an outcome."""


class MemoryOutcomes:
    """Remembers the latest `KEPT` outcomes while the process lives."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Outcome] = OrderedDict()

    async def get(self, key: str) -> Outcome | None:
        """Find an outcome."""
        return self._kept.get(key)

    async def put(self, outcome: Outcome) -> None:
        """Remember an outcome; the oldest makes room."""
        self._kept[outcome.key] = outcome
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
