"""What the house's tools cost: over what their providers take, and for the first token of a model that is offered them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from openai import AsyncOpenAI

from pipeline.orchestrator.prompt import PERSONA
from tests.benchmarks.orchestrator.asking import LIMIT, streamed
from tests.benchmarks.servers import LanguageServer
from tests.benchmarks.tool_choice.asking import house_tools
from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider
from tools.finance import Finance
from tools.news import News
from tools.nws import NationalWeather
from tools.open_meteo import OpenMeteo
from tools.places import Places
from tools.questions import Questions
from tools.service import MemoryCache, Service
from tools.tool import Tool
from tools.weather import Weather

FEW, MANY = 2, 20
_CALLS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("get_weather", {"place": "Lisbon", "when": "tomorrow"}),
    ("get_news", {}),
    ("convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}),
    ("get_price", {"what": "bitcoin"}),
    ("look_up", {"about": "Ada Lovelace"}),
)
_QUESTIONS = ("Say hello.", "Say goodbye.", "Name a color.", "Count to three.", "Name a tree.", "Say yes.")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of each call: of the tool, and of nothing but the requests that it makes."""

    tool: dict[str, list[float]] = field(default_factory=dict)
    requests: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offered:
    """Seconds to the first token with a prompt that was read before."""

    few: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)


async def cost(rounds: int) -> Cost:
    """Have tools ask a server on the loopback, in turn with a plain client that asks the same of it."""
    found = Cost()
    async with provider() as server, httpx.AsyncClient(base_url=server.url) as plain:
        for name, arguments in _CALLS:
            taken, asked = found.tool.setdefault(name, []), found.requests.setdefault(name, [])
            for number in range(rounds + 1):
                # Made anew, so that it has nothing kept.
                caller = Caller(_tools(server))
                server.asked.clear()
                began = time.perf_counter()
                await caller.call(name, **arguments)
                tool = time.perf_counter() - began
                paths = list(server.asked)
                began = time.perf_counter()
                if name == "get_news":
                    await asyncio.gather(*(plain.get(path) for path in paths))
                else:
                    for path in paths:
                        await plain.get(path)
                if number:
                    # The first one opens connections.
                    taken.append(tool)
                    asked.append(time.perf_counter() - began)
    return found


async def offered(server: LanguageServer, folder: Path, rounds: int) -> Offered:
    """Ask the same with few and with many tools offered, each prompt having been read before."""
    async with provider() as outside:
        functions = [_function(tool) for tool in (*house_tools(folder).values(), *_tools(outside))][:MANY]
    assert len(functions) == MANY
    found = Offered()
    async with AsyncOpenAI(base_url=server.url, api_key=server.key, max_retries=0, timeout=LIMIT) as client:
        for number in range(rounds + 1):
            for slot, (times, tools) in enumerate(((found.few, functions[:FEW]), (found.many, functions))):
                messages = [
                    {"role": "system", "content": PERSONA},
                    {"role": "user", "content": _QUESTIONS[number % len(_QUESTIONS)]},
                ]
                body: dict[str, Any] = {"model": server.model, "messages": messages, "max_tokens": 8, "tools": tools}
                body["extra_body"] = {"ignore_eos": True, **({"id_slot": slot} if server.embedded else {})}
                first = (await streamed(client, body)).first
                if number:
                    times.append(first)
    return found


def _tools(server: Provider) -> list[Tool]:
    places = Places(server.service("the service that knows places"), home=None)
    forecasts, states = OpenMeteo(server.service()), NationalWeather(server.service())
    papers = ("/news/world/rss.xml", "/world/rss")
    feeds = [Service("a paper", f"{server.url}{path}", server.web, cache=MemoryCache()) for path in papers]
    places_asked = ("wikipedia", "wikidata", "facts", "instant", "papers")
    questions = Questions(**{name: server.service() for name in places_asked})
    finance = Finance(server.service(), server.service(), None)
    sets = (Weather(places, forecasts, states, units="metric"), News(feeds), finance, questions)
    return [tool for each in sets for tool in each.tools()]


def _function(tool: Tool) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": described}
