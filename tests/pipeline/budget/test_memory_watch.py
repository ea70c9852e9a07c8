import asyncio
from pathlib import Path

import pytest

from pipeline.budget.memory_watch import MemoryWatch
from pipeline.budget.shedding import Shed
from pipeline.orchestrator.admission import Admission, Priority, Queue, Saturated

KIB_A_GIB = 1 << 20


def memory(root: Path, free: float) -> Path:
    (root / "proc").mkdir(exist_ok=True)
    told = f"MemTotal: {16 * KIB_A_GIB} kB\nMemAvailable: {int(free * KIB_A_GIB)} kB\n"
    (root / "proc" / "meminfo").write_text(told, encoding="ascii")
    return root


async def test_who_listens_is_told_once_when_memory_runs_short(tmp_path):
    told: list[Shed] = []

    async def tell(step: Shed) -> None:
        told.append(step)

    watch = MemoryWatch(tell, root=memory(tmp_path, 8.0))
    await watch.look()
    assert told == []
    memory(tmp_path, 0.5)
    await watch.look()
    await watch.look()
    assert told == [Shed.NEWCOMERS]
    assert watch.state() == {
        "free": 0.5,
        "limit": 16.0,
        "waited": 0.0,
        "shed": "background work, speculation, idle conversations, new conversations",
    }


async def test_it_watches_until_it_is_cancelled(tmp_path):
    told = asyncio.Event()

    async def tell(_: Shed) -> None:
        told.set()

    watch = MemoryWatch(tell, root=memory(tmp_path, 0.5))
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await told.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_is_given_up_is_not_let_in_and_a_voice_is():
    queue = Queue(2)
    queue.refused = frozenset({Priority.BACKGROUND, Priority.SPECULATION})
    admission = Admission(queue)
    for priority in queue.refused:
        with pytest.raises(Saturated):
            await admission.admit(priority, "a")
    admission.release(await admission.admit(Priority.VOICE, "a"))
    queue.refused = frozenset()
    admission.release(await admission.admit(Priority.BACKGROUND, "a"))
