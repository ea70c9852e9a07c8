"""The connection to Home Assistant: its WebSocket API, by `hass-client`, kept up for as long as the assistant runs."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from aiohttp import ClientError, ClientSession, ClientTimeout
from hass_client import HomeAssistantClient
from hass_client.exceptions import AuthenticationFailed, BaseHassClientError, FailedCommand, NotConnected
from loguru import logger

from tools.cancellation import heed_cancellation
from tools.home.house import House
from tools.tool import Failed

ANSWER_SECONDS: Final = 8.0
CONNECT_SECONDS: Final = 10.0
_SHORTEST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_REGISTRIES: Final = ("area_registry_updated", "device_registry_updated", "entity_registry_updated")
_SETTLE_SECONDS: Final = 0.5
"""In which changes of the registries are gathered."""


T = TypeVar("T")


class NoSuchService(Failed):
    """Home Assistant refused to do something; the message is for the person."""


class Connection:
    """Keeps a house as Home Assistant tells it, and has it do things.

    Args:
        url: its address, such as http://homeassistant.local:8123.
        token: a long-lived access token.
        on_change: told of the entities that have changed; none where rooms or names have.
        exposed_only: leave out what Home Assistant's own assistant may not see either.
    """

    def __init__(
        self,
        url: str,
        token: str,
        house: House,
        *,
        on_change: Callable[[list[str]], None] = lambda _: None,
        exposed_only: bool = False,
    ) -> None:
        self._url = url.replace("http", "ws", 1).rstrip("/") + "/api/websocket"
        self._token = token
        self._house = house
        self._on_change = on_change
        self._exposed_only = exposed_only
        self._client: HomeAssistantClient | None = None
        self.ready = asyncio.Event()
        """Set while the house is known."""
        self._stale = asyncio.Event()
        self._news = asyncio.Event()
        self.problem: str | None = "it has not been asked yet"
        """Why it is not connected; None where it is."""

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        delay = _SHORTEST_DELAY
        while True:
            try:
                async with ClientSession(timeout=ClientTimeout(sock_connect=CONNECT_SECONDS)) as session:
                    await self._stay(HomeAssistantClient(self._url, self._token, session))
            except* AuthenticationFailed:
                self._lost("it does not accept the token: make a new one with passfel connect homeassistant")
                delay = _LONGEST_DELAY
            except* (BaseHassClientError, ClientError, OSError, TimeoutError) as errors:
                first = errors.exceptions[0]
                self._lost(str(first) or type(first).__name__)
            heed_cancellation()
            if self.problem is None:
                delay = _SHORTEST_DELAY
                self._lost("it has closed the connection")
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311
            delay = min(2 * delay, _LONGEST_DELAY)

    async def seen(self, wanted: Callable[[], bool], *, within: float) -> bool:
        """Wait until the house is as wanted; False where it is not after so many seconds."""
        try:
            async with asyncio.timeout(within):
                while not wanted():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def call(self, service: str, things: list[str], data: Mapping[str, Any] | None = None) -> None:
        """Have things do something, such as `light.turn_on`. Raises `Failed`."""
        domain, _, name = service.partition(".")
        await self._ask(
            "call_service",
            domain=domain,
            service=name,
            target={"entity_id": things},
            **({"service_data": dict(data)} if data else {}),
        )

    async def ask(self, command: str, **words: Any) -> Any:
        """Ask for what is not kept here, such as the history. Raises `Failed`."""
        return await self._ask(command, **words)

    async def _ask(self, command: str, **words: Any) -> Any:
        client = self._client
        if client is None or not self.ready.is_set():
            raise Failed("Home Assistant can't be reached right now. Please try again in a moment.")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await _answered(client.send_command(command, **words))
        except FailedCommand as error:
            logger.warning(f"Home Assistant refuses {command}: {error}")
            raise NoSuchService(f"Home Assistant can't do that: {str(error).rstrip('.')}.") from error
        except (BaseHassClientError, ClientError, OSError, TimeoutError) as error:
            logger.warning(f"Home Assistant does not answer: {error!r}")
            raise Failed("Home Assistant doesn't answer right now. Please try again in a moment.") from error

    async def _stay(self, client: HomeAssistantClient) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.connect()
        self._client = client
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(client.start_listening())
                keeping = tasks.create_task(self._keep_registries(client))
                await self._subscribe(client)
                self.problem = None
                self.ready.set()
                logger.info(f"Home Assistant is connected: {len(self._house.things)} things")
                await asyncio.wait({listening})
                keeping.cancel()
        finally:
            self.ready.clear()
            self._client = None
            await client.disconnect()

    async def _subscribe(self, client: HomeAssistantClient) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._read_registries(client)
            self._house.forget_states()
            await _answered(client.subscribe(self._changed, "subscribe_entities"))
            for kind in _REGISTRIES:
                await _answered(client.subscribe_events(lambda _: self._stale.set(), kind))

    async def _keep_registries(self, client: HomeAssistantClient) -> None:
        while True:
            await self._stale.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            self._stale.clear()
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._read_registries(client)
            self._on_change([])

    async def _read_registries(self, client: HomeAssistantClient) -> None:
        entities: list[Mapping[str, Any]] = [dict(entity) for entity in await _answered(client.get_entity_registry())]
        ids = [str(entity["entity_id"]) for entity in entities]
        # Only this one knows the aliases.
        more = await _answered(client.send_command("config/entity_registry/get_entries", entity_ids=ids))
        entities = [{**entity, **(more.get(entity["entity_id"]) or {})} for entity in entities]
        if self._exposed_only:
            entities = [{**entity, "hidden_by": entity.get("hidden_by") or _unexposed(entity)} for entity in entities]
        areas = await _answered(client.get_area_registry())
        devices = await _answered(client.get_device_registry())
        self._house.registered(map(dict, areas), map(dict, devices), entities)

    def _changed(self, message: Mapping[str, Any]) -> None:
        try:
            changed = self._house.changed(message["event"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            logger.warning(f"Home Assistant tells something in an unknown form: {error!r}")
            return
        self._news.set()
        self._on_change(changed)

    def _lost(self, why: str) -> None:
        if self.problem is None or why != self.problem:
            logger.warning(f"Home Assistant is not connected: {why}")
        self.problem = why


async def _answered(asking: Awaitable[T]) -> T:
    """Await an answer. The library cancels what waits when the connection breaks, which is no cancellation of ours."""
    future = asyncio.ensure_future(asking)
    try:
        await asyncio.wait({future})
    finally:
        future.cancel()
    if future.cancelled():
        raise NotConnected("the connection broke")
    return future.result()


def _unexposed(entity: Mapping[str, Any]) -> str | None:
    shown = ((entity.get("options") or {}).get("conversation") or {}).get("should_expose")
    return "not exposed" if shown is False else None
