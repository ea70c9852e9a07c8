"""vLLM's command line and log, and its supervision with a program that behaves like it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from pipeline.engines.supervision import LanguageEngineError
from pipeline.engines.vllm import VllmEngine, explain
from pipeline.engines.vllm_arguments import arguments
from pipeline.settings.engine import Engine

ROOT = Path(__file__).resolve().parents[3]
FAKE = ROOT / "tests" / "fakes" / "vllm_package"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    return folder


def settings(folder: Path, **more: object) -> Engine:
    return Engine.model_validate(
        {"model": str(folder), "python": sys.executable, "port": 0, "device": "cpu", "context": 4096} | more
    )


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[VllmEngine]:
    engine = VllmEngine(settings(model), check_interval=0.3)
    await engine.start()
    yield engine
    await engine.stop()


def processes(model: Path) -> dict[int, str]:
    """The processes that have the model in their command line, without those that only wait to be reaped."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z":
                command = process.joinpath("cmdline").read_text()
                if str(model) in command and int(process.name) != os.getpid():
                    found[int(process.name)] = command
    return found


def server(model: Path) -> int:
    [process] = [
        p for p, command in processes(model).items() if "guardian.py" not in command and "EngineCore" not in command
    ]
    return process


async def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


async def served(url: str, key: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"})


async def until_served(engine: VllmEngine) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await served(engine.endpoint.url, engine.endpoint.api_key)).is_success:
                    return
            await asyncio.sleep(0.02)


async def test_the_model_is_served_by_its_folders_name_to_the_holder_of_the_key(engine):
    endpoint = engine.endpoint
    answer = await served(endpoint.url, endpoint.api_key)
    assert [model["id"] for model in answer.json()["data"]] == ["tiny-model"] == [endpoint.model]
    assert (await served(endpoint.url, "another key")).status_code == 401
    assert engine.healthy


async def test_the_key_is_shown_nowhere(engine, model):
    assert engine.endpoint.api_key not in repr(engine.endpoint)
    assert len(processes(model)) == 3
    assert not any(engine.endpoint.api_key in command for command in processes(model).values())


async def test_a_killed_server_comes_back_at_the_same_address(engine, model):
    before, endpoint = processes(model), engine.endpoint
    os.kill(server(model), signal.SIGKILL)
    await eventually(lambda: processes(model).keys().isdisjoint(before))
    await until_served(engine)
    assert engine.endpoint == endpoint
    await eventually(lambda: engine.healthy and engine.problem is None)


async def test_a_failing_server_says_why_until_it_serves_again(model):
    changes: list[tuple[bool, str | None]] = []
    engine = VllmEngine(settings(model), check_interval=0.3, on_change=lambda *change: changes.append(change))
    await engine.start()
    (model / "log").write_text("(Worker pid=7) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB")
    (model / "fails").touch()
    os.kill(server(model), signal.SIGKILL)
    await eventually(lambda: engine.problem is not None and engine.problem.startswith("tiny-model cannot be served"))
    assert "memory ran out: lower engine.kv_cache_bytes" in engine.problem
    (model / "fails").unlink()
    await until_served(engine)
    await eventually(lambda: engine.healthy)
    await engine.stop()
    assert changes[0] == (True, None)
    assert changes[1][0] is False
    assert "most likely because memory ran out" in changes[1][1]
    assert changes[-1] == (True, None)


async def test_a_server_that_is_no_longer_well_is_replaced(engine, model):
    before = processes(model)
    (model / "sick").touch()
    await eventually(lambda: not engine.healthy)
    (model / "sick").unlink()
    await eventually(lambda: engine.healthy)
    (model / "sick").touch()
    await eventually(lambda: processes(model).keys().isdisjoint(before))
    (model / "sick").unlink()
    await until_served(engine)


async def test_stop_leaves_no_process_and_may_be_repeated(engine, model):
    await engine.stop()
    await eventually(lambda: not processes(model), 5)
    assert not engine.healthy
    await engine.stop()


async def test_a_server_that_will_not_end_is_killed_with_all_its_processes(model):
    (model / "stubborn").touch()
    engine = VllmEngine(settings(model), grace=0.3)
    await engine.start()
    await engine.stop()
    await eventually(lambda: not processes(model), 5)


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_cancelled_start_leaves_no_process(model, stubborn):
    (model / "slow").touch()
    if stubborn:
        (model / "stubborn").touch()
    start = asyncio.create_task(VllmEngine(settings(model), grace=0.3).start())
    await eventually(lambda: len(processes(model)) == 2)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await eventually(lambda: not processes(model), 5)


async def test_a_stop_that_is_cancelled_kills_at_once(model):
    (model / "stubborn").touch()
    engine = VllmEngine(settings(model), grace=60)
    await engine.start()
    stop = asyncio.create_task(engine.stop())
    await asyncio.sleep(0.1)
    stop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stop
    await eventually(lambda: not processes(model), 5)


def test_no_server_survives_its_killed_parent(model, tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(
        "import asyncio, sys\n"
        "from pipeline.engines.vllm import VllmEngine\n"
        "from pipeline.settings.engine import Engine\n"
        "async def main():\n"
        "    engine = Engine(model=sys.argv[1], python=sys.executable, port=0, device='cpu')\n"
        "    await VllmEngine(engine).start()\n"
        "    print('started', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, program, model],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{FAKE}"},
    ) as parent:
        assert parent.stdout.readline() == b"started\n"
        assert len(processes(model)) == 4
        parent.kill()
    deadline = time.monotonic() + 20
    while processes(model):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.05)


async def test_a_taken_port_is_named_before_anything_is_loaded(model):
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    with pytest.raises(LanguageEngineError, match=rf"port {port} .+another program uses it: .+ set engine\.port$"):
        await VllmEngine(settings(model, port=port)).start()
    taken.close()
    await taken.wait_closed()


async def test_an_environment_without_vllm_is_told(model, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(LanguageEngineError, match=r"vLLM is not installed there: set engine\.python"):
        await VllmEngine(settings(model)).start()


@pytest.mark.parametrize("setting", ["python", "model", "chat_template", "tool_parser_plugin"])
async def test_a_missing_file_is_named(model, tmp_path, setting):
    absent = tmp_path / "absent"
    with pytest.raises(LanguageEngineError, match=f"no (file|folder) {absent}: "):
        await VllmEngine(settings(model, **{setting: str(absent)})).start()
    assert not processes(model)


async def test_a_python_that_cannot_be_run_is_told(model, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("this is no program")
    with pytest.raises(LanguageEngineError, match=r"cannot be run: .+: correct engine\.python"):
        await VllmEngine(settings(model, python=broken)).start()


async def test_an_argument_that_vllm_does_not_know_is_named(model):
    with pytest.raises(LanguageEngineError, match=r"this vLLM knows no --frobnicate: correct engine\.arguments"):
        await VllmEngine(settings(model, arguments=["--frobnicate"])).start()


async def test_loading_that_takes_too_long_is_ended(model):
    (model / "slow").touch()
    with pytest.raises(LanguageEngineError, match=r"not ready in 1 s; raise engine\.start_seconds"):
        await VllmEngine(settings(model, start_seconds=1)).start()
    await eventually(lambda: not processes(model), 5)


# Lines of vLLM 0.32's log, shortened; those about the GPU are made from its source.
@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (
            (
                "(EngineCore pid=1) ValueError: Free memory on device cuda:0 (2.81/121.69 GiB) on startup is less than "
                "desired GPU memory utilization (0.5, 60.85 GiB). Decrease GPU memory utilization or reduce GPU memory"
            ),
            "only 2.81 of 121.69 GiB are free: lower engine.memory_utilization, or end what takes the memory",
        ),
        (
            (
                "(Worker pid=1) ValueError: Available memory on node 0 (9.18/11.59 GiB) on kv cache allocation is less "
                "than requested memory for kv (1024.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE"
            ),
            "only 9.18 of 11.59 GiB are free: lower engine.kv_cache_bytes or engine.memory_utilization",
        ),
        (
            (
                "(EngineCore pid=1) ValueError: To serve at least one request with the model's max seq len (4096), "
                "(0.09 GiB KV cache is needed, which is larger than the available KV cache memory (0.01 GiB)."
            ),
            "a conversation as long as engine.context does not fit in 0.01 GiB: lower it, or raise engine.kv_cache_bytes",
        ),
        (
            (
                "pydantic_core.ValidationError: 1 validation error: User-specified max_model_len (99999) is greater than "
                "the derived max_model_len (max_position_embeddings=8192 or model_max_length=None in model's config.json)"
            ),
            "the model's longest conversation has 8192 tokens: lower engine.context",
        ),
        (
            "(APIServer pid=1) KeyError: 'invalid tool call parser: nope (chose from { hermes,llama3_json })'",
            "this vLLM has no tool parser nope: correct engine.tool_parser",
        ),
        (
            "KeyError: \"Reasoning parser 'nope' not found. Available parsers: glm45, qwen3\"",
            "this vLLM has no reasoning parser nope: correct engine.reasoning_parser",
        ),
        (
            "api_server.py: error: argument --max-num-seqs: invalid int value: 'many'",
            "--max-num-seqs: invalid int value: 'many': correct engine.arguments",
        ),
        (
            "(APIServer pid=1) OSError: We couldn't connect to 'https://huggingface.co' to load the files",
            "the model is not on this machine and the hub cannot be reached: connect once, or set engine.model to a folder",
        ),
        (
            "(Worker pid=1) AssertionError: head size 61 is not supported",
            "AssertionError: head size 61 is not supported (log_level DEBUG shows all of its log)",
        ),
        ("(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.", None),
        ("(Worker pid=1) INFO 11-23 09:48:40 [cpu_worker.py:260] Explicitly set (1.0/11.59) GiB for KV cache", None),
        ("(APIServer pid=1) WARNING [vllm.py:725] Model Runner V2 requires Triton", None),
    ],
)
def test_the_log_is_explained(line, advice):
    assert explain(line) == advice


def flags(**values: object) -> dict[str, str]:
    words = arguments(Engine.model_validate({"model": "owner/model"} | values))
    return {word: after for word, after in zip(words, [*words[1:], ""], strict=True) if word.startswith("--")}


def test_on_a_gpu_graphs_are_compiled_and_memory_is_bounded():
    given = flags(kv_cache_bytes=8 << 30, memory_utilization=0.4, sequences=5, context=16384)
    assert "--enforce-eager" not in given
    assert {"--enable-prefix-caching", "--enable-chunked-prefill", "--async-scheduling"} <= given.keys()
    assert given["--kv-cache-memory-bytes"] == str(8 << 30)
    assert given["--gpu-memory-utilization"] == "0.4"
    assert given["--max-num-seqs"] == "5"
    assert given["--max-model-len"] == "16384"
    assert given["--scheduling-policy"] == "priority"
    assert float(flags()["--gpu-memory-utilization"]) <= 0.5


def test_what_a_gb10_wants_can_be_said():
    given = flags(
        kv_cache_type="fp8",
        moe_backend="marlin",
        batched_tokens=8192,
        tool_parser="qwen3_coder",
        reasoning_parser="nemotron_v3",
        speculation={"method": "mtp", "num_speculative_tokens": 3},
    )
    assert given["--kv-cache-dtype"] == "fp8"
    assert given["--moe-backend"] == "marlin"
    assert given["--max-num-batched-tokens"] == "8192"
    assert given["--tool-call-parser"] == "qwen3_coder"
    assert "--enable-auto-tool-choice" in given
    assert given["--reasoning-parser"] == "nemotron_v3"
    assert given["--speculative-config"] == '{"method": "mtp", "num_speculative_tokens": 3}'


def test_on_a_cpu_nothing_is_compiled():
    given = flags(device="cpu")
    assert "--enforce-eager" in given
    assert given["--kv-cache-memory-bytes"] == str(1 << 30)
    assert not {"--async-scheduling", "--gpu-memory-utilization", "--enable-auto-tool-choice"} & given.keys()


def test_own_arguments_come_last_and_so_win():
    words = arguments(Engine(model="owner/model", arguments=("--max-num-seqs", "3")))
    assert words[-2:] == ["--max-num-seqs", "3"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--enforce-eager"], "halves the speed on a GPU"),
        (["--enforce_eager"], "halves the speed on a GPU"),
        (["--api-key=secret"], "--api-key, which PASSFEL sets itself"),
        (["--host", "0.0.0.0"], "--host, which PASSFEL sets itself"),
    ],
)
def test_arguments_that_would_harm_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        Engine(model="owner/model", arguments=tuple(given))
