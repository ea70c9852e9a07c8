"""What the household tells the assistant outlives everything: killed databases, a killed assistant, another process."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from pipeline.budget.footprint import descendants, name
from tests.peers.server import ROOT, Server, running_server
from tests.pipeline.misbehaving_server import misbehaving_server, says

STORES = ("postgres", "valkey-server")


async def say(server: Server, text: str) -> str:
    request = {"messages": [{"role": "user", "content": text}], "user": "kitchen"}
    async with httpx.AsyncClient(base_url=server.address, timeout=60) as http:
        answer = (await http.post("/v1/chat/completions", json=request)).raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


async def until_said(server: Server, text: str, wanted: str) -> None:
    async with asyncio.timeout(60):
        while wanted not in (answer := await say(server, text)):
            assert answer
            await asyncio.sleep(0.5)


def stores(server: Server) -> list[int]:
    return [each for each in descendants(server.process.pid) if name(each) in STORES]


async def passfel(data: Path, *arguments: str) -> str:
    environment = os.environ | {"PASSFEL_DATA_DIR": str(data), "PASSFEL_STORES__EMBEDDED": "true"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "passfel.py", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.timeout(400)
async def test_what_was_acknowledged_survives_every_kill(data: Path):
    settings = {"PASSFEL_STORES__EMBEDDED": "true"}
    async with running_server(data, **settings) as server:
        await until_said(server, "Remember that the spare key is under the blue flower pot.", "I'll remember")
        # The database, Redis and all of their processes, in the middle of everything.
        for process in stores(server):
            os.kill(process, signal.SIGKILL)
        # Nobody waits for what is away, and nobody is told that it was kept.
        for question in ("What time is it?", "What is the capital of France?", "What do you know about me?"):
            assert await say(server, question)
        await until_said(server, "Where is the spare key?", "blue flower pot")
        server.process.kill()
        await server.process.wait()
    async with running_server(data, **settings) as server:
        await until_said(server, "Where is the spare key?", "blue flower pot")
        await until_said(server, "Forget everything that I told you", "Shall I")


@pytest.mark.timeout(400)
async def test_a_database_that_hangs_holds_no_answer_up(data: Path):
    async with misbehaving_server() as model:
        model.will(says("It is Paris."))
        settings = {
            "PASSFEL_STORES__EMBEDDED": "true",
            "PASSFEL_LANGUAGE__URL": model.url,
            "PASSFEL_LANGUAGE__MODEL": "model",
        }
        async with running_server(data, **settings) as server:
            await until_said(server, "Remember that the spare key is under the blue flower pot.", "I'll remember")
            await say(server, "Where is the key to the house?")
            assert "blue flower pot" in str(model.requests[-1]["messages"])
            stopped = stores(server)
            for process in stopped:
                os.kill(process, signal.SIGSTOP)
            try:
                assert await say(server, "Where is the key to the shed?") == "It is Paris."
                assert "blue flower pot" not in str(model.requests[-1]["messages"])
            finally:
                for process in stopped:
                    os.kill(process, signal.SIGCONT)
            async with asyncio.timeout(60):
                while "blue flower pot" not in str(model.requests[-1]["messages"]):
                    await say(server, "Where is the key to the house?")


@pytest.mark.timeout(400)
async def test_a_document_is_learned_beside_a_running_assistant_and_named_in_the_answer(data: Path, tmp_path: Path):
    (tmp_path / "boiler.md").write_text("# Boiler manual\n\nThe water pressure should be between 1.2 and 1.8 bar.\n")
    async with running_server(data, PASSFEL_STORES__EMBEDDED="true") as server:
        assert "1 learned" in await passfel(data, "learn", str(tmp_path / "boiler.md"))
        await until_said(server, "What should the water pressure of the boiler be?", "between 1.2 and 1.8 bar")
        assert "Boiler manual says" in await say(server, "What should the water pressure of the boiler be?")
        async with httpx.AsyncClient(base_url=server.address) as http:
            kept = await http.post("/v1/readings", json={"name": "Freezer temperature", "value": -18, "unit": "°C"})
        assert kept.json() == {"kept": 1}
        await until_said(server, "How cold is the freezer?", "-18 °C")
        assert "chat:kitchen: chat, study, everybody" in await passfel(
            data, "devices", "chat:kitchen", "--room", "study"
        )
