"""People call the assistant by telephone: real phones, a real assistant, real speech both ways."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from satellites.realtime.talk import Report, talk
from tests.peers.server import running_server
from tests.peers.sip.certificates import Authority
from tests.peers.sip.house import House, words
from tests.peers.sip.phones import free_port, needs, softphone
from tests.spoken import RATE
from voice import models, recordings
from voice.whisper import WhisperEngine

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PIN = "4711"
GREETING = (
    "Hello and welcome to the house by the sea, where the lamps are lit and the kettle is warm. The garden has been "
    "watered, the windows are closed, and the cat is asleep on the green chair beside the stove. Everything is quiet "
    "and in its place, and there is nothing at all to worry about tonight."
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    needs("pjsua2")
    folder = tmp_path_factory.mktemp("sip")
    (folder / "data").mkdir()
    port = free_port()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_server(
                folder / "data",
                PASSFEL_SIP__ENABLED="true",
                PASSFEL_SIP__LISTEN="127.0.0.1",
                PASSFEL_SIP__PORT=str(port),
                PASSFEL_SIP__RTP_PORTS="[21000, 21999]",
                PASSFEL_SIP__PEOPLE=json.dumps({"100": "ana"}),
                PASSFEL_SIP__GUESTS="limited",
                PASSFEL_SIP__PIN=PIN,
                PASSFEL_SIP__CERTIFICATE=str(Authority(folder).issue("127.0.0.1")),
                PASSFEL_SIP__GREETING=GREETING,
                PASSFEL_HOUSEHOLD__TIMEZONE="Europe/Lisbon",
            )
        )
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        stack.callback(ears.close)
        made = House(server, port, folder, ears)
        async with asyncio.timeout(30):
            while (await made.telephone())["state"] != "ready":
                await asyncio.sleep(0.2)
        yield made


GUEST = {"id": "sip:+15550001@127.0.0.1"}


async def test_a_spoken_question_is_answered_rightly(house: House):
    async with softphone(house.folder, **GUEST, codecs=["PCMA"]) as phone:
        await phone.call(house.uri)
        await house.until_understood(phone, r"welcome|house")
        since = len(phone.heard())
        await phone.say(words("What is seven times eight?"))
        assert "56" in await house.until_understood(phone, r"56|fifty", since)


@pytest.mark.long
async def test_it_does_not_interrupt_itself_over_the_echo_of_the_line(house: House):
    async with softphone(house.folder, **GUEST, codecs=["PCMU"]) as phone:
        await phone.call(house.uri)
        await phone.do("echo", level=0.15)
        await house.until_understood(phone, r"worry about tonight", seconds=60)


async def test_it_is_interrupted_over_the_echo_of_the_line(house: House):
    async with softphone(house.folder, **GUEST, codecs=["PCMU"]) as phone:
        await phone.call(house.uri)
        await phone.do("echo", level=0.15)
        await house.until_understood(phone, r"kettle|lamps|garden|water")
        await phone.say(words("Stop. What time is it?"))
        said = await house.until_understood(phone, r"\d ?[ap]\.?m\b|o'clock")
        assert "worry about tonight" not in said


@pytest.mark.long
async def test_a_pin_opens_what_is_private_over_tls_with_encrypted_sound(house: House):
    async with softphone(house.folder, transport="tls", srtp=2, keying="sdes") as phone:
        await phone.call(f"sip:passfel@127.0.0.1:{house.port + 1};transport=tls")
        await house.until_understood(phone, r"\bpin\b|type the")
        since = len(phone.heard())
        await phone.do("digits", digits=f"{PIN}#")
        await house.until_understood(phone, r"welcome|house", since)
        await phone.say(words("Stop. Set a timer for ten minutes."))
        await house.until_understood(phone, r"(10|ten) minutes", since)
        (call,) = [each for each in await house.satellites() if each["device"] == "sip:100"]
        assert call["detail"]["encrypted"]


@pytest.mark.long
async def test_a_guest_can_change_nothing(house: House):
    async with softphone(house.folder, **GUEST) as phone:
        await phone.call(house.uri)
        await house.until_understood(phone, r"welcome|house")
        since = len(phone.heard())
        await phone.say(words("Stop. Set a timer for ten minutes."))
        await house.until_understood(phone, r"not allowed", since)


@pytest.mark.long
async def test_other_doors_go_on_when_the_telephone_is_killed_and_it_is_back(house: House):
    async with softphone(house.folder, **GUEST) as phone:
        await phone.call(house.uri)
        os.kill(phone_process(house.server.process.pid), signal.SIGKILL)
    question = house.folder / "question.wav"
    recordings.write(question, words("What is seven times eight?"), RATE)
    reports: list[Report] = []
    await talk([question], server=house.server.address, token=None, on_turn=reports.append)
    assert "56" in reports[0].answered
    async with asyncio.timeout(20):
        while (await house.telephone())["state"] != "ready" or (await house.telephone())["detail"]["calls"]:
            await asyncio.sleep(0.2)
    async with softphone(house.folder, **GUEST) as phone:
        await phone.call(house.uri)
        await house.until_understood(phone, r"welcome|house")


def phone_process(parent: int) -> int:
    """The telephone process of an assistant."""
    (found,) = [each for each in Path("/proc").iterdir() if each.name.isdigit() and _is_phone_of(each, parent)]
    return int(found.name)


def _is_phone_of(process: Path, parent: int) -> bool:
    try:
        own_parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return own_parent == parent and b"satellites.sip.phone" in (process / "cmdline").read_bytes()
    except OSError:
        return False
