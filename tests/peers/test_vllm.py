"""The real vLLM, its CPU build, started by PASSFEL and asked through the official client."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio

from pipeline.engines.capabilities import Capabilities
from pipeline.engines.probe import probe
from pipeline.engines.supervision import LanguageEngineError
from pipeline.engines.vllm import VllmEngine, with_strict_tools
from pipeline.engines.vllm_arguments import arguments
from pipeline.settings.engine import Engine
from tests.peers import vllm_environment
from tests.peers.server import ROOT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    *([] if vllm_environment.ready() else [pytest.mark.long]),
    pytest.mark.skipif(
        not vllm_environment.ready(),
        reason="vLLM's environment is not here: python -m tests.peers.vllm_environment makes it",
    ),
]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": properties, "required": list(properties)},
        },
    }
    for name, properties in {
        "get_weather": {"city": {"type": "string", "enum": ["Lisbon", "Porto"]}},
        "set_timer": {"minutes": {"type": "integer"}},
    }.items()
]


def settings(**more: object) -> Engine:
    return Engine.model_validate(
        {
            "model": str(vllm_environment.MODEL),
            "python": vllm_environment.PYTHON,
            "port": 0,
            "device": "cpu",
            "context": 4096,
            "kv_cache_bytes": 512 << 20,
            "tool_parser": "hermes",
            "chat_template": ROOT / "pipeline" / "engines" / "chat_template.jinja",
        }
        | more
    )


def processes() -> set[str]:
    """The processes of vLLM and its guardian, whatever they call themselves."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"VLLM_API_KEY=" in process.joinpath("environ").read_bytes():
                found.add(process.name)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[VllmEngine]:
    engine = VllmEngine(settings())
    await engine.start()
    yield engine
    await engine.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(engine: VllmEngine) -> AsyncIterator[openai.AsyncOpenAI]:
    endpoint = engine.endpoint
    async with openai.AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.api_key, max_retries=0) as client:
        yield client


async def test_it_is_learned_what_vllm_can_do(engine):
    found = await probe(engine.endpoint)
    assert found == Capabilities(
        server="vLLM 0.32.0",
        model="smollm2",
        models=("smollm2",),
        context=4096,
        # So small a model calls nothing by itself.
        calls_freely=None,
        calls_required=True,
        calls_named=True,
        streams_calls=True,
        reasons=False,
        reasons_if_told=False,
        priorities=True,
        caches_prefixes=True,
        sees=False,
    )


async def test_an_answer_is_streamed(client):
    stream = await client.chat.completions.create(
        model="smollm2",
        messages=[{"role": "user", "content": "Tell me a long story about a ship."}],
        max_tokens=12,
        temperature=0,
        stream=True,
    )
    assert len([chunk async for chunk in stream if chunk.choices[0].delta.content]) >= 10


@pytest.mark.parametrize("name", ["get_weather", "set_timer"])
async def test_the_named_function_is_called_with_arguments_that_fit(client, name):
    request = with_strict_tools(
        {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "Tell me a long story about a ship."}],
            "tools": TOOLS,
            "tool_choice": {"type": "function", "function": {"name": name}},
            "max_tokens": 60,
            "temperature": 0,
        }
    )
    completion = await client.chat.completions.create(**request)
    [call] = completion.choices[0].message.tool_calls
    assert call.function.name == name
    arguments = json.loads(call.function.arguments)
    assert arguments.keys() == {"city" if name == "get_weather" else "minutes"}
    assert arguments.get("city", "Porto") in {"Lisbon", "Porto"}


async def test_a_priority_is_taken(client):
    completion = await client.chat.completions.create(
        model="smollm2", messages=[{"role": "user", "content": "Hi"}], max_tokens=1, extra_body={"priority": 3}
    )
    assert completion.choices


async def test_a_long_beginning_is_computed_once(client):
    async def cached(question: str) -> int:
        rooms = " ".join(f"Room {number} has a lamp and a blind." for number in range(150))
        completion = await client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "system", "content": rooms}, {"role": "user", "content": question}],
            max_tokens=1,
        )
        assert completion.usage.prompt_tokens > 1500
        return completion.usage.prompt_tokens_details.cached_tokens

    assert await cached("What is tea?") == 0
    assert await cached("Why is the sky blue?") > 1280


async def test_only_the_holder_of_the_key_is_answered(engine):
    async with openai.AsyncOpenAI(base_url=engine.endpoint.url, api_key="another", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_the_engine_is_well_while_it_serves(engine):
    assert engine.healthy
    assert engine.problem is None


async def test_vllm_understands_what_a_gb10_is_started_with(tmp_path):
    engine = Engine(
        model="nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4",
        kv_cache_bytes=8 << 30,
        kv_cache_type="fp8",
        memory_utilization=0.4,
        tool_parser="qwen3_coder",
        tool_parser_plugin=tmp_path,
        reasoning_parser="nemotron_v3",
        chat_template=tmp_path,
        batched_tokens=8192,
        moe_backend="marlin",
        speculation={"method": "mtp", "num_speculative_tokens": 3},
    )
    parse = "import sys; from vllm.entrypoints.launchers.cli_args import make_arg_parser as make\n"
    parse += "from vllm.utils.argparse_utils import FlexibleArgumentParser as Parser\n"
    parse += "print(make(Parser()).parse_args(sys.argv[1:]).scheduling_policy)"
    process = await asyncio.create_subprocess_exec(
        *(vllm_environment.PYTHON, "-P", "-c", parse, *arguments(engine)), stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    assert output.decode().splitlines()[-1:] == ["priority"], errors.decode()[-1000:]


@pytest.mark.long
async def test_nothing_is_left_after_stop():
    before = processes()
    engine = VllmEngine(settings())
    await engine.start()
    assert processes() > before
    await engine.stop()
    assert processes() <= before


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"tool_parser": "nope"}, r"no tool parser nope: correct engine\.tool_parser"),
        ({"reasoning_parser": "nope"}, r"no reasoning parser nope: correct engine\.reasoning_parser"),
        ({"context": 99999}, r"longest conversation has 8192 tokens: lower engine\.context"),
        ({"kv_cache_bytes": 4 << 20}, r"does not fit in 0\.0 GiB: lower it, or raise engine\.kv_cache_bytes"),
        ({"kv_cache_bytes": 1 << 40}, r"GiB are free: lower engine\.kv_cache_bytes"),
        ({"arguments": ["--max-num-seqs", "many"]}, r"invalid int value: 'many': correct engine\.arguments"),
    ],
)
async def test_what_vllm_itself_says_of_wrong_settings_is_explained(wrong, advice):
    with pytest.raises(LanguageEngineError, match=advice) as error:
        await VllmEngine(settings(**wrong)).start()
    assert "\n" not in str(error.value)
