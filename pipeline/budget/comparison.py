"""All models side by side: what they are, what they take, how well they call tools, and what fits a machine."""

import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.budget.catalogue import Catalogue, Checkpoint, Machine, Model
from pipeline.budget.figures import Engine
from pipeline.budget.memory import CannotPlan, Load, NoCheckpoint, TooLarge
from pipeline.budget.plan import Planner, usable

WIDTH = 100
_EFFECTS = Path(__file__).with_name("quantisation.toml")
# One column for all checkpoints that store as many bits the same way.
_COLUMNS = {
    "bf16": ("bf16", "float16", "float32"),
    "fp8": ("fp8", "int8", "q8"),
    "int4": ("int4-awq", "int4-gptq", "int4-bnb", "q4"),
    "fp4": ("nvfp4", "mxfp4"),
}
_REASONING = {"none": "no", "switch": "on/off", "always": "always"}
_KIB = 1024


def table(catalogue: Catalogue, machine: Machine, load: Load, engine: Engine) -> str:
    """Compare all language models on a machine, in 100 columns."""
    planner = Planner(catalogue)
    precisions = "".join(f"{column:>6}" for column in _COLUMNS)
    lines = [
        f"Language models on {machine.name}, {load.conversations} conversations of {load.context:,} tokens",
        "",
        f"{'model':33}{'billions':>12}{'KiB/tok':>9}{precisions}{'BFCL 3':>8}{'BFCL 4':>8}{'reasons':>9}",
    ]
    for model in _ordered(catalogue):
        verdicts = _verdicts(planner, machine, model, load, engine)
        lines.append(_row(model, "".join(f"{verdicts[column]:>6}" for column in _COLUMNS)))
    lines += _wrapped(
        "Billions of parameters and of those that a token uses; KiB that a token takes in the cache at 16 bits. Under "
        "each precision: how many of the 7 targets hold, no where it does not fit, - where no checkpoint is known, ? "
        "where a figure is missing. BFCL: Berkeley Function-Calling Leaderboard, whose versions do not compare."
    )
    lines += ["", "What quantisation is known to do to tool calling"]
    for effect in _effects():
        lines += _wrapped(f"  {effect['precision']}: {effect['effect']} ({effect['source']})", indent="    ")
    return "\n".join(lines)


def as_json(catalogue: Catalogue, machine: Machine, load: Load, engine: Engine) -> dict[str, Any]:
    """Return the comparison in plain values, with every figure of every model."""
    planner = Planner(catalogue)
    models = [
        model.model_dump(exclude_none=True) | {"verdicts": _verdicts(planner, machine, model, load, engine)}
        for model in _ordered(catalogue)
    ]
    return {"machine": machine.id, "models": models, "quantisation": _effects()}


def sheet(model: Model) -> str:
    """Tell all that the catalogue knows of one model, with the source of each figure."""
    lines = [f"{model.name} ({model.id}), {model.kind}"]
    told = model.model_dump(exclude_none=True, exclude={"id", "name", "kind", "checkpoints", "measurements", "sources"})
    before = ""
    for name, value in told.items():
        if name not in model.model_fields_set:
            continue
        text = ", ".join(f"{key} {part:,}" for key, part in value.items()) if isinstance(value, dict) else _told(value)
        source = model.source(name) if name not in ("kernel", "reasoning") else before
        lines += _wrapped(f"  {name:17}{text}" + (f"  [{source}]" if source != before else ""), indent=" " * 19)
        before = source
    lines.append("checkpoints")
    for checkpoint in model.checkpoints:
        size = f", {checkpoint.gigabytes:g} GB" if checkpoint.gigabytes else ""
        engines = ", ".join(checkpoint.engines)
        told_name = checkpoint.name or "no name was seen"
        lines += _wrapped(
            f"  {checkpoint.precision:17}{told_name}{size}, for {engines}  [{checkpoint.source}]", indent=" " * 19
        )
    if model.measurements:
        lines.append("measurements")
    for measured in model.measurements:
        speed = f"{measured.tokens_per_second:g} tokens/s" if measured.tokens_per_second else ""
        first = f"first token {measured.first_token:g} s" if measured.first_token else ""
        more = [f"after {measured.prompt:,} tokens"] if measured.prompt else []
        more += [f"{measured.conversations} conversations"] if measured.conversations > 1 else []
        more += ["writing ahead"] if measured.speculative else []
        text = ", ".join([part for part in (speed, first) if part] + more)
        where = f"{measured.precision} on {measured.machine} with {measured.engine}"
        lines += _wrapped(f"  {where}: {text}  [{measured.source}]", indent="    ")
    return "\n".join(lines)


def _ordered(catalogue: Catalogue) -> list[Model]:
    return sorted(catalogue.models("language"), key=lambda model: model.parameters, reverse=True)


def _verdicts(planner: Planner, machine: Machine, model: Model, load: Load, engine: Engine) -> dict[str, str]:
    try:
        checkpoints = usable(machine, model, engine)
    except NoCheckpoint:
        checkpoints = []
    found: dict[str, list[str]] = {column: [] for column in _COLUMNS}
    for checkpoint in checkpoints:
        column = next((name for name, precisions in _COLUMNS.items() if checkpoint.precision in precisions), None)
        if column is not None:
            found[column].append(_verdict(planner, machine, model, checkpoint, load, engine))
    # A count of targets sorts before both words that tell of none.
    return {column: min(verdicts, key=_badness, default="-") for column, verdicts in found.items()}


def _verdict(
    planner: Planner, machine: Machine, model: Model, checkpoint: Checkpoint, load: Load, engine: Engine
) -> str:
    try:
        plan = planner.plan(machine, model, checkpoint, load, engine)
    except TooLarge:
        return "no"
    except CannotPlan:
        return "?"
    return str(plan.held) if plan.fits else "no"


def _badness(verdict: str) -> int:
    return -int(verdict) if verdict.isdigit() else 1


def _row(model: Model, verdicts: str) -> str:
    name = model.name if len(model.name) <= 32 else f"{model.name[:31]}…"
    size = f"{model.parameters:.4g}" + (f" / {model.active:.3g}" if model.active < model.parameters else "")
    cache = f"{model.cache.bytes_per_token('bf16') / _KIB:.4g}" if model.cache else "?"
    scores = "".join(f"{_score(model, name):>8}" for name in ("bfcl_v3", "bfcl_v4"))
    return f"{name:33}{size:>12}{cache:>9}{verdicts}{scores}{_REASONING[model.reasoning]:>9}"


def _score(model: Model, name: str) -> str:
    return f"{model.scores[name]:g}" if name in model.scores else "-"


def _effects() -> list[dict[str, str]]:
    read: list[dict[str, str]] = tomllib.loads(_EFFECTS.read_text(encoding="utf-8"))["effects"]
    return read


def _told(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _wrapped(text: str, *, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False, break_long_words=False
    )
