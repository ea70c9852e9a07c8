"""Asks an OpenAI-compatible server what it can do, instead of guessing that from names.

Every question is a short request with a time limit. A question that fails, in whatever way, leaves its answer unknown.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from loguru import logger

from pipeline.engines.answer_reader import Answer, at, number, text
from pipeline.engines.capabilities import Capabilities, Switch, remember, remembered
from pipeline.engines.endpoint import Endpoint

LOOK_SECONDS = 5.0
"""For what the server tells without asking the model."""
ASK_SECONDS = 30.0
"""For one answer of the model; the first grammar that vLLM compiles takes some of it."""
PROBE_SECONDS = 180.0
"""For all questions. What is not answered by then stays unknown."""
MAX_BYTES = 1 << 20
"""Of one response; no answer to these questions is as long."""

# So many requests without any answer, and the server is left alone.
_SILENCES = 2

_SUM = "What is 17 times 3? Answer with the number alone."
# A model that could not be kept from reasoning does so before it calls.
_CALL_TOKENS = 512
_CALL_AS_TEXT = re.compile(r"""["']?name["']?\s*:\s*["']set_timer|<function=set_timer|\[TOOL_CALLS\]""")
_TIMER = "Set a timer named potatoes for 20 minutes."
# A model of vLLM's that keeps more than attention matches prefixes in blocks of up to 2,096 tokens.
_PREFIX_WORDS = (600, 2400)

_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PQQkAAAgAsetfWiP4Fg"
    "YrsKZeS0BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEDgsqnc8OJg6Ln3AAAAAElFTkSuQmCC"
)
"""A red square of 64 by 64 pixels, which is more than a vision model needs at least."""


def _function(name: str, /, **parameters: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in parameters.items()},
        "required": list(parameters),
    }
    words = name.replace("_", " ")
    return {"type": "function", "function": {"name": name, "description": f"{words} as asked", "parameters": schema}}


_TOOLS = [_function("get_time", place="string"), _function("set_timer", name="string", minutes="integer")]


async def probe(endpoint: Endpoint, *, cache: Path | None = None, patience: float = ASK_SECONDS) -> Capabilities:
    """Find out what the server at `endpoint` can do. Takes seconds; raises nothing but a cancellation.

    An answer may take `patience` seconds; what came of it by then counts.

    What was found is kept in the file `cache` for each address, model and version, so that it is there at once until
    the server or the model is another one, or vLLM is started anew.
    """
    # As bytes, because a key that is no ASCII may be wrong and must not be an error here.
    key = {b"Authorization": f"Bearer {endpoint.api_key}".encode()}
    # llama.cpp may close a kept connection just as the next request comes.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(headers=key, timeout=patience, limits=limits, trust_env=False) as client:
        questions = _Questions(endpoint, client, patience)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4 * LOOK_SECONDS):
                await questions.look()
        name = f"{endpoint.url} {questions.found.model} {questions.found.server} {questions.started}"
        if cache and (known := await asyncio.to_thread(remembered, cache, name)):
            return known
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await questions.ask_all()
        except (TimeoutError, _Silent):
            logger.debug(f"{endpoint.url} answers too slowly to learn more about it")
        if cache and questions.answered:
            await asyncio.to_thread(remember, cache, name, questions.found)
        return questions.found


class _Silent(Exception):  # noqa: N818 - reads as what the server is
    """The server answers nothing."""


class _Questions:
    """The questions to one server, and what is known so far."""

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient, patience: float) -> None:
        self.found = Capabilities(model=endpoint.model)
        self.started = ""
        self.answered = False
        self._url = endpoint.url
        self._root = endpoint.url.removesuffix("/v1")
        self._adapt = endpoint.adapt
        self._client = client
        self._patience = patience
        self._silences = 0
        self._quiet: Mapping[str, Any] = {}
        self._instruction = ""
        self._length: int | None = None

    async def look(self) -> None:
        """See what the server tells of itself."""
        served = at(await self._get(f"{self._url}/models"), "data")
        models = [model for model in served if text(at(model, "id"))] if isinstance(served, list) else []
        names = tuple(model["id"] for model in models)
        if names and self.found.model not in names:
            self.found = replace(self.found, model=names[0])
        own = next((model for model in models if model["id"] == self.found.model), None)
        kind, context = text(at(own, "owned_by")), number(at(own, "max_model_len"))
        if kind == "llamacpp":
            properties = await self._get(f"{self._root}/props")
            kind = f"llama.cpp {text(at(properties, 'build_info'))}"
            context = number(at(properties, "default_generation_settings", "n_ctx"))
        elif kind == "vllm":
            kind = f"vLLM {text(at(await self._get(f'{self._root}/version'), 'version'))}"
            self.started = str(await self._metric("process_start_time_seconds") or "")
        server = kind.strip() or self.found.server
        self.found = replace(self.found, models=names, server=server, context=context)

    async def ask_all(self) -> None:
        """Ask the model, so that each answer is there as soon as it is known."""
        plain = await self._ask(_SUM)
        if not plain.usable:
            return
        self.answered = True
        self._length = plain.prompt_tokens
        await self._reasoning(plain)
        await self._calls()
        if self.found.server.startswith("vLLM"):
            # Others may overlook the field, and then nothing is learned.
            answer = await self._ask(_SUM, tokens=1, priority=1)
            self.found = replace(self.found, priorities=_verdict(answer, able=answer.usable))
        self.found = replace(self.found, caches_prefixes=await self._caches())
        self.found = replace(self.found, sees=await self._sees())

    async def _reasoning(self, plain: Answer) -> None:
        self.found = replace(self.found, begins_inside=plain.begins_inside)
        if plain.thinking:
            self.found = replace(self.found, reasons=True, reasons_if_told=True)
            await self._stop_reasoning(len(plain.thinking))
        elif plain.finish == "stop":
            self.found = replace(self.found, reasons=False)
            told = await self._ask(_SUM, chat_template_kwargs={"enable_thinking": True})
            inside = told.begins_inside
            self.found = replace(self.found, reasons_if_told=bool(told.thinking), begins_inside=inside)

    async def _stop_reasoning(self, before: int) -> None:
        ways: Sequence[tuple[Switch, dict[str, Any], str]] = (
            (Switch.TEMPLATE, {"chat_template_kwargs": {"enable_thinking": False}}, ""),
            (Switch.INSTRUCTION, {}, Switch.INSTRUCTION),
            (Switch.EFFORT, {"reasoning_effort": "low"}, ""),
        )
        for switch, fields, instruction in ways:
            answer = await self._ask(_SUM, instruction=instruction, **fields)
            left = len(answer.thinking)
            if answer.usable and (not left or (switch is Switch.EFFORT and left < before / 2)):
                self._quiet, self._instruction = fields, instruction
                self.found = replace(self.found, reasoning_off=switch)
                return

    async def _calls(self) -> None:
        free = await self._ask(_TIMER, tokens=_CALL_TOKENS, tools=_TOOLS, tool_choice="auto")
        # Where no call came, the model may have wanted none, unless it wrote one that the server did not recognise.
        able = True if free.calls else False if _CALL_AS_TEXT.search(free.text) else None
        self.found = replace(self.found, calls_freely=_verdict(free, able=able))
        required = await self._ask(_TIMER, tokens=_CALL_TOKENS, tools=_TOOLS, tool_choice="required")
        self.found = replace(
            self.found, calls_required=_verdict(required, able=_enforced(required, bool(required.calls)))
        )
        # Not the one that it would choose by itself.
        one = {"type": "function", "function": {"name": "get_time"}}
        named = await self._ask(_TIMER, tokens=_CALL_TOKENS, tools=_TOOLS, tool_choice=one)
        obeyed = [call.name for call in named.calls.values()] == ["get_time"]
        self.found = replace(self.found, calls_named=_verdict(named, able=_enforced(named, obeyed)))
        # How calls come that the model chose itself counts most: that is how most will come.
        for answer in (free, required, named):
            if any(call.arguments for call in answer.calls.values()):
                self.found = replace(self.found, streams_calls=any(call.pieces > 1 for call in answer.calls.values()))
                return

    async def _caches(self) -> bool | None:
        known = None
        for words in _PREFIX_WORDS:
            if self.found.context and 2 * words > self.found.context:
                break
            prefix = " ".join(f"Room {room} has a lamp." for room in range(words // 6))
            hits = await self._metric("vllm:prefix_cache_hits_total")
            await self._ask("What is tea?", tokens=1, instruction=prefix)
            again = await self._ask("Why is the sky blue?", tokens=1, instruction=prefix)
            cached = again.cached_tokens
            if cached is None and hits is not None:
                cached = int((await self._metric("vllm:prefix_cache_hits_total") or hits) - hits)
            if cached is None:
                return known
            if known := cached >= (again.prompt_tokens or 2 * words) / 4:
                break
        return known

    async def _sees(self) -> bool | None:
        content = [{"type": "text", "text": _SUM}, {"type": "image_url", "image_url": {"url": _IMAGE}}]
        answer = await self._ask(content, tokens=1)
        length = answer.prompt_tokens
        # Some servers drop the image without a word; one that was read makes the prompt longer.
        read = None if length is None or self._length is None else length > self._length + 4
        return _verdict(answer, able=read)

    async def _ask(
        self, content: object, *, tokens: int = 256, instruction: str | None = None, **fields: Any
    ) -> Answer:
        """Send one request; what came of the answer in time counts. Raises `_Silent` when nothing ever comes."""
        system = "\n".join(part for part in (instruction or "", self._instruction) if part)
        messages = [{"role": "user", "content": content}]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        request = {
            "model": self.found.model,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._quiet,
            **fields,
        }
        answer = Answer()
        try:
            async with asyncio.timeout(self._patience):
                async for event in self._events(self._adapt(request), answer):
                    answer.add(event)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            logger.debug(f"A question to {self._url} failed: {error!r}")
        self._silences = 0 if answer.status else self._silences + 1
        if self._silences >= _SILENCES:
            raise _Silent
        return answer

    async def _events(self, request: Mapping[str, Any], answer: Answer) -> AsyncIterator[object]:
        received, rest = 0, b""
        async with self._client.stream("POST", f"{self._url}/chat/completions", json=request) as response:
            answer.status = response.status_code
            async for chunk in response.aiter_bytes():
                received += len(chunk)
                if received > MAX_BYTES:
                    raise ValueError("the answer is too long")
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    data = line.removeprefix(b"data:").strip()
                    if line.startswith(b"data:") and data != b"[DONE]":
                        yield json.loads(data)

    async def _get(self, url: str) -> object:
        body = await self._read(url)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None

    async def _metric(self, name: str) -> float | None:
        """The sum of a Prometheus metric over its labels, or None where the server has none of the name."""
        lines = (await self._read(f"{self._root}/metrics")).decode(errors="replace").splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        try:
            return sum(map(float, values)) if values else None
        except ValueError:
            return None

    async def _read(self, url: str) -> bytes:
        """Fetch a document; an empty one where that fails."""
        body = b""
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._client.stream("GET", url) as response:
                if response.is_success:
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BYTES:
                            return b""
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            logger.debug(f"{url} cannot be read: {error!r}")
            return b""
        return body


def _verdict(answer: Answer, *, able: bool | None) -> bool | None:
    """What an answer says about being able: nothing if it never came, no if it was refused."""
    if answer.refused:
        return False
    return able if answer.usable else None


def _enforced(answer: Answer, obeyed: bool) -> bool | None:
    """Whether a call that was demanded came; a model that was still thinking may have been about to."""
    return True if obeyed else None if answer.thinking and answer.finish != "stop" else False
