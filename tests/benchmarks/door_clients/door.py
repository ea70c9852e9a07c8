"""What the clients of all doors have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.benchmarks.clients import Person
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server
from tests.benchmarks.turns import ANSWER_LIMIT

SETTLE = 1.0
"""Seconds of quiet before each utterance."""
LONGEST_ANSWER = 40.0
"""Seconds after which an answer is not waited for any more."""
FOLLOW_UP = "30"
"""Seconds in which devices go on listening, which no answer's end uses up."""
START_SECONDS = 90.0
"""In which a device is connected; those that are dialled are tried once a minute at least."""


class CannotRun(Exception):  # noqa: N818 - nothing is wrong
    """The client of a door cannot run here; its text says why."""


class Client(Protocol):
    """A person at a door's device. All moments are monotonic seconds."""

    async def wake(self) -> None:
        """Make sure that the device listens."""

    async def say(self, recording: Recording) -> float:
        """Speak; return the moment at which the recording begins."""

    async def audible(self, after: float, limit: float) -> float | None:
        """Wait for the first audible sample after a moment; None where there is none for `limit` seconds."""

    async def silence(self, seconds: float, limit: float) -> bool:
        """Wait until nothing was audible for so long; False where that takes longer than `limit`."""


class AtDevice(Person):
    """A client that streams all the time, and plays what comes at once."""

    async def wake(self) -> None:
        """Do nothing: it is listened to all the time."""

    async def say(self, recording: Recording) -> float:
        """Speak."""
        return self.begin(recording)


@dataclass(frozen=True, slots=True)
class Door:
    """A door and the client that measures it."""

    name: str
    carries: str
    """The sound on its way, in words."""
    ask: Callable[[Server, tuple[Recording, ...]], Awaitable[list[float]]]
    """Say each utterance and return the seconds from its end of speech to the first audible sample. Raises
    `CannotRun`."""
    settings: dict[str, str] = field(default_factory=dict)
    """Of the server, as environment variables."""


async def latencies(client: Client, utterances: tuple[Recording, ...]) -> list[float]:
    """Say each utterance, hear its answer out, and return the seconds from the end of speech to the answer.

    The first one is said once more before, which warms the conversation up and does not count.
    """
    return [await _latency(client, each) for each in (utterances[0], *utterances)][1:]


async def streaming(person: AtDevice, utterances: tuple[Recording, ...]) -> list[float]:
    """Do the same while the microphone streams."""
    async with asyncio.TaskGroup() as tasks:
        microphone = tasks.create_task(person.stream())
        found = await latencies(person, utterances)
        microphone.cancel()
    return found


async def _latency(client: Client, recording: Recording) -> float:
    await client.silence(SETTLE, LONGEST_ANSWER)
    await client.wake()
    await asyncio.sleep(SETTLE)
    end = await client.say(recording) + recording.speech.end
    audible = await client.audible(end, ANSWER_LIMIT)
    return ANSWER_LIMIT if audible is None else audible - end
