import json
from pathlib import Path

import pytest

from pipeline.json_store import JsonStore
from satellites.pairing.paired import MOST, NOTED, UNUSED_DAYS, Paired, TooMany

DAY = 86400.0


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def opened(file: Path, clock: Clock) -> Paired:
    paired = Paired(JsonStore(file), clock)
    await paired.load()
    return paired


async def test_a_paired_device_is_known_after_a_restart(tmp_path: Path) -> None:
    file, clock = tmp_path / "paired.json", Clock()
    _, secret = await (await opened(file, clock)).add("Ana's phone")
    again = await opened(file, clock)
    found = again.known(secret)
    assert found is not None
    assert found[0].name == "Ana's phone"
    assert again.known("another secret") is None
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


async def test_a_removed_device_is_told_and_stays_out(tmp_path: Path) -> None:
    file, clock = tmp_path / "paired.json", Clock()
    paired = await opened(file, clock)
    (_, secret), (_, other) = await paired.add("phone"), await paired.add("tablet")
    found = paired.known(secret)
    assert found is not None
    device, removed = found
    assert await paired.remove(device.id) == device
    assert removed.is_set()
    for each in (paired, await opened(file, clock)):
        assert each.known(secret) is None
        assert each.known(other) is not None
    assert await paired.remove(device.id) is None


async def test_a_device_that_is_not_used_for_long_has_to_be_paired_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "paired.json", Clock()
    paired = await opened(file, clock)
    (_, used), (_, unused) = await paired.add("used"), await paired.add("unused")
    clock.now += UNUSED_DAYS * DAY / 2
    found = paired.known(used)
    assert found is not None
    await paired.note(found[0])
    clock.now += UNUSED_DAYS * DAY / 2 + 1
    for each in (paired, await opened(file, clock)):
        assert each.known(used) is not None
        assert each.known(unused) is None


async def test_that_a_device_calls_is_written_down_once_an_hour(tmp_path: Path) -> None:
    file, clock = tmp_path / "paired.json", Clock()
    paired = await opened(file, clock)
    _, secret = await paired.add("phone")
    before = file.read_bytes()
    clock.now += NOTED / 2
    found = paired.known(secret)
    assert found is not None
    await paired.note(found[0])
    assert file.read_bytes() == before
    clock.now += NOTED
    await paired.note(found[0])
    assert file.read_bytes() != before


async def test_a_damaged_record_costs_no_other_device(tmp_path: Path) -> None:
    file, clock = tmp_path / "paired.json", Clock()
    _, secret = await (await opened(file, clock)).add("phone")
    file.write_text(json.dumps([{"id": 3}, *json.loads(file.read_text())]))
    assert (await opened(file, clock)).known(secret) is not None


class FullDisk:
    async def load(self) -> list:
        return []

    async def save(self, entries) -> None:
        raise OSError(28, "No space left on device")


async def test_a_device_that_cannot_be_written_down_is_not_let_in() -> None:
    paired = Paired(FullDisk())
    with pytest.raises(OSError, match="space"):
        await paired.add("phone")
    assert paired.devices() == []


async def test_no_more_devices_come_in_than_a_house_has(tmp_path: Path) -> None:
    paired = await opened(tmp_path / "paired.json", Clock())
    for number in range(MOST):
        await paired.add(str(number))
    with pytest.raises(TooMany, match="Remove one"):
        await paired.add("one more")
