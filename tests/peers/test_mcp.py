"""Tools of a server made with the protocol's own library, over both of its transports."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tools.calling import ALL, context
from tests.tools.provider import free_port
from tools.executor import Executor
from tools.mcp_tools import McpServer, McpTools, prepared
from tools.outcomes import Outcome, Status
from tools.policy import Policy
from tools.tool import Effect

PROGRAM = Path(__file__).with_name("mcp_server.py")
STDIO = McpServer("garden", command=(sys.executable, str(PROGRAM)))


@asynccontextmanager
async def over_http() -> AsyncIterator[McpServer]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), str(port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        yield McpServer("garden", url=f"http://127.0.0.1:{port}/mcp")
    finally:
        process.terminate()
        await process.wait()


class Garden:
    def __init__(self, tools: McpTools, policy: Policy | None = None) -> None:
        self.tools = tools
        self.executor = Executor(tools.tools(), policy=policy)
        self._turns = 0

    async def call(self, tool: str, **arguments: Any) -> Outcome:
        self._turns += 1
        return await self.executor.call(tool, arguments, context(str(self._turns)), allowed=ALL)

    async def until_there(self, tool: str, **arguments: Any) -> Outcome:
        async with asyncio.timeout(20):
            while "can't be reached" in (outcome := await self.call(tool, **arguments)).say:
                await asyncio.sleep(0.1)
        return outcome


@asynccontextmanager
async def garden(server: McpServer, policy: Policy | None = None) -> AsyncIterator[Garden]:
    (tools,) = await prepared([server])
    running = asyncio.create_task(tools.run())
    try:
        yield Garden(tools, policy)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def used(server: McpServer) -> None:
    async with garden(server) as here:
        assert (await here.until_there("garden_soil", bed="rose")).say == "The rose bed is at 40 percent."
        assert (await here.call("garden_water", bed="rose", minutes=3)).say == "The rose bed gets water for 3 minutes."
        assert (await here.call("garden_soil", bed="rose")).say == "The rose bed is at 41 percent."
        wrong = await here.call("garden_soil", bed="moon")
        assert (wrong.status, "no such bed" in wrong.say) == (Status.INVALID, True)
        assert (await here.call("garden_soil")).status is Status.INVALID


async def test_a_program_of_others_is_started_and_used() -> None:
    await used(STDIO)


async def test_a_server_at_an_address_is_used() -> None:
    async with over_http() as server:
        await used(server)


async def test_what_its_tools_may_do_follows_from_what_it_says_of_them() -> None:
    async with garden(STDIO) as here:
        effects = {tool.name: tool.effect for tool in here.tools.tools()}
        assert effects["garden_soil"] is Effect.READ
        assert effects["garden_water"] is Effect.CONTROL
        assert effects["garden_clear"] is Effect.SECURE
        parameters = {tool.name: tool.parameters for tool in here.tools.tools()}["garden_water"]
        assert set(parameters["properties"]) == {"bed", "minutes"}
        assert parameters["required"] == ["bed"]
        asked = await here.until_there("garden_clear", bed="rose")
        assert (asked.status, asked.say) == (Status.UNCONFIRMED, "Shall I really do this: garden clear, bed rose?")


async def test_the_households_policy_holds_for_them_too() -> None:
    async with garden(STDIO, Policy(forbid=frozenset({"garden_water"}))) as here:
        assert (await here.call("garden_water", bed="rose")).say == "Sorry, that is not allowed in this house."


async def test_what_acts_after_words_of_others_were_read_is_confirmed() -> None:
    async with garden(STDIO) as here:
        await here.until_there("garden_soil", bed="rose")
        turn = context("same")
        await here.executor.call("garden_soil", {"bed": "rose"}, turn, allowed=ALL)
        assert (
            await here.executor.call("garden_water", {"bed": "rose"}, turn, allowed=ALL)
        ).status is Status.UNCONFIRMED


async def test_a_server_that_crashes_is_started_again() -> None:
    async with garden(STDIO) as here:
        await here.until_there("garden_soil", bed="rose")
        assert (await here.call("garden_crash")).status in (Status.FAILED, Status.INVALID)
        async with asyncio.timeout(20):
            while (outcome := await here.call("garden_soil", bed="rose")).status is not Status.DONE:
                await asyncio.sleep(0.1)
        assert outcome.say == "The rose bed is at 40 percent."


@pytest.mark.parametrize(
    "server",
    [McpServer("none", command=("/no/such/program",)), McpServer("none", command=("true",)), McpServer("none", url="http://127.0.0.1:1/mcp")],
)  # fmt: skip
async def test_a_server_that_is_not_there_costs_nothing_else(server: McpServer) -> None:
    (tools,) = await prepared([server])
    assert tools.tools() == []
    await asyncio.wait_for(tools.run(), 1)
