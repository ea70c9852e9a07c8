"""A satellite's connection to the real door, with a scripted assistant behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from loguru import logger
from websockets.asyncio.server import Server, ServerConnection, serve

from satellites.pi.attention import Attention, Play, Send, State
from satellites.pi.link import Link
from tests.satellites.realtime.conftest import serving
from tests.spoken import pcm, room_tone

LOUD = pcm(np.sin(np.arange(512) / 5) * 0.5)
QUIET = pcm(room_tone(0.032))


class Client:
    """A link with its attention, and all that it wanted done."""

    def __init__(self, server: str, token: str | None = None) -> None:
        self.attention = Attention()
        self.played = b""
        self.link = Link(
            server, token=token, name="kitchen", room="the kitchen", attention=self.attention, changed=self.perform
        )

    def perform(self) -> None:
        for output in self.attention.take():
            if isinstance(output, Send):
                self.link.send(output.pcm)
            elif isinstance(output, Play):
                self.played += output.pcm

    def hear(self, sound: bytes, windows: int, *, speech: bool) -> None:
        for _ in range(windows):
            self.attention.hear(sound, speech=speech, now=time.monotonic())
        self.perform()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    def has_played(self) -> bool:
        """Play what there is; whether the answer is over with that."""
        self.attention.played(time.monotonic())
        return self.attention.state is State.FOLLOW_UP


@asynccontextmanager
async def linked(server: str, token: str | None = None) -> AsyncIterator[Client]:
    client = Client(server, token)
    task = asyncio.create_task(client.link.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def nobody(websocket: ServerConnection) -> None:
    await websocket.close()


@pytest.fixture
def log() -> list[str]:
    lines: list[str] = []
    handler = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(handler)


async def test_a_question_goes_there_and_its_answer_comes_back() -> None:
    async with serving() as server, linked(f"http://127.0.0.1:{server.port}") as client:
        server.assistant.script.heard.append("what time is it")
        server.assistant.script.replies.append("It is noon.")
        await client.until(lambda: client.attention.state is State.IDLE)
        client.attention.wake(time.monotonic())
        client.hear(LOUD, 20, speech=True)
        client.hear(QUIET, 15, speech=False)
        await client.until(lambda: client.attention.playing)
        await client.until(client.has_played)
        assert len(client.played) == pytest.approx(3 * 0.1 * 24_000 * 2, rel=0.1), "three words"
        (caller,) = server.assistant.callers
        assert (caller.device, caller.room, caller.resumes) == ("satellite:kitchen", "the kitchen", True)
        heard = np.frombuffer(server.assistant.ears.audio, "<i2")
        assert np.abs(heard).max() > 10_000


async def test_a_client_that_names_no_device_goes_by_its_address() -> None:
    async with serving() as server, linked(f"http://127.0.0.1:{server.port}") as client:
        client.link._headers["x-passfel-device"] = "no/device"
        await client.until(lambda: bool(server.assistant.callers))
        assert server.assistant.callers[0].device == "realtime:127.0.0.1"
        assert not server.assistant.callers[0].resumes


async def test_a_connection_that_is_lost_is_made_again(log: list[str]) -> None:
    connections = 0

    async def hang_up(websocket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await websocket.recv()
        await websocket.close(1011, "the server has failed")

    async with serve(hang_up, "127.0.0.1", 0) as server, linked(address(server)) as client:
        await client.until(lambda: connections == 2)
    assert any("the server has failed" in line for line in log)


async def test_a_server_that_refuses_is_told_of_once(log: list[str]) -> None:
    def refuse(connection, request):
        return connection.respond(401, "Show the token.")

    async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as server, linked(address(server)) as client:
        await client.until(lambda: bool(log))
        await asyncio.sleep(1.5)
        assert client.attention.state is State.AWAY
    assert [line.strip().partition(" refuses: ")[2] for line in log] == ["Show the token."]


async def test_a_server_that_is_not_there_is_told_of(log: list[str]) -> None:
    async with linked("http://127.0.0.1:9") as client:
        await client.until(lambda: bool(log))
    assert "cannot be reached" in log[0]


@pytest.mark.parametrize(
    "message",
    ["hello", "[]", "{}", b"\xff", '{"type": "response.output_audio.delta"}', '{"type": "error", "error": null}'],
)
async def test_a_server_that_speaks_something_else_is_told_of_and_tried_again(
    log: list[str], message: str | bytes
) -> None:
    connections = 0

    async def other(websocket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await websocket.send(message)
        await websocket.wait_closed()

    async with serve(other, "127.0.0.1", 0) as server, linked(address(server)) as client:
        await client.until(lambda: connections == 2)
    assert "does not speak the Realtime API, is it PASSFEL?" in log[0]
