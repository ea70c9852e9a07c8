"""How latencies at doors are taken and compared."""

import time

import numpy as np
import pytest

from tests.benchmarks.door_clients import door
from tests.benchmarks.doors import Heard, table
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import Span
from tests.benchmarks.turns import ANSWER_LIMIT


def heard(name: str, *latencies: float, own: float = 0.5, missing: str | None = None) -> Heard:
    return Heard(name, "PCM", list(latencies), [own] * len(latencies), missing)


def test_what_the_server_does_not_count_was_spent_on_the_way() -> None:
    assert Heard("SIP", "PCM", [0.7, 1.9], [0.5, 1.6]).on_the_way == pytest.approx(0.25)
    # A turn that was cut in two leaves the server with one more.
    assert Heard("SIP", "PCM", [0.7, 1.9], [0.5, 0.6, 1.6]).on_the_way == pytest.approx(0.7)


def test_a_door_is_later_by_what_is_spent_on_the_way_and_not_by_what_the_server_does() -> None:
    told = table([heard("realtime websocket", 0.6, 0.6), heard("SIP", 1.7, 1.7, own=1.4)])
    assert "| SIP | PCM | 1.70 | 0.30 | +200 ms | +200 ms | 1.70 1.70 |" in told


def test_a_door_that_was_not_measured_is_told() -> None:
    told = table([heard("realtime websocket", 0.6), heard("SIP", missing="there is no phone")])
    assert "| SIP | PCM | – | – | – | – | not measured: there is no phone |" in told


class Scripted:
    """Answers the nth utterance after so many seconds; None is never."""

    def __init__(self, *answers: float | None) -> None:
        self.answers = list(answers)
        self.said: list[str] = []
        self.woken = 0

    async def wake(self) -> None:
        self.woken += 1

    async def say(self, recording: Recording) -> float:
        self.said.append(recording.name)
        return time.monotonic()

    async def audible(self, after: float, limit: float) -> float | None:
        seconds = self.answers[len(self.said) - 1]
        return None if seconds is None else after + seconds

    async def silence(self, seconds: float, limit: float) -> bool:
        return True


async def test_the_first_answer_warms_up_and_one_that_never_comes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SETTLE", 0.0)
    one, other = (Recording(name, np.zeros(1600, np.float32), Span(0.02, 0.08)) for name in ("one", "other"))
    client = Scripted(9.0, 0.5, None)
    assert await door.latencies(client, (one, other)) == pytest.approx([0.5, ANSWER_LIMIT])
    assert client.said == ["one", "one", "other"]
    assert client.woken == 3
