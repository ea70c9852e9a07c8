"""The telephone with phones that others wrote, and a scripted assistant behind it."""

import asyncio
import os
import re
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from loguru import logger
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.transcriptions.language import Language

from pipeline.caller import Permission
from tests.peers.sip.phones import Softphone, baresip, eventually, registrar, sipp, softphone
from tests.satellites.sip.conftest import Telephone, telephone
from tools.messages import MOST_FROM_ONE
from tools.telephone import Dialled
from voice import recordings

KNOWN = {"people": {"100": "ana"}}
LOUD = (b"\x00\x20" * 8 + b"\x00\xe0" * 8) * 500
"""Half a second that counts as speech."""
PAUSE = bytes(16_000)


def voiced(heard: np.ndarray) -> float:
    """Seconds in which somebody speaks."""
    frames = heard[: len(heard) // 320 * 320].reshape(-1, 320)
    return float((np.abs(frames).max(axis=1) > 0.02).sum() * 0.02)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


async def test_a_person_calls_speaks_and_is_answered(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        house.assistant.script.heard.append("what time is it")
        house.assistant.script.replies.append("it is ten past nine in the evening")
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        await eventually(lambda: voiced(phone.heard()) > 0.1)  # the greeting
        greeted = voiced(phone.heard())
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: voiced(phone.heard()) > greeted + 0.6)
        caller = house.assistant.callers[0]
        assert (caller.person, caller.device, caller.resumes) == ("ana", "sip:100", True)
        (call,) = house.calls
        assert call.state == "talking"
        assert call.detail["codec_rate"] == 8000
        await phone.do("hangup")
        await eventually(house.assistant.ended.is_set)
        await eventually(lambda: not house.calls)


async def test_a_stranger_hears_that_it_is_not_allowed_and_nothing_is_begun(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path, id="sip:666@127.0.0.1") as phone:
        await phone.do("call", uri=house.uri)
        await phone.until(event="state", state="DISCONNECTED", status=403, reason="Forbidden")
        assert not house.assistant.callers


async def test_while_the_assistant_is_not_well_nobody_can_be_reached(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        house.assistant.well = False
        await phone.do("call", uri=house.uri)
        await phone.until(event="state", state="DISCONNECTED", status=480, reason="Temporarily Unavailable")


async def test_who_can_leave_no_message_any_more_is_not_answered(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, messages=("unlisted",)) as house:
        messages = house.assistant.exchange.messages
        assert messages is not None
        for _ in range(MOST_FROM_ONE):
            await messages.leave("please call back", caller="+15551234", to=None)
        async with softphone(tmp_path, id="sip:+15551234@127.0.0.1") as phone:
            await phone.do("call", uri=house.uri)
            await phone.until(event="state", state="DISCONNECTED", status=480)
            await eventually(lambda: not house.calls)
        assert not house.assistant.spoken


async def test_a_refused_call_leaves_another_one_with_its_call_id_alone(tmp_path: Path):
    async with telephone(tmp_path, people={"sipp": "ana"}) as house:
        arguments = (f"127.0.0.1:{house.port}", "-s", "passfel", "-m", "1", "-cid_str", "the-same@%s")
        good = asyncio.create_task(sipp("-sn", "uac", *arguments, "-d", "3000"))
        await eventually(house.assistant.started.is_set)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.setblocking(False)
            here = stranger.getsockname()[1]
            ask = (
                f"INVITE sip:passfel@127.0.0.1:{house.port} SIP/2.0\r\nFrom: <sip:666@127.0.0.1>;tag=other\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bKother\r\nTo: <sip:passfel@127.0.0.1>\r\n"
                f"Call-ID: the-same@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:666@127.0.0.1:{here}>\r\n"
                "Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
            )
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(stranger, ask.encode(), ("127.0.0.1", house.port))
            answer = b""
            async with asyncio.timeout(5):
                while not answer.startswith((b"SIP/2.0 4", b"SIP/2.0 5", b"SIP/2.0 6")):
                    answer = await loop.sock_recv(stranger, 4096)
        code, output = await good
        assert code == 0, output[-1000:]


async def test_sound_is_sent_to_where_it_comes_from_though_a_router_has_changed_that(tmp_path: Path):
    loop = asyncio.get_running_loop()
    async with telephone(tmp_path, **KNOWN) as house:
        with ExitStack() as stack:
            phone, sound = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
            for each in (phone, sound):
                each.bind(("127.0.0.1", 0))
                each.setblocking(False)
            sdp = "v=0\r\no=- 1 1 IN IP4 10.77.0.1\r\ns=-\r\nc=IN IP4 10.77.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
            here = f"127.0.0.1:{phone.getsockname()[1]}"

            async def send(method: str, to: str, body: str = "") -> None:
                ask = (
                    f"{method} {house.uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method};rport\r\n"
                    f"From: <sip:100@{here}>;tag=1\r\nTo: {to}\r\nCall-ID: one\r\nCSeq: 1 {method}\r\n"
                    f"Contact: <sip:100@{here}>\r\nMax-Forwards: 5\r\nContent-Type: application/sdp\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}"
                )
                await loop.sock_sendto(phone, ask.encode(), ("127.0.0.1", house.port))

            async with asyncio.timeout(20):
                await send("INVITE", f"<{house.uri}>", sdp)
                answer = ""
                while not answer.startswith("SIP/2.0 200"):
                    answer = (await loop.sock_recv(phone, 4096)).decode()
                await send("ACK", re.findall(r"To: (.*)\r", answer)[0])
                port = int(re.findall(r"m=audio (\d+)", answer)[0])
                heard = asyncio.create_task(loop.sock_recv(sound, 2048))
                number = 0
                while not heard.done():
                    header = struct.pack(">BBHII", 0x80, 0, number, 160 * number, 7)
                    await loop.sock_sendto(sound, header + b"\xff" * 160, ("127.0.0.1", port))
                    number += 1
                    await asyncio.wait({heard}, timeout=0.02)
        assert heard.result()[1] & 0x7F == 0


async def test_a_guest_may_ask_and_nothing_more(tmp_path: Path):
    everywhere = {"listen": "0.0.0.0"}
    async with telephone(tmp_path, guests="limited", **everywhere) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        assert house.assistant.callers[0].permissions == {Permission.CONVERSE}


async def test_from_outside_of_the_networks_nobody_is_let_in(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, networks=("10.0.0.0/8",)) as house, softphone(tmp_path) as phone:
        await phone.do("call", uri=house.uri)
        await phone.until(event="state", state="DISCONNECTED", status=403)


async def test_a_pin_is_asked_for_typed_and_lets_in(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, pin="4711") as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await eventually(lambda: bool(house.assistant.spoken))
        assert not house.assistant.callers
        await phone.do("digits", digits="1234#")
        await eventually(lambda: len(house.assistant.spoken) == 2)
        await phone.do("digits", digits="4711#")
        await eventually(house.assistant.started.is_set)
        assert house.assistant.callers[0].may(Permission.SECURE)


async def test_a_stranger_leaves_a_message_and_hangs_up(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, messages=("unlisted",)) as house:
        async with softphone(tmp_path, id="sip:+15551234@127.0.0.1") as phone:
            house.assistant.dictated = "this is the garage, a message for Ana, the car is ready"
            await phone.call(house.uri)
            await eventually(lambda: voiced(phone.heard()) > 0.02)
            await asyncio.sleep(0.5)
            await phone.say(LOUD + PAUSE)
            await asyncio.sleep(1.5)
            await phone.do("hangup")
            await eventually(lambda: not house.calls)
        assert not house.assistant.callers
        messages = house.assistant.exchange.messages
        assert messages is not None
        (telling,) = await messages.waiting("ana")
        assert telling.said.startswith("Ana, somebody at +15551234 called at ")
        assert telling.said.endswith(": this is the garage, a message for Ana, the car is ready.")


@pytest.mark.long
async def test_while_it_is_quiet_everybody_is_asked_for_a_message_and_the_pin_lets_in(tmp_path: Path):
    quiet = {"messages": ("quiet",)}
    async with telephone(tmp_path, **quiet, **KNOWN, pin="4711") as house, softphone(tmp_path) as phone:
        house.assistant.exchange.undisturbed = lambda _: True
        house.assistant.dictated = "I am on my way"
        await phone.call(house.uri)
        await eventually(lambda: voiced(phone.heard()) > 0.02)
        await asyncio.sleep(0.5)
        await phone.say(LOUD + PAUSE)
        await asyncio.sleep(1.5)
        await phone.do("digits", digits="#")
        await phone.until(event="state", state="DISCONNECTED", seconds=20)
        messages = house.assistant.exchange.messages
        assert messages is not None
        assert [each.message.caller for each in await messages.waiting("ben")] == ["ana"]
        phone.events.clear()
        await phone.call(house.uri)
        await asyncio.sleep(1.5)
        await phone.do("digits", digits="4711")
        await eventually(house.assistant.started.is_set)
        assert house.assistant.callers[0].may(Permission.SECURE)


@pytest.mark.long
async def test_somebody_who_talks_leaves_a_message_and_goes_on_talking(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        house.assistant.script.heard.append("leave a message for ben please")
        house.assistant.script.replies.append("this answer is cut short because a message is taken now")
        house.assistant.dictated = "dinner is at eight"
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        await asyncio.sleep(1)
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: bool(house.assistant.spoken))
        await asyncio.sleep(1)
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: len(house.assistant.callers) == 2, seconds=20)
        messages = house.assistant.exchange.messages
        assert messages is not None
        (telling,) = await messages.waiting("ben")
        assert telling.said.endswith(": dinner is at eight.")


@pytest.mark.long
async def test_three_wrong_pins_end_the_call(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, pin="4711") as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        for tries in range(3):
            await eventually(lambda tries=tries: len(house.assistant.spoken) == tries + 1)
            await phone.do("digits", digits="0000")
        await phone.until(event="state", state="DISCONNECTED")
        assert not house.assistant.callers


async def test_a_guest_types_the_pin_and_is_of_the_house(tmp_path: Path):
    async with telephone(tmp_path, guests="limited", pin="4711") as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await eventually(lambda: len(house.assistant.callers) == 1)
        await eventually(house.assistant.started.is_set)
        await phone.do("digits", digits="4711")
        await eventually(lambda: len(house.assistant.callers) == 2)
        assert [caller.may(Permission.CONTROL) for caller in house.assistant.callers] == [False, True]


async def test_hold_and_resume(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        # PJSIP offers its codec once more, during which it cannot hold.
        await eventually(lambda: voiced(phone.heard()) > 0.1)
        await asyncio.sleep(0.5)
        await phone.do("hold")
        await eventually(lambda: house.calls[0].state == "held")
        await phone.until(event="media", status=2)
        await asyncio.sleep(0.5)
        phone.events.clear()
        await phone.do("resume")
        await phone.until(event="media", status=1)
        await eventually(lambda: house.calls[0].state == "talking")
        before = len(house.assistant.ears.audio)
        house.assistant.script.heard.append("hello")
        house.assistant.script.replies.append("hello again to you")
        greeted = voiced(phone.heard())
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: voiced(phone.heard()) > greeted + 0.3)
        assert len(house.assistant.ears.audio) > before


async def test_a_hold_of_the_old_kind_is_one(tmp_path: Path):
    async with telephone(tmp_path, people={"sipp": "ana"}) as house:
        scenario = str(Path(__file__).parents[2] / "peers" / "sip" / "old_hold.xml")
        caller = asyncio.create_task(sipp("-sf", scenario, f"127.0.0.1:{house.port}", "-s", "passfel", "-m", "1"))
        for state in ("talking", "held", "talking"):
            await eventually(lambda state=state: [each.state for each in house.calls] == [state])
        code, output = await caller
        assert code == 0, output[-1000:]


@pytest.mark.long
@pytest.mark.parametrize(("codec", "rate"), [("PCMU", 8000), ("PCMA", 8000), ("G722", 16_000)])
async def test_each_codec_is_taken(tmp_path: Path, codec: str, rate: int):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path, codecs=[codec]) as phone:
        await phone.call(house.uri)
        await eventually(lambda: bool(house.calls) and house.calls[0].detail["codec_rate"] == rate)
        assert phone.events[-1].get("codec", codec) in ("", codec)


async def test_a_codec_that_is_not_known_is_not_acceptable_which_is_told(tmp_path: Path, warnings: list[str]):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path, codecs=["GSM"]) as phone:
        await phone.do("call", uri=house.uri)
        await phone.until(event="state", state="DISCONNECTED", status=488)
        await eventually(lambda: "a call from 100 by 127.0.0.1 is not taken (488): it offers GSM" in "".join(warnings))


async def test_sound_is_encrypted_where_the_phone_can(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path, srtp=2, keying="sdes") as phone:
        await phone.call(house.uri)
        await eventually(lambda: voiced(phone.heard()) > 0.1)
        await eventually(lambda: house.calls[0].detail.get("encrypted") is True)


@pytest.mark.parametrize(
    ("codec", "rate", "encryption", "ours"),
    [
        ("opus/48000/1", 48_000, "dtls_srtp", "dtls"),
        ("opus/48000/1", 48_000, "srtp-mand", "sdes-required"),
        ("G722/16000/1", 16_000, None, "sdes"),
    ],
)
async def test_baresip_hears_and_is_heard(tmp_path: Path, codec: str, rate: int, encryption: str | None, ours: str):
    tone = (np.sin(2 * np.pi * 600 * np.arange(20 * rate) / rate) * 8000).astype("<i2")
    recordings.write(tmp_path / "tone.wav", tone.tobytes(), rate)
    async with (
        telephone(tmp_path, **KNOWN, encryption=ours) as house,
        baresip(tmp_path, house.uri, tmp_path / "tone.wav", codec=codec, encryption=encryption) as folder,
    ):
        await eventually(house.assistant.started.is_set)
        await eventually(lambda: len(house.calls) == 1 and house.calls[0].detail["codec_rate"] == rate)
        ears = house.assistant.ears
        await eventually(lambda: np.abs(np.frombuffer(bytes(ears.audio[-6400:]), "<i2")).max(initial=0) > 4000)
        if encryption is not None:
            await eventually(lambda: house.calls[0].detail.get("encrypted") is True)
        await house.assistant.push(TTSSpeakFrame("this is said for a whole second and then some more"))
        await asyncio.sleep(2)
    (written,) = folder.glob("dump-*dec.wav")
    assert voiced(np.frombuffer(written.read_bytes()[44:], "<i2").astype(np.float32)[:: rate // 16_000] / 32768) > 0.4


async def test_further_calls_than_the_most_hear_that_it_is_busy(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, max_calls=1) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        async with softphone(tmp_path) as other:
            await other.do("call", uri=house.uri)
            await other.until(event="state", state="DISCONNECTED", status=486)
        assert len(house.calls) == 1


async def test_when_the_telephone_process_is_killed_its_calls_end_and_it_is_back(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        await asyncio.sleep(0.5)  # the stack's trace, which tells how to end it from outside, has a thread of its own
        killed = house.door.phone.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await phone.until(event="state", state="DISCONNECTED")
        await eventually(house.assistant.ended.is_set)
        await eventually(lambda: not house.calls)
        await eventually(lambda: house.state == "ready" and house.door.phone.pid not in (None, killed))
        phone.events.clear()
        await phone.call(house.uri)


async def test_who_hangs_up_before_being_answered_leaves_nothing_behind(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        await phone.do("call", uri=house.uri)
        await phone.until(event="state", state="EARLY", status=180)
        await phone.do("hangup")
        await phone.until(event="state", state="DISCONNECTED")
        await eventually(lambda: not house.calls)


async def knock(port: int, user: str, times: int) -> int:
    """Ask for somebody, as scanners do; returns how many answers came."""
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
        scanner.bind(("127.0.0.1", 0))
        scanner.setblocking(False)
        for number in range(times):
            ask = (
                f"OPTIONS sip:{user}@127.0.0.1:{port} SIP/2.0\r\nFrom: <sip:{user}@127.0.0.1>;tag={number}\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{scanner.getsockname()[1]};branch=z9hG4bK{user}{number}\r\n"
                f"To: <sip:{user}@127.0.0.1>\r\nCall-ID: {user}-{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\n"
                "Content-Length: 0\r\n\r\n"
            )
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(scanner, ask.encode(), ("127.0.0.1", port))
            try:
                async with asyncio.timeout(1.0):
                    await loop.sock_recv(scanner, 4096)
            except TimeoutError:
                break
            answers += 1
            await asyncio.sleep(0.02)  # the trace has a thread of its own
    return answers


async def test_a_scanner_is_soon_not_answered_any_more(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house:
        assert 0 < await knock(house.port, "1000", 200) < 200
        await eventually(lambda: "127.0.0.1" in house.door.satellites()[0].detail["banned"])
        # The kernel drops whatever it sends now.
        assert await knock(house.port, "passfel", 1) == 0


def account(port: int, password: str = "right") -> dict:
    return {"box": {"server": f"127.0.0.1:{port}", "user": "620", "password": password}}


def accounts(house) -> dict:
    return house.door.satellites()[0].detail["accounts"]["box"]


async def test_it_registers_and_is_called_through_the_registrar(tmp_path: Path):
    async with registrar(tmp_path) as port, telephone(tmp_path, **KNOWN, direct=False, accounts=account(port)) as house:
        await eventually(lambda: accounts(house)["state"] == "registered")
        async with softphone(tmp_path) as phone:
            await phone.call(f"sip:620@127.0.0.1:{port}")
            await eventually(house.assistant.started.is_set)
            assert house.assistant.callers[0].person == "ana"
            await phone.do("hangup")
            await eventually(lambda: not house.calls)
            # Past the registrar nobody gets in.
            phone.events.clear()
            await phone.do("call", uri=f"sip:620@127.0.0.1:{house.port}")
            await phone.until(event="state", state="DISCONNECTED", status=404)


async def test_a_wrong_password_is_told_with_what_to_do(tmp_path: Path):
    async with registrar(tmp_path) as port, telephone(tmp_path, accounts=account(port, "wrong")) as house:
        await eventually(lambda: accounts(house)["state"] == "refused")
        assert "check both below [sip.accounts.box]" in accounts(house)["problem"]
        assert "wrong" not in accounts(house)["problem"]
        assert house.state == "ready"


@pytest.mark.long
async def test_a_registrar_that_comes_late_is_found(tmp_path: Path):
    async with registrar(tmp_path) as port:
        pass
    async with telephone(tmp_path, accounts=account(port)) as house:
        await eventually(lambda: accounts(house)["state"] == "away", seconds=60)
        assert "cannot be reached" in accounts(house)["problem"]
        async with registrar(tmp_path, port=port):
            await eventually(lambda: accounts(house)["state"] == "registered", seconds=90)


@pytest.mark.long
async def test_silence_is_asked_about_and_ends_the_call(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, silence=3.0) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        await phone.until(event="state", state="DISCONNECTED", seconds=40)
        await eventually(lambda: not house.calls)
        assert 0.5 < voiced(phone.heard()) < 4


async def test_a_goodbye_ends_the_call(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        house.assistant.script.heard.append("okay goodbye")
        house.assistant.script.replies.append("goodbye ana")
        await asyncio.sleep(1)
        await phone.say(LOUD + PAUSE)
        # Sooner than anybody is asked whether they are still there.
        await phone.until(event="state", state="DISCONNECTED", seconds=10)


async def test_a_goodbye_is_understood_in_the_language_that_is_spoken(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN, language="auto") as house, softphone(tmp_path) as phone:
        await phone.call(house.uri)
        house.assistant.script.language = Language.DE
        house.assistant.script.heard.append("danke tschüss")
        house.assistant.script.replies.append("auf wiederhören ana")
        await asyncio.sleep(1)
        await phone.say(LOUD + PAUSE)
        # Sooner than anybody is asked whether they are still there.
        await phone.until(event="state", state="DISCONNECTED", seconds=10)


OUTBOUND = {"outbound": {"ring_seconds": 5.0}}


async def test_somebody_is_called_told_something_and_talked_with(tmp_path: Path):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, direct=False, accounts=account(port), **OUTBOUND) as house,
        softphone(
            tmp_path,
            id=f"sip:ben@127.0.0.1:{port}",
            registrar=f"sip:127.0.0.1:{port}",
            user="ben",
            password="right",
            answer=200,
        ) as phone,
    ):
        await phone.until(event="registered", status=200)
        await eventually(lambda: accounts(house)["state"] == "registered")
        dialled = await house.door.dial("ben", person="ben", words="dinner is ready now please come")
        assert dialled is Dialled.ANSWERED
        await phone.until(event="incoming")
        await eventually(lambda: voiced(phone.heard()) > 0.5)
        assert house.assistant.callers[0].person == "ben"
        await phone.do("hangup")
        await eventually(lambda: not house.calls)


async def test_an_announcement_before_a_refusal_changes_nothing_of_it(tmp_path: Path, warnings: list[str]):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, direct=False, accounts=account(port), **OUTBOUND) as house,
        ben(tmp_path, port, 183) as phone,
    ):
        await eventually(lambda: accounts(house)["state"] == "registered")
        dialling = asyncio.create_task(house.door.dial("ben", person="ben", words="dinner is ready"))
        await phone.until(event="media", status=1)
        await phone.say(LOUD)
        await asyncio.sleep(0.5)
        await phone.do("answer", status=486)
        assert await dialling is Dialled.BUSY
        assert "ben is not reached by box, busy: 486 Busy Here" in "".join(warnings)
        await eventually(lambda: not house.calls)
        assert not house.assistant.callers


async def test_what_is_heard_before_somebody_answers_is_not_taken_for_them(tmp_path: Path):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, direct=False, accounts=account(port), **OUTBOUND) as house,
        ben(tmp_path, port, 183) as phone,
    ):
        await eventually(lambda: accounts(house)["state"] == "registered")
        dialling = asyncio.create_task(house.door.dial("ben", person="ben", words="dinner is ready"))
        await phone.until(event="media", status=1)
        await phone.say(LOUD * 4)  # the network's announcement
        await asyncio.sleep(2.5)
        assert not dialling.done()
        await phone.do("answer", status=200)
        assert await dialling is Dialled.ANSWERED
        await eventually(lambda: voiced(phone.heard()) > 0.2)
        await asyncio.sleep(0.5)
        assert np.abs(np.frombuffer(bytes(house.assistant.ears.audio), "<i2")).max(initial=0) < 1000
        house.assistant.script.heard.append("thank you")
        house.assistant.script.replies.append("you are welcome my dear")
        before = voiced(phone.heard())
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: voiced(phone.heard()) > before + 0.3)


@asynccontextmanager
async def ben(folder: Path, port: int, answer: int) -> AsyncIterator[Softphone]:
    """Somebody at the same registrar, who answers so."""
    there = {"id": f"sip:ben@127.0.0.1:{port}", "registrar": f"sip:127.0.0.1:{port}", "user": "ben"}
    async with softphone(folder, **there, password="right", answer=answer) as phone:
        await phone.until(event="registered", status=200)
        yield phone


async def test_a_caller_is_put_through_to_somebody(tmp_path: Path):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, **KNOWN, accounts=account(port), **OUTBOUND) as house,
        ben(tmp_path, port, 200) as other,
        softphone(tmp_path) as phone,
    ):
        await eventually(lambda: accounts(house)["state"] == "registered")
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        await eventually(lambda: voiced(phone.heard()) > 0.1)
        assert not house.door.put_through("sip:666", "ben", who="Ben")
        assert house.door.put_through("sip:100", "ben", who="Ben")
        await house.assistant.push(TTSSpeakFrame("putting you through"))
        await phone.until(event="transfer", to=f"sip:ben@127.0.0.1:{port}")
        await other.until(event="state", state="CONFIRMED")
        await eventually(lambda: not house.calls)


@pytest.mark.long
async def test_a_caller_who_reaches_nobody_hears_so_and_goes_on_talking(tmp_path: Path):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, **KNOWN, accounts=account(port), **OUTBOUND) as house,
        ben(tmp_path, port, 486),
        softphone(tmp_path) as phone,
    ):
        await eventually(lambda: accounts(house)["state"] == "registered")
        await phone.call(house.uri)
        await eventually(house.assistant.started.is_set)
        for number in ("ben", "nobody"):
            await eventually(lambda: house.calls[0].state == "talking")
            await asyncio.sleep(1)
            before = voiced(phone.heard())
            assert house.door.put_through("sip:100", number, who="Ben")
            await house.assistant.push(TTSSpeakFrame("through"))
            await eventually(lambda before=before: voiced(phone.heard()) > before + 0.4, seconds=30)
        house.assistant.script.heard.append("hello")
        house.assistant.script.replies.append("hello again to you")
        await asyncio.sleep(1)
        before = voiced(phone.heard())
        await phone.say(LOUD + PAUSE)
        await eventually(lambda: voiced(phone.heard()) > before + 0.3)


@pytest.mark.long
@pytest.mark.parametrize(("answer", "outcome"), [(486, Dialled.BUSY), (603, Dialled.NOBODY), (None, Dialled.NOBODY)])
async def test_who_is_busy_or_does_not_answer_is_told_apart(tmp_path: Path, answer: int | None, outcome: Dialled):
    async with (
        registrar(tmp_path) as port,
        telephone(tmp_path, direct=False, accounts=account(port), **OUTBOUND) as house,
        softphone(
            tmp_path,
            id=f"sip:ben@127.0.0.1:{port}",
            registrar=f"sip:127.0.0.1:{port}",
            user="ben",
            password="right",
            answer=answer,
        ) as phone,
    ):
        await phone.until(event="registered", status=200)
        assert await house.door.dial("ben", person=None, words="hello") is outcome
        assert await house.door.dial("nobody", person=None, words="hello") is Dialled.FAILED
        await eventually(lambda: not house.calls)
        assert not house.assistant.callers


@pytest.mark.long
async def test_a_call_in_which_nothing_is_heard_is_told_with_what_to_do(tmp_path: Path):
    async with telephone(tmp_path, people={"sipp": "ana"}, silence=60) as house:
        # sipp's own caller sends no sound.
        call = asyncio.create_task(
            sipp("-sn", "uac", f"127.0.0.1:{house.port}", "-s", "passfel", "-m", "1", "-d", "15000")
        )
        await eventually(lambda: bool(house.calls) and house.calls[0].detail["problem"] is not None)
        assert "rtp_ports" in house.calls[0].detail["problem"]
        code, output = await call
        assert code == 0, output[-1000:]


@pytest.mark.long
async def test_a_telephone_process_that_hangs_is_replaced(tmp_path: Path):
    async with telephone(tmp_path, **KNOWN) as house:
        hung = house.door.phone.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        await eventually(lambda: house.state == "ready" and house.door.phone.pid not in (None, hung), seconds=60)


async def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path):
    house = Telephone(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", house.port))
        task = asyncio.create_task(house.door.run())
        await eventually(lambda: house.door.satellites()[0].detail["problem"] is not None)
        assert f"another program uses port {house.port}" in house.door.satellites()[0].detail["problem"]
    await eventually(lambda: house.state == "ready")
    task.cancel()
    await asyncio.wait({task})


async def test_an_address_that_this_machine_does_not_have_is_told_with_what_to_do(tmp_path: Path):
    house = Telephone(tmp_path, listen="203.0.113.7")
    task = asyncio.create_task(house.door.run())
    await eventually(lambda: house.door.satellites()[0].detail["problem"] is not None)
    assert "this machine has no address 203.0.113.7" in house.door.satellites()[0].detail["problem"]
    assert house.state != "ready"
    task.cancel()
    await asyncio.wait({task})
