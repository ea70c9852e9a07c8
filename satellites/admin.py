"""The owner's page at `/admin`, and what it shows: `/v1/overview`."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi import FastAPI
from loguru import logger
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.assistant import AssistantNotReady
from pipeline.audit import last_calls
from pipeline.budget.catalogue import Catalogue
from pipeline.budget.memory_need import Need, held, need
from pipeline.caller import HOUSEHOLD, Caller
from pipeline.doctor import examine
from pipeline.settings import Settings
from satellites.browser.door import PAGE
from tools.tool import Tool
from voice.models import ModelMissing

if TYPE_CHECKING:
    from loguru import Message

MOST_PROBLEMS: Final = 100
"""Warnings and errors that are remembered, the newest."""
_OWNER: Final = Caller("admin", "admin", permissions=HOUSEHOLD)


class Assistant(Protocol):
    """What this page needs of the assistant."""

    def engine_state(self) -> Mapping[str, Any]:
        """How the household's own model and the memory fare. Raises `AssistantNotReady`."""

    def house_tools(self, caller: Caller) -> Sequence[Tool]:
        """The tools of the house. Raises `AssistantNotReady`."""


class Problems:
    """What went wrong lately, as the log has it."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_PROBLEMS)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note warnings and errors until the context ends."""
        sink = logger.add(self._note, level="WARNING", format="{message}")
        try:
            yield
        finally:
            logger.remove(sink)

    def latest(self) -> list[dict[str, Any]]:
        """The newest first: when, how bad, and what."""
        return list(reversed(self._kept))

    def _note(self, message: "Message") -> None:
        record = message.record
        if record["level"].name == "WARNING" and (record["name"] or "").startswith("pipecat"):
            return  # it warns of what is none of an owner's business, such as a page that was closed
        told = {"at": record["time"].timestamp(), "level": record["level"].name, "what": record["message"][:500]}
        self._kept.append(told)


def mount(app: FastAPI, assistant: Assistant, settings: Settings, problems: Problems) -> None:
    """Serve the page at `app`."""

    async def page(request: Request) -> Response:
        return await PAGE.get_response("admin.html", request.scope)

    async def overview() -> Response:
        checks, memory, last = await asyncio.gather(
            asyncio.to_thread(lambda: [asdict(finding) for finding in examine(settings)]),
            asyncio.to_thread(_memory, settings),
            asyncio.to_thread(last_calls, settings.data_dir / "household"),
        )
        try:
            engine, tools = dict(assistant.engine_state()), assistant.house_tools(_OWNER)
        except AssistantNotReady as error:
            engine, tools = {"problem": str(error)}, []
        used = []
        for tool in sorted(tools, key=lambda each: each.name):
            fared = last.get(tool.name)
            used.append(
                {
                    "name": tool.name,
                    "effect": tool.effect.value,
                    "description": tool.description,
                    "status": fared.status if fared else None,
                    "called": fared.called.timestamp() if fared else None,
                    "worked": fared.worked.timestamp() if fared and fared.worked else None,
                }
            )
        kept = {"conversations": settings.stores.keep_days, "readings": settings.stores.readings_days}
        found = {"checks": checks, "memory": memory, "engine": engine, "tools": used, "keep_days": kept}
        found["policy"] = settings.policy.model_dump()
        return JSONResponse({**found, "problems": problems.latest()})

    app.add_api_route("/admin", page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/v1/overview", overview, methods=["GET"])


def _memory(settings: Settings) -> dict[str, Any]:
    """What was planned and what is held, in bytes."""
    try:
        planned: Need | None = need(settings, Catalogue.load())
    except ModelMissing:
        planned = None
    now = held()
    parts = [
        {"part": part, "planned": getattr(planned, part) if planned else None, "held": getattr(now, part)}
        for part in ("speech", "language", "stores")
    ]
    return {"parts": parts, "planned": planned.total if planned else None}
