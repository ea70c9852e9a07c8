"""A browser and the assistant that reach each other only through a TURN server: coturn, on loopback."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.settings.satellites import IceServer
from tests.satellites.browser.chromium import Visit, browser, chromium
from tests.satellites.browser.conftest import Serve, serve  # noqa: F401 - a fixture
from tests.satellites.browser.scripted import SCRIPT, ScriptedAssistant

RELAYED_ONLY = """
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super({ ...configuration, iceTransportPolicy: "relay" });
      window.peer = this;
    }
  };
"""
PATH_TAKEN = """async () => {
  const stats = [...(await window.peer.getStats()).values()];
  const pair = stats.find((each) => each.type === "candidate-pair" && each.nominated && each.state === "succeeded");
  return stats.find((each) => each.id === pair?.localCandidateId)?.candidateType;
}"""


@asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[IceServer]:
    """Run coturn; without it, fail on a CI machine and skip elsewhere."""
    program = shutil.which("turnserver")
    if program is None:
        reason = "there is no TURN server here: apt install coturn"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    chosen = [
        *("-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--user=ada:secret", "--realm=passfel"),
        *("--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}", "--allow-loopback-peers"),
        *(f"--pidfile={folder / 'pid'}", f"--log-file={folder / 'log'}", "--simple-log", f"--userdb={folder / 'db'}"),
    ]
    process = await asyncio.create_subprocess_exec(
        program, *chosen, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        yield IceServer(urls=f"turn:127.0.0.1:{port}", username="ada", credential=SecretStr("secret"))
    finally:
        process.terminate()
        await process.wait()


async def test_a_conversation_is_relayed_where_there_is_no_other_way(serve: Serve, tmp_path: Path) -> None:  # noqa: F811
    chromium()
    async with (
        turn_server(tmp_path) as turn,
        serve(ScriptedAssistant(), ice_servers=[turn]) as address,
        browser(allow=False) as running,
    ):
        visit = Visit(await running.new_page())
        await visit.page.add_init_script(RELAYED_ONLY)
        await visit.page.goto(address)
        await visit.page.fill("#text", SCRIPT[0][0])
        await visit.page.press("#text", "Enter")
        await visit.state("speaking", 40)
        assert await visit.loudness() > 0.05
        assert await visit.page.evaluate(PATH_TAKEN) == "relay"


@pytest.mark.parametrize(
    "server", [{"urls": "turn:relay.example"}, {"urls": "http://relay.example"}, {"urls": "turn:a b"}, {"url": "x"}]
)
def test_a_server_that_cannot_be_used_is_no_setting(server: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        IceServer.model_validate(server)
