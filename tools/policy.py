"""What a household allows its tools, beyond what each tool asks for by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tools.tool import Context, Failed, Result, Tool


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules, each for the names of some tools."""

    forbid: frozenset[str] = frozenset()
    """Nobody may."""
    confirm: frozenset[str] = frozenset()
    """It is confirmed aloud first."""
    people: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Only these people may; who is not known may not."""
    rooms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Only from these rooms."""

    @property
    def named(self) -> frozenset[str]:
        """The tools that there is a rule for."""
        return self.forbid | self.confirm | frozenset(self.people) | frozenset(self.rooms)

    def over(self, tool: Tool) -> Tool:
        """The tool as it may be used."""
        ruled = tool
        if tool.name in self.confirm and tool.question is None:
            ruled = replace(ruled, question=lambda arguments: _sure(tool, arguments))
        if tool.name in self.named - self.confirm:
            ruled = replace(ruled, run=self._checking(tool), question=self._asking(ruled))
        return ruled

    def _refusal(self, name: str, context: Context) -> str | None:
        if name in self.forbid:
            return "Sorry, that is not allowed in this house."
        if name in self.people and not _among(context.person, self.people[name]):
            return "Sorry, only some people may do that, and I can't tell that you are one of them."
        if name in self.rooms and not _among(context.room, self.rooms[name]):
            return "Sorry, that is not allowed from here."
        return None

    def _checking(self, tool: Tool) -> Any:
        async def run(context: Context, **arguments: Any) -> Result:
            if (refusal := self._refusal(tool.name, context)) is not None:
                raise Failed(refusal)
            return await tool.run(context, **arguments)

        return run

    def _asking(self, tool: Tool) -> Any:
        """Nobody is asked whether they are sure of what they may not do anyway."""
        question = tool.question
        if question is None or tool.name in self.forbid:
            return None
        return question


def _among(who: str | None, allowed: Sequence[str]) -> bool:
    return who is not None and who.lower() in {each.lower() for each in allowed}


def _sure(tool: Tool, arguments: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in arguments.items() if value is not None)
    what = tool.name.replace("_", " ")
    return f"Shall I really do this: {what}{f', {given}' if given else ''}?"
