"""`passfel engine`: a running engine as other processes see it, and an assistant that is told to leave it alone."""

import argparse
import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from pipeline.engines import engine_control
from pipeline.engines.engine_control import EngineCommandFailed, drain, resume, status
from pipeline.engines.engine_state import EngineRecord, EngineRunning, EngineState
from pipeline.settings.engine import Engine

ROOT = Path(__file__).resolve().parents[3]
FAKE = ROOT / "tests" / "fakes" / "vllm_package"
NOBODY = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Settings:
    data_dir: Path
    engine: Engine
    token: SecretStr | None = None


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    model = tmp_path / "tiny-model"
    model.mkdir()
    engine = Engine(model=str(model), python=sys.executable, port=0, device="cpu")
    return Settings(tmp_path / "data", engine)


class Assistant:
    """An assistant that answers `answers` requests, one less each time it is looked at while draining."""

    def __init__(self, answers: int = 2) -> None:
        self.answers = answers
        self.draining = False
        self.failing = False
        self.status = 200
        self.tokens: list[str | None] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({}, status=self.status)
        if request.method == "POST":
            self.draining = request.path == "/v1/engine/drain"
        elif self.draining and self.answers:
            self.answers -= 1
        use = {"draining": self.draining, "failing": self.failing, "running": self.answers, "waiting": 0}
        return web.json_response(use)


@asynccontextmanager
async def listening(assistant: Assistant) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/engine", assistant.handle)
    app.router.add_post("/v1/engine/{action}", assistant.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_drain_waits_for_answers_that_have_begun(chosen, capsys):
    assistant = Assistant(answers=2)
    async with listening(assistant) as address:
        assert await asyncio.to_thread(drain, chosen, address) == 0
        assert assistant.draining
        assert "asks the engine nothing; 2 answers run, 0 wait" in capsys.readouterr().out
        assert await asyncio.to_thread(resume, chosen, address) == 0
    assert not assistant.draining


async def test_drain_gives_up_waiting_and_says_so(chosen, capsys):
    assistant = Assistant(answers=99)
    async with listening(assistant) as address:
        assert await asyncio.to_thread(lambda: drain(chosen, address, wait=0.1)) == 1
    assert "answers still run" in capsys.readouterr().out
    assert assistant.draining


async def test_the_token_is_shown_and_never_printed(chosen, capsys):
    token = "correct-horse-battery-staple"
    assistant = Assistant(answers=0)
    async with listening(assistant) as address:
        settings = Settings(chosen.data_dir, chosen.engine, SecretStr(token))
        await asyncio.to_thread(drain, settings, address)
        await asyncio.to_thread(status, settings, address)
    assert set(assistant.tokens) == {f"Bearer {token}"}
    assert token not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (401, "correct token in the settings"),
        (403, "correct token in the settings"),
        (503, "still loading: try again"),
        (404, r"no PASSFEL of this version \(status 404\)"),
        (500, r"no PASSFEL of this version \(status 500\)"),
    ],
)
async def test_an_assistant_that_does_not_obey_is_explained(chosen, answer, advice):
    assistant = Assistant()
    assistant.status = answer
    async with listening(assistant) as address:
        with pytest.raises(EngineCommandFailed, match=advice):
            await asyncio.to_thread(drain, chosen, address)


def test_an_assistant_that_does_not_run_is_told(chosen):
    with pytest.raises(EngineCommandFailed, match=r"no assistant answers at .*: passfel serve starts it"):
        drain(chosen, NOBODY)


async def test_status_tells_of_an_engine_that_does_not_run(chosen, capsys):
    async with listening(Assistant()) as address:
        assert await asyncio.to_thread(status, chosen, address) == 1
    assert "tiny-model is not running: passfel engine start" in capsys.readouterr().out


async def test_status_tells_of_a_model_that_fails(tmp_path, capsys):
    assistant = Assistant()
    assistant.failing = True
    async with listening(assistant) as address:
        assert await asyncio.to_thread(status, Settings(tmp_path, Engine()), address) == 1
    assert "which has been failing" in capsys.readouterr().out


def test_without_an_engine_there_is_nothing_to_start(tmp_path):
    with pytest.raises(EngineCommandFailed, match=r"set engine\.model"):
        engine_control.start(Settings(tmp_path, Engine()))


class Starting:
    """`passfel engine start` in a process of its own."""

    def __init__(self, chosen: Settings) -> None:
        self.record = EngineRecord(chosen.data_dir)
        self.program = (
            "import sys; from pathlib import Path; from types import SimpleNamespace\n"
            "from pipeline.engines import engine_control; from pipeline.settings.engine import Engine\n"
            "engine = Engine(model=sys.argv[1], python=sys.executable, port=0, device='cpu')\n"
            "chosen = SimpleNamespace(engine=engine, data_dir=Path(sys.argv[2]), token=None)\n"
            "try: sys.exit(engine_control.start(chosen))\n"
            "except engine_control.EngineCommandFailed as error: sys.exit(f'failed: {error}')\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.program, chosen.engine.model, chosen.data_dir],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{FAKE}"},
        )

    def until(self, holds: Callable[[EngineState | None], bool]) -> EngineState | None:
        deadline = time.monotonic() + 30
        while not holds(state := self.record.read()):
            assert time.monotonic() < deadline, f"the record stays {state}"
            time.sleep(0.02)
        return state

    def end(self, number: int = signal.SIGTERM) -> str:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output


@pytest.fixture
def starting(chosen: Settings) -> Iterator[Starting]:
    starting = Starting(chosen)
    yield starting
    if starting.process.poll() is None:
        starting.end()


def test_other_processes_find_a_running_engine_until_it_ends(starting, chosen, capsys):
    state = starting.until(lambda state: state is not None and state.healthy and state.summary != "")
    answer = httpx.get(f"{state.url}/models", headers={"Authorization": f"Bearer {state.api_key}"}, trust_env=False)
    assert [model["id"] for model in answer.json()["data"]] == ["tiny-model"]
    assert state.endpoint().model == "tiny-model"
    assert state.process == starting.process.pid
    assert state.api_key not in repr(state)
    status(chosen, NOBODY)
    said = capsys.readouterr().out
    assert f"tiny-model at {state.url}: well (process {state.process})" in said
    assert state.api_key not in said
    output = starting.end()
    assert "Serving at http://127.0.0.1:" in output
    assert output.endswith("Ended.\n")
    assert state.api_key not in output
    assert starting.process.returncode == 0
    assert starting.record.read() is None


def test_ctrl_c_ends_an_engine_that_is_loading(chosen):
    (Path(chosen.engine.model) / "slow").touch()
    starting = Starting(chosen)
    state = starting.until(lambda state: state is not None)
    assert state.problem == "it is loading"
    assert not state.healthy
    assert starting.end(signal.SIGINT).endswith("Ended.\n")
    assert starting.record.read() is None


def test_an_engine_that_cannot_start_says_why(chosen):
    (Path(chosen.engine.model) / "log").write_text("torch.OutOfMemoryError: CUDA out of memory.")
    (Path(chosen.engine.model) / "fails").touch()
    starting = Starting(chosen)
    output, _ = starting.process.communicate(timeout=30)
    assert "failed: tiny-model cannot be served: memory ran out" in output
    assert starting.process.returncode == 1
    assert starting.record.read() is None


def test_a_second_engine_is_refused(starting, chosen):
    state = starting.until(lambda state: state is not None)
    second = Starting(chosen)
    output, _ = second.process.communicate(timeout=30)
    assert f"failed: the engine is running already: process {state.process} serves tiny-model" in output
    assert starting.record.read() is not None


def test_what_a_crash_left_behind_deceives_nobody(starting):
    starting.until(lambda state: state is not None and state.healthy)
    starting.end(signal.SIGKILL)
    assert starting.record.read() is None


def test_only_the_owner_reads_the_key(tmp_path):
    record = EngineRecord(tmp_path)
    with record.held():
        record.write(EngineState("tiny", 1, api_key="secret"))
        file = tmp_path / "engine" / "state.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert record.read() == EngineState("tiny", 1, api_key="secret")
        with pytest.raises(EngineRunning, match="process 1 serves tiny"), EngineRecord(tmp_path).held():
            pass
        file.write_text("{")
        assert record.read() is None
    assert record.read() is None
    assert not file.exists()


def test_the_commands_are_understood():
    parser = argparse.ArgumentParser()
    engine_control.add_commands(parser.add_subparsers(), lambda _: NOBODY)
    for words in (["start"], ["status"], ["drain"], ["drain", "--wait", "3"], ["resume"]):
        assert callable(parser.parse_args(["engine", *words]).command)
    options = parser.parse_args(["engine", "drain"])
    with pytest.raises(EngineCommandFailed, match="no assistant answers"):
        options.command(Settings(Path("absent"), Engine()), options)
