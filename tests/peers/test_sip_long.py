"""The telephone for longer: ten calls at once, hundreds one after the other, and whatever a network may send."""

import asyncio
import random
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.peers.sip.phones import eventually, sipp, softphone
from tests.satellites.sip.conftest import RTP, Telephone, telephone

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

# Whoever is a registrar is never banned, however often it asks.
TRUSTED: dict[str, Any] = {
    "accounts": {"box": {"server": "127.0.0.1", "user": "620", "registers": False}},
    "people": {"100": "ana", "sipp": "ben"},
}


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_ten_calls_at_once_for_two_minutes(tmp_path: Path):
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(telephone(tmp_path, **TRUSTED, max_calls=10, silence=120))
        pid = house.door.phone.pid
        assert pid is not None
        tone = (np.sin(2 * np.pi * 500 * np.arange(125 * 16_000) / 16_000) * 300).astype("<i2").tobytes()
        # One PJSUA holds four calls.
        phones = [await stack.enter_async_context(softphone(tmp_path)) for _ in range(5)]
        for phone in phones:
            for number in range(2):
                await phone.do("call", uri=house.uri)
                await phone.until(event="media", status=1, call=number)
                await phone.say(tone, call=number)
        await eventually(lambda: [each.state for each in house.calls] == ["talking"] * 10)
        await asyncio.sleep(60)
        before = resident(pid)
        await asyncio.sleep(60)
        assert house.door.phone.pid == pid
        assert len(house.calls) == 10
        assert all(each.detail["lost"] < 0.02 and each.detail["mos"] > 4 for each in house.calls)
        assert resident(pid) < before + 8
        assert all(len(phone.heard(number)) > 100 * 16_000 for phone in phones for number in range(2))


async def test_five_hundred_short_calls_leave_nothing_behind(tmp_path: Path):
    async with telephone(tmp_path, **TRUSTED, max_calls=10) as house:
        pid = house.door.phone.pid
        assert pid is not None
        where = f"127.0.0.1:{house.port}"
        await called(where, 50)
        await eventually(lambda: not house.calls, seconds=60)
        memory, files = resident(pid), descriptors(pid)
        await called(where, 450)
        await eventually(lambda: not house.calls, seconds=60)
        assert house.door.phone.pid == pid
        assert resident(pid) < memory + 10
        assert descriptors(pid) <= files + 4
        assert len(house.assistant.callers) == 500


async def called(where: str, times: int) -> None:
    """Have sipp call so often, three calls at a time."""
    arguments = ("-sn", "uac", where, "-s", "passfel", "-m", str(times), "-r", "5", "-l", "4", "-d", "400")
    code, output = await sipp(*arguments, seconds=350)
    assert code == 0, output[-2000:]


INVITE = (
    "INVITE sip:passfel@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bK{number}\r\n"
    "From: <sip:100@127.0.0.1>;tag={number}\r\nTo: <sip:passfel@127.0.0.1>\r\nCall-ID: fuzz-{number}\r\n"
    "CSeq: 1 INVITE\r\nContact: <sip:100@127.0.0.1:{here}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n{sdp}"
)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 9 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
)
METHODS = ("OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "UPDATE", "INFO")


def mutated(chance: random.Random, message: bytes) -> bytes:
    """Damage a message in a few places."""
    damaged = bytearray(message)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(damaged) + 1) if damaged else 0
        match chance.randrange(5):
            case 0:
                damaged[place : place + chance.randint(1, 40)] = b""
            case 1:
                damaged[place:place] = chance.randbytes(chance.randint(1, 30))
            case 2:
                damaged[place:place] = chance.choice(
                    [b"\r\n", b"%s%n", b"\0", b"A" * 2000, b"-1", b"99999999999", b'"', b";"]
                )
            case 3 if damaged:
                damaged[min(place, len(damaged) - 1)] ^= 1 << chance.randrange(8)
            case _:
                damaged[place:place] = damaged[place : place + chance.randint(1, 200)]
    return bytes(damaged[:60_000])


async def test_ten_thousand_damaged_messages_and_packets_are_survived(tmp_path: Path):
    chance = random.Random(1)
    async with telephone(tmp_path, **TRUSTED, max_calls=10) as house, softphone(tmp_path) as phone:
        pid = house.door.phone.pid
        await phone.call(house.uri)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            here = sender.getsockname()[1]
            for number in range(10_000):
                if number % 2:
                    packet = bytes([0x80, chance.choice([0, 8, 9, 101, 200, 201])]) + chance.randbytes(170)
                    sender.sendto(mutated(chance, packet), ("127.0.0.1", RTP[0] + chance.randrange(40)))
                else:
                    sdp = mutated(chance, SDP.encode()) if number % 4 else SDP.encode()
                    ask = (
                        INVITE.format(port=house.port, here=here, number=number, length=len(sdp), sdp="").encode() + sdp
                    )
                    ask = ask.replace(b"INVITE", chance.choice(METHODS).encode()) if number % 6 == 0 else ask
                    sender.sendto(mutated(chance, ask), ("127.0.0.1", house.port))
                if number % 20 == 0:
                    await asyncio.sleep(0.02)
        await still_there(house, tmp_path)
        assert house.door.phone.pid == pid


async def still_there(house: Telephone, folder: Path) -> None:
    """See that somebody can call, once the calls that the damaged messages began have ended."""
    async with asyncio.timeout(150):
        while True:
            async with softphone(folder) as phone:
                await phone.do("call", uri=house.uri)
                ended = asyncio.create_task(phone.until(60, event="state", state="DISCONNECTED"))
                begun = asyncio.create_task(phone.until(60, event="state", state="CONFIRMED"))
                await asyncio.wait({ended, begun}, return_when=asyncio.FIRST_COMPLETED)
                for task in (ended, begun):
                    task.cancel()
                await asyncio.wait({ended, begun})
                if not begun.cancelled():
                    return
            await asyncio.sleep(2)
