"""What is asked, and the calls that do it: read from `requests.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("requests.toml")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments; those left out have their defaults."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that somebody says."""

    said: str
    before: tuple[str, ...]
    """What was said before, the person's words and the assistant's in turn."""
    wanted: tuple[tuple[Call, ...], ...]
    """The sets of calls any of which does it. The first is the obvious one; an empty one is no call at all."""

    @property
    def topic(self) -> str:
        """The tool that it is about, or what stands for several, or none."""
        tools = {call.tool for call in self.wanted[0]}
        return "(no tool)" if not tools else "(several)" if len(tools) > 1 else tools.pop()


def requests() -> list[Request]:
    """All of them, in the file's order."""
    found = []
    for case in tomllib.loads(_FILE.read_text(encoding="utf-8"))["case"]:
        wanted = (_calls(case["calls"]), *(_calls(other["calls"]) for other in case.get("or", ())))
        found += [Request(said, tuple(case.get("before", ())), wanted) for said in case["says"]]
    return found


def _calls(entries: Sequence[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple(Call(entry["tool"], entry.get("arguments", {})) for entry in entries)
