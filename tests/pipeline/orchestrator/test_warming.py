"""Reading a prompt before anybody waits for it, at a server that is told what to do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from pipeline.engines.endpoint import Endpoint
from pipeline.orchestrator.completions import Completions, Engine, Priority
from tests.pipeline.misbehaving_server import (
    MisbehavingServer,
    client_of,
    hangs_up,
    misbehaving_server,
    responds,
    says,
    stalls,
)

REQUEST: dict[str, Any] = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    "max_tokens": 100,
    "stream_options": {"include_usage": True},
}


class House:
    def __init__(self, server: MisbehavingServer, model: str = "model") -> None:
        self._client = client_of(server.url)
        engine = Engine("the model", Endpoint(server.url, "key", model), self._client)
        self.completions = Completions(engine, slots=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.completions.close()
        await self._client.close()

    async def answer(self) -> str:
        stream = self.completions.stream(REQUEST, priority=Priority.VOICE, private=False, conversation="voice")
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with misbehaving_server() as server:
        yield server


async def test_a_prompt_is_read_for_one_token_and_without_a_stream(server):
    async with House(server) as house:
        await house.completions.warm(REQUEST, conversation="a")
    (sent,) = server.requests
    assert (sent["max_tokens"], sent["stream"], sent["messages"]) == (1, False, REQUEST["messages"])
    assert "stream_options" not in sent


async def test_where_the_switch_stands_in_the_prompt_both_prompts_are_read(server):
    async with House(server, "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5") as house:
        await house.completions.warm(REQUEST, conversation="a")
    assert [sent["messages"][0]["content"] for sent in server.requests] == ["Be brief.\n/no_think", "Be brief."]


@pytest.mark.parametrize("behaviour", [hangs_up(), responds("{}", status=500), responds("<html>")])
async def test_a_server_that_fails_at_it_is_asked_again_by_who_needs_it(server, behaviour):
    server.will(behaviour, says("Hello."))
    async with House(server) as house:
        await house.completions.warm(REQUEST, conversation="a")
        assert await house.answer() == "Hello."


async def test_nothing_is_read_under_maintenance(server):
    async with House(server) as house:
        house.completions.drain()
        await house.completions.warm(REQUEST, conversation="a")
    assert server.requests == []


async def test_a_voice_stops_the_reading(server):
    server.will(stalls(), says("Here I am."))
    async with House(server) as house, asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(house.completions.warm(REQUEST, conversation="a"))
        while not server.requests:
            await asyncio.sleep(0.01)
        assert await house.answer() == "Here I am."


async def test_while_the_engine_is_busy_nothing_is_read(server):
    server.will(says("Well, ", "this takes a while.", pause=0.2))
    async with House(server) as house, asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(house.answer())
        while not server.requests:
            await asyncio.sleep(0.01)
        await house.completions.warm(REQUEST, conversation="a")
    assert answer.result() == "Well, this takes a while."
    assert len(server.requests) == 1
