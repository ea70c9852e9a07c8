"""Who may ask a language model now, who waits, and who is told to come back later.

An engine answers a few requests at the same time; beyond that, asking it only makes everybody slower. So requests
wait here, where a person who speaks can be let past a program that types, and where the wait can be foretold.
`Queue` decides, without input or output; `Admission` lets coroutines wait for its decisions.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto

from loguru import logger

LONGEST_VOICE = 20.0
"""Seconds that somebody who speaks waits at most; they are told after a second that it takes a while."""
LONGEST_TYPED = 10.0
"""Seconds; a program that is refused with the time to come back is better off than one that is kept waiting."""
LONGEST_BACKGROUND = 30.0
"""Seconds; nobody waits for the result, but what waits takes up memory."""

_FIRST_GUESS = 1.0
_SHORTEST_SERVICE = 0.02
# Weight of the newest measurement: the last ten or so count.
_NEWEST = 0.2
_SHORTEST_RETRY = 1.0
_REMEMBERED_CONVERSATIONS = 256
_TICK = 0.01


class Priority(IntEnum):
    """Whose request it is. The lower number goes first, as in vLLM."""

    VOICE = 0
    """Somebody has spoken and waits."""
    SPECULATION = 1
    """Somebody may have finished speaking. It never waits, and gives way to a voice."""
    TYPED = 2
    """A person or a program has written."""
    BACKGROUND = 3
    """Nobody waits."""


LONGEST_WAIT = {
    Priority.VOICE: LONGEST_VOICE,
    Priority.SPECULATION: 0.0,
    Priority.TYPED: LONGEST_TYPED,
    Priority.BACKGROUND: LONGEST_BACKGROUND,
}


class Saturated(Exception):  # noqa: N818 - reads as what is the matter
    """The model has more to do than it can; come back after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        """Say when it is worth coming back."""
        self.retry_after = max(_SHORTEST_RETRY, retry_after)
        super().__init__(f"the language model is busy; try again in {self.retry_after:.0f} s")


class Standing(Enum):
    """Where a request stands."""

    WAITING = auto()
    """In the queue."""
    RUNNING = auto()
    """With the engine."""
    DROPPED = auto()
    """With the engine still, and asked to leave it for a voice."""
    GONE = auto()
    """It has left."""


@dataclass(eq=False, slots=True)
class Place:
    """One request's place."""

    priority: Priority
    conversation: str
    number: int
    asked: float
    """When it came, in seconds of the queue's clock."""
    standing: Standing = Standing.WAITING
    admitted: float = 0.0
    """When it went to the engine."""
    began: bool = False
    """Whether its answer has begun."""
    on_drop: Callable[[], None] | None = None
    """Told when it has to give way."""

    @property
    def waited(self) -> float:
        """Seconds between coming and being admitted."""
        return self.admitted - self.asked

    @property
    def of_a_voice(self) -> bool:
        """Whether somebody who speaks is served by it."""
        return self.priority <= Priority.SPECULATION


class Queue:
    """Lets at most `slots` requests run at the same time.

    Those that are nobody's voice fill at most `others` of the slots, and none of them starts while a voice is expected
    or waits for its first word: reading another prompt would keep it waiting. Within a priority the conversation that
    was served least recently is next, so that nobody's many requests hold up another's one.

    Every method that changes something returns the places whose standing it changed.
    """

    def __init__(self, slots: int, *, others: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Take half of the `slots` for `others` where not told."""
        self._slots = slots
        self._others = max(1, slots // 2) if others is None else others
        self._clock = clock
        self._waiting: list[Place] = []
        self._running: list[Place] = []
        self._asked = 0
        self._service = dict.fromkeys(Priority, _FIRST_GUESS)
        # When each conversation was last served, as a count of those served; the one served last is at the end.
        self._served: dict[str, int] = {}
        self._serial = 0
        self._voice_until = -math.inf
        self.refused: frozenset[Priority] = frozenset()
        """Priorities that nobody is let in with now."""

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Requests with the engine."""
        return len(self._running)

    def ask(self, priority: Priority, conversation: str, *, longest: float) -> tuple[Place, list[Place]]:
        """Join the queue.

        Raises:
            Saturated: where the wait is expected to be longer than `longest` seconds, or its priority is refused.
        """
        expected = self.expected_wait(priority)
        if priority in self.refused:
            raise Saturated(max(expected, longest))
        if expected > longest or (priority is Priority.SPECULATION and self._waiting):
            raise Saturated(expected)
        self._asked += 1
        place = Place(priority, conversation, self._asked, self._clock())
        self._waiting.append(place)
        return place, self._advance()

    def begin(self, place: Place) -> list[Place]:
        """Note that the first word of its answer has come."""
        place.began = True
        return self._advance()

    def promote(self, place: Place) -> None:
        """Note that a speculation was right: it is the answer that somebody waits for."""
        if place.priority is Priority.SPECULATION and place.standing is Standing.RUNNING:
            place.priority = Priority.VOICE

    def leave(self, place: Place) -> list[Place]:
        """Leave the engine or the queue. May be called again."""
        if place.standing is Standing.GONE:
            return []
        if place.standing is Standing.WAITING:
            self._waiting.remove(place)
        else:
            self._running.remove(place)
            took = max(_SHORTEST_SERVICE, self._clock() - place.admitted)
            self._service[place.priority] += _NEWEST * (took - self._service[place.priority])
        place.standing = Standing.GONE
        return self._advance()

    def expect_voice(self, seconds: float) -> None:
        """Keep the engine free for somebody who has just stopped speaking; call `advance` when the time is over."""
        self._voice_until = max(self._voice_until, self._clock() + seconds)

    def advance(self) -> list[Place]:
        """Let in who may come in by now."""
        return self._advance()

    def expected_wait(self, priority: Priority) -> float:
        """Seconds that a request of this priority would wait, by what the last ones took."""
        ahead = [self._service[place.priority] for place in self._waiting if place.priority <= priority]
        if not ahead and self._has_room(priority):
            return 0.0
        now = self._clock()
        for place in self._running:
            service = self._service[place.priority]
            ahead.append(max(service - (now - place.admitted), _NEWEST * service))
        return sum(ahead) / (self._slots if priority <= Priority.SPECULATION else self._others)

    def _has_room(self, priority: Priority) -> bool:
        if len(self._running) >= self._slots:
            return False
        if priority <= Priority.SPECULATION:
            return True
        if self._clock() < self._voice_until:
            return False
        voices = [place for place in self._running if place.of_a_voice]
        return len(self._running) - len(voices) < self._others and all(place.began for place in voices)

    def _advance(self) -> list[Place]:
        changed = []
        while self._waiting:
            place = min(self._waiting, key=self._rank)
            if not self._has_room(place.priority):
                break
            self._waiting.remove(place)
            self._running.append(place)
            place.standing, place.admitted = Standing.RUNNING, self._clock()
            self._serve(place.conversation)
            changed.append(place)
        return changed + self._make_way()

    def _make_way(self) -> list[Place]:
        voices = sum(place.priority is Priority.VOICE for place in self._waiting)
        leaving = sum(place.standing is Standing.DROPPED for place in self._running)
        guesses = [
            place
            for place in self._running
            if place.priority is Priority.SPECULATION and place.standing is Standing.RUNNING
        ]
        dropped = guesses[: max(0, voices - leaving)]
        for place in dropped:
            place.standing = Standing.DROPPED
        return dropped

    def _rank(self, place: Place) -> tuple[int, int, int]:
        return place.priority, self._served.get(place.conversation, 0), place.number

    def _serve(self, conversation: str) -> None:
        self._serial += 1
        self._served.pop(conversation, None)
        self._served[conversation] = self._serial
        if len(self._served) > _REMEMBERED_CONVERSATIONS:
            del self._served[next(iter(self._served))]


@dataclass(slots=True)
class Admission:
    """Lets coroutines wait for what the `queue` decides. Used from one event loop."""

    queue: Queue
    _futures: dict[Place, asyncio.Future[None]] = field(default_factory=dict)

    async def admit(self, priority: Priority, conversation: str, *, longest: float | None = None) -> Place:
        """Wait until the engine may be asked; `release` the place afterwards. Cancellation leaves the queue.

        Args:
            longest: seconds that it may take; as `LONGEST_WAIT` says by default.

        Raises:
            Saturated: at once where the wait would be longer, or when it has become longer.
        """
        longest = LONGEST_WAIT[priority] if longest is None else longest
        place, changed = self.queue.ask(priority, conversation, longest=longest)
        self._tell(changed)
        if place.standing is Standing.RUNNING:
            return place
        future = self._futures[place] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(longest):
                await future
        except TimeoutError:
            self.release(place)
            raise Saturated(self.queue.expected_wait(priority)) from None
        except BaseException:
            self.release(place)
            raise
        finally:
            self._futures.pop(place, None)
        return place

    def begin(self, place: Place) -> None:
        """Note that the first word of its answer has come."""
        if not place.began:
            self._tell(self.queue.begin(place))

    def release(self, place: Place) -> None:
        """Give the place back. May be called again."""
        self._tell(self.queue.leave(place))

    def expect_voice(self, seconds: float) -> None:
        """Let nobody in but voices for so many seconds."""
        self.queue.expect_voice(seconds)
        # The clock of the queue and that of the loop need not be the same to the last digit.
        asyncio.get_running_loop().call_later(seconds + _TICK, lambda: self._tell(self.queue.advance()))

    def refuse_waiting(self, error: Exception) -> None:
        """Let everybody who waits fail with `error`."""
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)

    def _tell(self, places: Iterable[Place]) -> None:
        for place in places:
            if place.standing is Standing.DROPPED:
                logger.debug(f"a speculation of conversation {place.conversation} gives way to a voice")
                if place.on_drop is not None:
                    place.on_drop()
            elif (future := self._futures.get(place)) is not None and not future.done():
                future.set_result(None)
