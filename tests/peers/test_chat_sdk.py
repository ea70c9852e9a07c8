"""The whole assistant in its own process, asked in writing by OpenAI's official client as any program would."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.peers.server import Server, running_server
from tests.satellites.realtime import strict

HELLO = {"role": "user", "content": "What is the capital of France?"}
TOOL = {
    "type": "function",
    "function": {
        "name": "switch_light",
        "description": "Switch a light",
        "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
    },
}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with running_server(tmp_path_factory.mktemp("data"), PASSFEL_HEARING__MODEL="tiny.en") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="none", base_url=f"{server.address}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def blocking_client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(api_key="none", base_url=f"{server.address}/v1", max_retries=0) as client:
        yield client


async def test_a_question_is_answered(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="passfel", messages=[HELLO])
    assert strict._problem(completion.model_dump(exclude_unset=True), ChatCompletion, "completion") is None
    assert "Paris" in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 10
    assert completion.usage.completion_tokens > 0


async def test_an_answer_is_streamed(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="passfel", messages=[HELLO], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    for chunk in chunks:
        assert strict._problem(chunk.model_dump(exclude_unset=True), ChatCompletionChunk, "chunk") is None
    *spoken, last, usage = chunks
    assert len(spoken) > 2
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in spoken)
    assert last.choices[0].finish_reason == "stop"
    assert usage.usage is not None
    assert usage.usage.completion_tokens >= len(spoken) - 1


async def test_the_blocking_client_is_answered_whole_and_streamed(blocking_client: OpenAI) -> None:
    def ask() -> tuple[str | None, str]:
        whole = blocking_client.chat.completions.create(model="passfel", messages=[HELLO])
        with blocking_client.chat.completions.create(model="passfel", messages=[HELLO], stream=True) as stream:
            streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        return whole.choices[0].message.content, streamed

    whole, streamed = await asyncio.to_thread(ask)
    assert whole == streamed


async def test_the_sdks_own_accumulation_of_a_stream_works(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model="passfel", messages=[HELLO]) as stream:
        async for _ in stream:
            pass
        completion = await stream.get_final_completion()
    assert "Paris" in (completion.choices[0].message.content or "")


async def test_history_and_instructions_reach_the_model(client: AsyncOpenAI) -> None:
    more = [
        {"role": "system", "content": "You are talking to Ann, who likes long walks."},
        {"role": "user", "content": "My name is Ann."},
        {"role": "assistant", "content": "Nice to meet you, Ann."},
    ]
    short = await client.chat.completions.create(model="passfel", messages=[HELLO])
    long = await client.chat.completions.create(model="passfel", messages=[*more, HELLO])
    assert short.usage is not None
    assert long.usage is not None
    assert long.usage.prompt_tokens > short.usage.prompt_tokens + 20


async def test_limits_and_stops_are_honoured(client: AsyncOpenAI) -> None:
    count = {"role": "user", "content": "Count from one to twenty."}
    short = await client.chat.completions.create(model="passfel", messages=[count], max_completion_tokens=4)
    assert short.choices[0].finish_reason == "length"
    assert short.usage is not None
    assert short.usage.completion_tokens == 4
    said = short.choices[0].message.content or ""
    word = said.split()[-1]
    stopped = await client.chat.completions.create(model="passfel", messages=[count], max_tokens=4, stop=[word])
    assert word not in (stopped.choices[0].message.content or "")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_clients_function_is_called_and_its_result_answered(client: AsyncOpenAI, stream: bool) -> None:
    messages = [{"role": "user", "content": "Turn on the kitchen light, please."}]
    options = {
        "model": "passfel",
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "switch_light"}},
    }
    if stream:
        async with client.chat.completions.stream(messages=messages, **options) as events:
            message = (await events.get_final_completion()).choices[0].message
    else:
        completion = await client.chat.completions.create(messages=messages, **options)
        assert completion.choices[0].finish_reason == "tool_calls"
        message = completion.choices[0].message
    (call,) = message.tool_calls or ()
    assert call.function.name == "switch_light"
    assert isinstance(json.loads(call.function.arguments)["on"], bool)
    messages += [
        message.model_dump(include={"role", "content", "tool_calls"}),
        {"role": "tool", "tool_call_id": call.id, "content": '{"done": true}'},
    ]
    answer = await client.chat.completions.create(model="passfel", messages=messages, tools=[TOOL], tool_choice="none")
    assert answer.choices[0].message.content


async def test_a_bad_request_names_the_field_and_the_assistant_goes_on(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="passfel", messages=[HELLO], n=3)
    assert caught.value.param == "n"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="passfel", messages=[{"role": "user", "content": [IMAGE]}])
    assert caught.value.code == "model_does_not_see"
    with pytest.raises(openai.BadRequestError, match="context") as caught:
        await client.chat.completions.create(model="passfel", messages=[{"role": "user", "content": "word " * 20_000}])
    assert caught.value.code == "declined_by_model"
    assert (await client.chat.completions.create(model="passfel", messages=[HELLO])).choices


async def test_a_client_that_leaves_frees_the_model(server: Server, client: AsyncOpenAI) -> None:
    long = {"role": "user", "content": "Tell me a long story about the sea."}
    for _ in range(6):
        stream = await client.chat.completions.create(
            model="passfel", messages=[long], stream=True, max_tokens=800, temperature=1.0
        )
        await anext(aiter(stream))
        await stream.close()
    async with asyncio.timeout(30):
        assert (await client.chat.completions.create(model="passfel", messages=[HELLO])).choices


async def test_a_burst_is_answered_or_told_when_to_come_back(server: Server) -> None:
    body = {"messages": [HELLO], "max_tokens": 16}
    async with httpx.AsyncClient(base_url=server.address, trust_env=False, timeout=120) as http:
        answers = await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(40)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert sum(answer.status_code == 200 for answer in answers) > 0
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


async def test_turns_in_writing_are_recorded(server: Server, client: AsyncOpenAI) -> None:
    await client.chat.completions.create(model="passfel", messages=[HELLO])
    record = (await server.turns())[-1]
    assert (record["door"], record["heard"]) == ("chat", HELLO["content"])
    assert "Paris" in record["answered"]
