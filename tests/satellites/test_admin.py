"""What the owner is shown of the house."""

import httpx
import pytest
from fastapi import FastAPI
from loguru import logger

from pipeline.assistant import AssistantNotReady
from pipeline.settings import Settings
from satellites import admin
from satellites.admin import MOST_PROBLEMS, Problems
from tools.tool import Context, Effect, Result, tool


class House:
    def __init__(self) -> None:
        self.loading = False

    async def look(self, context: Context) -> Result:
        """Look around."""
        return Result("Nothing.")

    def engine_state(self):
        if self.loading:
            raise AssistantNotReady("still loading")
        return {"draining": False, "memory": {"free": 1.0, "limit": 2.0, "shed": "nothing"}}

    def house_tools(self, caller):
        return [tool(self.look, effect=Effect.READ)]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
async def client(house: House, problems: Problems, tmp_path):
    app = FastAPI()
    admin.mount(app, house, Settings(data_dir=tmp_path), problems)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_the_owner_sees_parts_memory_and_tools(client) -> None:
    told = (await client.get("/v1/overview")).json()
    assert {"machine", "memory", "hearing", "database"} <= {check["what"] for check in told["checks"]}
    assert [part["part"] for part in told["memory"]["parts"]] == ["speech", "language", "stores"]
    assert told["memory"]["parts"][0]["held"] > 10_000_000
    (look,) = told["tools"]
    assert (look["name"], look["worked"]) == ("look", None)
    assert told["keep_days"] == {"conversations": 90, "readings": 60}


async def test_while_it_loads_the_owner_sees_why(client, house: House) -> None:
    house.loading = True
    told = (await client.get("/v1/overview")).json()
    assert told["engine"] == {"problem": "still loading"}
    assert told["tools"] == []


async def test_the_newest_problems_are_kept(client, problems: Problems) -> None:
    with problems.noted():
        logger.info("all is well")
        for number in range(MOST_PROBLEMS + 5):
            logger.warning("memory runs short {}", number)
    logger.warning("after the end")
    told = (await client.get("/v1/overview")).json()["problems"]
    assert len(told) == MOST_PROBLEMS
    assert told[0]["what"] == f"memory runs short {MOST_PROBLEMS + 4}"
    assert told[0]["level"] == "WARNING"


async def test_what_libraries_warn_of_is_none_of_the_owners_business(problems: Problems) -> None:
    with problems.noted():
        for name, level in (("pipecat.transports.x", "WARNING"), ("pipecat.transports.x", "ERROR"), ("x", "WARNING")):
            logger.patch(lambda record, name=name: record.update(name=name)).log(level, f"{name} {level}")
    assert [each["what"] for each in problems.latest()] == ["x WARNING", "pipecat.transports.x ERROR"]
