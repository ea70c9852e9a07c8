"""The Model Context Protocol over streamable HTTP at `/mcp`, by its own library (https://modelcontextprotocol.io).

It leaves authentication and the largest size of a body to the application that it is mounted on. What matters is not
offered: nobody can be asked aloud here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import FastAPI
from loguru import logger
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pipeline.assistant import AssistantNotReady
from pipeline.caller import HOUSEHOLD, Caller, Capability, Permission
from satellites.mcp import PATH
from satellites.mcp.offered import answered, described
from satellites.refused import SOON, refused
from tools.outcomes import Outcome
from tools.tool import Tool

CALLER: Final = Caller(
    "mcp",
    "mcp",
    capabilities=frozenset({Capability.SHOW}),
    permissions=HOUSEHOLD - {Permission.SECURE},
)
"""The application lets in only this machine and who knows the household's token: people of the house."""


class Assistant(Protocol):
    """What this door needs of the assistant."""

    def house_tools(self, caller: Caller) -> Sequence[Tool]:
        """The tools that a caller may use. Raises `AssistantNotReady`."""

    async def use_tool(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Outcome:
        """Use one. Raises `AssistantNotReady`."""


class Door:
    """An ASGI application that answers the protocol's requests, each for itself."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        server: Server[Any] = Server("passfel", on_list_tools=self._list, on_call_tool=self._call)
        self._sessions = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        self._serving: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            self._assistant.house_tools(CALLER)
        except AssistantNotReady as error:
            await refused(str(error), HTTPStatus.SERVICE_UNAVAILABLE, SOON)(scope, receive, send)
            return
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="mcp")
        await self._ready.wait()
        await self._sessions.handle_request(scope, receive, send)

    async def close(self) -> None:
        """End what is under way."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait({self._serving})

    async def _serve(self) -> None:
        async with self._sessions.run():
            self._ready.set()
            await asyncio.Event().wait()

    async def _list(self, _: object, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[described(tool) for tool in self._assistant.house_tools(CALLER)])

    async def _call(self, _: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        logger.debug(f"a client of the mcp door calls {params.name!r}")
        return answered(await self._assistant.use_tool(params.name, params.arguments or {}, CALLER))


def mount(app: FastAPI, assistant: Assistant) -> Door:
    """Answer at `app`."""
    door = Door(assistant)
    app.router.routes.append(Route(PATH, door, methods=["GET", "POST", "DELETE"]))
    return door
