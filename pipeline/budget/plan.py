"""The plan: whether a model fits a machine, how fast it will be there, which targets hold, and which model to take."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.budget.catalogue import CPU, Catalogue, Checkpoint, Machine, Model
from pipeline.budget.figures import Engine, figures
from pipeline.budget.memory import (
    CannotPlan,
    Load,
    Loaded,
    MemoryPlan,
    NoCheckpoint,
    TooLarge,
    plan_memory,
    weights_gib,
)
from pipeline.budget.roofline import Roofline, Speed, fit

EXAMINED_CONTEXT = 2048
"""Tokens in a conversation whose speed is told: the prompt and a few turns."""

_CATALOGUE_NAMES = {
    Engine.EMBEDDED: ("llama.cpp", "llama-server", "embedded", "xllamacpp"),
    Engine.LLAMA_SERVER: ("llama.cpp", "llama-server"),
    Engine.VLLM: ("vllm",),
    Engine.TRTLLM: ("tensorrt-llm", "trtllm", "trtllm-serve"),
    Engine.SGLANG: ("sglang",),
}
_LLAMA = (Engine.EMBEDDED, Engine.LLAMA_SERVER)
# The first of these scores that both models have decides; versions of one benchmark do not compare.
TOOL_SCORES = ("bfcl_v3", "bfcl_v4", "tau_bench")
QUALITY_SCORES = ("mmlu_pro", "gpqa", "ifeval", "agentbench")
# Hearing and speech by what there is for them: a GPU's, and a plain CPU's as `passfel serve` has by default.
_TRANSCRIBERS = {True: ("whisper-base",), False: ("whisper-large-v3-turbo", "whisper-large-v3")}


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a conversation needs, and what is predicted for it."""

    name: str
    limit: float
    value: float
    unit: str
    held: bool
    how: str = ""

    @property
    def share(self) -> float:
        """The value over its limit."""
        return self.value / self.limit


@dataclass(frozen=True, slots=True)
class Plan:
    """One model at one precision on one machine."""

    machine: Machine
    model: Model
    checkpoint: Checkpoint
    engine: Engine
    cache_precision: str
    load: Load
    memory: MemoryPlan
    alone: Speed
    """One conversation speaks."""
    together: Speed
    """All do at the same moment."""
    targets: tuple[Target, ...]
    speculates: bool
    speech: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it can be started: the memory is enough, and the model has so long a context."""
        return self.memory.fits and self.load.context <= self.model.context

    @property
    def held(self) -> int:
        """How many targets hold; none of a model that does not fit."""
        return sum(target.held for target in self.targets) if self.fits else 0

    def as_json(self) -> dict[str, Any]:
        """Return the plan in plain values: GiB, seconds, tokens."""
        return {
            "machine": self.machine.id,
            "model": self.model.id,
            "checkpoint": self.checkpoint.name,
            "precision": self.checkpoint.precision,
            "engine": str(self.engine),
            "cache_precision": self.cache_precision,
            **dataclasses.asdict(self.load),
            "fits": self.fits,
            "memory": {
                "available": self.memory.available,
                "needed": self.memory.needed,
                "spare": self.memory.spare,
                "items": [dataclasses.asdict(item) for item in self.memory.items],
            },
            "speed": [
                dataclasses.asdict(speed) | {"tokens_per_second": speed.tokens_per_second, "total": speed.total}
                for speed in (self.alone, self.together)
            ],
            "targets": [dataclasses.asdict(target) for target in self.targets],
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The model to take, and why."""

    plan: Plan
    why: tuple[str, ...]


class Planner:
    """Makes plans from a catalogue; the efficiency is fitted once.

    Args:
        stores: whether Postgres and Redis run beside the model.
    """

    def __init__(self, catalogue: Catalogue, *, stores: bool = True) -> None:
        self._catalogue = catalogue
        self._efficiency = fit(catalogue)
        self._stores = stores

    @property
    def efficiency(self) -> Mapping[str, float]:
        """The share of the bandwidth that each kind of kernel reaches."""
        return self._efficiency

    def plan(self, machine: Machine, model: Model, checkpoint: Checkpoint, load: Load, engine: Engine) -> Plan:
        """Plan one checkpoint. Raises `CannotPlan`, which names the figure that is missing."""
        precision = cache_precision(machine, engine)
        loaded = Loaded(model, checkpoint)
        speech = self.speech(machine)
        memory = plan_memory(
            machine, loaded, load, engine=engine, cache_precision=precision, speech=speech, stores=self._stores
        )
        roofline = Roofline(
            machine,
            loaded,
            engine=engine,
            cache_precision=precision,
            efficiency=self._efficiency,
            boxes=load.boxes,
        )
        context = min(load.context, EXAMINED_CONTEXT)
        alone, together = roofline.speed(1, context), roofline.speed(load.conversations, context)
        requests = roofline.requests_per_second(load.sequences, context)
        return Plan(
            machine,
            model,
            checkpoint,
            engine,
            precision,
            load,
            memory,
            alone,
            together,
            tuple(_targets(alone, together, memory, load, requests)),
            roofline.speculates,
            tuple(each.model.name for each in speech),
        )

    def plans(self, machine: Machine, model: Model, load: Load, engine: Engine | None = None) -> list[Plan]:
        """Plan every checkpoint of a model that the engine can load. Raises `CannotPlan` where there is none."""
        engine = engine or engine_for(machine)
        made: list[Plan] = []
        hopeless: TooLarge | None = None
        largest_first = sorted(usable(machine, model, engine), key=lambda c: weights_gib(model, c), reverse=True)
        for checkpoint in largest_first:
            try:
                made.append(self.plan(machine, model, checkpoint, load, engine))
            except TooLarge as reason:
                hopeless = reason
        if hopeless is not None and not made:
            raise hopeless
        return made

    def survey(self, machine: Machine, load: Load, engine: Engine | None = None) -> tuple[list[Plan], list[CannotPlan]]:
        """Plan every language model at its best precision; return for each other one why not."""
        plans: list[Plan] = []
        missing: list[CannotPlan] = []
        for model in self._catalogue.models("language"):
            try:
                plans.append(best(self.plans(machine, model, load, engine)))
            except CannotPlan as reason:
                missing.append(reason)
        return sorted(plans, key=rank, reverse=True), missing

    def speech(self, machine: Machine) -> list[Loaded]:
        """Choose what hears, speaks and embeds beside the language model."""
        chosen = []
        for name in _TRANSCRIBERS[machine.compute == CPU]:
            found = [m for m in self._catalogue.models("transcriber") if m.id == name]
            if found:
                chosen.append(found[0])
                break
        chosen += self._catalogue.models("synthesizer")[:1]
        # A card computes in 16 bits, a CPU in 8 where it can.
        return [Loaded(model, _smallest(model) if machine.compute == CPU else model.checkpoints[0]) for model in chosen]


def usable(machine: Machine, model: Model, engine: Engine) -> list[Checkpoint]:
    """Return the checkpoints that the engine can load and the machine can compute with. Raises `NoCheckpoint`."""
    able = [c for c in model.checkpoints if _loads(engine, c) and _computes(machine, c)]
    if not able:
        known = ", ".join(c.precision for c in model.checkpoints) or "none"
        raise NoCheckpoint(
            model.id,
            f"{model.id} has no checkpoint that {engine} runs on {machine.id} (catalogued: {known}): "
            "choose another --engine or --machine, or add one to the catalogue",
        )
    return able


def cache_precision(machine: Machine, engine: Engine) -> str:
    """Choose how the cache is stored: 8 bits on a GPU, as the engine's default of 16 elsewhere."""
    return "bf16" if machine.compute == CPU or engine in _LLAMA else "fp8"


def engine_for(machine: Machine) -> Engine:
    """Choose the engine: vLLM on a GPU, the embedded one elsewhere."""
    return Engine.EMBEDDED if machine.compute == CPU else Engine.VLLM


def best(plans: Iterable[Plan]) -> Plan:
    """Choose among the precisions of one model: what fits, holds most targets, can be got, and is least quantized."""

    def worth(plan: Plan) -> tuple[float, ...]:
        if not plan.fits:
            return (0, plan.memory.spare)
        return (1, plan.held, plan.checkpoint.name is not None, plan.memory.gib("weights"))

    return max(plans, key=worth)


def rank(plan: Plan) -> tuple[float, ...]:
    """Order models: what fits, holds most targets, calls tools best, knows most, and answers first."""
    scores = plan.model.scores
    tools = next((scores[name] for name in TOOL_SCORES if name in scores), 0.0)
    quality = next((scores[name] for name in QUALITY_SCORES if name in scores), 0.0)
    return (plan.fits, plan.held, tools, quality, -plan.together.tool_call)


def recommend(plans: Sequence[Plan]) -> Recommendation | None:
    """Choose the model to take among those that can be got; None where nothing fits."""
    fitting = [plan for plan in plans if plan.fits and plan.checkpoint.name is not None]
    if not fitting:
        return None
    chosen = max(fitting, key=rank)
    return Recommendation(chosen, tuple(_reasons(chosen, fitting)))


def nearest(plan: Plan, plans: Iterable[Plan]) -> Plan | None:
    """Choose what fits in place of a plan that does not: the same model smaller, else the best other model."""
    fitting = [other for other in plans if other.fits]
    same = [other for other in fitting if other.model.id == plan.model.id]
    return max(same or fitting, key=rank, default=None)


def _targets(alone: Speed, together: Speed, memory: MemoryPlan, load: Load, requests: float) -> Iterator[Target]:
    def below(name: str, limit: float, value: float, how: str) -> Target:
        return Target(name, limit, value, "s", value < limit, how)

    assistant = figures().assistant
    yield below("first token", 0.5, alone.cached, "prefix cached, one conversation")
    yield below("tool chosen", 1.0, alone.tool_call, f"and {assistant.tool_call.value:g} tokens of the call")
    # The orchestrator says a phrase before the model is asked to reason, so this does not depend on the model.
    yield below("reasoning heard", 3.0, assistant.first_words.value, "a fixed phrase, before the model answers")
    yield below("a token", 0.1, together.token, f"{load.conversations} conversations at once")
    speed = alone.tokens_per_second
    yield Target("tokens/s", 50, speed, "tokens/s", speed >= 50, "one conversation")
    served = load.conversations if memory.fits and together.token < 0.1 else 0
    yield Target("conversations", 5, served, "", served >= 5, "in memory, and each below 100 ms a token")
    yield Target(
        "requests/s", 10, requests, "/s", requests >= 10, f"{assistant.answer.value:g} tokens, {load.sequences} at once"
    )


def _reasons(chosen: Plan, fitting: Sequence[Plan]) -> Iterator[str]:
    memory = chosen.memory
    yield f"it fits: {memory.needed:.1f} of {memory.available:.1f} GiB, reserve included; {memory.spare:.1f} spare"
    missed = [target.name for target in chosen.targets if not target.held]
    yield f"it holds {chosen.held} of {len(chosen.targets)} targets" + (f", not: {', '.join(missed)}" if missed else "")
    peers = [plan for plan in fitting if plan.held == chosen.held and plan.model.id != chosen.model.id]
    name = next((name for name in TOOL_SCORES if name in chosen.model.scores), None)
    if name is None:
        yield "no score of its tool calling is known" + (", nor of others that hold as many" if peers else "")
    else:
        yield f"{name} {chosen.model.scores[name]:g}, against {_others(peers, name)}"


def _others(peers: Sequence[Plan], name: str) -> str:
    known = [f"{p.model.name} {p.model.scores[name]:g}" for p in peers if name in p.model.scores]
    unknown = sum(name not in p.model.scores for p in peers)
    told = known + ([f"{unknown} without that score"] if unknown else [])
    return ", ".join(told) or "no other that holds as many targets"


def _smallest(model: Model) -> Checkpoint:
    sized = [c for c in model.checkpoints if c.gigabytes is not None]
    if not sized:
        raise CannotPlan(f"{model.id} has no checkpoint with a size: the memory for speech cannot be computed")
    return min(sized, key=lambda c: c.gigabytes or 0.0)


def _loads(engine: Engine, checkpoint: Checkpoint) -> bool:
    return any(name in _CATALOGUE_NAMES[engine] for name in checkpoint.engines)


def _computes(machine: Machine, checkpoint: Checkpoint) -> bool:
    """Tell whether the machine has kernels: four-bit floating point needs a Blackwell, or Marlin's from Ampere on."""
    return machine.compute != CPU or checkpoint.precision not in ("nvfp4", "fp8")
