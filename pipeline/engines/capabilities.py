"""What a language model's server can do, as `probe` found it, and where that is kept between starts."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import TypeAdapter, ValidationError

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.families import PLAIN, Family, family_of
from pipeline.engines.vllm import with_strict_tools

MAX_AGE = 7 * 24 * 3600.0
"""Seconds that an answer is believed: a server may have been started again with other arguments without a trace."""
MAX_KEPT = 32


class Switch(StrEnum):
    """What keeps a model from reasoning before it answers."""

    TEMPLATE = "enable_thinking"
    """`chat_template_kwargs: {enable_thinking: false}`."""
    INSTRUCTION = "/no_think"
    """In the system prompt."""
    EFFORT = "reasoning_effort"
    """`reasoning_effort: low`, which may leave a little."""


# Models that are told so by each switch, for one whose name is not known.
_TYPICAL = {Switch.TEMPLATE: "qwen3", Switch.INSTRUCTION: "smollm3", Switch.EFFORT: "gpt-oss"}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do with a model. None is unknown: it could not be asked, or the answer could mean either."""

    server: str = "an unknown server"
    """Its kind and version."""
    model: str = ""
    """The name to ask for."""
    models: tuple[str, ...] = ()
    """All names that it has."""
    context: int | None = None
    """Tokens that a conversation may fill."""
    calls_freely: bool | None = None
    """With `tool_choice: auto` a call comes as a call; False where it is refused, or comes as text."""
    calls_required: bool | None = None
    """`tool_choice: required` is obeyed."""
    calls_named: bool | None = None
    """A `tool_choice` that names a function is obeyed."""
    streams_calls: bool | None = None
    """A call's arguments come piece by piece, not all at once at its end."""
    reasons: bool | None = None
    """It reasons unless told otherwise."""
    reasons_if_told: bool | None = None
    """It reasons with `enable_thinking: true`, or anyway."""
    reasoning_off: Switch | None = None
    """What stops it; None also where nothing was found to."""
    begins_inside: bool = False
    """Its reasoning comes as text that begins without an opening tag."""
    priorities: bool | None = None
    """A request may carry vLLM's `priority`, where the lower number goes first."""
    caches_prefixes: bool | None = None
    """The beginning that a prompt has in common with an earlier one is not computed again."""
    sees: bool | None = None
    """It looks at images."""

    def summary(self) -> str:
        """Say it in a line that a person reads."""
        return f"{self.server} serves {self.model or 'no model'}: {'; '.join(self._parts())}"

    def family(self, url: str = "") -> Family:
        """Tell how the model is told to reason: as it was found, else as its name says."""
        named = family_of(self.model, url=url)
        if self.reasons is None:
            return named
        if self.reasoning_off is not None:
            found = named if self.reasoning_off in _switches(named) else family_of(_TYPICAL[self.reasoning_off])
        elif self.reasons or self.reasons_if_told:
            found = named if named.reasons else family_of(_TYPICAL[Switch.TEMPLATE])
        else:
            return PLAIN
        return replace(found, begins_inside=self.begins_inside)

    def known(self, endpoint: Endpoint, *, tools: bool = True, images: bool = False) -> Endpoint:
        """Complete what is known of the server.

        Args:
            tools: the household lets the model call tools, if it can.
            images: the household says that the model sees, where it cannot be told by asking.
        """
        return replace(
            endpoint,
            model=endpoint.model or self.model or "default",
            context=min(endpoint.context, self.context or endpoint.context),
            calls_tools=tools and self.calls_freely is not False,
            reasons=self.family(endpoint.url).reasons,
            sees=images or self.sees is True,
            adapt=with_strict_tools if self.server.startswith("vLLM") else endpoint.adapt,
        )

    def _parts(self) -> Iterator[str]:
        if self.context:
            yield f"{self.context:,} tokens of context"
        calls = {"auto": self.calls_freely, "required": self.calls_required, "named": self.calls_named}
        for words, wanted in (("calls tools", True), ("calls no tools", False)):
            if names := [name for name, able in calls.items() if able is wanted]:
                yield f"{words} where that is {' or '.join(names)}"
        yield from _said(self.streams_calls, "streams calls", "sends calls whole")
        if self.reasons:
            stopped = (
                f"unless {self.reasoning_off} stops it" if self.reasoning_off else "and nothing was found to stop it"
            )
            yield f"reasons {stopped}"
        elif self.reasons_if_told:
            yield "reasons if told to"
        else:
            yield from _said(self.reasons, "", "does not reason")
        yield from _said(self.priorities, "takes priorities", "takes no priorities")
        yield from _said(self.caches_prefixes, "caches prefixes", "caches no prefixes")
        yield from _said(self.sees, "sees images", "sees no images")
        if unknown := [name for name, value in self._asked().items() if value is None]:
            yield f"unknown: {', '.join(unknown)}"

    def _asked(self) -> dict[str, bool | None]:
        return {
            "calls when free": self.calls_freely,
            "calls when required": self.calls_required,
            "calls when named": self.calls_named,
            "streaming of calls": self.streams_calls,
            "reasoning": self.reasons,
            "priorities": self.priorities,
            "prefix caching": self.caches_prefixes,
            "images": self.sees,
        }


def _said(value: bool | None, yes: str, no: str) -> Iterator[str]:
    if value is not None:
        yield yes if value else no


def _switches(family: Family) -> set[Switch]:
    found = {
        Switch.TEMPLATE: "chat_template_kwargs" in (family.off.get("extra_body") or {}),
        Switch.INSTRUCTION: Switch.INSTRUCTION in family.instruction_off,
        Switch.EFFORT: "reasoning_effort" in family.off,
    }
    return {switch for switch, there in found.items() if there}


_ADAPTER = TypeAdapter(Capabilities)


def remembered(file: Path, key: str) -> Capabilities | None:
    """Read what was found under `key` in the last days. A missing or damaged file holds nothing. Blocks."""
    try:
        entry = _entries(file).get(key)
        if entry is None or not 0 <= time.time() - float(entry["at"]) < MAX_AGE:
            return None
        return _ADAPTER.validate_python(entry["capabilities"])
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def remember(file: Path, key: str, capabilities: Capabilities) -> None:
    """Keep what was found; the oldest beyond `MAX_KEPT` go. What cannot be written is only logged. Blocks."""
    entries = _entries(file)
    entries.pop(key, None)
    entries[key] = {"at": time.time(), "capabilities": asdict(capabilities)}
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(dict(list(entries.items())[-MAX_KEPT:]), indent=1), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        logger.warning(f"What the language model's server can do is asked again next time: {file}: {error.strerror}")


def _entries(file: Path) -> dict[str, Any]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
