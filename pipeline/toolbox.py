"""The tools of the house: one set a process, with what they need from it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import tzinfo
from pathlib import Path
from typing import Final

from loguru import logger

from pipeline.audit import Audit
from pipeline.caller import Caller, Permission
from pipeline.json_store import JsonStore
from pipeline.providers import Providers, ToolSet
from tools.calculator import Calculator
from tools.clock import Clock
from tools.executor import Executor
from tools.lists import Lists
from tools.memory import Memory, Notebook
from tools.policy import Policy
from tools.quiet import Disturbance, Hush
from tools.timer_board import Timer
from tools.timer_watch import DeviceTimers
from tools.timers import Timers
from tools.tool import Context, Effect

EFFECTS: Final = {
    Permission.CONVERSE: Effect.READ,
    Permission.PRIVATE: Effect.PRIVATE,
    Permission.CONTROL: Effect.CONTROL,
    Permission.SECURE: Effect.SECURE,
}
"""What each permission lets a caller's tools do."""


class Toolbox:
    """Makes the tools and the executor that runs them.

    Args:
        folder: where timers and lists are kept.
        on_ring: told of each timer, alarm and reminder that is due.
        notebook: where what people want remembered is kept; None where there is no database.
        hush: keeps announcements from a device; None where none are made.
        providers: what asks others outside of the process.
        policy: what the household allows.
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_ring: Callable[[Timer], Awaitable[None]],
        notebook: Notebook | None = None,
        hush: Hush | None = None,
        providers: Providers | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._timers = Timers(JsonStore(folder / "timers.json"), on_ring)
        memory = [] if notebook is None else [Memory(notebook)]
        disturbance = [] if hush is None else [Disturbance(hush)]
        sets: tuple[ToolSet, ...] = (
            Clock(),
            self._timers,
            Lists(JsonStore(folder / "lists.json"), providers.todos if providers is not None else None),
            Calculator(),
            *memory,
            *disturbance,
            *(providers.sets if providers is not None else ()),
        )
        self._providers = providers
        self.executor = Executor(
            [tool for each in sets for tool in each.tools()], policy=policy, on_call=Audit(folder).note
        )
        known = {tool.name for tool in self.executor.tools(tuple(Effect))}
        for name in sorted((policy or Policy()).named - known):
            logger.warning(f"policy: there is no tool {name!r}; passfel tools lists those there are")

    async def run(self) -> None:
        """Ring what is due, and keep what is known of the world fresh, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._timers.run(), name="timers")
            if self._providers is not None:
                tasks.create_task(self._providers.run(), name="providers")

    async def upcoming(self, zone: tzinfo) -> list[str]:
        """What comes next, in sentences: appointments and timers; nothing where that cannot be read."""
        calendar = self._providers.calendar if self._providers is not None else None
        appointments = await calendar.upcoming(zone) if calendar is not None else []
        try:
            return [*appointments, *await self._timers.told(zone)]
        except OSError:
            return appointments

    def timers_at(self, device: str) -> AsyncGenerator[DeviceTimers]:
        """What is set at a device, again after each change."""
        return self._timers.watch.at(device)

    async def close(self) -> None:
        """Let tools that are at work finish."""
        await self.executor.close()
        if self._providers is not None:
            await self._providers.close()


def allowed(caller: Caller) -> frozenset[Effect]:
    """What the tools that this caller asks for may do."""
    return frozenset(effect for permission, effect in EFFECTS.items() if caller.may(permission))


def tool_context(caller: Caller, *, conversation: str, turn: str, zone: tzinfo) -> Context:
    """Who calls a tool, from where."""
    return Context(
        conversation=conversation,
        turn=turn,
        device=caller.device,
        person=caller.person,
        room=caller.room,
        zone=zone,
    )
