"""What a server does wrong becomes one exception: over real HTTP, with the official client."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from pipeline.orchestrator.guard import (
    COLD_FIRST_TOKEN,
    FAST_FIRST_TOKEN,
    GuardedStream,
    Kind,
    Limits,
    ModelMisbehaved,
    Pace,
    retry_delay,
)
from pipeline.orchestrator.reasoning import ThinkFilter
from pipeline.orchestrator.reply import Reply, TextWatch
from tests.pipeline.misbehaving_server import (
    PAGE,
    Behaviour,
    MisbehavingServer,
    calls,
    client_of,
    goes_on_for_ever,
    half_a_call,
    hangs_up,
    misbehaving_server,
    responds,
    says,
    sends,
    stalls,
)

PATIENT = Limits(first=15, gap=15, silence=15)
# What a busy machine takes for the rest must not look like what these are about.
WAITS = {
    Kind.SILENT: Limits(first=0.5, gap=0.2, silence=0.3),
    Kind.STALLED: Limits(first=15, gap=0.3, silence=15),
}
HEAD = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "test"}


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with misbehaving_server() as server:
        yield server


@pytest.fixture
async def client(server: MisbehavingServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(server.url) as client:
        yield client


async def read(client: AsyncOpenAI, limits: Limits = PATIENT, *, longest: int = 2_000) -> list:
    """What leaves of the answer: texts, calls as (name, arguments), and the reason for its end."""
    reply = Reply(ThinkFilter(), TextWatch(longest))
    left = []
    messages = [{"role": "user", "content": "Hi"}]
    stream = GuardedStream(lambda: client.chat.completions.create(model="test", messages=messages, stream=True), limits)
    async with asyncio.timeout(20), stream:
        async for chunk in stream:
            leaving = reply.feed(chunk)
            stream.finished, stream.speaking = reply.finished, reply.speaking
            for choice in (choice for cleaned in leaving for choice in cleaned.choices):
                calls = [(call.function.name, call.function.arguments) for call in choice.delta.tool_calls or []]
                left += [part for part in (choice.delta.content, *calls, choice.finish_reason) if part]
        reply.close()
    return left


async def until_closed(server: MisbehavingServer) -> None:
    async with asyncio.timeout(5):
        while server.open:
            await asyncio.sleep(0.01)


async def test_a_healthy_answer_passes(server, client):
    server.will(says("It is ", "noon."))
    assert await read(client) == ["It is ", "noon.", "stop"]


async def test_thoughts_are_kept_and_count_as_a_sign_of_life(server, client):
    server.will(says("<thi", "nk>Hm.</th", "ink>It is noon.", thoughts="abc"))
    assert await read(client) == ["It is noon.", "stop"]


async def test_calls_leave_whole_and_at_the_end(server, client):
    server.will(calls(("get_time", "{}"), ("set_timer", '{"minutes": 5}'), text="One moment."))
    assert await read(client) == ["One moment.", ("get_time", "{}"), ("set_timer", '{"minutes": 5}'), "tool_calls"]


def event(**fields: object) -> str:
    return f"data: {json.dumps({**HEAD, **fields})}\n\n"


TEXT = event(choices=[{"index": 0, "delta": {"content": "It is"}, "finish_reason": None}])


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        (sends("data: {broken\n\n"), Kind.GARBLED, "{broken"),
        (sends(TEXT + "data: [1, 2]\n\n"), Kind.GARBLED, "[1, 2]"),
        (sends("data: null\n\n"), Kind.GARBLED, "None"),
        (sends(b"data: \xff\xfe\n\n"), Kind.GARBLED, "utf-8"),
        (sends(event(choices=5, usage="x") + "data: [DONE]\n\n"), Kind.EMPTY, "ended"),
        (sends('data: {"error": {"message": "out of memory"}}\n\n'), Kind.BROKEN, "out of memory"),
        (sends(PAGE), Kind.EMPTY, "ended"),
        (sends(TEXT), Kind.CLOSED, "ended"),
        (responds(PAGE, content_type="text/html"), Kind.HTML, "502 Bad Gateway"),
        (responds(PAGE, content_type="text/html", status=502), Kind.BROKEN, "status 502: 502 Bad Gateway nginx"),
        (responds('{"choices": []}'), Kind.GARBLED, "choices"),
        (responds("{}", status=400), Kind.REFUSED, "status 400"),
        (responds("{}", status=500), Kind.BROKEN, "status 500"),
        (responds("{}", status=429, Retry_After="7"), Kind.BUSY, "status 429"),
        (responds("{}", status=503, Retry_After="7"), Kind.BUSY, "status 503"),
        (responds("{}", status=503), Kind.BROKEN, "status 503"),
        (says(PAGE[:9], PAGE[9:]), Kind.HTML, "<!DOCTYPE"),
        (says(), Kind.EMPTY, "finished"),
        (says(" ", "\n"), Kind.EMPTY, "finished"),
        (says("<think>", "Hm"), Kind.EMPTY, "finished"),
        (hangs_up(), Kind.CLOSED, ""),
        (hangs_up("It is"), Kind.CLOSED, ""),
        (stalls(), Kind.SILENT, "nothing for"),
        (stalls("It is"), Kind.STALLED, ""),
        (half_a_call(), Kind.CLOSED, ""),
        (calls(("set_timer", '{"min')), Kind.BROKEN_CALL, "set_timer"),
        (calls(("set_timer", "[5]")), Kind.BROKEN_CALL, "no JSON object"),
        (calls(("set_timer", '{"min'), reason="length"), Kind.BROKEN_CALL, "longest length"),
        (calls(("", "{}")), Kind.BROKEN_CALL, "no name"),
        (goes_on_for_ever(lambda n: {"content": f"word{n} "}), Kind.ENDLESS, "characters"),
        (goes_on_for_ever(lambda n: {"content": "\n"}), Kind.ENDLESS, "characters"),
        (goes_on_for_ever(lambda n: {"reasoning_content": "Hm, "}), Kind.ENDLESS, "characters"),
        (goes_on_for_ever(lambda n: {"content": "I can help you. "}), Kind.LOOP, "I can help you."),
    ],
)
async def test_what_goes_wrong_is_told(server, client, behaviour: Behaviour, kind: Kind, said: str):
    server.will(behaviour)
    with pytest.raises(ModelMisbehaved) as misbehaved:
        await read(client, WAITS.get(kind, PATIENT))
    assert misbehaved.value.kind is kind
    assert said in misbehaved.value.said
    await until_closed(server)


async def test_nobody_at_the_address_is_told():
    async with client_of("http://127.0.0.1:9/v1") as client:
        with pytest.raises(ModelMisbehaved) as misbehaved:
            await read(client)
    assert misbehaved.value.kind is Kind.UNREACHABLE


async def test_what_breaks_after_the_end_is_not_told(server, client):
    end = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    server.will(sends(TEXT + end + "data: {broken\n\n"))
    assert await read(client) == ["It is", "stop"]


async def test_a_reader_that_is_stopped_ends_at_once(server, client):
    server.will(stalls("It is"))
    stream = GuardedStream(
        lambda: client.chat.completions.create(model="test", messages=[], stream=True), Limits(60, 60, 60)
    )
    async with stream:
        await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.05)
        stream.stop()
        with pytest.raises(TimeoutError):
            await waiting
    await until_closed(server)


async def test_a_cancelled_reader_leaves_no_connection(server, client):
    server.will(stalls("It is"))
    reading = asyncio.create_task(read(client, Limits(60, 60, 60)))
    while not server.open:
        await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until_closed(server)


def test_a_server_that_never_answered_gets_long_and_a_fast_one_little():
    pace = Pace()
    assert pace.limits(heard=True, offers_tools=False).first == COLD_FIRST_TOKEN
    pace.saw(0.1)
    assert pace.limits(heard=True, offers_tools=False).first == FAST_FIRST_TOKEN
    assert pace.limits(heard=False, offers_tools=False).first > COLD_FIRST_TOKEN
    pace.saw(2.0)
    assert pace.limits(heard=True, offers_tools=False).first == 6.0
    for _ in range(8):
        pace.saw(0.1)
    assert pace.limits(heard=True, offers_tools=False).first == FAST_FIRST_TOKEN


def test_a_limit_that_was_missed_grows_until_the_server_is_fast_again():
    pace = Pace()
    pace.saw(0.1)
    grown = []
    for _ in range(4):
        pace.missed()
        grown.append(pace.limits(heard=True, offers_tools=False).first)
    assert grown == [5.0, 10.0, 20.0, 20.0]
    pace.saw(0.1)
    assert pace.limits(heard=True, offers_tools=False).first == FAST_FIRST_TOKEN


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:16:45 GMT"}, 5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"x-ratelimit-reset-requests": "1004"}, 4),
        ({"x-ratelimit-reset-requests": "1004", "x-ratelimit-remaining-requests": "12"}, None),
        ({"x-ratelimit-reset-tokens": "2.5"}, 2.5),
        ({"x-ratelimit-reset-requests": "1004", "x-ratelimit-reset-tokens": "2.5"}, 4),
        ({"x-ratelimit-reset-requests": "900"}, 0),
        ({"retry-after": "1", "x-ratelimit-reset-tokens": "60"}, 1),
    ],
)
def test_a_refusal_says_when_to_come_back(headers, seconds):
    assert retry_delay(headers, now=1000.0) == seconds
