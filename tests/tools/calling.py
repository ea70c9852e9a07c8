"""Calls of tools, as a conversation makes them."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from tools.executor import Executor
from tools.outcomes import Outcome
from tools.tool import Context, Effect, Tool

ALL = frozenset(Effect)
HERE = ZoneInfo("Europe/Lisbon")


def context(turn: str = "turn", *, conversation: str = "talk", device: str = "kitchen") -> Context:
    return Context(conversation, turn, device, None, None, HERE)


class MemoryStore:
    def __init__(self, entries: Sequence[Mapping[str, Any]] = ()) -> None:
        self.entries = [dict(entry) for entry in entries]

    async def load(self) -> list[dict[str, Any]]:
        return self.entries

    async def save(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.entries = [dict(entry) for entry in entries]


class Caller:
    """Makes each call in a turn of its own."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.executor = Executor(tools)
        self._turns = 0

    async def call(self, tool: str, **arguments: Any) -> Outcome:
        self._turns += 1
        return await self.executor.call(tool, arguments, context(str(self._turns)), allowed=ALL)

    async def ask(self, tool: str, **arguments: Any) -> str:
        return (await self.call(tool, **arguments)).say
