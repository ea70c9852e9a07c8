"""What a device brings, as the firmware offers it, and what it might send instead."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.xiaozhi import tools
from satellites.xiaozhi.tools import LONGEST, MOST, DeviceTools, ToolFailed

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


def tool(name: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": f"does {name}", "inputSchema": schema}


VOLUME = tool("self.audio_speaker.set_volume", volume={"type": "integer", "minimum": 0, "maximum": 100})


class Device:
    """Answers JSON-RPC as `main/mcp_server.cc` does."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages or ([tool("self.get_device_status"), VOLUME], [tool("self.lamp.turn_on")])
        self.asked: list[dict[str, Any]] = []
        self.tools = DeviceTools(self.take)

    def take(self, message: dict[str, Any]) -> None:
        self.asked.append(json.loads(json.dumps(message)))
        if "id" in message and (answer := self.answer(message)) is not None:
            asyncio.get_running_loop().call_soon(self.tools.receive, {"jsonrpc": "2.0", "id": message["id"], **answer})

    def answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        params = message.get("params", {})
        match message["method"]:
            case "initialize":
                assert set(params["capabilities"]["vision"]) == {"url", "token"}
                return {"result": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": {}}}
            case "tools/list":
                page = int(params.get("cursor", "0"))
                more = {"nextCursor": str(page + 1)} if page + 1 < len(self.pages) else {}
                return {"result": {"tools": self.pages[page], **more}}
            case "tools/call" if params["name"] == "self.get_device_status":
                status = json.dumps({"audio_speaker": {"volume": 30}, "screen": {"brightness": 80}})
                return {"result": {"content": [{"type": "text", "text": status}], "isError": False}}
            case "tools/call" if params["name"] == "self.lamp.turn_on":
                return {"error": {"message": "The lamp is broken"}}
            case "tools/call":
                return {"result": {"content": [{"type": "text", "text": "true"}], "isError": False}}
        return {"error": {"message": "Method not implemented"}}


async def test_all_pages_are_offered_to_the_model() -> None:
    device = Device()
    await device.tools.load()
    schema = device.tools.schema()
    assert schema is not None
    functions = {each.name: each.to_default_dict() for each in schema.standard_tools}
    assert list(functions) == ["device_get_device_status", "device_audio_speaker_set_volume", "device_lamp_turn_on"]
    assert functions["device_audio_speaker_set_volume"]["parameters"] == VOLUME["inputSchema"]
    assert device.asked[1] == {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_the_devices_volume_is_known_and_set() -> None:
    device = Device()
    await device.tools.load()
    assert device.tools.volume == 0.3
    device.tools.set_volume(0.55)
    assert device.asked[-1]["params"] == {"name": "self.audio_speaker.set_volume", "arguments": {"volume": 55}}


async def test_a_device_without_a_volume_keeps_the_voices() -> None:
    device = Device([tool("self.lamp.turn_on")])
    await device.tools.load()
    assert device.tools.volume is None


async def test_what_fails_is_told_in_the_devices_own_words() -> None:
    device = Device()
    await device.tools.load()
    assert await device.tools.use("self.audio_speaker.set_volume", {"volume": 3}) == "true"
    with pytest.raises(ToolFailed, match="The lamp is broken"):
        await device.tools.use("self.lamp.turn_on", {})


async def test_what_is_for_people_or_takes_pictures_is_not_offered() -> None:
    reboot = {**tool("self.reboot"), "annotations": {"audience": ["user"]}}
    device = Device([reboot, tool("self.camera.take_photo", question={"type": "string"})])
    await device.tools.load()
    assert device.tools.schema() is None


async def test_a_device_that_does_not_answer_brings_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "ANSWER_SECONDS", 0.05)
    device = Device()
    device.answer = lambda _: None  # type: ignore[method-assign]
    await device.tools.load()
    assert device.tools.schema() is None


async def test_more_tools_than_any_device_has_are_left_out() -> None:
    pages = [[tool(f"self.t{page}.{number}") for number in range(50)] for page in range(30)]
    device = Device(*pages)
    await device.tools.load()
    schema = device.tools.schema()
    assert schema is not None
    assert len(schema.standard_tools) == MOST
    assert sum(each["method"] == "tools/list" for each in device.asked) <= tools.MOST_PAGES


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=12), inside, max_size=4),
    max_leaves=20,
)
names = st.sampled_from(["name", "description", "inputSchema", "annotations", "type", "properties", "required"])


@given(st.lists(st.dictionaries(names, json_values, max_size=6) | json_values, max_size=6))
def test_whatever_a_device_offers_becomes_a_valid_function_or_nothing(offered: list[Any]) -> None:
    async def load() -> None:
        device = Device(offered)
        await device.tools.load()
        schema = device.tools.schema()
        for each in schema.standard_tools if schema else ():
            function = each.to_default_dict()
            assert 1 <= len(function["name"]) <= 64
            assert len(function["description"]) <= LONGEST
            assert isinstance(function["parameters"].get("properties", {}), dict)

    asyncio.run(load())
