import asyncio
import os
import pty
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.orchestrator.admission import Saturated
from pipeline.orchestrator.completions import NoAnswer
from pipeline.writer import HouseTool, Text
from satellites.chat.terminal import KEPT_MESSAGES, Conversation
from tests.satellites.chat.scripted import ANSWER, END, Door, serving

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from satellites.chat.terminal import ChatFailed, chat
try:
    sys.exit(0 if chat(server=sys.argv[1], token=sys.argv[2] or None) else 1)
except ChatFailed as problem:
    sys.exit(f"passfel: {problem}")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with serving() as door:
        yield door


async def start(address: str, token: str, **streams: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, address, token, cwd=ROOT, **streams)


async def piped(address: str, text: str | bytes, token: str = "") -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await start(address, token, stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(30):
        output, errors = await process.communicate(text.encode() if isinstance(text, str) else text)
    return process.returncode, output.decode(), errors.decode()


class Typist:
    """Somebody at a terminal, who sees all that is shown there."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self.process = process
        self.seen = ""
        self._terminal = terminal

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    async def sees(self, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in self.seen:
                self.seen += (await asyncio.to_thread(os.read, self._terminal, 1024)).decode()
        self.seen = self.seen.split(text, 1)[1]

    async def leaves(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()

    def interrupts(self) -> None:
        self.process.send_signal(signal.SIGINT)


@asynccontextmanager
async def typist(door: Door) -> AsyncIterator[Typist]:
    ours, theirs = pty.openpty()
    process = await start(door.address, "", stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        yield Typist(process, ours)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(theirs)
        os.close(ours)


async def test_lines_that_are_piped_in_are_answered_in_one_conversation(door):
    door.assistant.scripts = [(Text("Hello, "), HouseTool("get_time"), Text("Ann."), END), (Text("Fine."), END)]
    assert await piped(door.address, "Good day\n\n  How are you?\n") == (0, "Hello, Ann.\nFine.\n", "")
    (first, _), (second, _) = door.assistant.asked
    assert [message["content"] for message in second.messages] == ["Good day", "Hello, Ann.", "How are you?"]
    assert first.conversation == second.conversation


async def test_what_is_not_answered_is_told_and_the_next_line_is_said(door):
    door.assistant.scripts = [(Saturated(2),), (Text("Half "), NoAnswer("the line is cut")), ANSWER]
    status, output, errors = await piped(door.address, "one\ntwo\nthree\n")
    assert (status, output) == (1, "Half \nGood day, Ann.\n")
    assert [line.split(":")[0] for line in errors.splitlines()] == ["passfel"] * 2
    assert "busy" in errors
    assert "the line is cut" in errors
    assert [message["content"] for message in door.assistant.asked[-1][0].messages] == ["two", "Half ", "three"]


async def test_nothing_that_a_terminal_would_obey_is_shown(door):
    door.assistant.scripts = [(Text("a\x1b]0;mine\x07b\x9bc\r\n"), END)]
    assert (await piped(door.address, "Hello\n"))[1] == "a]0;minebc\n\n"


async def test_bytes_in_another_encoding_are_said_as_well_as_they_can_be(door):
    status, _, errors = await piped(door.address, b"caf\xe9\n")
    assert (status, errors) == (0, "")
    assert door.assistant.asked[0][0].messages[0]["content"].startswith("caf")


async def test_without_an_assistant_the_way_to_start_one_is_told():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    status, _, errors = await piped(f"http://127.0.0.1:{port}", "Hello\n")
    assert status == 1
    assert errors == f"passfel: no assistant answers at http://127.0.0.1:{port}: start one with passfel serve\n"


async def test_a_web_server_that_is_no_assistant_is_told_apart(door):
    status, _, errors = await piped(f"{door.address}/elsewhere", "Hello\n")
    assert status == 1
    assert "no assistant of ours" in errors


async def test_a_person_reads_each_answer_and_leaves_with_the_end_of_input(door):
    async with typist(door) as person:
        await person.sees("> ")
        person.type("Hello\n")
        await person.sees("Good day, Ann.")
        await person.sees("> ")
        person.type("\x04")
        assert await person.leaves() == 0


async def test_an_interrupt_stops_the_answer_and_the_next_one_leaves(door):
    door.assistant.scripts = [(Text("One, two, "), None), ANSWER, ANSWER]
    async with typist(door) as person:
        await person.sees("> ")
        person.type("Count\n")
        await person.sees("One, two, ")
        person.interrupts()
        await person.sees("> ")
        await door.assistant.idle()
        person.type("Go on\n")
        await person.sees("Ann.")
        said = [message["content"] for message in door.assistant.asked[-1][0].messages]
        assert said == ["Count", "One, two, ", "Go on"]
        await person.sees("> ")
        person.interrupts()
        assert await person.leaves() == 130


def test_a_long_conversation_is_told_from_its_latest_turns():
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content.count(b'"role"'))
        event = b'data: {"choices":[{"delta":{"content":"Yes."}}]}\n\ndata: [DONE]\n\n'
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=event)

    with httpx.Client(base_url="http://assistant", transport=httpx.MockTransport(answer)) as client:
        conversation = Conversation(client)
        for _ in range(KEPT_MESSAGES):
            assert list(conversation.say("Really?")) == ["Yes."]
    assert asked[:2] == [1, 3]
    assert asked[-1] == KEPT_MESSAGES
