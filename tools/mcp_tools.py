"""Tools of others by the Model Context Protocol (https://modelcontextprotocol.io), with its own library `mcp`."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx2
from loguru import logger
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT
from pydantic import BaseModel, ConfigDict

from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain

CONNECT_SECONDS: Final = 10.0
CALL_SECONDS: Final = 30.0
LONGEST: Final = 2000
"""Characters of a result that anybody is told."""
MOST_TOOLS: Final = 32
"""Of one server: a model cannot choose among more."""
_SHORTEST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_AWAY: Final = (CONNECTION_CLOSED, REQUEST_TIMEOUT)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class McpServer:
    """Where a server is: a program that is started, or an address."""

    name: str
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class McpTools:
    """The tools of one server, and the connection to it."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._client: Client | None = None
        self._broken = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while the server can be called."""
        self._tools: list[Tool] = []

    def tools(self) -> Sequence[Tool]:
        """What can be asked; nothing before `prepare`."""
        return self._tools

    async def prepare(self) -> None:
        """Ask the server which tools it has; without an answer it has none until the next start."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS), self._connected() as client:
                listed = (await client.list_tools()).tools
        except Exception as error:  # noqa: BLE001 - whatever a program of others does, the assistant starts
            logger.error(f"the MCP server {self._server.name} cannot be used: {_first(error)!r}")
            return
        if len(listed) > MOST_TOOLS:
            logger.warning(f"the MCP server {self._server.name} has {len(listed)} tools: {MOST_TOOLS} are taken")
        self._tools = [self._tool(described) for described in listed[:MOST_TOOLS]]

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        delay = _SHORTEST_DELAY
        while self._tools:
            try:
                async with self._connected() as client:
                    self._client, delay = client, _SHORTEST_DELAY
                    self._broken.clear()
                    self.ready.set()
                    await self._broken.wait()
            except Exception as error:  # noqa: BLE001
                logger.warning(f"the MCP server {self._server.name} is away: {_first(error)!r}")
            finally:
                self._client = None
                self.ready.clear()
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311
            delay = min(2 * delay, _LONGEST_DELAY)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        server = self._server
        async with AsyncExitStack() as stack:
            if server.command:
                program, *arguments = server.command
                there: Any = StdioServerParameters(command=program, args=arguments, env=dict(server.env) or None)
            else:
                http = await stack.enter_async_context(
                    httpx2.AsyncClient(headers=dict(server.headers), timeout=CALL_SECONDS, trust_env=False)
                )
                there = streamable_http_client(server.url, http_client=http)
            yield await stack.enter_async_context(Client(there, read_timeout_seconds=CALL_SECONDS))

    def _tool(self, described: Any) -> Tool:
        hints = described.annotations
        effect = Effect.CONTROL
        question = None
        name = _NOT_IN_NAMES.sub("_", f"{self._server.name}_{described.name}")[:64]
        if hints is not None and hints.read_only_hint:
            effect = Effect.READ
        elif hints is not None and hints.destructive_hint:
            effect, question = Effect.SECURE, partial(_sure, name)
        description = " ".join((described.description or described.title or described.name).split())[:1000]
        arguments = _form(name, described.input_schema)
        run: Callable[..., Awaitable[Result]] = partial(self._call, described.name)
        # Whatever it returns was written by others.
        return Tool(name, description, arguments, run, effect, CALL_SECONDS, question, quotes=True)

    async def _call(self, name: str, context: Context, **arguments: Any) -> Result:
        client = self._client
        if client is None:
            raise Failed(f"{self._server.name} can't be reached right now. Please try again in a moment.")
        try:
            result = await client.call_tool(name, arguments)
        except Exception as error:
            if isinstance(error, MCPError) and error.code not in _AWAY:
                raise TryAgain(f"{self._server.name}: {error}") from error
            self._broken.set()
            logger.warning(f"the MCP server {self._server.name} does not answer: {_first(error)!r}")
            raise Failed(f"{self._server.name} doesn't answer right now. Please try again in a moment.") from error
        said = " ".join(part.text for part in result.content if part.type == "text").strip()[:LONGEST]
        if result.is_error:
            raise TryAgain(f"{self._server.name}: {said or 'it failed and does not say why'}")
        structured = result.structured_content
        return Result(said or "Done.", structured if isinstance(structured, dict) else {})


class _Anything(BaseModel):
    """Arguments that the server checks itself."""

    model_config = ConfigDict(extra="allow")


def _form(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    described = {"type": "object", "properties": {}, **schema}

    def model_json_schema(*_args: object, **_options: object) -> dict[str, Any]:
        return dict(described)

    return type(name, (_Anything,), {"model_json_schema": staticmethod(model_json_schema), "__module__": __name__})


def _sure(name: str, arguments: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key} {value}" for key, value in arguments.items() if value is not None)
    return f"Shall I really do this: {name.replace('_', ' ')}{f', {given}' if given else ''}?"


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def prepared(servers: Sequence[McpServer]) -> list[McpTools]:
    """Connect to servers at the same time, and learn their tools."""
    found = [McpTools(server) for server in servers]
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.gather(*(each.prepare() for each in found))
    return found
