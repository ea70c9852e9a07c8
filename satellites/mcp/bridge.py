"""`passfel mcp`: the door for programs that start a server and speak the protocol over its standard input and output.

It hands everything on to the assistant that runs, whose timers and lists one process alone may keep.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from satellites.mcp import PATH

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
AWAY = "PASSFEL doesn't answer: is it running, and is the token right?"


class Bridge:
    """Hands requests on.

    Args:
        address: of the assistant, such as http://localhost:7860.
        token: the household's; None where the assistant is on this machine.
    """

    def __init__(self, address: str, token: str | None) -> None:
        self._url = f"{address.rstrip('/')}{PATH}"
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def run(self) -> None:
        """Serve until the other side closes standard input."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        server: Server[Any] = Server("passfel", on_list_tools=self._list, on_call_tool=self._call)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    async def _list(self, _: object, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        async with self._assistant() as client:
            return await client.list_tools()

    async def _call(self, _: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        async with self._assistant() as client:
            answer: types.CallToolResult = await client.call_tool(params.name, params.arguments or {})
            return answer

    @asynccontextmanager
    async def _assistant(self) -> AsyncIterator[Client]:
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with (
                httpx2.AsyncClient(headers=self._headers, timeout=timeout, trust_env=False) as http,
                Client(streamable_http_client(self._url, http_client=http)) as client,
            ):
                yield client
        except (httpx2.HTTPError, ExceptionGroup, TimeoutError) as error:
            raise MCPError(types.INTERNAL_ERROR, AWAY) from error
