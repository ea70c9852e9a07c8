"""The door for programs that use the engines alone: a Wyoming server, as Home Assistant adds it.

Wyoming knows no passwords: whoever reaches the port is served. It listens on this machine only, unless it is set to
listen elsewhere.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from loguru import logger
from wyoming.error import Error

from pipeline.settings.satellites import Wyoming
from satellites.services import Assistant, House, Satellite
from satellites.wyoming.guest import Guest
from satellites.wyoming.wire import Gone, Malformed, Wire

MOST_CONNECTIONS: Final = 32
"""At the same time; Home Assistant opens one for each request, and each satellite keeps one for its wake word."""


def make(house: House) -> "Server":
    """Make the server."""
    return Server(house.assistant, house.settings.wyoming)


class Server:
    """Serves until its `run` is cancelled."""

    name = "wyoming"

    def __init__(self, assistant: Assistant, chosen: Wyoming) -> None:
        self._assistant = assistant
        self._chosen = chosen
        self._connections = 0
        self.port: int | None = None
        """Where it listens, once it does."""

    async def run(self) -> None:
        """Listen. Raises `OSError` where that is not possible."""
        async with asyncio.TaskGroup() as guests:

            def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                guests.create_task(self._serve(Wire(reader, writer)), name="wyoming guest")

            server = await asyncio.start_server(greet, self._chosen.host, self._chosen.port)
            self.port = server.sockets[0].getsockname()[1]
            logger.info(f"Wyoming is served at {self._chosen.host} port {self.port}")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()

    def satellites(self) -> Sequence[Satellite]:
        """None: who comes here holds no conversation."""
        return ()

    async def _serve(self, wire: Wire) -> None:
        """Serve one connection; whatever happens to it stays within."""
        self._connections += 1
        try:
            async with wire:
                if self._connections > MOST_CONNECTIONS:
                    await wire.send(Error(f"there are {MOST_CONNECTIONS} connections already", "busy"))
                    return
                try:
                    await Guest(wire, self._assistant.speech, self._chosen.wake_words).serve()
                except Malformed as error:
                    await wire.send(Error(str(error), "invalid"))
        except Gone as gone:
            logger.debug(f"a Wyoming connection has ended: {gone}")
        except Exception:  # noqa: BLE001 - the other connections go on
            logger.exception("A Wyoming connection failed")
        finally:
            self._connections -= 1
