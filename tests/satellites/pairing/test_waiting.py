"""Devices that show a code of their own wait until somebody of the house accepts it."""

from pathlib import Path

import pytest

from pipeline.json_store import JsonStore
from satellites.pairing.paired import Paired
from satellites.pairing.waiting import MOST, MOST_OF_ONE, SECONDS, Waiting


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiting(tmp_path: Path, clock: Clock) -> Waiting:
    return Waiting(Paired(JsonStore(tmp_path / "paired.json")), clock)


def ask(waiting: Waiting, secret: str, address: str = "192.168.1.40") -> str | None:
    return waiting.ask(secret, what="box 2.0", address=address, door="xiaozhi")


async def test_a_device_is_let_in_once_its_code_is_accepted(waiting: Waiting) -> None:
    code = ask(waiting, "its secret")
    assert code is not None
    assert waiting.paired.known("its secret") is None
    device = await waiting.accept(f"{code[:3]} {code[3:]}", "Kitchen")
    assert device is not None
    assert device.name == "Kitchen"
    known = waiting.paired.known("its secret")
    assert known is not None
    assert known[0] == device
    assert waiting.asking() == []
    assert await waiting.accept(code) is None


async def test_a_code_stays_the_same_while_its_device_goes_on_asking(waiting: Waiting, clock: Clock) -> None:
    code = ask(waiting, "secret")
    for _ in range(5):
        clock.now += SECONDS - 1
        assert ask(waiting, "secret") == code
    clock.now += SECONDS
    assert waiting.asking() == []
    assert code is not None
    assert await waiting.accept(code) is None


async def test_no_address_keeps_the_others_out(waiting: Waiting) -> None:
    codes = [ask(waiting, f"flood {number}", "192.168.1.66") for number in range(100)]
    assert sum(code is not None for code in codes) == MOST_OF_ONE
    assert ask(waiting, "honest") is not None
    for number in range(MOST):
        ask(waiting, f"many {number}", f"10.0.0.{number}")
    assert len(waiting.asking()) == MOST


async def test_two_devices_of_one_name_are_told_apart(waiting: Waiting) -> None:
    names = []
    for secret in ("one", "two", "three"):
        code = ask(waiting, secret)
        assert code is not None
        device = await waiting.accept(code, "Kitchen")
        assert device is not None
        names.append(device.name)
    assert names == ["Kitchen", "Kitchen 2", "Kitchen 3"]
