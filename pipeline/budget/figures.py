"""Figures that depend on neither machine nor model: what processes take, how long prompts are; each with its source."""

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

_FILE = Path(__file__).with_name("figures.toml")


class Engine(StrEnum):
    """What serves a language model."""

    EMBEDDED = "embedded"
    """llama.cpp inside PASSFEL."""
    LLAMA_SERVER = "llama-server"
    VLLM = "vllm"
    TRTLLM = "trtllm"
    SGLANG = "sglang"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Group):
    """A number and where it comes from."""

    value: float = Field(ge=0.0)
    source: str = Field(min_length=1)


class AssistantFigures(_Group):
    """PASSFEL itself: memory in GiB, lengths in tokens, times in seconds."""

    process: Figure
    conversation: Figure
    """For each that speaks at the same moment."""
    prompt: Figure
    """What stands before every conversation."""
    small_prompt: Figure
    """The same for the embedded engine's small model, which is offered no tools."""
    question: Figure
    tool_call: Figure
    answer: Figure
    first_words: Figure
    """From the end of speech to the first sound of a fixed phrase."""


class StoreFigures(_Group):
    """Postgres and Redis, in GiB."""

    process: Figure
    embedded: Figure
    """Postgres alone, as PASSFEL brings it."""


class EngineFigures(_Group):
    """A server beside weights, cache and activations."""

    process: Figure
    """GiB."""
    cpu: Figure | None = None
    """GiB where there is no graphics card; None where it makes no difference."""
    first_token: Figure
    """Seconds that a request takes beside the model's own work."""
    step: Figure
    """Seconds between two steps in which nothing is read or computed."""


class RooflineFigures(_Group):
    """What the roofline takes where nothing was measured."""

    prefill_efficiency: Figure
    default_efficiency: Figure
    shared_share: Figure
    """Of a mixture's active parameters, those that every token uses."""
    hybrid_block: Figure
    """Tokens."""


class LinkFigures(_Group):
    """The cable between two boxes."""

    bandwidth: Figure
    """GB/s."""
    latency: Figure
    """Seconds for one exchange."""


class Figures(_Group):
    """All of them."""

    assistant: AssistantFigures
    stores: StoreFigures
    engines: dict[Engine, EngineFigures]
    roofline: RooflineFigures
    link: LinkFigures


@cache
def figures() -> Figures:
    """Read the figures; they are part of the program, so a damaged file is its fault."""
    return Figures.model_validate(tomllib.loads(_FILE.read_text(encoding="utf-8")))
