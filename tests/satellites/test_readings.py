from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from pipeline.store.database import StoreDown
from satellites import readings


class Household:
    """Keeps readings in a list, while its database is there."""

    def __init__(self) -> None:
        self.kept: list[readings.Reading] = []
        self.down = False

    async def note_readings(self, noted) -> None:
        if self.down:
            raise StoreDown("it is being restarted")
        self.kept += noted


@pytest.fixture
def household() -> Household:
    return Household()


@pytest.fixture
async def client(household):
    app = FastAPI()
    readings.mount(app, household)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_one_reading_or_many_are_kept(client, household) -> None:
    answer = await client.post("/v1/readings", json={"name": " Freezer ", "value": -18.2, "unit": "°C"})
    assert (answer.status_code, answer.json()) == (200, {"kept": 1})
    many = [{"name": "Attic", "value": value, "at": "2026-11-01T10:00:00+01:00"} for value in range(3)]
    assert (await client.post("/v1/readings", json=many)).json() == {"kept": 3}
    assert household.kept[0].name == "Freezer"
    assert household.kept[1].at == datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[[]]",
        b'{"name": "", "value": 1}',
        b'{"name": "a"}',
        b'{"name": "a", "value": NaN}',
        b'{"name": "a\\u0000", "value": 1}',
        b'{"name": "a", "value": 1, "extra": 1}',
        b'{"name": "a", "value": 1, "at": "2026-11-01T10:00:00"}',
        b'{"name": "a", "value": 1, "at": "1066-10-14T10:00:00Z"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_what_is_no_reading_is_refused_and_nothing_is_kept(client, household, body: bytes) -> None:
    answer = await client.post("/v1/readings", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert not household.kept


async def test_the_future_and_too_many_are_refused(client, household) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert (await client.post("/v1/readings", json={"name": "a", "value": 1, "at": ahead})).status_code == 400
    assert (await client.post("/v1/readings", json=[{"name": "a", "value": 1}] * 1001)).status_code == 400
    assert not household.kept


async def test_what_cannot_be_kept_is_to_be_sent_again(client, household) -> None:
    household.down = True
    answer = await client.post("/v1/readings", json={"name": "a", "value": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
