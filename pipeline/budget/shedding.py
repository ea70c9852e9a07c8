"""What is given up first when memory runs short, and when. Decides, without input or output.

Linux kills the largest process when nothing is left, in the middle of an answer. Well before that, work that nobody
waits for ends, then what makes answers faster, then what would need more. Readings are free bytes and the kernel's
pressure stall information (PSI, `Documentation/accounting/psi.rst`): the share of the last ten seconds in which some,
or all, that was to run waited for memory.
"""

from dataclasses import dataclass
from enum import IntEnum

_GIB = 1 << 30


class Shed(IntEnum):
    """Each of these is given up together with those before it."""

    NOTHING = 0
    BACKGROUND = 1
    """Work that nobody waits for."""
    SPECULATION = 2
    """Answers to what may not have been said to the end; turns take a little longer."""
    IDLE = 3
    """Conversations in which nobody has spoken for a while, which go on later; freed memory goes back to the system."""
    NEWCOMERS = 4
    """Further conversations; those that have begun go on."""

    @property
    def described(self) -> str:
        """Name all that is given up, for people."""
        return ", ".join(_NAMES[step] for step in Shed if Shed.NOTHING < step <= self) or "nothing"


_NAMES = {
    Shed.BACKGROUND: "background work",
    Shed.SPECULATION: "speculation",
    Shed.IDLE: "idle conversations",
    Shed.NEWCOMERS: "new conversations",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How memory stands."""

    limit: int
    """Bytes."""
    free: int
    """Bytes, with what the page cache would give back."""
    some: float = 0.0
    """Percent of the last ten seconds in which something waited for memory."""
    full: float = 0.0
    """Percent in which everything did."""


@dataclass(frozen=True, slots=True)
class _Threshold:
    share: float
    """Of the limit that is free, or less."""
    most: int
    """Bytes that are enough on a large machine, where a share of it is more than anybody needs."""
    some: float
    full: float


# A conversation that speaks takes 50 MB, and Whisper and Piper breathe by about as much; on a machine of 2 GiB the last
# step comes with 80 MB left, on one of 128 GiB with 1 GiB, which its page cache and the stores soon want.
_THRESHOLDS = {
    Shed.BACKGROUND: _Threshold(0.12, 6 * _GIB, some=10.0, full=5.0),
    Shed.SPECULATION: _Threshold(0.09, 4 * _GIB, some=20.0, full=10.0),
    Shed.IDLE: _Threshold(0.06, 2 * _GIB, some=30.0, full=15.0),
    Shed.NEWCOMERS: _Threshold(0.04, 1 * _GIB, some=40.0, full=20.0),
}
_RETURN = 1.25
"""What was given up comes back when there is so much more than where it went."""
CALM_SECONDS = 10.0
"""How long it must have been so: PSI's own window."""


class Shedding:
    """Gives up at once what the reading asks for, and takes it back step by step once it has been calm."""

    def __init__(self) -> None:
        self._step = Shed.NOTHING
        self._calm_since: float | None = None

    @property
    def step(self) -> Shed:
        """How far it has come."""
        return self._step

    def read(self, reading: Reading, now: float) -> Shed:
        """Decide by a reading at `now`, in seconds of any clock that does not go back."""
        wanted = _wanted(reading)
        if wanted >= self._step:
            self._step, self._calm_since = wanted, None
        elif _wanted(reading, slack=_RETURN) >= self._step:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= CALM_SECONDS:
            self._step, self._calm_since = Shed(self._step - 1), now
        return self._step


def _wanted(reading: Reading, *, slack: float = 1.0) -> Shed:
    return max((step for step, at in _THRESHOLDS.items() if _reached(reading, at, slack)), default=Shed.NOTHING)


def _reached(reading: Reading, at: _Threshold, slack: float) -> bool:
    short = reading.free < slack * min(at.share * reading.limit, at.most)
    return short or reading.some * slack > at.some or reading.full * slack > at.full


def pressure(text: str) -> tuple[float, float]:
    """Read the `some` and `full` averages over ten seconds, in percent; 0 where the text does not tell them."""
    found = {"some": 0.0, "full": 0.0}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        _, _, value = rest.partition("avg10=")
        try:
            percent = float(value.split()[0])
        except (ValueError, IndexError):
            continue
        if kind in found and 0.0 <= percent <= 100.0:
            found[kind] = percent
    return found["some"], found["full"]
