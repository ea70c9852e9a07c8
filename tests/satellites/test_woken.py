import asyncio

import httpx
import pytest
from fastapi import FastAPI

from satellites.arbitration import Arbiter
from satellites.woken import mount


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI()
    mount(made, Arbiter())
    return made


async def test_of_two_satellites_the_one_that_heard_it_louder_answers(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        heard = [{"device": "hall", "loudness": -30.5}, {"device": "kitchen", "loudness": -20.0}]
        hall, kitchen = await asyncio.gather(*(http.post("/v1/woken", json=each) for each in heard))
        assert (hall.json(), kitchen.json()) == ({"answers": False}, {"answers": True})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"device": "x"},
        {"device": "", "loudness": 0},
        {"device": "x", "loudness": 1e9},
        {"device": "x\n", "loudness": 0},
    ],
)
async def test_what_makes_no_sense_is_refused(app: FastAPI, body: dict) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        assert (await http.post("/v1/woken", json=body)).status_code == 422
