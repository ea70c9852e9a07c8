"""The door's signalling and conversations, seen by a WebRTC peer without a browser."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from pipecat.transports.base_transport import BaseTransport

from pipeline.caller import Caller, Capability
from satellites.browser import door
from tests.satellites.browser.conftest import Serve
from tests.satellites.browser.scripted import ScriptedAssistant

BROKEN_OFFERS: dict[str, dict[str, Any] | bytes] = {
    "no JSON": b"v=0",
    "no SDP": {"type": "offer"},
    "an answer": {"type": "answer", "sdp": "v=0\r\n"},
    "not SDP": {"type": "offer", "sdp": "nonsense"},
    "SDP cut short": {"type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nm=audio"},
    "nothing to hear": {"type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"},
    "too long": {"type": "offer", "sdp": "v=0\r\n" + "a=x\r\n" * door.MAX_SDP},
    "a strange device": {"type": "offer", "sdp": "v=0\r\n", "requestData": {"device": "../../etc"}},
}


@asynccontextmanager
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address) as found:
        yield found


async def make_offer(peer: RTCPeerConnection) -> dict[str, str]:
    peer.createDataChannel("chat")
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    return {"sdp": peer.localDescription.sdp, "type": "offer"}


class Peer:
    """A caller by aiortc that says nothing, pings like the page does, and keeps what it hears."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.connection = RTCPeerConnection()
        self.heard = asyncio.Event()
        self.pinging: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self.pc_id = ""

    async def __aenter__(self) -> Self:
        channel = self.connection.createDataChannel("chat")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        self.connection.addTrack(AudioStreamTrack())
        self.connection.on("track", self._listen)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = {
            "sdp": self.connection.localDescription.sdp,
            "type": "offer",
            "requestData": {"device": "hall"},
        }
        response = await self._http.post("/api/offer", json=offer)
        assert response.status_code == 200, response.text
        answer = response.json()
        self.pc_id = answer["pc_id"]
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(10):
            await opened.wait()

        async def ping() -> None:
            while True:
                channel.send("ping: 0")
                await asyncio.sleep(1)

        self.pinging = asyncio.create_task(ping())
        self.send = channel.send
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self.pinging, self._listening) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.connection.close()

    def _listen(self, track: Any) -> None:
        async def listen() -> None:
            while True:
                frame = await track.recv()
                if max(array("h", bytes(frame.planes[0]))) > 1000:
                    self.heard.set()

        self._listening = asyncio.create_task(listen())


async def test_the_page_is_revalidated_and_not_sent_again(serve: Serve):
    async with serve(ScriptedAssistant()) as address, client(address) as http:
        first = await http.get("/")
        assert first.status_code == 200
        assert first.headers["cache-control"] == "no-cache"
        assert "script-src 'self'" in first.headers["content-security-policy"]
        again = await http.get("/", headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304
        for name in ("page.js", "page.css", "favicon.svg", "licences.txt"):
            assert (await http.get(f"/page/{name}")).status_code == 200


@pytest.mark.parametrize("offer", BROKEN_OFFERS.values(), ids=BROKEN_OFFERS)
async def test_an_offer_that_cannot_be_used_is_refused_with_a_reason(serve: Serve, offer: dict[str, Any] | bytes):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http:
        if isinstance(offer, bytes):
            response = await http.post("/api/offer", content=offer)
        else:
            response = await http.post("/api/offer", json=offer)
        assert response.status_code == 400
        assert len(response.json()["detail"]) > 10
    assert assistant.callers == []


async def test_a_broken_offer_leaves_other_conversations_alone(serve: Serve):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http, Peer(http) as peer:
        for offer in BROKEN_OFFERS.values():
            if not isinstance(offer, bytes):
                await http.post("/api/offer", json=offer)
        await http.post("/api/offer", json={"type": "offer", "sdp": "v=0", "pc_id": peer.pc_id})
        broken = {"pc_id": peer.pc_id, "candidates": [{"candidate": "candidate:nonsense", "sdp_mid": "0"}]}
        assert (await http.patch("/api/offer", json=broken)).status_code == 400
        await say_hello(peer)
        async with asyncio.timeout(10):
            await peer.heard.wait()


async def say_hello(peer: Peer) -> None:
    """Type a question, which the assistant answers aloud."""
    peer.send(
        '{"label": "rtvi-ai", "type": "client-ready", "id": "1",'
        ' "data": {"version": "2.1.0", "about": {"library": "test"}}}'
    )
    peer.send('{"label": "rtvi-ai", "type": "send-text", "id": "2", "data": {"content": "Hello"}}')


async def test_the_caller_is_named_by_its_device(serve: Serve):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http, Peer(http):
        [caller] = assistant.callers
        assert (caller.door, caller.device) == ("browser", "hall")
        assert caller.can(Capability.SHOW)
        assert caller.can(Capability.FULL_DUPLEX)


async def test_a_conversation_that_has_ended_cannot_be_renegotiated(serve: Serve):
    async with serve(ScriptedAssistant()) as address, client(address) as http:
        peer = RTCPeerConnection()
        offer = {**await make_offer(peer), "pc_id": "gone"}
        assert (await http.post("/api/offer", json=offer)).status_code == 404
        candidates = {"pc_id": "gone", "candidates": []}
        assert (await http.patch("/api/offer", json=candidates)).status_code == 404
        await peer.close()


async def test_only_so_many_conversations_are_held_at_once(serve: Serve):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http:
        peer = RTCPeerConnection()
        offer = await make_offer(peer)
        statuses = [(await http.post("/api/offer", json=offer)).status_code for _ in range(door.MAX_CONVERSATIONS + 1)]
        assert statuses == [200] * door.MAX_CONVERSATIONS + [429]
        await peer.close()


async def test_a_house_that_is_short_of_memory_says_so_and_takes_callers_again_later(serve: Serve):
    assistant = ScriptedAssistant()
    assistant.full = "the assistant is out of memory"
    async with serve(assistant) as address, client(address) as http:
        peer = RTCPeerConnection()
        offer = await make_offer(peer)
        refused = await http.post("/api/offer", json=offer)
        assert (refused.status_code, refused.json()["detail"]) == (503, assistant.full)
        assistant.full = None
        assert (await http.post("/api/offer", json=offer)).status_code == 200
        await peer.close()


async def test_a_peer_that_falls_silent_is_noticed_long_before_its_ice_consent_ends(serve: Serve):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http, Peer(http) as peer:
        assert peer.pinging
        await asyncio.sleep(1.5)
        peer.pinging.cancel()
        async with asyncio.timeout(14):
            await assistant.ended.wait()


class FailingAssistant(ScriptedAssistant):
    """Fails for the first caller."""

    async def converse(self, transport: BaseTransport, caller: Caller) -> None:
        if not self.callers:
            self.callers.append(caller)
            raise RuntimeError("the first conversation fails")
        await super().converse(transport, caller)


async def test_a_conversation_that_fails_ends_no_other(serve: Serve):
    assistant = FailingAssistant()
    async with serve(assistant) as address, client(address) as http:
        broken = RTCPeerConnection()
        assert (await http.post("/api/offer", json=await make_offer(broken))).status_code == 200
        async with Peer(http) as peer:
            await say_hello(peer)
            async with asyncio.timeout(10):
                await peer.heard.wait()
        await broken.close()


async def test_closing_the_door_ends_its_conversations(serve: Serve):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, client(address) as http:
        peer = Peer(http)
        await peer.__aenter__()
        assert not assistant.ended.is_set()
    assert assistant.ended.is_set()
    await peer.__aexit__()
