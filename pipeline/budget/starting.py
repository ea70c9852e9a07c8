"""From the settings of the engine to what is started: planned, and refused before loading where it does not fit."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.budget.catalogue import Catalogue, Machine, Model, Unknown
from pipeline.budget.figures import Engine
from pipeline.budget.launch import vllm_settings
from pipeline.budget.memory import BACKGROUND_SEQUENCES, CannotPlan, Load, reserve_gib
from pipeline.budget.model_config import ConfigDamaged, read_config
from pipeline.budget.plan import Plan, Planner, best, nearest, recommend
from pipeline.settings.engine import Engine as Settings

_OURS = ("weights", "cache", "activations", "engine")
"""The parts of a plan that the engine itself takes."""


class DoesNotFit(Exception):  # noqa: N818 - reads as what is the matter
    """The engine would not find the memory that it needs; the message has the numbers and what would fit instead."""


@dataclass(frozen=True, slots=True)
class Started:
    """What is to be started."""

    settings: Settings
    plan: Plan | None
    """None where nothing is known of the model."""
    note: str
    """What was decided, for whoever starts it."""


def prepare(
    chosen: Settings, catalogue: Catalogue, machine: Machine, *, free: float, auto: bool = False
) -> Started | None:
    """Plan what the settings name; what they leave open comes from the plan.

    Args:
        free: GiB that are really available now, on the device that the engine loads into.
        auto: take the recommended model where none is named, and the nearest that fits where that one does not.

    Raises `DoesNotFit`. Returns None where no model is named and none may be chosen.
    """
    planner = Planner(catalogue)
    load = Load(chosen.context, max(1, chosen.sequences - BACKGROUND_SEQUENCES))
    if chosen.model is None:
        return _recommended(chosen, planner, machine, load, free) if auto else None
    try:
        plan = _planned(chosen.model, catalogue, planner, machine, load)
    except (Unknown, CannotPlan, ConfigDamaged) as reason:
        told = reason.args[0] if reason.args else reason
        return Started(chosen, None, f"Started without a plan: {told}")
    if _fits(plan, free):
        return _started(chosen, plan)
    plans, _ = planner.survey(machine, load, Engine.VLLM)
    fitting = [other for other in plans if _fits(other, free) and other.checkpoint.name is not None]
    instead = nearest(plan, fitting)
    if auto and instead is not None:
        return _started(chosen, instead, f"{plan.model.name} does not fit. ")
    raise DoesNotFit(_refusal(plan, free, instead))


def _recommended(chosen: Settings, planner: Planner, machine: Machine, load: Load, free: float) -> Started:
    plans, _ = planner.survey(machine, load, Engine.VLLM)
    found = recommend([plan for plan in plans if _fits(plan, free)])
    if found is None:
        raise DoesNotFit(
            f"no model of the catalogue fits the {free:.1f} GiB that are free here with vLLM: passfel plan tells why"
        )
    return _started(chosen, found.plan)


def _planned(name: str, catalogue: Catalogue, planner: Planner, machine: Machine, load: Load) -> Plan:
    folder = Path(name).expanduser()
    model = read_config(folder) if folder.is_dir() else catalogue.model(name)
    named = [c for c in model.checkpoints if (c.name or "").lower() == name.lower()]
    if named:
        return planner.plan(machine, model, named[0], load, Engine.VLLM)
    return best(_loadable(planner.plans(machine, model, load, Engine.VLLM), model))


def _loadable(plans: list[Plan], model: Model) -> list[Plan]:
    loadable = [plan for plan in plans if plan.checkpoint.name is not None]
    if not loadable:
        raise CannotPlan(f"{model.id} has no checkpoint whose name was seen: set engine.model to its folder or name")
    return loadable


def _needed(plan: Plan) -> float:
    return plan.memory.gib(*_OURS) + reserve_gib(plan.machine)


def _fits(plan: Plan, free: float) -> bool:
    return plan.fits and _needed(plan) <= free


def _started(chosen: Settings, plan: Plan, why: str = "") -> Started:
    planned = vllm_settings(plan, port=chosen.port, python=chosen.python)
    set_by_hand = {name: getattr(chosen, name) for name in chosen.model_fields_set - {"model", "arguments"}}
    # A folder is loaded from where it is, and vLLM's last word on an argument counts.
    settings = planned.model_copy(update=set_by_hand | {"arguments": (*planned.arguments, *chosen.arguments)})
    note = (
        f"{why}{plan.model.name} at {plan.checkpoint.precision}: {plan.memory.gib(*_OURS):.1f} GiB, of which "
        f"{plan.memory.gib('weights'):.1f} weights and {plan.memory.gib('cache'):.1f} cache; predicted first token "
        f"{plan.alone.cached:.2f} s, {plan.alone.tokens_per_second:.0f} tokens/s"
    )
    return Started(settings, plan, note)


def _refusal(plan: Plan, free: float, instead: Plan | None) -> str:
    memory = plan.memory
    if plan.load.context > plan.model.context:
        return (
            f"{plan.model.name} has {plan.model.context:,} tokens of context, engine.context is {plan.load.context:,}"
        )
    if not memory.fits:
        told = f"needs {memory.needed:.1f} GiB with everything beside it, of {memory.available:.1f}"
    else:
        reserve = reserve_gib(plan.machine)
        told = f"needs {_needed(plan):.1f} GiB, a reserve of {reserve:.1f} included, and {free:.1f} are free now"
    offer = "passfel plan shows what would"
    if instead is not None:
        offer = (
            f"{instead.checkpoint.name} would, with {_needed(instead):.1f} GiB: set engine.model, or start with --auto"
        )
    return f"{plan.model.name} at {plan.checkpoint.precision} {told}, so it does not fit. {offer}"
