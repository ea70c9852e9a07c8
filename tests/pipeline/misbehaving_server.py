"""A real HTTP server that answers chat completion requests as it is told, and mostly wrongly."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

HEADERS = {"content-type": "text/event-stream"}
PAGE = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"

Behaviour = Callable[["Exchange"], Awaitable[web.StreamResponse]]


class Exchange:
    """One request and the answer to it."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.response = web.StreamResponse(headers=HEADERS)

    async def send(self, data: str | bytes) -> None:
        if not self.response.prepared:
            await self.response.prepare(self.request)
        await self.response.write(data.encode() if isinstance(data, str) else data)

    async def chunk(self, reason: str | None = None, **delta: Any) -> None:
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    async def event(self, fields: dict[str, Any]) -> None:
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test", **fields}
        await self.send(f"data: {json.dumps(body)}\n\n")

    async def finish(self, reason: str = "stop") -> web.StreamResponse:
        await self.chunk(reason)
        await self.event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
        return await self.end()

    async def end(self) -> web.StreamResponse:
        await self.send("data: [DONE]\n\n")
        await self.response.write_eof()
        return self.response

    def hang_up(self) -> web.StreamResponse:
        assert self.request.transport is not None
        self.request.transport.abort()
        return self.response


class MisbehavingServer:
    """Answers each request as the next behaviour says; the last one stays."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.open = 0
        """Requests that have a connection now."""
        self._behaviours: list[Behaviour] = [says("Hello.")]

    def will(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        self.open += 1
        try:
            return await behaviour(Exchange(request))
        finally:
            self.open -= 1


@asynccontextmanager
async def misbehaving_server() -> AsyncIterator[MisbehavingServer]:
    server = MisbehavingServer()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", server.answer)
    # A handler is cancelled when its caller hangs up, so that `open` tells which connections were left open.
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def client_of(url: str, key: str = "key") -> AsyncOpenAI:
    """The official client, set up as for a server on the own machine."""
    http = DefaultAsyncHttpxClient(trust_env=False)
    return AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=Timeout(120, connect=3), http_client=http)


def says(*pieces: str, pause: float = 0.0, reason: str = "stop", thoughts: str = "") -> Behaviour:
    """A healthy answer."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        await exchange.chunk(role="assistant", content="")
        for thought in thoughts:
            await exchange.chunk(reasoning_content=thought)
        for piece in pieces:
            await exchange.chunk(content=piece)
            await asyncio.sleep(pause)
        return await exchange.finish(reason)

    return behave


def calls(*named: tuple[str, str], text: str = "", reason: str = "tool_calls") -> Behaviour:
    """Tool calls, each streamed letter by letter."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        if text:
            await exchange.chunk(content=text)
        for index, (name, arguments) in enumerate(named):
            head = {"index": index, "id": f"call_{index}", "type": "function"}
            await exchange.chunk(tool_calls=[{**head, "function": {"name": name, "arguments": ""}}])
            for letter in arguments:
                await exchange.chunk(tool_calls=[{"index": index, "function": {"arguments": letter}}])
        return await exchange.finish(reason)

    return behave


def half_a_call(text: str = "") -> Behaviour:
    """A tool call in the middle of which the connection breaks, after one that was whole."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        if text:
            await exchange.chunk(content=text)
        whole = {"index": 0, "id": "a", "function": {"name": "unlock", "arguments": '{"door": "front"}'}}
        await exchange.chunk(tool_calls=[whole])
        await exchange.chunk(
            tool_calls=[{"index": 1, "id": "b", "function": {"name": "set_timer", "arguments": '{"se'}}]
        )
        await asyncio.sleep(0.02)
        return exchange.hang_up()

    return behave


def stalls(*pieces: str) -> Behaviour:
    """Says something, then nothing more; without pieces not even the head of an answer comes."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        for piece in pieces:
            await exchange.chunk(content=piece)
        await asyncio.sleep(60)
        return exchange.hang_up()

    return behave


def hangs_up(*pieces: str) -> Behaviour:
    """Says something, then breaks the connection."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        for piece in pieces:
            await exchange.chunk(content=piece)
        await asyncio.sleep(0.02)
        return exchange.hang_up()

    return behave


def goes_on_for_ever(piece: Callable[[int], dict[str, Any]]) -> Behaviour:
    """One delta after the other."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        count = 0
        while True:
            await exchange.chunk(**piece(count))
            count += 1
            await asyncio.sleep(0)

    return behave


def sends(data: str | bytes) -> Behaviour:
    """Sends just that as a stream of events, and ends it politely."""

    async def behave(exchange: Exchange) -> web.StreamResponse:
        await exchange.send(data)
        await exchange.response.write_eof()
        return exchange.response

    return behave


def responds(text: str, *, content_type: str = "application/json", status: int = 200, **headers: str) -> Behaviour:
    """Sends no stream at all. In header names, an underscore stands for a hyphen."""

    async def behave(_: Exchange) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=text, content_type=content_type, status=status, headers=named)

    return behave
