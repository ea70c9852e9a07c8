"""From a plan to what starts it: settings for vLLM, and command lines for TensorRT-LLM, SGLang and llama.cpp.

`pipeline.engines.vllm_arguments` alone knows vLLM's flags; what it takes is made here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.budget.catalogue import CPU
from pipeline.budget.figures import Engine
from pipeline.budget.memory import BATCHED_TOKENS, GIB, CannotPlan
from pipeline.budget.plan import Plan
from pipeline.engines.vllm_arguments import MODULE, arguments
from pipeline.settings.engine import PORT
from pipeline.settings.engine import Engine as VllmSettings

# Heads that a model brings to write ahead, as vLLM names the method.
_SPECULATION: Mapping[str, Any] = {"method": "mtp", "num_speculative_tokens": 3}
# The catalogue has vLLM's names of parsers; these are what the other servers call the same format. TensorRT-LLM's are
# those of tensorrt_llm/serve/tool_parser and llmapi/reasoning_parser.py, SGLang's of srt/function_call.
_TOOL_PARSERS: Mapping[Engine, Mapping[str, str]] = {
    Engine.TRTLLM: {"hermes": "qwen3", "qwen3_coder": "qwen3_coder"},
    Engine.SGLANG: {
        "hermes": "hermes",
        "qwen3_coder": "qwen3_coder",
        "llama3_json": "llama3",
        "mistral": "mistral",
        "openai": "gpt-oss",
        "glm45": "glm45",
    },
}
_REASONING_PARSERS: Mapping[Engine, Mapping[str, str]] = {
    Engine.TRTLLM: {"qwen3": "qwen3"},
    Engine.SGLANG: {"qwen3": "qwen3", "glm45": "glm45"},
}
_BITSANDBYTES = "int4-bnb"
_MIXTURE_ON_GB10 = ("sm_121", "moe", "nvfp4")


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that serves the plan on the loopback address, and the files that it reads."""

    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """Name and content, to be put into the folder that the command is run in."""
    notes: tuple[str, ...] = ()


def launch(plan: Plan, *, port: int = PORT) -> Launch:
    """Make the command of the plan's engine. Raises `CannotPlan` where the checkpoint has no name to load it by."""
    match plan.engine:
        case Engine.VLLM:
            # The API key belongs in the environment, so it is none of these.
            address = ("--host", "127.0.0.1", "--port", str(port))
            return Launch(
                ("python", "-m", MODULE, *address, *arguments(vllm_settings(plan, port=port))), {}, _notes(plan)
            )
        case Engine.TRTLLM:
            return _trtllm(plan, port)
        case Engine.SGLANG:
            return Launch(_sglang(plan, port), {}, _notes(plan))
        case Engine.LLAMA_SERVER:
            return Launch(_llama_server(plan, port), {}, _notes(plan))
        case Engine.EMBEDDED:
            return Launch(("passfel", "serve"), {}, (f"with language.context = {plan.load.context} in passfel.toml",))


def vllm_settings(plan: Plan, *, port: int = PORT, python: Path | None = None) -> VllmSettings:
    """Make the `engine` group of the settings; its model, and all that the plan has decided."""
    model, machine = plan.model, plan.machine
    return VllmSettings(
        model=_name(plan),
        python=python,
        port=port,
        device="cpu" if machine.compute == CPU else "gpu",
        context=plan.load.context,
        sequences=plan.load.sequences,
        kv_cache_bytes=cache_bytes(plan),
        kv_cache_type="fp8" if plan.cache_precision == "fp8" else None,
        memory_utilization=None if machine.compute == CPU else utilization(plan),
        tool_parser=model.tool_parser,
        reasoning_parser=model.reasoning_parser,
        batched_tokens=None if machine.compute == CPU else BATCHED_TOKENS,
        moe_backend="marlin" if _on_gb10(plan) else None,
        speculation=_speculation(plan),
        arguments=tuple(_more_for_vllm(plan)),
    )


def cache_bytes(plan: Plan) -> int:
    """Return the bytes of the key-value cache on each box."""
    return round(plan.memory.gib("cache") * GIB)


def utilization(plan: Plan) -> float:
    """Return the share of the device's memory that must be free at the start and that the engine may take.

    The cache is set in bytes, so this is only a lower bound for the start-up check; on unified memory a higher one lets
    vLLM grow into the system's (vllm#46307).
    """
    engine = plan.memory.gib("weights", "cache", "activations", "engine")
    return min(0.95, max(0.05, round(engine / plan.memory.available, 2)))


def _name(plan: Plan) -> str:
    name = plan.checkpoint.name
    if name is None or name == "unverified":
        raise CannotPlan(
            f"{plan.model.id} has no {plan.checkpoint.precision} checkpoint whose name was seen: find one, and give "
            "its folder or name as engine.model"
        )
    return name


def _on_gb10(plan: Plan) -> bool:
    return (plan.machine.compute, plan.model.kernel, plan.checkpoint.precision) == _MIXTURE_ON_GB10


def _speculation(plan: Plan) -> dict[str, Any] | None:
    if not plan.speculates:
        return None
    return {**_SPECULATION, "moe_backend": "triton"} if _on_gb10(plan) else dict(_SPECULATION)


def _more_for_vllm(plan: Plan) -> list[str]:
    more = ["--quantization", "bitsandbytes"] if plan.checkpoint.precision == _BITSANDBYTES else []
    if plan.load.boxes > 1:
        more += ["--tensor-parallel-size", str(plan.load.boxes), "--distributed-executor-backend", "ray"]
    return more


def _trtllm(plan: Plan, port: int) -> Launch:
    """TensorRT-LLM's `trtllm-serve`; the exact size of the cache is only in its file of options."""
    load = plan.load
    options = {
        "kv_cache_config": {
            "max_tokens": load.context * load.sequences,
            "dtype": "fp8" if plan.cache_precision == "fp8" else "auto",
            "enable_block_reuse": True,
            "free_gpu_memory_fraction": utilization(plan),
        }
    }
    command = [
        *("trtllm-serve", _name(plan), "--host", "127.0.0.1", "--port", str(port)),
        *("--max_batch_size", str(load.sequences)),
        *("--max_num_tokens", str(BATCHED_TOKENS)),
        *("--max_seq_len", str(load.context)),
        *("--extra_llm_api_options", "options.yaml"),
        "--enable_chunked_prefill",
        *_given("--tp_size", load.boxes if load.boxes > 1 else None),
        *_given("--reasoning_parser", _REASONING_PARSERS[Engine.TRTLLM].get(plan.model.reasoning_parser or "")),
        *_given("--tool_parser", _TOOL_PARSERS[Engine.TRTLLM].get(plan.model.tool_parser or "")),
    ]
    # JSON is YAML.
    return Launch(tuple(command), {"options.yaml": json.dumps(options, indent=2) + "\n"}, _notes(plan))


def _sglang(plan: Plan, port: int) -> tuple[str, ...]:
    load = plan.load
    speculation = ("--speculative-algorithm", "EAGLE", "--speculative-num-steps", "3") if plan.speculates else ()
    return (
        *("python", "-m", "sglang.launch_server", "--model-path", _name(plan)),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--context-length", str(load.context)),
        *("--max-running-requests", str(load.sequences)),
        *("--max-total-tokens", str(load.context * load.sequences)),
        *("--mem-fraction-static", str(utilization(plan))),
        *("--chunked-prefill-size", str(BATCHED_TOKENS)),
        *_given("--kv-cache-dtype", "fp8_e4m3" if plan.cache_precision == "fp8" else None),
        *_given("--quantization", "bitsandbytes" if plan.checkpoint.precision == _BITSANDBYTES else None),
        *_given("--tp", load.boxes if load.boxes > 1 else None),
        *_given("--nnodes", load.boxes if load.boxes > 1 else None),
        *_given("--tool-call-parser", _TOOL_PARSERS[Engine.SGLANG].get(plan.model.tool_parser or "")),
        *_given("--reasoning-parser", _REASONING_PARSERS[Engine.SGLANG].get(plan.model.reasoning_parser or "")),
        *speculation,
    )


def _llama_server(plan: Plan, port: int) -> tuple[str, ...]:
    load, name = plan.load, _name(plan)
    return (
        *("llama-server", "--model" if name.endswith(".gguf") else "--hf-repo", name),
        *("--host", "127.0.0.1", "--port", str(port)),
        # Its context is what all slots share.
        *("--ctx-size", str(load.context * load.sequences), "--parallel", str(load.sequences)),
        *("--n-gpu-layers", "0" if plan.machine.compute == CPU else "999"),
        *("--jinja", "--metrics"),
    )


def _given(flag: str, value: object) -> Sequence[str]:
    return () if value is None else (flag, str(value))


def _notes(plan: Plan) -> tuple[str, ...]:
    notes = []
    if plan.load.boxes > 1:
        notes.append(
            "first join the boxes: ray start --head on the first, ray start --address=FIRST:6379 on the others"
        )
    if plan.model.reasoning == "switch" and plan.model.reasoning_off:
        notes.append(f"reasoning is switched off by {plan.model.reasoning_off}")
    for kind, wanted, names in (
        ("tool", plan.model.tool_parser, _TOOL_PARSERS),
        ("reasoning", plan.model.reasoning_parser, _REASONING_PARSERS),
    ):
        if wanted and plan.engine in names and wanted not in names[plan.engine]:
            notes.append(f"no {kind} parser of {plan.engine} is known for {wanted}: look for one in its documentation")
    return tuple(notes)
