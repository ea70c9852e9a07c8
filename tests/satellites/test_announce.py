import httpx
import pytest
from fastapi import FastAPI

from pipeline.assistant import AssistantNotReady
from satellites import announce


class Household:
    """Notes what is announced; is loading for as long as it is told to be."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[str], str | None, bool]] = []
        self.loading = False
        self.hears = True

    async def announce(self, text: str, *, devices: list[str], room: str | None, urgent: bool) -> bool:
        if self.loading:
            raise AssistantNotReady("still loading")
        self.said.append((text, devices, room, urgent))
        return self.hears


@pytest.fixture
def household() -> Household:
    return Household()


@pytest.fixture
async def client(household: Household):
    app = FastAPI()
    announce.mount(app, household)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_what_an_automation_wants_said_is_said(client, household: Household) -> None:
    answer = await client.post("/v1/announce", json={"text": " The wash is done. ", "device": "kitchen"})
    assert (answer.status_code, answer.json()) == (200, {"status": "said"})
    household.hears = False
    assert (await client.post("/v1/announce", json={"text": "Rain!", "urgent": True})).json() == {"status": "waiting"}
    for where in ({"device": ["hall", "attic"]}, {"room": "kitchen"}):
        await client.post("/v1/announce", json={"text": "Dinner", **where})
    assert household.said == [
        ("The wash is done.", ["kitchen"], None, False),
        ("Rain!", [], None, True),
        ("Dinner", ["hall", "attic"], None, False),
        ("Dinner", [], "kitchen", False),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'{"text": ""}', b'{"text": "a\\u0000"}', b'{"text": "a", "to": 1}', b'{"text": 4}',
             b'{"text": "' + b"a" * 2000 + b'"}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
async def test_what_cannot_be_said_is_refused_with_the_reason(client, household: Household, body: bytes) -> None:
    answer = await client.post("/v1/announce", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert household.said == []


async def test_before_there_is_a_voice_it_is_sent_again_later(client, household: Household) -> None:
    household.loading = True
    answer = await client.post("/v1/announce", json={"text": "Hello"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
