"""The tools that a device brings, such as its volume, its lamp or its screen: MCP over its websocket, as the client.

Source: `docs/mcp-protocol.md` and `main/mcp_server.cc` of https://github.com/78/xiaozhi-esp32. The firmware's errors
lack the code that JSON-RPC 2.0 wants, so that the Model Context Protocol's own library does not understand them.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final

from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.services.llm_service import FunctionCallParams

from satellites.realtime.session_config import ClientTool

ANSWER_SECONDS: Final = 10.0
"""In which a device answers; it takes a few hundredths of a second."""
MOST: Final = 64
"""Tools of one device."""
MOST_PAGES: Final = 16
LONGEST: Final = 4_000
"""Characters of a tool's description, of its schema, and of what it tells."""
FACTORY_VOLUME: Final = 0.7
"""How loud a device is that does not tell."""
PREFIX: Final = "device_"
"""Before each name, so that none is taken for one of the house's."""
_SEES: Final = ("take_photo", "screenshot")
"""What would send an image, which nobody looks at here."""
_VERSION: Final = "2024-11-05"


class ToolFailed(Exception):  # noqa: N818 - reads as what happened
    """A device did not do what it was asked for."""


class DeviceTools:
    """The tools of one device.

    Args:
        send: sends the device a message of JSON-RPC.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self._names: dict[str, str] = {}
        self._tools: list[ClientTool] = []
        self._level = FACTORY_VOLUME

    async def load(self) -> None:
        """Ask the device for what it brings. One that does not answer brings nothing."""
        # The official client of the protocol wants `vision`; without an address the firmware's camera stays off.
        capabilities = {"vision": {"url": "", "token": ""}}
        about = {"name": "PASSFEL", "version": "1"}
        hello = {"protocolVersion": _VERSION, "capabilities": capabilities, "clientInfo": about}
        try:
            await self._ask("initialize", hello)
            self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            cursor: object = ""
            for _ in range(MOST_PAGES):
                page = await self._ask("tools/list", {"cursor": cursor} if cursor else {})
                self._take(page.get("tools"))
                cursor = page.get("nextCursor")
                if not cursor or not isinstance(cursor, str):
                    break
            await self._read_level()
        except ToolFailed as error:
            logger.info("a device's tools are left out: {}", error)

    def receive(self, payload: dict[str, Any]) -> None:
        """Take a message of the device."""
        number = payload.get("id")
        call = self._calls.pop(number, None) if isinstance(number, int) else None
        if call is not None and not call.done():
            call.set_result(payload)

    def schema(self) -> ToolsSchema | None:
        """What the model is offered; None where the device brings nothing."""
        return ToolsSchema(list(self._tools)) if self._tools else None

    async def call(self, params: FunctionCallParams) -> None:
        """Use one for the model."""
        try:
            told = await self.use(self._names[params.function_name], dict(params.arguments))
        except KeyError:
            await params.result_callback({"error": "There is no such tool."})
        except ToolFailed as error:
            await params.result_callback({"error": str(error)})
        else:
            await params.result_callback({"result": told})

    async def use(self, name: str, arguments: dict[str, Any]) -> str:
        """Use one by the device's own name: what it tells. Raises `ToolFailed`."""
        result = await self._ask("tools/call", {"name": name, "arguments": arguments})
        content = result.get("content")
        parts = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
        told = " ".join(str(each["text"]) for each in parts if each.get("type") == "text" and "text" in each)[:LONGEST]
        if result.get("isError"):
            raise ToolFailed(told or "the device failed")
        return told

    @property
    def volume(self) -> float | None:
        """How loud the device is, 0 to 1; None where that cannot be changed."""
        return self._level if self._own("set_volume") else None

    def set_volume(self, volume: float) -> None:
        """Have the device be as loud, 0 to 1, without waiting for it."""
        if name := self._own("set_volume"):
            self._level = volume
            self._request("tools/call", {"name": name, "arguments": {"volume": round(volume * 100)}})

    async def _read_level(self) -> None:
        name = self._own("get_device_status")
        if name is None:
            return
        try:
            level = json.loads(await self.use(name, {}))["audio_speaker"]["volume"]
            self._level = min(1.0, max(0.0, float(level) / 100))
        except (ToolFailed, ValueError, LookupError, TypeError, RecursionError) as error:
            logger.debug("how loud a device is could not be read: {!r}", error)

    def _own(self, name: str) -> str | None:
        return next((each for each in self._names.values() if each.rpartition(".")[2] == name), None)

    def _take(self, tools: object) -> None:
        for tool in tools if isinstance(tools, list) else ():
            read = _readable(tool)
            if read is None or len(self._tools) >= MOST or read[0] in self._names:
                continue
            own, name, description, schema = read[0], *read[1:]
            self._names[own] = name
            self._tools.append(ClientTool(own, description, schema))

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = self._request(method, params)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                payload = await answer
        except TimeoutError:
            raise ToolFailed(f"the device did not answer {method}") from None
        finally:
            self._calls.pop(number, None)
        result = payload.get("result")
        if not isinstance(result, dict):
            error = payload.get("error")
            message = error.get("message") if isinstance(error, dict) else None
            raise ToolFailed(str(message or f"the device refused {method}")[:LONGEST])
        return result

    def _request(self, method: str, params: dict[str, Any]) -> int:
        self._last += 1
        self._send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last


def _readable(tool: object) -> tuple[str, str, str, dict[str, Any]] | None:
    """A tool's name for the model, its own, its description and its schema; None where the model may not have it."""
    if not isinstance(tool, dict):
        return None
    name, description, schema = tool.get("name"), tool.get("description"), tool.get("inputSchema")
    annotations = tool.get("annotations")
    audience = annotations.get("audience") if isinstance(annotations, dict) else None
    if not isinstance(name, str) or not name or audience == ["user"] or name.rpartition(".")[2] in _SEES:
        return None
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        schema = {"type": "object", "properties": {}}
    if len(json.dumps(schema)) > LONGEST or not isinstance(schema.get("required", []), list):
        return None
    own = PREFIX + re.sub(r"[^A-Za-z0-9_-]+", "_", name.removeprefix("self."))[: 64 - len(PREFIX)]
    return own, name, str(description or "")[:LONGEST], {"type": "object", **schema}
