import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from pipeline.assistant import AssistantNotReady
from pipeline.orchestrator.admission import Saturated
from pipeline.orchestrator.completions import NoAnswer
from pipeline.writer import ClientCall, Declined, Finished, HouseTool, Text, Usage
from pipeline.written import ModelDoesNotSee
from satellites.chat import door as chat_door
from satellites.gate import MAX_BODY
from tests.satellites.chat.scripted import ANSWER, END, Door, serving
from tests.satellites.realtime import strict

HELLO = {"role": "user", "content": "Hello"}
CALLS = (
    ClientCall("call_1", "add", '{"a": 1}'),
    ClientCall("call_2", "add", '{"a": 2}'),
    Finished("tool_calls", Usage(5, 4)),
)
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with serving() as door:
        yield door


async def post(door: Door, body: object = None, **fields: Any) -> httpx.Response:
    body = {"model": "passfel", "messages": [HELLO], **fields} if body is None else body
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(base_url=door.address, trust_env=False) as client:
        return await client.post("/v1/chat/completions", content=content)


def events(response: httpx.Response) -> list[Any]:
    data = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in data]


async def test_an_answer_comes_whole(door):
    response = await post(door)
    assert response.status_code == 200
    body = response.json()
    assert strict._problem(body, ChatCompletion, "completion") is None
    completion = ChatCompletion.model_validate(body)
    assert completion.choices[0].message.content == "Good day, Ann."
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 15
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 8


async def test_a_stream_is_what_openai_describes(door):
    response = await post(door, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = events(response)
    assert done == "[DONE]"
    for chunk in chunks:
        assert strict._problem(chunk, ChatCompletionChunk, "chunk") is None
    assert len({chunk["id"] for chunk in chunks}) == 1
    *spoken, last, usage = chunks
    assert spoken[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in spoken) == "Good day, Ann."
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 3
    assert [chunk["usage"] for chunk in spoken] == [None] * len(spoken)


async def test_a_stream_tells_its_usage_only_when_asked(door):
    *chunks, _ = events(await post(door, stream=True))
    assert not any("usage" in chunk for chunk in chunks)


async def test_calls_of_the_clients_functions_are_handed_out(door):
    door.assistant.scripts = [CALLS]
    body = (await post(door, tools=[TOOL])).json()
    assert strict._problem(body, ChatCompletion, "completion") is None
    assert body["choices"][0]["message"]["content"] is None
    assert [call["id"] for call in body["choices"][0]["message"]["tool_calls"]] == ["call_1", "call_2"]
    *chunks, last, _ = events(await post(door, tools=[TOOL], stream=True))
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [(call["index"], call["function"]["arguments"]) for call in calls] == [(0, '{"a": 1}'), (1, '{"a": 2}')]
    assert last["choices"][0]["finish_reason"] == "tool_calls"


async def test_tools_of_the_house_leave_no_trace_that_a_client_minds(door):
    door.assistant.scripts = [(HouseTool("get_time"), *ANSWER)]
    async with door.client() as client:
        stream = await client.chat.completions.create(model="passfel", messages=[HELLO], stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Good day, Ann."
    assert ": tool get_time\n" in (await post(door, stream=True)).text


async def test_the_caller_is_a_device_by_its_address_or_by_the_name_of_its_user(door):
    await post(door)
    await post(door, user="tablet")
    (_, first), (_, second) = door.assistant.asked
    assert (first.door, first.device, second.device) == ("chat", "chat:127.0.0.1", "chat:tablet")
    assert first.capabilities == {"show"}


@pytest.mark.parametrize(
    ("problem", "status", "code", "retry_after"),
    [
        (Saturated(2.5), 429, "saturated", "3"),
        (AssistantNotReady("still loading"), 503, "not_ready", "5"),
        (NoAnswer("the server is down"), 503, "no_answer", None),
        (Declined("the context is full"), 400, "declined_by_model", None),
        (ModelDoesNotSee("it cannot look at images"), 400, "model_does_not_see", None),
        (RuntimeError("secret"), 500, None, None),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_goes_wrong_before_the_answer_has_its_status(door, problem, status, code, retry_after, stream):
    door.assistant.scripts = [(problem,)]
    response = await post(door, stream=stream)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert "secret" not in response.text
    assert response.headers.get("retry-after") == retry_after
    assert "x-should-retry" not in response.headers
    door.assistant.scripts = [ANSWER]
    assert (await post(door)).status_code == 200


async def test_what_goes_wrong_in_the_middle_is_told_in_the_stream(door):
    door.assistant.scripts = [(Text("Good "), NoAnswer("the line is cut"))]
    async with door.client() as client:
        stream = await client.chat.completions.create(model="passfel", messages=[HELLO], stream=True)
        with pytest.raises(openai.APIError, match="the line is cut"):
            [chunk async for chunk in stream]


async def test_no_client_is_told_to_ask_again_for_what_a_tool_has_done_already(door):
    door.assistant.scripts = [(HouseTool("add_to_list"), NoAnswer("the server is down")), ANSWER]
    async with door.client().with_options(max_retries=2) as client:
        with pytest.raises(openai.APIStatusError, match="the server is down"):
            await client.chat.completions.create(model="passfel", messages=[HELLO])
    assert len(door.assistant.asked) == 1


async def test_a_saturated_assistant_is_asked_again_by_the_client(door):
    door.assistant.scripts = [(Saturated(0.1),), ANSWER]
    async with door.client().with_options(max_retries=1) as client:
        assert (await client.chat.completions.create(model="passfel", messages=[HELLO])).choices[0].message.content
    assert len(door.assistant.asked) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_work(door, stream):
    door.assistant.scripts = [(Text("Good "), None)]
    async with door.client() as client:
        asking = asyncio.create_task(client.chat.completions.create(model="passfel", messages=[HELLO], stream=stream))
        while not door.assistant.writing:
            await asyncio.sleep(0.01)
        if stream:
            await (await asking).close()
        else:
            asking.cancel()
        await door.assistant.idle()
        await asyncio.wait({asking})


async def test_a_client_that_stops_reading_is_dropped(door, monkeypatch):
    monkeypatch.setattr(chat_door, "SEND_LIMIT", 0.2)
    door.assistant.scripts = [[Text("x" * 100_000)] * 1000]
    host, port = door.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    body = json.dumps({"messages": [HELLO], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await reader.readline()
    while not door.assistant.writing:
        await asyncio.sleep(0.01)
    await door.assistant.idle()
    writer.close()


async def test_more_answers_than_the_door_holds_are_told_when_to_come_back(door, monkeypatch):
    monkeypatch.setattr(chat_door, "MOST_ANSWERS", 1)
    door.assistant.scripts = [(None,), ANSWER]
    waiting = asyncio.create_task(post(door))
    while not door.assistant.writing:
        await asyncio.sleep(0.01)
    response = await post(door)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    waiting.cancel()
    await asyncio.wait({waiting})
    await door.assistant.idle()
    assert (await post(door)).status_code == 200


async def test_a_bad_request_names_the_field(door):
    response = await post(door, temperature=9)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == "temperature"
    assert not door.assistant.asked


async def test_a_body_that_is_too_large_is_refused_in_the_same_words(door):
    response = await post(door, b" " * (MAX_BODY + 1))
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_only_post_asks(door):
    async with httpx.AsyncClient(base_url=door.address, trust_env=False) as client:
        assert (await client.get("/v1/chat/completions")).status_code == 405


async def test_the_one_model_is_listed(door):
    async with door.client() as client:
        (model,) = (await client.models.list()).data
        assert (await client.models.retrieve(model.id)).id == model.id == "passfel"
        with pytest.raises(openai.NotFoundError, match="passfel is the only one"):
            await client.models.retrieve("gpt-4o")


async def test_any_model_name_is_answered_by_the_one(door):
    async with door.client() as client:
        assert (await client.chat.completions.create(model="gpt-4o", messages=[HELLO])).model == "passfel"


async def test_an_answer_cut_short_says_so(door):
    door.assistant.scripts = [(Text("Good"), Finished("length", END.usage))]
    assert (await post(door)).json()["choices"][0]["finish_reason"] == "length"
