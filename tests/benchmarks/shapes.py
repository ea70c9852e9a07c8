"""Measure vLLM with random weights in the shapes of the catalogue's models, beside the roofline.

    python -m tests.benchmarks.shapes --models qwen3-30b-a3b --contexts 8192 32768 --python ~/vllm/bin/python

Needs a machine with vLLM, and for figures of use a graphics card; nothing is fetched. It prints lines for the
catalogue's `measurements`, and what share of the roofline was reached. `--layers` leaves layers out, so that a small
machine can show that this works; such figures are of no other use. Not part of `make bench`.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from pipeline.budget.catalogue import Catalogue, Machine, Model
from pipeline.budget.detect import detect
from pipeline.budget.figures import Engine
from pipeline.budget.launch import vllm_settings
from pipeline.budget.memory import Load, Loaded
from pipeline.budget.model_config import read_config
from pipeline.budget.plan import Planner
from pipeline.budget.roofline import Roofline
from pipeline.engines.endpoint import Endpoint
from pipeline.engines.vllm import VllmEngine
from tests.pipeline.budget.configs import PUBLISHED

ARCHITECTURES = {
    "llama-3.1-70b": ("LlamaForCausalLM", "llama"),
    "mixtral-8x22b": ("MixtralForCausalLM", "mixtral"),
    "qwen3-30b-a3b": ("Qwen3MoeForCausalLM", "qwen3_moe"),
    "gpt-oss-120b": ("GptOssForCausalLM", "gpt_oss"),
    "deepseek-v2": ("DeepseekV2ForCausalLM", "deepseek_v2"),
    "nemotron-3-nano": ("NemotronHForCausalLM", "nemotron_h"),
}
QUESTION = 60
"""New tokens behind a prefix that the server has kept."""
WRITTEN = 64
LIMIT = 600.0
"""Seconds for one answer."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of one answer, in seconds."""

    first: float
    token: float


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of the answers that were asked for at the same time."""

    context: int
    conversations: int
    uncached: float
    cached: float
    token: float
    ideal: float
    """Seconds a token if the whole bandwidth were reached."""


async def main() -> None:
    """Measure what the command line names."""
    options = _options()
    catalogue = Catalogue.load()
    machine = detect(catalogue, cpu=options.device == "cpu")
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            model = _written(name, Path(folder), options.layers)
            rows = await _measured(model, machine, Path(folder), options)
        _print(name, machine, rows)


def _written(name: str, folder: Path, layers: int | None) -> Model:
    config, *_ = PUBLISHED[name]
    architecture, kind = ARCHITECTURES[name]
    config = config | {"architectures": [architecture], "model_type": kind, "torch_dtype": "bfloat16"}
    config |= {"rms_norm_eps": 1e-6, "rope_theta": 1e6, "hidden_act": config.get("hidden_act", "silu")}
    if layers is not None:
        config["num_hidden_layers"] = layers
        if "layer_types" in config:
            config["layer_types"] = config["layer_types"][:layers]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return read_config(folder, name=str(folder))


async def _measured(model: Model, machine: Machine, folder: Path, options: argparse.Namespace) -> list[Row]:
    longest = max(options.contexts) + QUESTION + WRITTEN
    loaded = Loaded(model, model.checkpoints[0])
    plan = Planner(Catalogue.load()).plan(machine, model, loaded.checkpoint, Load(longest, 5), Engine.VLLM)
    settings = vllm_settings(plan, port=0, python=options.python).model_copy(
        update={
            "model": str(folder),
            "device": options.device,
            "arguments": ("--load-format", "dummy", "--skip-tokenizer-init", "--hf-overrides", "{}"),
        }
    )
    engine = VllmEngine(settings)
    endpoint = await engine.start()
    roofline = Roofline(machine, loaded, engine=Engine.VLLM, cache_precision=plan.cache_precision)
    try:
        async with httpx.AsyncClient(
            base_url=endpoint.url, headers={"Authorization": f"Bearer {endpoint.api_key}"}, timeout=LIMIT
        ) as http:
            await _ask(http, endpoint, _tokens(model, 32))
            return [
                await _row(http, endpoint, model, roofline, context, conversations)
                for context in options.contexts
                for conversations in (1, 5)
            ]
    finally:
        await engine.stop()


async def _row(
    http: httpx.AsyncClient, endpoint: Endpoint, model: Model, roofline: Roofline, context: int, conversations: int
) -> Row:
    prefixes = [_tokens(model, context) for _ in range(conversations)]
    uncached = await asyncio.gather(*(_ask(http, endpoint, prefix) for prefix in prefixes))
    cached = await asyncio.gather(*(_ask(http, endpoint, prefix + _tokens(model, QUESTION)) for prefix in prefixes))
    return Row(
        context,
        conversations,
        median(times.first for times in uncached),
        median(times.first for times in cached),
        median(times.token for times in cached),
        roofline.ideal_step(conversations, context),
    )


def _tokens(model: Model, count: int) -> list[int]:
    return random.choices(range(1000, (model.vocabulary or 2000) - 1000), k=count)


async def _ask(http: httpx.AsyncClient, endpoint: Endpoint, prompt: list[int]) -> Times:
    request: dict[str, Any] = {
        "model": endpoint.model,
        "prompt": prompt,
        "max_tokens": WRITTEN,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "detokenize": False,
        "return_token_ids": True,
    }
    began = time.perf_counter()
    async with http.stream("POST", "/completions", json=request) as answer:
        if answer.is_error:
            raise SystemExit(f"vLLM refuses: {(await answer.aread()).decode()[:500]}")
        came = [time.perf_counter() async for line in answer.aiter_lines() if line.startswith("data: {")]
    return Times(came[0] - began, (came[-1] - came[0]) / max(1, WRITTEN - 1))


def _print(name: str, machine: Machine, rows: list[Row]) -> None:
    print(f"\n{name} in random weights on {machine.name}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| context | conversations | first token | cached | ms a token | of the roofline |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.context:,} | {row.conversations} | {row.uncached:.2f} s | {row.cached:.2f} s "
            f"| {row.token * 1000:.1f} | {row.ideal / row.token:.0%} |"
        )
    print("\nmeasurements = [")
    for row in rows:
        print(
            f'    {{ machine = "{machine.id}", precision = "bf16", engine = "vllm", '
            f"tokens_per_second = {1 / row.token:.1f}, prompt = {row.context}, conversations = {row.conversations}, "
            f'source = "measured: random weights, {datetime.now(UTC):%Y-%m-%d}" }},'
        )
    print("]")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(ARCHITECTURES), default=["qwen3-30b-a3b"])
    parser.add_argument("--contexts", nargs="+", type=int, default=[8192, 32768, 131072])
    parser.add_argument("--python", type=Path, help="the Python of vLLM's environment")
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--layers", type=int, help="fewer than the model has")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
