"""The house's tools, used with the Model Context Protocol's own client."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import httpx2
import pytest
import pytest_asyncio
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client

from tests.peers.server import ROOT, Server, running_server

TOKEN = "only-for-this-test"

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with running_server(
        tmp_path_factory.mktemp("mcp"), PASSFEL_TOKEN=TOKEN, PASSFEL_POLICY__CONFIRM='["clear_list"]'
    ) as running:
        yield running


@asynccontextmanager
async def over_http(server: Server) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=20) as http,
        Client(streamable_http_client(f"{server.address}/mcp", http_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(server: Server, token: str = TOKEN) -> AsyncIterator[Client]:
    program = StdioServerParameters(
        command=sys.executable,
        args=[str(ROOT / "passfel.py"), "mcp", "--server", server.address],
        env={**os.environ, "PASSFEL_TOKEN": token},
    )
    async with Client(program, read_timeout_seconds=60) as client:
        yield client


def text(result: types.CallToolResult) -> str:
    return " ".join(part.text for part in result.content if part.type == "text")


@pytest.mark.parametrize("way", [over_http, over_stdio])
async def test_the_tools_of_the_house_are_listed_and_used(server: Server, way) -> None:
    async with way(server) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"set_timer", "add_to_list", "get_weather", "calculate"} <= set(tools)
        assert "minutes" in tools["set_timer"].input_schema["properties"]
        assert tools["get_time"].annotations.read_only_hint
        item = f"milk over {way.__name__}"
        assert "is on the shopping list" in text(await client.call_tool("add_to_list", {"item": item}))
        read = await client.call_tool("read_list", {})
        assert item in text(read)
        assert item in read.structured_content["items"]
        assert text(await client.call_tool("calculate", {"expression": "6 * 7"})) == "That's 42."


@pytest.mark.parametrize("way", [over_http, over_stdio])
async def test_a_wrong_call_says_what_is_wrong(server: Server, way) -> None:
    async with way(server) as client:
        wrong = await client.call_tool("set_timer", {"minutes": "soon"})
        assert wrong.is_error
        assert "minutes" in text(wrong)
        assert (await client.call_tool("make_coffee", {})).is_error


async def test_what_has_to_be_confirmed_aloud_is_not_done_here(server: Server) -> None:
    async with over_http(server) as client:
        await client.call_tool("add_to_list", {"item": "bread"})
        refused = await client.call_tool("clear_list", {})
        assert (refused.is_error, "confirmed by a person" in text(refused)) == (True, True)
        assert "bread" in text(await client.call_tool("read_list", {}))
        assert "delete_event" not in {tool.name for tool in (await client.list_tools()).tools}


async def test_a_stranger_gets_nothing(server: Server) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"accept": "application/json, text/event-stream", "x-forwarded-for": "203.0.113.9"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{server.address}/mcp", json=body, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("body", ["", "{", "[]", '{"jsonrpc": "1.0"}', '{"jsonrpc": "2.0", "id": 1, "method": "x"}'])
async def test_what_is_no_request_harms_nobody(server: Server, body: str) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{server.address}/mcp", content=body, headers={**headers, "content-type": "application/json"}
        )
    assert 400 <= answer.status_code < 500 or "error" in answer.text
    async with over_http(server) as client:
        assert (await client.list_tools()).tools


async def test_a_bridge_without_an_assistant_says_so() -> None:
    async with over_stdio(Server(1, None)) as client:
        with pytest.raises(MCPError, match="is it running"):
            await client.list_tools()
