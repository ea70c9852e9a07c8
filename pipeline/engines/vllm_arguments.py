"""The command line that the settings of the engine make of vLLM."""

import json
from pathlib import Path

from pipeline.settings.engine import Engine

MODULE = "vllm.entrypoints.openai.api_server"
"""Run as a module: the script `vllm` fails where the distribution has another name, as the CPU build has."""

# What is free on a machine that also hears, speaks and keeps a database. vLLM's own default of 0.92 is for a card of
# its own, and hung a GB10, whose memory is the system's (vllm#46307).
_MEMORY_UTILIZATION = 0.5
_CPU_CACHE_BYTES = 1 << 30


def arguments(engine: Engine) -> list[str]:
    """Make vLLM's arguments, all but its address. The key is none of them: everybody can read command lines."""
    model = Path(engine.model or "").expanduser()
    given = {
        "--model": str(model.absolute()) if model.is_dir() else engine.model,
        "--served-model-name": engine.name,
        "--max-model-len": engine.context,
        "--max-num-seqs": engine.sequences,
        "--max-num-batched-tokens": engine.batched_tokens,
        "--scheduling-policy": "priority",
        "--kv-cache-dtype": engine.kv_cache_type,
        "--tool-call-parser": engine.tool_parser,
        "--tool-parser-plugin": engine.tool_parser_plugin,
        "--reasoning-parser": engine.reasoning_parser,
        "--chat-template": engine.chat_template,
        "--moe-backend": engine.moe_backend,
        "--speculative-config": json.dumps(engine.speculation) if engine.speculation else None,
        **_memory(engine),
    }
    return [
        *(word for flag, value in given.items() if value is not None for word in (flag, str(value))),
        "--enable-prefix-caching",
        "--enable-prompt-tokens-details",
        "--disable-uvicorn-access-log",
        *(["--enable-auto-tool-choice"] if engine.tool_parser else []),
        # Compiling takes minutes on a CPU and gains little there; on a GPU it doubles the speed.
        *(["--enforce-eager"] if engine.device == "cpu" else ["--enable-chunked-prefill", "--async-scheduling"]),
        *engine.arguments,
    ]


def _memory(engine: Engine) -> dict[str, int | float | None]:
    if engine.device == "cpu":
        return {
            "--kv-cache-memory-bytes": engine.kv_cache_bytes or _CPU_CACHE_BYTES,
            "--gpu-memory-utilization": engine.memory_utilization,
        }
    return {
        "--kv-cache-memory-bytes": engine.kv_cache_bytes,
        "--gpu-memory-utilization": engine.memory_utilization or _MEMORY_UTILIZATION,
    }
