"""What is learned of a server from how its answers went."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pipeline.engines.endpoint import Endpoint
from pipeline.orchestrator.admission import Priority
from pipeline.orchestrator.guard import Kind, ModelMisbehaved, Pace
from pipeline.orchestrator.servers import Engine, Server
from tests.pipeline.misbehaving_server import client_of
from tools.breaker import State

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with client_of(URL) as client:
        yield Server(Engine("the own model", Endpoint(URL, "key", "SmolLM2"), client, priorities=True), pace=Pace())


def report(server: Server, error: BaseException | None, *, answered: bool = False) -> None:
    server.report(server.breaker.enter(), error, answered=answered)


async def test_a_server_that_was_too_slow_gets_longer(server):
    server.pace.saw(0.1)
    before = server.pace.limits(heard=True, offers_tools=False).first
    report(server, ModelMisbehaved(Kind.SILENT))
    assert server.pace.limits(heard=True, offers_tools=False).first == 2 * before


@pytest.mark.parametrize("kind", Kind)
async def test_only_what_speaks_against_the_server_counts_against_it(server, kind):
    for _ in range(3):
        report(server, ModelMisbehaved(kind))
    bad = {"unreachable", "broken", "silent", "stalled", "closed", "html", "garbled"}
    assert (server.breaker.state is State.OPEN) == (kind in bad)


async def test_whoever_interrupts_says_nothing_against_it(server):
    for _ in range(3):
        report(server, asyncio.CancelledError())
        report(server, GeneratorExit(), answered=True)
    assert server.breaker.state is State.CLOSED


async def test_an_interrupted_answer_proves_that_it_is_well(server):
    for _ in range(2):
        report(server, ModelMisbehaved(Kind.CLOSED))
    report(server, GeneratorExit(), answered=True)
    report(server, ModelMisbehaved(Kind.CLOSED))
    assert server.breaker.state is State.CLOSED


async def test_a_request_is_said_in_its_words_and_the_caller_s_stays(server):
    request = {"messages": [{"role": "user", "content": "Hi"}], "extra_body": {"id_slot": 1}}
    prepared = server.prepare(request, Priority.TYPED, reasoning=True, budget=None)
    assert prepared == {**request, "model": "SmolLM2", "stream": True, "extra_body": {"priority": 2, "id_slot": 1}}
    assert "model" not in request
    assert request["extra_body"] == {"id_slot": 1}
