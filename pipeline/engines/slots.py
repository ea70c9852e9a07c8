"""The places of the embedded language engine, each of which keeps what one conversation's model has read."""

from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """Lends places, each to one conversation at a time."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    @contextmanager
    def lend(self, count: int) -> Iterator[int | None]:
        """Lend one of `count` places, or none where all are taken or the server has none."""
        free = [slot for slot in range(count) if slot not in self._taken]
        if not free:
            yield None
            return
        self._taken.add(free[0])
        try:
            yield free[0]
        finally:
            self._taken.discard(free[0])
