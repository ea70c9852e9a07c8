import uuid
from datetime import UTC

import httpx
import pytest
from fastapi import FastAPI

from pipeline.assistant import AssistantNotReady
from pipeline.toolbox import allowed, tool_context
from satellites import tools as door
from tools.executor import Executor
from tools.tool import Context, Effect, Failed, Result, tool


class House:
    """Holds a lamp and a lock; is loading for as long as it is told to be."""

    def __init__(self) -> None:
        self.loading = False
        self.devices: list[str] = []
        self.executor = Executor(
            [
                tool(self.switch, effect=Effect.CONTROL),
                tool(self.unlock, effect=Effect.SECURE, question=lambda _: "Really?"),
                tool(self.break_down, effect=Effect.READ),
            ]
        )

    async def switch(self, context: Context, on: bool) -> Result:
        """Switch the lamp."""
        self.devices.append(context.device)
        return Result("The lamp is on." if on else "The lamp is off.", {"on": on})

    async def unlock(self, context: Context) -> Result:
        """Unlock the door."""
        raise AssertionError("nobody confirmed it")

    async def break_down(self, context: Context) -> Result:
        """Fail."""
        raise Failed("It is away.")

    async def use_tool(self, name, arguments, caller):
        if self.loading:
            raise AssistantNotReady("still loading")
        context = tool_context(caller, conversation=caller.device, turn=uuid.uuid4().hex, zone=UTC)
        return await self.executor.call(name, arguments, context, allowed=allowed(caller))


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def client(house: House):
    app = FastAPI()
    door.mount(app, house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_a_program_uses_a_tool(client, house: House) -> None:
    answer = await client.post("/v1/tools/switch", json={"arguments": {"on": True}, "device": "kitchen"})
    assert (answer.status_code, answer.json()) == (200, {"say": "The lamp is on.", "data": {"on": True}})
    await client.post("/v1/tools/switch", json={"arguments": {"on": False}})
    assert house.devices == ["kitchen", "program"]


@pytest.mark.parametrize(
    ("tool", "body", "status", "told"),
    [
        ("switch", b'{"arguments": {"on": "perhaps"}}', 400, "on"),
        ("switch", b"nonsense", 400, "JSON"),
        ("switch", b'{"args": {}}', 400, "args"),
        ("switch", b"[" * 100_000, 400, "JSON"),
        ("fly", b"{}", 400, "There are: switch"),
        ("unlock", b"", 403, ""),
        ("break_down", b"", 502, "It is away."),
    ],
)
async def test_what_cannot_be_done_is_told(
    client, house: House, tool: str, body: bytes, status: int, told: str
) -> None:
    answer = await client.post(f"/v1/tools/{tool}", content=body)
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert house.devices == []


async def test_before_the_house_is_ready_it_is_asked_again_later(client, house: House) -> None:
    house.loading = True
    answer = await client.post("/v1/tools/switch", json={"arguments": {"on": True}})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
