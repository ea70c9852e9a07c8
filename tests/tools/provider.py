"""A server on the loopback that answers as a provider does, from the files in `responses/`.

Each file says where its answer comes from: "recorded" is a provider's own, "written from the documentation" is ours,
until somebody with internet runs `make record`.
"""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from tools.service import MemoryCache, Service
from tools.web import Web

RESPONSES = Path(__file__).parent / "responses"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def response(name: str) -> dict[str, Any]:
    return dict(json.loads((RESPONSES / f"{name}.json").read_text()))


@dataclass
class Provider:
    """What it was asked, and how it answers instead of from its files."""

    url: str
    web: Web
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    instead: Answer | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.headers.append(dict(request.headers))
        if self.instead is not None:
            return await self.instead(request)
        for file in sorted(RESPONSES.glob("*.json")):
            kept = json.loads(file.read_text())
            url = urlsplit(kept["url"])
            # What tells one question from another is the file's; a tool may ask for more.
            wanted = {name: value.lower() for name, value in parse_qsl(url.query) if name in TELLING}
            asked = {name: value.lower() for name, value in request.query.items()}
            if url.path == request.path and wanted.items() <= asked.items():
                body = kept["body"] if isinstance(kept["body"], str) else json.dumps(kept["body"])
                return web.Response(text=body, status=kept["status"], content_type=kept.get("type", "application/json"))
        if request.path in EMPTY:
            return web.json_response(EMPTY[request.path])
        return web.json_response({"error": True, "reason": "no such thing"}, status=404)

    def service(self, name: str = "the weather service", **options: Any) -> Service:
        return Service(name, self.url, self.web, cache=MemoryCache(), **options)


TELLING = frozenset({"name", "point", "ids", "q", "query", "search", "srsearch", "search_query"})

EMPTY: dict[str, Any] = {
    "/v1/search": {"generationtime_ms": 0.5},
    "/api/v3/search": {"coins": []},
    "/api/v3/simple/price": {},
    "/w/api.php": {"query": {"search": []}, "search": []},
    "/": {"AbstractText": "", "Answer": ""},
}
"""What a provider answers where it has found nothing."""


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serving = Provider(url, Web([url]))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", serving.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield serving
    finally:
        await serving.web.close()
        await runner.cleanup()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        return int(reserved.getsockname()[1])


def status(code: int, *, text: str = "", headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=headers)

    return answer
