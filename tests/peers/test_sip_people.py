"""People reach each other by the telephone of the house: messages, calls it makes, and callers it puts through."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio

from tests.peers.server import running_server
from tests.peers.sip.house import House, words
from tests.peers.sip.phones import Softphone, free_port, needs, registrar, softphone
from voice import models
from voice.whisper import WhisperEngine

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), pytest.mark.long]

STRANGER = {"id": "sip:+15550001@127.0.0.1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switch(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port of a registrar."""
    async with registrar(tmp_path_factory.mktemp("registrar")) as port:
        yield port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, switch: int) -> AsyncIterator[House]:
    needs("pjsua2")
    folder = tmp_path_factory.mktemp("sip")
    (folder / "data").mkdir()
    port = free_port()
    box = {"server": f"127.0.0.1:{switch}", "user": "620", "password": "right"}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_server(
                folder / "data",
                PASSFEL_SIP__ENABLED="true",
                PASSFEL_SIP__LISTEN="127.0.0.1",
                PASSFEL_SIP__PORT=str(port),
                PASSFEL_SIP__RTP_PORTS="[22000, 22999]",
                PASSFEL_SIP__PEOPLE=json.dumps({"100": "ana"}),
                PASSFEL_SIP__MESSAGES=json.dumps(["unlisted"]),
                PASSFEL_SIP__ACCOUNTS=json.dumps({"box": box}),
                PASSFEL_SIP__OUTBOUND=json.dumps(
                    {"people": ["ana"], "numbers": ["200"], "contacts": {"oliver": "200"}}
                ),
                PASSFEL_HOUSEHOLD__TIMEZONE="Europe/Lisbon",
            )
        )
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        stack.callback(ears.close)
        made = House(server, port, folder, ears)
        async with asyncio.timeout(60):
            while (await made.telephone())["detail"]["accounts"]["box"]["state"] != "registered":
                await asyncio.sleep(0.2)
        yield made


@asynccontextmanager
async def oliver(house: House, switch: int) -> AsyncIterator[Softphone]:
    """Somebody elsewhere, who answers."""
    there = {"id": f"sip:200@127.0.0.1:{switch}", "registrar": f"sip:127.0.0.1:{switch}", "user": "200"}
    async with softphone(house.folder, **there, password="right", answer=200) as phone:
        await phone.until(event="registered", status=200)
        yield phone


async def asked(house: House, phone: Softphone, request: str, question: str) -> None:
    """Ask for something, and say yes to the question about it."""
    await phone.call(house.uri)
    await house.until_understood(phone, r"\bhello\b")
    since = len(phone.heard())
    await phone.say(words(request))
    await house.until_understood(phone, question, since)
    await asyncio.sleep(0.5)
    await phone.say(words("Yes."))


async def test_a_message_is_told_to_whom_it_is_for_with_who_called_and_when(house: House):
    async with softphone(house.folder, **STRANGER) as phone:
        await phone.call(house.uri)
        await house.until_understood(phone, r"recording")
        await asyncio.sleep(1)
        since = len(phone.heard())
        await phone.say(words("This is Tom with a message for Ana. The train is late, and I will come at nine."))
        await house.until_understood(phone, r"pass it on", since)
        await phone.until(event="state", state="DISCONNECTED")
    async with softphone(house.folder) as phone:
        await phone.call(house.uri)
        said = await house.until_understood(phone, r"train is late")
        assert re.search(r"call\w* (at|that) ", said), "who called, and when, as far as it is heard rightly"
    async with softphone(house.folder) as phone:
        await phone.call(house.uri)
        since = len(phone.heard())
        await house.until_understood(phone, r"\bhello\b")
        await phone.say(words("Do I have any messages?"))
        assert "train" not in await house.until_understood(phone, r"no new messages", since)


async def test_somebody_has_another_person_called_and_told_something(house: House, switch: int):
    async with oliver(house, switch) as other, softphone(house.folder) as phone:
        await asked(house, phone, "Call Oliver and tell him that the soup is on the table.", r"soup.* table")
        await other.until(event="state", state="CONFIRMED", seconds=30)
        said = await house.until_understood(other, r"soup is on the table")
        assert "wants to tell you" in said


async def test_somebody_is_put_through_by_asking(house: House, switch: int):
    async with oliver(house, switch) as other, softphone(house.folder) as phone:
        await asked(house, phone, "Put me through to Oliver.", r"shall i put you through")
        await other.until(event="state", state="CONFIRMED", seconds=30)
        await phone.until(event="state", call=0, state="DISCONNECTED")
