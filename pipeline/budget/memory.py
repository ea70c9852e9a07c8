"""Where memory goes: weights, cache, activations, the engine, speech, stores, the system and a reserve."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.budget.catalogue import CPU, Checkpoint, Machine, Model
from pipeline.budget.figures import Engine, Figure, figures

GIB = 1 << 30

BATCHED_TOKENS = 8192
"""Tokens of prompts that an engine on a GPU reads at a time."""
RESERVE_SHARE = 0.05
"""Of the memory, left for the page cache and for what nobody foresaw."""
LEAST_RESERVE = 0.5
"""GiB."""
BACKGROUND_SEQUENCES = 3
"""Answers beside the conversations': a speculation, a typed question, background work."""

# Widths of the hidden state that are alive at once in a layer: the residual, its norm, queries with keys and values,
# and the gate, the rise and the product of a feed-forward network 3.5 times as wide.
_LIVE_WIDTHS = 14
_BF16_BYTES = 2
_LOGIT_BYTES = 4
_BYTES_A_PARAMETER = {
    "float32": 4.0,
    "f32": 4.0,
    "bf16": 2.0,
    "float16": 2.0,
    "f16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "q8": 1.0625,
    "int4-awq": 0.53125,
    "int4-gptq": 0.53125,
    "int4-bnb": 0.53125,
    "q4": 0.5625,
    "nvfp4": 0.5625,
    "mxfp4": 0.53125,
}
"""With the scales of each block: 16 bits for 128 or 32 weights, 8 for 16 or 32."""


class CannotPlan(Exception):  # noqa: N818 - reads as what is the matter
    """A figure is missing or absurd; the message names it and says what cannot be computed without it."""


class TooLarge(CannotPlan):
    """A model whose figures are incomplete, but whose weights alone already leave no room; the message has them."""

    def __init__(self, model: str, message: str) -> None:
        super().__init__(message)
        self.model = model


class NoCheckpoint(CannotPlan):
    """A model has nothing that the engine can load on the machine."""

    def __init__(self, model: str, message: str) -> None:
        super().__init__(message)
        self.model = model


@dataclass(frozen=True, slots=True)
class Load:
    """What the household wants of the machine."""

    context: int = 8192
    """Tokens that one conversation may fill."""
    conversations: int = 5
    """At the same time."""
    boxes: int = 1
    """Equal machines, linked, that share one model."""

    def __post_init__(self) -> None:
        for name, value, most in (
            ("context", self.context, 100_000_000),
            ("conversations", self.conversations, 10_000),
            ("boxes", self.boxes, 64),
        ):
            if not 1 <= value <= most:
                raise CannotPlan(f"{name} is {value:,}: give a number from 1 to {most:,}")

    @property
    def sequences(self) -> int:
        """Answers that the engine writes at the same time."""
        return self.conversations + BACKGROUND_SEQUENCES


@dataclass(frozen=True, slots=True)
class Item:
    """One part of the budget."""

    name: str
    gib: float
    how: str
    """Its arithmetic or source."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What the fullest box holds."""

    items: tuple[Item, ...]
    available: float
    """GiB that programs can use."""

    @property
    def needed(self) -> float:
        """GiB of all parts, the reserve included."""
        return sum(item.gib for item in self.items)

    @property
    def spare(self) -> float:
        """GiB left over; negative where it does not fit."""
        return self.available - self.needed

    @property
    def fits(self) -> bool:
        """Whether everything fits, the reserve included."""
        return self.spare >= 0

    def gib(self, *names: str) -> float:
        """Sum the parts of these names."""
        return sum(item.gib for item in self.items if item.name in names)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with the checkpoint of it that is loaded."""

    model: Model
    checkpoint: Checkpoint


def bytes_a_parameter(precision: str) -> float:
    """Return what a weight of this precision takes, its share of the scales included. Raises `CannotPlan`."""
    try:
        return _BYTES_A_PARAMETER[precision]
    except KeyError:
        known = ", ".join(_BYTES_A_PARAMETER)
        raise CannotPlan(
            f"precision {precision} is not known, so its weights have no size; known are {known}"
        ) from None


def weights_gib(model: Model, checkpoint: Checkpoint) -> float:
    """Return the resident weights: as catalogued, else parameters times bytes each. Raises `CannotPlan`."""
    if checkpoint.gigabytes is not None:
        return checkpoint.gigabytes * 1e9 / GIB
    return model.parameters * 1e9 * bytes_a_parameter(checkpoint.precision) / GIB


def cache_gib(model: Model, load: Load, engine: Engine, precision: str) -> float:
    """Return the key-value cache for all that is written at a time, each at its longest. Raises `CannotPlan`.

    The embedded engine has one pool of `context` tokens that all conversations share.
    """
    if model.cache is None:
        raise CannotPlan(f"{model.id} has no figures for its cache: neither memory nor speed can be computed")
    pools = 1 if engine is Engine.EMBEDDED else load.sequences
    return pools * model.cache.bytes_for(load.context, precision) / GIB


def reserve_gib(machine: Machine) -> float:
    """Return what is left free on purpose."""
    return max(LEAST_RESERVE, RESERVE_SHARE * machine.memory_gib)


def plan_memory(
    machine: Machine,
    loaded: Loaded,
    load: Load,
    *,
    engine: Engine,
    cache_precision: str,
    speech: Sequence[Loaded] = (),
    stores: bool = True,
) -> MemoryPlan:
    """Add up what the fullest box holds. Raises `CannotPlan` where a figure is missing.

    A card with memory of its own holds only the model: speech, stores and the system are in the host's.
    """
    beside = []
    if machine.unified:
        beside += _house_items(load, speech, stores=stores)
        beside.append(Item("system", machine.system_gib, "the operating system at rest"))
    share = f"{RESERVE_SHARE:.0%} of {machine.memory_gib:g} GiB, at least {LEAST_RESERVE:g}"
    beside.append(Item("reserve", reserve_gib(machine), share))
    try:
        items = [*_model_items(machine, loaded, load, engine, cache_precision), *beside]
    except CannotPlan as missing:
        weights = weights_gib(loaded.model, loaded.checkpoint) / load.boxes
        rest = _process(machine, engine).value + sum(item.gib for item in beside)
        if weights + rest <= machine.memory_gib:
            raise
        raise TooLarge(
            loaded.model.id,
            f"{loaded.model.id} does not fit {machine.id} at {loaded.checkpoint.precision}: weights {weights:.1f} GiB, "
            f"engine, speech, stores, system and reserve {rest:.1f}, of {machine.memory_gib:g}; and {missing}",
        ) from None
    return MemoryPlan(tuple(items), machine.memory_gib)


def _process(machine: Machine, engine: Engine) -> Figure:
    told = figures().engines[engine]
    return told.cpu if told.cpu is not None and machine.compute == CPU else told.process


def _model_items(machine: Machine, loaded: Loaded, load: Load, engine: Engine, precision: str) -> list[Item]:
    model, checkpoint = loaded.model, loaded.checkpoint
    split = f", on each of {load.boxes} boxes" if load.boxes > 1 else ""
    known = "as catalogued" if checkpoint.gigabytes is not None else f"{model.parameters:g} billion parameters"
    pools = "shared by all" if engine is Engine.EMBEDDED else f"for each of {load.sequences} answers"
    process = _process(machine, engine)
    items = [
        Item(
            "weights",
            weights_gib(model, checkpoint) / load.boxes,
            f"{model.name} at {checkpoint.precision}, {known}{split}",
        ),
        Item(
            "cache",
            cache_gib(model, load, engine, precision) / load.boxes,
            f"{load.context:,} tokens at {precision} {pools}{split}",
        ),
    ]
    if engine not in (Engine.EMBEDDED, Engine.LLAMA_SERVER):
        items.append(_activations(model, load))
    return [*items, Item("engine", process.value, process.source)]


def _activations(model: Model, load: Load) -> Item:
    if model.hidden is None or model.vocabulary is None:
        missing = "hidden" if model.hidden is None else "vocabulary"
        raise CannotPlan(f"{model.id} has no figure {missing}: its activations cannot be computed")
    layer = BATCHED_TOKENS * model.hidden * _BF16_BYTES * _LIVE_WIDTHS
    logits = load.sequences * model.vocabulary * _LOGIT_BYTES
    how = (
        f"{BATCHED_TOKENS:,} tokens x {model.hidden:,} x {_LIVE_WIDTHS} x 2 bytes, and {load.sequences} rows of logits"
    )
    return Item("activations", (layer + logits) / GIB, how)


def _house_items(load: Load, speech: Sequence[Loaded], *, stores: bool) -> list[Item]:
    assistant = figures().assistant
    names = ", ".join(each.model.name for each in speech)
    items = [
        Item("speech", sum(weights_gib(each.model, each.checkpoint) for each in speech), names or "none here"),
        Item("assistant", assistant.process.value, assistant.process.source),
        Item("conversations", load.conversations * assistant.conversation.value, assistant.conversation.source),
    ]
    if stores:
        items.append(Item("stores", figures().stores.process.value, figures().stores.process.source))
    return items
