"""What the processes of one household share while they run, in Redis: who is where, what is to be said, how loud.

Nothing here is needed to hold a conversation. Where Redis is away, each process goes on with what it knows itself.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final
from uuid import uuid4

from loguru import logger
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

ANSWER_SECONDS: Final = 0.3
"""What anybody waits for Redis."""
AGAIN_SECONDS: Final = 2.0
"""How long Redis is not asked after it has not answered."""
PRESENT_SECONDS: Final = 30
"""How long a device counts as present after its process was last heard of."""
WAITING_SECONDS: Final = 24 * 3600
"""How long what nobody could hear waits for somebody."""
SESSION_SECONDS: Final = 24 * 3600
"""How long a device's volume is kept after its last conversation."""
MOST_WAITING: Final = 20

_REFRESH_SECONDS = 10.0
_SHORTEST_DELAY, _LONGEST_DELAY = 0.2, 5.0
_WAITING = "passfel:waiting"
_EVERYBODY = "passfel:say"


class Spoken(BaseModel):
    """Something to be said, on its way between processes."""

    sender: str
    device: str | None
    """None is wherever somebody can hear it, in `room` where that is given."""
    room: str | None = None
    text: str


class Shared:
    """This process's part in what is shared.

    Args:
        address: as Redis has it; the password stands in it.
    """

    def __init__(self, address: str) -> None:
        self._process = uuid4().hex[:12]
        self._redis = Redis.from_url(
            address, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, decode_responses=True
        )
        # Undecoded: what comes may be no text at all.
        self._listening = Redis.from_url(address, socket_connect_timeout=2.0)
        self._down = False
        self._again = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._listening.aclose()

    async def run(self, devices: Callable[[], Collection[str]], say: Callable[[Spoken], None]) -> None:
        """Tell of the devices that are here, and `say` what other processes want said, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell(devices))
            tasks.create_task(self._listen(say))

    async def send(self, text: str, *, device: str) -> bool:
        """Have another process say `text` at a device; False where no other process has it."""
        process = await self._asked(lambda: self._redis.get(_present(device)))
        if process is None or process == self._process:
            return False
        spoken = Spoken(sender=self._process, device=device, text=text)
        sent = await self._asked(lambda: self._redis.publish(f"{_EVERYBODY}:{process}", spoken.model_dump_json()))
        return bool(sent)

    async def send_to_all(self, text: str, *, room: str | None = None) -> bool:
        """Have other processes say `text` wherever somebody can hear it, or in a room; False where there is nobody."""
        if not await self._asked(self._somebody_elsewhere):
            return False
        spoken = Spoken(sender=self._process, device=None, room=room, text=text)
        receivers = await self._asked(lambda: self._redis.publish(_EVERYBODY, spoken.model_dump_json()))
        # One of those is this process itself.
        return (receivers or 0) > 1

    async def present(self, device: str) -> None:
        """Note at once that a device is here."""
        await self._asked(lambda: self._redis.set(_present(device), self._process, ex=PRESENT_SECONDS))

    async def gone(self, device: str) -> None:
        """Note that a device is here no longer."""
        if await self._asked(lambda: self._redis.get(_present(device))) == self._process:
            await self._asked(lambda: self._redis.delete(_present(device)))

    async def wait(self, texts: Collection[str]) -> bool:
        """Keep texts for the next conversation anywhere, also through a restart; False where that is impossible."""

        async def append() -> object:
            async with self._redis.pipeline() as commands:
                commands.rpush(_WAITING, *texts)
                commands.ltrim(_WAITING, -MOST_WAITING, -1)
                commands.expire(_WAITING, WAITING_SECONDS)
                return await commands.execute()

        return await self._asked(append) is not None

    async def take_waiting(self) -> list[str]:
        """Take what waits; nobody else gets it then."""
        taken: list[str] | None = await self._asked(lambda: self._redis.lpop(_WAITING, MOST_WAITING))
        return taken or []

    async def volume(self, device: str) -> float | None:
        """The volume that was last set at a device, 0 to 1."""
        kept = await self._asked(lambda: self._redis.get(_session(device)))
        try:
            volume = float(json.loads(kept)["volume"]) if kept else None
        except (ValueError, TypeError, KeyError):
            return None
        return volume if volume is not None and 0 <= volume <= 1 else None

    async def keep_volume(self, device: str, volume: float) -> None:
        """Remember the volume of a device."""
        value = json.dumps({"volume": volume})
        await self._asked(lambda: self._redis.set(_session(device), value, ex=SESSION_SECONDS))

    async def cached(self, key: str) -> str | None:
        """What a server outside answered to any process of the household."""
        text: str | None = await self._asked(lambda: self._redis.get(f"passfel:cache:{key}"))
        return text

    async def cache(self, key: str, text: str, seconds: float) -> None:
        """Keep what a server outside has answered for so long."""
        await self._asked(lambda: self._redis.set(f"passfel:cache:{key}", text, ex=max(1, round(seconds))))

    async def _somebody_elsewhere(self) -> bool:
        keys = [key async for key in self._redis.scan_iter(_present("*"), count=100)]
        processes = await self._redis.mget(keys) if keys else []
        return any(process not in (None, self._process) for process in processes)

    async def _tell(self, devices: Callable[[], Collection[str]]) -> None:
        while True:
            for device in list(devices()):
                await self.present(device)
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _listen(self, say: Callable[[Spoken], None]) -> None:
        delay = _SHORTEST_DELAY
        while True:
            try:
                async with self._listening.pubsub() as channel:
                    await channel.subscribe(_EVERYBODY, f"{_EVERYBODY}:{self._process}")
                    delay = _SHORTEST_DELAY
                    async for message in channel.listen():
                        if message["type"] == "message":
                            self._hear(message["data"], say)
            except (RedisError, OSError) as error:
                logger.debug(f"what other processes want said is not heard for now: {error}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    def _hear(self, data: bytes, say: Callable[[Spoken], None]) -> None:
        try:
            spoken = Spoken.model_validate_json(data)
        except ValidationError as error:
            logger.warning(f"something that is no announcement came over Redis: {error.errors()[0]['msg']}")
            return
        if spoken.sender != self._process:
            say(spoken)

    async def _asked(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Await an answer of Redis; None where there is none in time, or was none a moment ago."""
        loop = asyncio.get_running_loop()
        if self._down and loop.time() < self._again:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await command()
        except (RedisError, OSError) as error:
            if not self._down:
                told = str(error) or type(error).__name__
                logger.warning(f"Redis does not answer, each process goes on by itself: {told}")
            self._down, self._again = True, loop.time() + AGAIN_SECONDS
            return None
        if self._down:
            logger.info("Redis answers again")
        self._down = False
        return answer


def _present(device: str) -> str:
    return f"passfel:present:{device}"


def _session(device: str) -> str:
    return f"passfel:session:{device}"
