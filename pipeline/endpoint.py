"""Where a language model is served."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server and the model to ask it for."""

    url: str
    """The address that ends in `/v1`."""
    api_key: str = field(repr=False)
    model: str
    extra: dict[str, Any] = field(default_factory=dict)
    """More parameters for every request."""
