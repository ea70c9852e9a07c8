import asyncio
import json

import pytest
from starlette.websockets import WebSocket

from satellites.realtime import connection as connection_module
from satellites.realtime.connection import ClientGone, Connection

EVENT = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}


class Peer:
    """The far end of a websocket, as an ASGI server would play it."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.to_send: asyncio.Queue[dict] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.to_send.put_nowait({"type": "websocket.connect"})

    async def send(self, message: dict) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def connection(self) -> Connection:
        websocket = WebSocket({"type": "websocket"}, self.to_send.get, self.send)
        await websocket.accept()
        self.sent.clear()
        return Connection(websocket)

    @property
    def events(self) -> list[dict]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]


async def test_everything_is_sent_in_order_before_it_finishes():
    peer = Peer()
    connection = await peer.connection()
    for number in range(5):
        connection.send({**EVENT, "number": number})
    connection.finish()
    await connection.write()
    assert [event["number"] for event in peer.events] == list(range(5))


async def test_a_client_that_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(connection_module, "SEND_TIMEOUT", 0.05)
    peer = Peer()
    connection = await peer.connection()
    peer.reads.clear()
    connection.send(EVENT)
    with pytest.raises(ClientGone, match="took nothing"):
        await connection.write()
    assert connection.gone


async def test_what_waits_for_a_slow_client_is_bounded(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_BACKLOG", 1000)
    connection = await Peer().connection()
    for _ in range(1000):
        connection.send(EVENT)
    with pytest.raises(ClientGone, match="unread"):
        await connection.write()


async def test_a_client_that_closes_is_noticed_by_who_reads_and_stops_who_writes():
    peer = Peer()
    connection = await peer.connection()
    peer.to_send.put_nowait({"type": "websocket.disconnect", "code": 1001})
    with pytest.raises(ClientGone):
        await connection.receive()
    connection.send(EVENT)
    await asyncio.wait_for(connection.write(), 1)
    assert peer.events == []


async def test_text_is_an_event_and_bytes_are_none():
    peer = Peer()
    connection = await peer.connection()
    peer.to_send.put_nowait({"type": "websocket.receive", "text": "{}"})
    peer.to_send.put_nowait({"type": "websocket.receive", "bytes": b"{}"})
    assert await connection.receive() == "{}"
    assert await connection.receive() is None


async def test_closing_twice_closes_once():
    peer = Peer()
    connection = await peer.connection()
    await connection.close(1011, "failed")
    await connection.close()
    assert [(message["type"], message["code"]) for message in peer.sent] == [("websocket.close", 1011)]
