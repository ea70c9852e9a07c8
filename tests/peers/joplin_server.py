"""A real Joplin: its terminal application serves the Data API."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.tools.provider import free_port

FOLDER = Path(__file__).parent / "joplin"
PROGRAM = FOLDER / "node_modules/joplin/main.js"
TOKEN = "only-for-this-test"


def ready() -> bool:
    return (FOLDER / "node_modules/.ready").exists() and shutil.which("node") is not None


@asynccontextmanager
async def joplin(folder: Path) -> AsyncIterator[str]:
    """Run one over an empty profile; tells its address."""
    port = free_port()
    (folder / "settings.json").write_text(json.dumps({"api.token": TOKEN, "api.port": port}))
    process = await asyncio.create_subprocess_exec(
        *("node", str(PROGRAM), "--profile", str(folder), "server", "start"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "NODE_ENV": "production"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(60):
            while True:
                try:
                    if (await http.get(f"{url}/ping")).text == "JoplinClipperServer":
                        break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        await process.wait()
