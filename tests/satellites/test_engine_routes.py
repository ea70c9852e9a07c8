import httpx
import pytest
from fastapi import FastAPI

from pipeline.assistant import AssistantNotReady
from satellites import engine_routes


class Household:
    """An assistant whose model two people are asking."""

    def __init__(self, *, ready: bool = True) -> None:
        self.draining = False
        self.ready = ready

    def engine_state(self) -> dict[str, object]:
        if not self.ready:
            raise AssistantNotReady("the assistant is still loading its models")
        return {"draining": self.draining, "failing": False, "running": 2, "waiting": 0}

    def drain(self) -> None:
        self.engine_state()
        self.draining = True

    def resume(self) -> None:
        self.engine_state()
        self.draining = False


def client_of(assistant: Household) -> httpx.AsyncClient:
    app = FastAPI()
    engine_routes.mount(app, assistant)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_the_engine_is_drained_and_used_again():
    async with client_of(Household()) as client:
        assert (await client.get("/v1/engine")).json()["draining"] is False
        assert (await client.post("/v1/engine/drain")).json() == {
            "draining": True,
            "failing": False,
            "running": 2,
            "waiting": 0,
        }
        assert (await client.get("/v1/engine")).json()["draining"] is True
        assert (await client.post("/v1/engine/resume")).json()["draining"] is False


@pytest.mark.parametrize("path", ["drain", "resume"])
async def test_looking_changes_nothing(path):
    async with client_of(Household()) as client:
        assert (await client.get(f"/v1/engine/{path}")).status_code == 405


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/drain"), ("POST", "/resume")])
async def test_an_assistant_that_is_loading_says_so(method, path):
    async with client_of(Household(ready=False)) as client:
        answer = await client.request(method, f"/v1/engine{path}")
    assert answer.status_code == 503
    assert "still loading" in answer.json()["error"]["message"]
