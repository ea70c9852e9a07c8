import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web as aio
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel, TypeAdapter

from tests.tools.provider import Provider, provider, status
from tools.service import NotThere, Unwell, _retry_after, spoken_age


class Number(BaseModel):
    number: float


FORM = TypeAdapter(Number)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as serving:
        yield serving


def numbers(*answers: Any):
    """Answers one after the other, the last one again and again."""
    left = list(answers)

    async def answer(request: aio.Request) -> aio.StreamResponse:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, int):
            return await status(now)(request)
        return await now(request) if callable(now) else aio.json_response({"number": now})

    return answer


async def test_a_fresh_answer_is_not_asked_for_again(server: Provider) -> None:
    server.instead = numbers(1.5, 2.5)
    now = [1000.0]
    service = server.service(clock=lambda: now[0])
    assert (await service.json(FORM, "/n", fresh=60)).value.number == 1.5
    now[0] += 59
    again = await service.json(FORM, "/n", fresh=60)
    assert (again.value.number, again.at, len(server.asked)) == (1.5, 1000.0, 1)
    now[0] += 2
    assert (await service.json(FORM, "/n", fresh=60)).value.number == 2.5


async def test_an_old_answer_serves_with_its_age_while_a_server_is_unwell(server: Provider) -> None:
    server.instead = numbers(1.5, 400 + 103)
    now = [1000.0]
    service = server.service(clock=lambda: now[0])
    await service.json(FORM, "/n", fresh=60, stale=3600)
    now[0] += 600
    old = await service.json(FORM, "/n", fresh=60, stale=3600)
    assert (old.value.number, spoken_age(old.at, now[0])) == (1.5, "As of 10 minutes ago, ")
    now[0] += 3600
    with pytest.raises(Unwell):
        await service.json(FORM, "/n", fresh=60, stale=3600)


@pytest.mark.parametrize("validator", [("etag", "if-none-match", '"v1"'), ("last-modified", "if-modified-since", "Mon, 23 Nov 2026 10:00:00 GMT")])  # fmt: skip
async def test_what_has_not_changed_is_not_sent_again(server: Provider, validator: tuple[str, str, str]) -> None:
    name, condition, value = validator

    async def answer(request: aio.Request) -> aio.StreamResponse:
        if request.headers.get(condition) == value:
            return aio.Response(status=304)
        return aio.json_response({"number": 1.5}, headers={name: value})

    server.instead = answer
    now = [1000.0]
    service = server.service(clock=lambda: now[0])
    for later in (0.0, 100.0, 100.0):
        now[0] += later
        known = await service.json(FORM, "/n", fresh=60)
        assert (known.value.number, known.at) == (1.5, now[0])
    assert len(server.asked) == 3


async def test_a_server_that_says_unchanged_without_having_been_asked_knows_nothing(server: Provider) -> None:
    server.instead = numbers(304)
    with pytest.raises(NotThere):
        await server.service().json(FORM, "/n", fresh=60)


async def test_what_fails_in_passing_is_asked_again(server: Provider) -> None:
    server.instead = numbers(503, 500, 2.5)
    assert (await server.service().json(FORM, "/n")).value.number == 2.5
    assert len(server.asked) == 3


async def test_a_server_that_asks_for_a_pause_gets_it(server: Provider) -> None:
    server.instead = numbers(status(429, headers={"retry-after": "1"}), 2.5)
    began = time.monotonic()
    await server.service().json(FORM, "/n")
    assert time.monotonic() - began >= 1


async def test_a_pause_that_nobody_waits_for_is_told(server: Provider) -> None:
    server.instead = status(429, headers={"retry-after": "300"})
    with pytest.raises(Unwell, match=r"wants to be asked less often\. Please try again in 5 minutes"):
        await server.service().json(FORM, "/n")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", ["<html>Sorry</html>", '{"number": 1', '{"number": "many"}', "[]", "", "null", '{"number": NaN', "[" * 9000]
)
async def test_an_answer_in_another_form_is_told_of(server: Provider, body: str) -> None:
    server.instead = status(200, text=body)
    with pytest.raises(Unwell, match="The weather service sent something that I can't read"):
        await server.service().json(FORM, "/n", fresh=60)
    server.instead = numbers(1.5)
    assert (await server.service().json(FORM, "/n", fresh=60)).value.number == 1.5


async def test_a_key_that_is_not_accepted_is_told_of(server: Provider) -> None:
    server.instead = status(401)
    with pytest.raises(Unwell, match="key or password"):
        await server.service().json(FORM, "/n")


async def test_what_a_server_does_not_know_is_no_fault_of_it(server: Provider) -> None:
    server.instead = status(404, text="no")
    service = server.service()
    for _ in range(5):
        with pytest.raises(NotThere):
            await service.json(FORM, "/n")
    server.instead = numbers(1.5)
    assert (await service.json(FORM, "/n")).value.number == 1.5


async def test_a_server_that_keeps_failing_is_left_alone(server: Provider) -> None:
    server.instead = status(500)
    service = server.service()
    for _ in range(3):
        with pytest.raises(Unwell):
            await service.json(FORM, "/n")
    asked = len(server.asked)
    with pytest.raises(Unwell, match="doesn't answer right now"):
        await service.json(FORM, "/n")
    assert len(server.asked) == asked


async def test_nothing_is_done_twice_because_it_failed_once(server: Provider) -> None:
    server.instead = status(503)
    with pytest.raises(Unwell):
        await server.service().send("POST", "/do", {"what": 1})
    assert len(server.asked) == 1


async def test_a_server_that_is_not_there_is_told_of(server: Provider) -> None:
    service = server.service()
    service.url = "http://127.0.0.1:1"
    with pytest.raises(Unwell):
        await service.json(FORM, "/n")


async def test_who_asks_too_often_waits_for_their_turn(server: Provider) -> None:
    server.instead = numbers(1.0)
    service = server.service(requests=2, seconds=0.5)
    began = time.monotonic()
    await asyncio.gather(*(service.json(FORM, f"/{each}") for each in range(4)))
    assert time.monotonic() - began >= 0.4
    slow = server.service(requests=1, seconds=60)
    await slow.json(FORM, "/n")
    with pytest.raises(Unwell, match="very often"):
        await slow.json(FORM, "/m")


async def test_a_request_that_is_given_up_says_nothing_about_the_server(server: Provider) -> None:
    async def never(_: aio.Request) -> aio.StreamResponse:
        await asyncio.sleep(3)
        return aio.Response()

    server.instead = never
    service = server.service()
    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await service.json(FORM, "/n")
    server.instead = numbers(1.5)
    assert (await service.json(FORM, "/n")).value.number == 1.5


@given(some.text(max_size=40) | some.floats().map(str))
def test_any_retry_after_is_a_pause_or_none(header: str) -> None:
    pause = _retry_after(header, 0.0)
    assert pause is None or 0 <= pause <= 24 * 3600
