"""Asks a server what PASSFEL would ask it for a request, and notes what is called."""

import asyncio
import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from pipeline.caller import Caller, Capability, Permission
from pipeline.engines.endpoint import Endpoint
from pipeline.engines.families import Family
from pipeline.engines.probe import probe
from pipeline.intents.matching import LocalIntents, Match
from pipeline.latency import LatencyLog
from pipeline.orchestrator.completions import Completions, Engine, NoAnswer, Saturated
from pipeline.settings import Settings
from pipeline.toolbox import Toolbox
from pipeline.writer import Text, WrittenRequest
from pipeline.written import WrittenConversation
from tests.benchmarks.servers import LanguageServer
from tests.benchmarks.tool_choice.requests import Call, Request
from tools.executor import Executor
from tools.memory import Notebook
from tools.outcomes import Outcome, Status
from tools.tool import Context, Effect, Result, Tool

LIMIT = 60.0
"""Seconds for one request, whatever the model does."""
LONGEST = 150
"""Tokens of an answer: enough for several calls, and a small model that rambles is not waited for."""
_MADE = (Status.DONE, Status.UNCONFIRMED)
_CALLER = Caller("benchmark", "benchmark", capabilities=frozenset({Capability.SHOW}), permissions=frozenset(Permission))


class NoIntents(LocalIntents):
    """Leaves everything to the model."""

    def match_all(self, text: str) -> list[Match]:
        """Match nothing."""
        return []


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request."""

    request: Request
    calls: tuple[Call, ...]
    invalid: int
    """Calls whose arguments did not fit, or whose tool does not exist."""
    said: str
    seconds: float
    """Until the last call, or until the first word where nothing was called."""


class Recorder(Executor):
    """Runs nothing, and notes what would have run."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__([dataclasses.replace(each, run=_done) for each in tools])
        self.calls: list[Call] = []
        self.invalid = 0
        self.latest = 0.0

    async def call(
        self, name: str, arguments: str | Mapping[str, Any], context: Context, *, allowed: Collection[Effect]
    ) -> Outcome:
        """Check a call and note it."""
        outcome = await super().call(name, arguments, context, allowed=allowed)
        self.latest = time.perf_counter()
        call = Call(name, outcome.arguments)
        if outcome.status not in _MADE:
            self.invalid += 1
        elif call not in self.calls:
            self.calls.append(call)
        return outcome


async def _done(context: Context, **arguments: Any) -> Result:
    return Result("Done.")


def house_tools(folder: Path) -> dict[str, Tool]:
    """The tools of the house by name; nothing is written to `folder` as long as none of them runs."""

    async def never(_: object) -> None:
        raise AssertionError("nothing rings here")

    tools = Toolbox(folder, on_ring=never, notebook=cast("Notebook", object())).executor.tools(tuple(Effect))
    return {tool.name: tool for tool in tools}


class Asker:
    """Asks one server, as PASSFEL does for somebody who types.

    Args:
        intents: what PASSFEL answers without the model; None leaves everything to the model.
    """

    def __init__(
        self, endpoint: Endpoint, client: AsyncOpenAI, family: Family | None, folder: Path, intents: LocalIntents | None
    ) -> None:
        self._endpoint, self._client = endpoint, client
        self._completions = Completions(Engine("the language model", endpoint, client, family=family))
        self._tools = list(house_tools(folder).values())
        self._intents = intents or NoIntents("en")
        self._settings = Settings()

    async def ask(self, request: Request) -> Answer:
        """Answer a request, and note the calls on the way."""
        recorder = Recorder(self._tools)
        written = WrittenRequest(_messages(request), max_tokens=LONGEST)
        conversation = WrittenConversation(
            _CALLER,
            written.identity(_CALLER),
            endpoint=self._endpoint,
            client=self._client,
            completions=self._completions,
            settings=self._settings,
            latency=LatencyLog(),
            executor=recorder,
            intents=self._intents,
        )
        asked, first, words = time.perf_counter(), 0.0, []
        try:
            async with asyncio.timeout(LIMIT), aclosing(conversation.answer(written)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Text):
                        first = first or time.perf_counter()
                        words.append(piece.text)
        except (TimeoutError, NoAnswer, Saturated) as error:
            words.append(f"[{type(error).__name__}]")
        ended = (recorder.latest if recorder.calls else first) or time.perf_counter()
        return Answer(request, tuple(recorder.calls), recorder.invalid, "".join(words), ended - asked)

    async def all(self, requests: Sequence[Request]) -> list[Answer]:
        """Ask one after the other; the first once before, so that the prompt is warm for all of them."""
        await self.ask(requests[0])
        return [await self.ask(request) for request in requests]


async def reached(server: LanguageServer, folder: Path) -> tuple[Endpoint, Family | None]:
    """Learn what PASSFEL knows of a server: of its own engine, or by asking what it can do."""
    if server.endpoint is not None:
        return server.endpoint, None
    asked = Endpoint(server.url, server.key, server.model, context=Settings().language.context)
    found = await probe(asked, cache=folder / "capabilities.json")
    return found.known(asked), found.family(server.url)


def _messages(request: Request) -> list[ChatCompletionUserMessageParam]:
    roles = ("user", "assistant")
    turns = [*request.before, request.said]
    messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(turns)]
    return cast("list[ChatCompletionUserMessageParam]", messages)
