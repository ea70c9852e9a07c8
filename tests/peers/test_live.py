"""The services themselves, as they are today: `make test-live`, for somebody with internet."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pipeline.providers import Providers
from pipeline.settings import Settings
from pipeline.toolbox import Toolbox
from tests.tools.calling import ALL, context
from tools.outcomes import Status

pytestmark = pytest.mark.skipif(not os.environ.get("LIVE"), reason="needs the internet: make test-live")


@pytest_asyncio.fixture
async def toolbox(tmp_path: Any) -> AsyncIterator[Toolbox]:
    async def ring(_: object) -> None: ...

    settings = Settings(data_dir=tmp_path, household={"location": "Lisbon, Portugal"})
    made = Toolbox(tmp_path, on_ring=ring, providers=Providers(settings))
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("get_weather", {}, "degrees"),
        ("get_weather", {"place": "Springfield, Illinois", "when": "tomorrow"}, "Springfield, Illinois"),
        ("weather_alerts", {"place": "Denver, Colorado"}, "Denver"),
        ("get_news", {}, "First, from"),
        ("convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}, "euros"),
        ("get_price", {"what": "bitcoin"}, "Bitcoin is at"),
        ("get_price", {"what": "Apple"}, "Apple"),
        ("look_up", {"about": "Ada Lovelace"}, "According to Wikipedia"),
        ("get_fact", {"about": "Mount Everest", "fact": "elevation"}, "8,84"),
        ("find_papers", {"about": "graph networks"}, "arXiv"),
    ],
)
async def test_a_service_answers_as_it_is_understood(
    toolbox: Toolbox, tool: str, arguments: dict[str, Any], said: str
) -> None:
    outcome = await toolbox.executor.call(tool, arguments, context(), allowed=ALL)
    assert outcome.status is Status.DONE, outcome.say
    assert said in outcome.say
