"""Which tools there are and how they fare, and one of them tried from the command line."""

import asyncio
import contextlib
import json
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from loguru import logger

from pipeline.audit import last_calls
from pipeline.providers import Providers
from pipeline.settings import Settings
from pipeline.tool_commands import ToolCommandFailed
from pipeline.toolbox import Toolbox
from tools.outcomes import Status
from tools.timer_board import Timer
from tools.tool import Context, Effect, Tool

CONNECT_SECONDS: Final = 8.0
"""What a Home Assistant gets to be reached."""


def list_tools(settings: Settings) -> int:
    """Print the tools, and what is not connected; return the exit status."""
    return asyncio.run(_listed(settings))


def try_tool(settings: Settings, name: str, arguments: list[str], *, sure: bool) -> int:
    """Call a tool and print what comes of it; return the exit status.

    Args:
        arguments: each as NAME=VALUE.
        sure: confirm what asks to be confirmed.

    Raises `ToolCommandFailed`.
    """
    return asyncio.run(_tried(settings, name, arguments, sure=sure))


async def _listed(settings: Settings) -> int:
    logger.disable("pipeline")
    last = last_calls(settings.data_dir / "household")
    toolbox, providers = await _made(settings)
    try:
        for tool in sorted(toolbox.executor.tools(tuple(Effect)), key=lambda each: each.name):
            fared = last.get(tool.name)
            worked = f"worked {_when(fared.worked)}" if fared and fared.worked else "never used"
            if fared and fared.status == Status.FAILED.value:
                worked = f"failed {_when(fared.called)}; {worked}"
            print(f"{tool.name:18} {tool.effect.value:8} {worked:24} {tool.description}")
    finally:
        await providers.close()
    print("remember, recall, forget and search_documents are there while the assistant runs.")
    print("\n".join(_missing(settings)))
    return 0


async def _tried(settings: Settings, name: str, given: list[str], *, sure: bool) -> int:
    toolbox, providers = await _made(settings)
    known = {tool.name: tool for tool in toolbox.executor.tools(tuple(Effect))}
    running = asyncio.create_task(providers.run())
    try:
        if name not in known:
            raise ToolCommandFailed(f"there is no tool {name!r}: passfel tools lists those there are")
        await providers.connected(within=CONNECT_SECONDS)
        arguments = _arguments(known[name], given)
        context = Context("tool", uuid4().hex, "terminal", None, None, settings.household.zone)
        outcome = await toolbox.executor.call(name, arguments, context, allowed=frozenset(Effect))
        if outcome.status is Status.UNCONFIRMED and sure:
            outcome = await toolbox.executor.confirm("tool", context, yes=True) or outcome
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await toolbox.close()
    print(outcome.say)
    if outcome.data:
        print(json.dumps(dict(outcome.data), indent=1, default=str, ensure_ascii=False))
    if outcome.status is Status.UNCONFIRMED:
        print("Nothing was done: say --yes to confirm.")
    return 0 if outcome.status is Status.DONE else 1


async def _made(settings: Settings) -> tuple[Toolbox, Providers]:
    async def ring(_: Timer) -> None: ...

    providers = Providers(settings)
    await providers.prepare()
    return Toolbox(settings.data_dir / "household", on_ring=ring, providers=providers), providers


def _arguments(tool: Tool, given: list[str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign:
            raise ToolCommandFailed(f"{each!r} has to be ARGUMENT=VALUE; {tool.name} takes {_takes(tool)}")
        arguments[name] = value
    return arguments


def _takes(tool: Tool) -> str:
    return ", ".join(tool.parameters.get("properties", {})) or "no arguments"


def _missing(settings: Settings) -> list[str]:
    """What could be connected and is not, with what to do."""
    missing = []
    if settings.home.url is None:
        missing.append("Home Assistant is not connected: passfel connect homeassistant")
    if settings.calendar.url is None and not settings.google.connected:
        missing.append("No calendar is connected: passfel connect caldav, or passfel connect google")
    if settings.joplin.url is None:
        missing.append("No Joplin is connected: passfel connect joplin")
    if not settings.household.location and settings.household.latitude is None:
        missing.append('Nobody has said where the house stands: set household.location = "Lisbon, Portugal"')
    return missing


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else "never"
