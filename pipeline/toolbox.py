"""The tools of the house: one set a process, with what they need from it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Final, Protocol

from pipeline.caller import Caller, Permission
from pipeline.json_store import JsonStore
from tools.calculator import Calculator
from tools.clock import Clock
from tools.executor import Executor
from tools.lists import Lists
from tools.memory import Memory, Notebook
from tools.timers import Timer, Timers
from tools.tool import Context, Effect, Tool

EFFECTS: Final = {
    Permission.CONVERSE: Effect.READ,
    Permission.PRIVATE: Effect.PRIVATE,
    Permission.CONTROL: Effect.CONTROL,
    Permission.SECURE: Effect.SECURE,
}
"""What each permission lets a caller's tools do."""


class ToolSet(Protocol):
    """Tools that belong together."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""


class Toolbox:
    """Makes the tools and the executor that runs them.

    Args:
        folder: where timers and lists are kept.
        on_ring: told of each timer, alarm and reminder that is due.
        notebook: where what people want remembered is kept; None where there is no database.
    """

    def __init__(
        self, folder: Path, *, on_ring: Callable[[Timer], Awaitable[None]], notebook: Notebook | None = None
    ) -> None:
        self._timers = Timers(JsonStore(folder / "timers.json"), on_ring)
        memory = [] if notebook is None else [Memory(notebook)]
        sets: tuple[ToolSet, ...] = (
            Clock(),
            self._timers,
            Lists(JsonStore(folder / "lists.json")),
            Calculator(),
            *memory,
        )
        self.executor = Executor([tool for each in sets for tool in each.tools()])

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        await self._timers.run()

    async def set_timers(self, zone: tzinfo) -> list[str]:
        """Tell what is set, in sentences; nothing where that cannot be read."""
        try:
            return await self._timers.told(zone)
        except OSError:
            return []

    async def close(self) -> None:
        """Let tools that are at work finish."""
        await self.executor.close()


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
