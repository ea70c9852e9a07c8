"""`passfel pair` at a terminal."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from passfel import main


@pytest.mark.parametrize("answer", ["<html>Welcome</html>", "[]", '{"detail": "Not Found"}'])
async def test_who_is_no_assistant_is_told_of_in_one_line(answer: str, tmp_path, monkeypatch, capsys) -> None:
    async def anything(_: web.Request) -> web.Response:
        return web.Response(text=answer, status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", anything)
    async with TestServer(app) as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PASSFEL_PORT", str(server.port))
        assert await asyncio.to_thread(main, ["pair", "--list"]) == 1
        told = f"What answers at http://127.0.0.1:{server.port} is no PASSFEL of this version (status 404).\n"
    assert capsys.readouterr().err == told
