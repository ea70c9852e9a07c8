"""What processes share, through a real Valkey that PASSFEL brings."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from pipeline.announcements import Announcements
from pipeline.budget.footprint import descendants, name
from pipeline.caller import Caller, Capability
from pipeline.store.embedded_redis import EmbeddedRedis
from pipeline.store.embedded_server import ServerFailed
from pipeline.store.shared import MOST_WAITING, Shared

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Talk:
    """A conversation in one of two processes."""

    def __init__(self, device: str) -> None:
        self.caller = Caller("realtime", device, capabilities=frozenset({Capability.SPEAK}))
        self.said: list[str] = []
        self.left: list[str] = []

    def announce(self, text: str) -> None:
        self.said.append(text)

    def unsaid(self) -> list[str]:
        return self.left


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="passfel-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis(place: Path) -> AsyncIterator[str]:
    server = EmbeddedRedis(place / "redis")
    yield await server.start()
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def address(redis: str) -> str:
    client = Redis.from_url(redis)
    await client.flushall()
    await client.aclose()
    return redis


@contextlib.asynccontextmanager
async def process(address: str) -> AsyncIterator[Announcements]:
    """What one assistant has of the announcements."""
    house, shared = Announcements(), Shared(address)
    house.share(shared)
    running = asyncio.create_task(shared.run(house.devices, house.hear))
    try:
        yield house
    finally:
        running.cancel()
        await asyncio.wait({running})
        await shared.close()


async def until(true) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


async def listening(address: str, processes: int) -> None:
    client = Redis.from_url(address)
    async with asyncio.timeout(10):
        while (await client.pubsub_numsub("passfel:say"))[0][1] < processes:
            await asyncio.sleep(0.02)
    await client.aclose()


def servers() -> set[int]:
    return {each for each in descendants(os.getpid()) if name(each) == "valkey-server"}


async def test_a_device_at_another_process_is_reached_there_alone(address) -> None:
    kitchen, study, here = Talk("kitchen"), Talk("study"), Talk("hall")
    async with process(address) as first, process(address) as second, first.reach(here):
        async with second.reach(kitchen), second.reach(study):
            await listening(address, 2)
            await first.say("The pasta is done.", device="kitchen")
            await until(lambda: kitchen.said)
            assert kitchen.said == ["The pasta is done."]
            assert not study.said
            assert not here.said
        # The kitchen has gone: whoever is there hears it.
        await first.say("The wash is done.", device="kitchen")
        assert here.said == ["The wash is done."]


async def test_what_is_for_nobody_here_is_heard_everywhere_else(address) -> None:
    study = Talk("study")
    async with process(address) as first, process(address) as second, second.reach(study):
        await listening(address, 2)
        await first.say("Dinner is ready.", device="kitchen")
        await until(lambda: study.said)
        assert study.said == ["Dinner is ready."]


async def test_what_nobody_hears_waits_through_a_restart_and_is_said_once(address) -> None:
    async with process(address) as house:
        for number in range(MOST_WAITING + 2):
            await house.say(f"{number}", device="kitchen")
    one, other = Talk("kitchen"), Talk("study")
    async with process(address) as first, process(address) as second, first.reach(one), second.reach(other):
        assert one.said == [str(number) for number in range(2, MOST_WAITING + 2)]
        assert not other.said


async def test_a_devices_volume_is_found_again(address) -> None:
    shared = Shared(address)
    assert await shared.volume("kitchen") is None
    await shared.keep_volume("kitchen", 0.4)
    assert await shared.volume("kitchen") == 0.4
    client = Redis.from_url(address)
    await client.set("passfel:session:kitchen", "nonsense")
    assert await shared.volume("kitchen") is None
    await client.aclose()
    await shared.close()


async def test_nonsense_on_the_channel_is_passed_over(address) -> None:
    study = Talk("study")
    async with process(address) as first, process(address) as second, second.reach(study):
        await listening(address, 2)
        client = Redis.from_url(address)
        await client.publish("passfel:say", "{}")
        await client.publish("passfel:say", b"\xff\xfe")
        await client.aclose()
        await first.say("Dinner is ready.", device="kitchen")
        await until(lambda: study.said)


async def test_without_redis_everything_goes_on_here(place) -> None:
    kitchen, later = Talk("kitchen"), Talk("kitchen")
    async with process(f"unix://{place}/none.sock") as house:
        async with house.reach(kitchen):
            await house.say("The pasta is done.", device="kitchen")
            assert kitchen.said == ["The pasta is done."]
        await house.say("The wash is done.", device="kitchen")
        async with house.reach(later):
            assert later.said == ["The wash is done."]


async def test_a_redis_that_hangs_holds_nobody_up(place) -> None:
    server = EmbeddedRedis(place / "hanging")
    address = await server.start()
    assert server._process is not None
    shared = Shared(address)
    server._process.send_signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(10):
        assert await shared.take_waiting() == []
    # The first is waited for, and the others know.
    assert loop.time() - began < 2
    server._process.send_signal(signal.SIGCONT)
    await until_answers(shared)
    await shared.close()
    await server.stop()


async def until_answers(shared: Shared) -> None:
    async with asyncio.timeout(20):
        while True:
            await shared.keep_volume("kitchen", 0.5)
            if await shared.volume("kitchen") == 0.5:
                return
            await asyncio.sleep(0.1)


async def test_what_was_kept_survives_a_kill_and_comes_back_by_itself(place) -> None:
    server = EmbeddedRedis(place / "killed")
    shared = Shared(await server.start())
    await shared.wait(["The wash is done."])
    # It writes down each second.
    await asyncio.sleep(1.5)
    assert server._process is not None
    server._process.kill()
    await server._process.wait()
    await until_answers(shared)
    assert await shared.take_waiting() == ["The wash is done."]
    await shared.close()
    await server.stop()


async def test_what_an_assistant_that_was_killed_left_is_ended_and_its_data_kept(place: Path) -> None:
    killed = EmbeddedRedis(place / "left")
    async with Redis.from_url(await killed.start()) as redis:
        await redis.set("spare key", "flower pot")
    process, killed._process = killed._process, None
    # As the system does with a process that has ended; its Redis goes on.
    await killed.stop()
    assert process is not None
    assert process.returncode is None
    later = EmbeddedRedis(place / "left")
    async with Redis.from_url(await later.start()) as redis:
        assert await redis.get("spare key") == b"flower pot"
    async with asyncio.timeout(5):
        await process.wait()
    await later.stop()


async def test_two_over_one_folder_share_it_and_no_process_is_left(place) -> None:
    before = servers()
    first, second = EmbeddedRedis(place / "both"), EmbeddedRedis(place / "both")
    assert await first.start() == await second.start()
    assert len(servers() - before) == 1
    await first.stop()
    shared = Shared(second._address())
    await until_answers(shared)
    await shared.close()
    await second.stop()
    await second.stop()
    assert servers() <= before


async def test_only_its_owner_may_open_it(place, redis) -> None:
    for each in (place / "redis", place / "redis" / "redis.sock"):
        assert each.stat().st_mode & 0o077 == 0


async def test_a_damaged_file_is_told_of_and_left(place) -> None:
    folder = place / "damaged" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("nonsense")
    server = EmbeddedRedis(place / "damaged")
    with pytest.raises(ServerFailed, match="Redis does not start"):
        await server.start()
    assert (folder / "appendonly.aof.manifest").read_text() == "nonsense"
