"""Settings of the engine: a vLLM server that PASSFEL starts."""

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from pipeline.settings.addresses import FilePath
from pipeline.settings.group import FROZEN

PORT: Final = 7862
"""Where it listens unless told otherwise; beside it a house's other doors have theirs."""

_OURS = frozenset({"--host", "--port", "--api-key", "--model", "--served-model-name", "--root-path", "--uds"})


class Engine(BaseModel):
    """A vLLM server that PASSFEL starts: the model, how it speaks, and the memory it may take."""

    model_config = FROZEN

    model: str | None = Field(default=None, min_length=1)
    """A name on the Hugging Face hub, or a folder; none leaves the engine out."""
    python: FilePath | None = None
    """The Python of the environment that vLLM is installed in; none is PASSFEL's own."""
    port: int = Field(default=PORT, ge=0, le=65535)
    """On the loopback address; 0 takes any free port."""
    device: Literal["gpu", "cpu"] = "gpu"
    context: int = Field(default=8192, ge=512)
    """Tokens that one conversation may fill."""
    sequences: int = Field(default=8, ge=1)
    """Answers that are written at the same time; more wait."""
    kv_cache_bytes: int | None = Field(default=None, ge=1 << 20)
    """Bytes for what the model remembers of conversations; none is what memory_utilization leaves."""
    kv_cache_type: str | None = None
    """How that is stored: `fp8` takes half of the bytes."""
    memory_utilization: float | None = Field(default=None, gt=0.0, lt=1.0)
    """The share of the device's memory for weights and cache, which must be free at the start; none is 0.5."""
    tool_parser: str | None = None
    """How the model writes its tool calls, as vLLM calls it: `hermes`, `qwen3_coder`, …; none leaves them out."""
    tool_parser_plugin: FilePath | None = None
    """A Python file that brings a parser which vLLM has not."""
    reasoning_parser: str | None = None
    """How it marks what it thinks: `qwen3`, `nemotron_v3`, …"""
    chat_template: FilePath | None = None
    """A Jinja file in place of the model's own template."""
    batched_tokens: int | None = Field(default=None, ge=256)
    """Tokens of prompts read at a time: more read faster, fewer hold up the others' answers less."""
    moe_backend: str | None = None
    """What computes a mixture of experts: `marlin` on a GB10."""
    speculation: dict[str, Any] | None = None
    """vLLM's `--speculative-config`: a small model, or the model's own heads, writes ahead."""
    arguments: tuple[str, ...] = ()
    """Further arguments for vLLM, which win over those above."""
    start_seconds: float = Field(default=1800.0, gt=0.0)
    """How long loading may take; fetching a model counts."""

    @model_validator(mode="after")
    def _arguments_keep_out(self) -> Self:
        named = {argument.partition("=")[0].replace("_", "-") for argument in self.arguments}
        if taken := named & _OURS:
            raise ValueError(f"arguments holds {', '.join(sorted(taken))}, which PASSFEL sets itself: remove it")
        if self.device == "gpu" and "--enforce-eager" in named:
            raise ValueError("arguments holds --enforce-eager, which halves the speed on a GPU: remove it")
        return self

    @property
    def name(self) -> str:
        """What requests call the model: its name on the hub, or its folder's."""
        model = self.model or ""
        return Path(model).name if Path(model).expanduser().is_dir() else model
