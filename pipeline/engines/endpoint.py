"""Where a language model is served, and what it is to be asked like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server and the model to ask it for."""

    url: str
    """The address that ends in `/v1`."""
    api_key: str = field(repr=False)
    model: str
    context: int = 8192
    """Tokens that one conversation may fill."""
    slots: int = 0
    """llama.cpp's slots: each keeps one conversation's prefix, if the conversation asks for it by number."""
    needs_examples: bool = False
    """The model is so small that it learns how to answer from examples, not from rules."""
    calls_tools: bool = False
    """The model is good enough at calling tools to be offered the house's."""
    reasons: bool = False
    """The model can be told to reason before it answers."""
    sees: bool = False
    """The model can look at images."""
    adapt: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    """Rewrites a request into what this server understands."""
