"""How fast a model can be: what must be read and computed, over what the machine reaches of its figures.

Writing one token reads the weights that it uses and the cache of the conversation, so it takes those bytes over the
bandwidth; reading a prompt multiplies, so it takes two operations a parameter over the matrix rate, or the bytes where
those take longer (Williams, Waterman and Patterson, "Roofline", 2009). What real kernels reach of the bandwidth is
fitted to the catalogue's measurements, one factor for each kind of kernel: the least squares of the logarithms.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.budget.catalogue import CPU, Catalogue, Machine, Measurement, Model
from pipeline.budget.figures import Engine, figures
from pipeline.budget.memory import GIB, CannotPlan, Loaded, bytes_a_parameter, weights_gib

SPECULATIVE = "speculative"
TOLERANCE = 0.25
"""A prediction further off than this share of the measurement is a miss."""

_GIGA = 1e9
_TERA = 1e12
# Engines multiply in 16 bits where only the weights are narrow.
_COMPUTE = {"fp8": "fp8", "int8": "int8"}
_EXCHANGES_A_LAYER = 2


@dataclass(frozen=True, slots=True)
class Check:
    """A measurement beside what is predicted for it by all other models' measurements."""

    model: str
    measurement: Measurement
    kind: str
    predicted: float | None
    """Tokens a second; None where no other model has a measurement of the kind."""

    @property
    def error(self) -> float | None:
        """The share of the measurement by which the prediction is too high, or too low where negative."""
        if self.predicted is None or self.measurement.tokens_per_second is None:
            return None
        return self.predicted / self.measurement.tokens_per_second - 1

    @property
    def missed(self) -> bool:
        """Whether it is further off than `TOLERANCE`."""
        return self.error is not None and abs(self.error) > TOLERANCE


@dataclass(frozen=True, slots=True)
class Speed:
    """What one of `conversations` that speak at the same moment gets; times in seconds."""

    conversations: int
    cached: float
    """To the first token where only the question is new."""
    uncached: float
    """To the first token where the whole prompt must be read."""
    token: float
    """For each further token."""
    tool_call: float
    """Until a tool is chosen and its arguments are written."""

    @property
    def tokens_per_second(self) -> float:
        """Of one conversation."""
        return 1 / self.token

    @property
    def total(self) -> float:
        """Tokens a second of all conversations together."""
        return self.conversations / self.token


class Roofline:
    """Predicts the speed of one model on one machine.

    Args:
        efficiency: the share of the bandwidth that each kind of kernel reaches, from `fit`.
        boxes: equal machines that share the model by tensor parallelism.
    """

    def __init__(
        self,
        machine: Machine,
        loaded: Loaded,
        *,
        engine: Engine,
        cache_precision: str = "bf16",
        efficiency: Mapping[str, float] | None = None,
        boxes: int = 1,
    ) -> None:
        if loaded.model.cache is None:
            raise CannotPlan(f"{loaded.model.id} has no figures for its cache: its speed cannot be computed")
        self._machine = machine
        self._model = loaded.model
        self._cache = loaded.model.cache
        self._checkpoint = loaded.checkpoint
        self._engine = engine
        self._cache_precision = cache_precision
        self._efficiency = efficiency or {}
        self._boxes = boxes

    def weight_bytes(self, tokens: float) -> float:
        """Return the bytes of weights that `tokens`, written or read at the same time, use together.

        A dense model's are read once for all. Of a mixture the shared part is, and of the experts those that at least
        one token chose: each is missed by one token with the same probability, independently of the others.
        """
        model = self._model
        if model.kernel == "dense" or model.active >= model.parameters:
            return weights_gib(model, self._checkpoint) * GIB
        # All at the checkpoint's precision: where a part was left at 16 bits, the fitted efficiency is lower for it.
        each = bytes_a_parameter(self._checkpoint.precision) * _GIGA
        shared = figures().roofline.shared_share.value * model.active
        experts = model.parameters - shared
        missed = 1 - (model.active - shared) / experts
        chosen: float = 1 - missed**tokens
        return each * (shared + experts * chosen)

    def ideal_step(self, conversations: int, context: int) -> float:
        """Return the seconds for one token of each conversation if the whole bandwidth were reached."""
        cached = conversations * self._cache.bytes_for(context, self._cache_precision)
        bandwidth = self._machine.bandwidth * _GIGA * self._boxes
        return (self.weight_bytes(conversations) + cached) / bandwidth

    def step(self, conversations: int, context: int) -> float:
        """Return the seconds for one token of each conversation, `context` tokens long.

        Speculation's gain is counted for one conversation alone: the tokens of several fill the same step.
        """
        ideal = self.ideal_step(conversations, context)
        plain = ideal / self._reached(kind_of(self._machine, self._model))
        if conversations == 1 and self.speculates:
            plain = min(plain, ideal / self._reached(SPECULATIVE))
        return plain + figures().engines[self._engine].step.value + self._exchanges(conversations)

    @property
    def speculates(self) -> bool:
        """Whether this model was measured writing ahead, so that it is known to have the heads for it."""
        return self._machine.compute != CPU and any(m.speculative for m in self._model.measurements)

    def prefill(self, tokens: int, context: int) -> float:
        """Return the seconds to read `tokens` that end a prompt of `context`."""
        reading = self.weight_bytes(tokens) / (self._machine.bandwidth * _GIGA * self._boxes)
        operations = 2 * self._model.active * _GIGA * tokens + self._attention(tokens, context)
        reached = figures().roofline.prefill_efficiency.value
        computing = operations / (self._tflops() * _TERA * reached * self._boxes)
        return max(reading, computing) + self._exchanges(tokens)

    def speed(self, conversations: int, context: int) -> Speed:
        """Predict the times with `context` tokens in each conversation so far."""
        assistant = figures().assistant
        request = figures().engines[self._engine].first_token.value
        step = self.step(conversations, context)
        prompt = assistant.small_prompt if self._engine is Engine.EMBEDDED else assistant.prompt
        whole = min(context, round(prompt.value + assistant.question.value))
        new = round(assistant.question.value)
        if self._cache.state_bytes:
            new = min(whole, new + round(figures().roofline.hybrid_block.value))
        cached = request + self.prefill(new, context) + step
        return Speed(
            conversations,
            cached,
            request + self.prefill(whole, whole) + step,
            step,
            cached + assistant.tool_call.value * step,
        )

    def requests_per_second(self, sequences: int, context: int) -> float:
        """Predict how many short answers a second are written where `sequences` are written at a time."""
        assistant = figures().assistant
        read = self.prefill(round(sequences * assistant.question.value), context)
        return sequences / (read + assistant.answer.value * self.step(sequences, context))

    def _reached(self, kind: str) -> float:
        return self._efficiency.get(kind, figures().roofline.default_efficiency.value)

    def _attention(self, tokens: int, context: int) -> float:
        """Operations of scores and sums over what came before; linear layers' are counted with the weights."""
        if self._model.hidden is None:
            return 0.0
        return 4.0 * tokens * (context - tokens / 2) * self._model.hidden * self._cache.attention_layers

    def _tflops(self) -> float:
        rates = self._machine.tflops
        wanted = _COMPUTE.get(self._checkpoint.precision, "bf16")
        rate = rates.get(wanted) or rates.get("bf16") or max(rates.values(), default=0.0)
        if not rate:
            raise CannotPlan(f"{self._machine.id} has no tflops: the time to the first token cannot be computed")
        return rate

    def _exchanges(self, tokens: int) -> float:
        """Seconds on the link: each layer's halves of the hidden states are added up twice."""
        if self._boxes == 1:
            return 0.0
        layers, hidden = self._model.layers, self._model.hidden
        if layers is None or hidden is None:
            missing = "layers" if layers is None else "hidden"
            raise CannotPlan(f"{self._model.id} has no figure {missing}: the time on the link cannot be computed")
        link = figures().link
        each = link.latency.value + tokens * hidden * 2 / (link.bandwidth.value * _GIGA)
        return layers * _EXCHANGES_A_LAYER * each


def kind_of(machine: Machine, model: Model) -> str:
    """Name the kind of kernel that writes this model's tokens on this machine."""
    return CPU if machine.compute == CPU else model.kernel


def fit(catalogue: Catalogue, *, without: str | None = None) -> dict[str, float]:
    """Fit the share of the bandwidth that each kind of kernel reaches, `without` one model's measurements.

    Minimizes the squared logarithms of predicted over measured time a step, whose solution is the geometric mean of
    ideal over measured.
    """
    logs: dict[str, list[float]] = {}
    for sample in _samples(catalogue):
        if sample.model.id != without:
            logs.setdefault(sample.kind, []).append(math.log(sample.ideal / sample.reading))
    return {kind: math.exp(sum(values) / len(values)) for kind, values in logs.items()}


def leave_one_out(catalogue: Catalogue) -> list[Check]:
    """Predict each model's measured tokens a second from all other models' measurements."""
    fits: dict[str, dict[str, float]] = {}
    checks = []
    for sample in _samples(catalogue):
        model = sample.model.id
        if model not in fits:
            fits[model] = fit(catalogue, without=model)
        reached = fits[model].get(sample.kind)
        predicted = 1 / (sample.ideal / reached + sample.between) if reached else None
        checks.append(Check(model, sample.measurement, sample.kind, predicted))
    return checks


@dataclass(frozen=True, slots=True)
class _Sample:
    """A measurement of the speed of writing; times in seconds a step."""

    model: Model
    measurement: Measurement
    kind: str
    ideal: float
    """If the whole bandwidth were reached."""
    between: float
    """In which nothing is read."""

    @property
    def reading(self) -> float:
        """What was measured, less the time between steps."""
        measured = 1 / (self.measurement.tokens_per_second or math.inf)
        return max(measured - self.between, measured / 2)


def _samples(catalogue: Catalogue) -> Iterator[_Sample]:
    """Yield the measurements whose model, machine and checkpoint have the figures that a prediction needs."""
    for model in catalogue.models("language"):
        for measurement in model.measurements:
            checkpoint = next((c for c in model.checkpoints if c.precision == measurement.precision), None)
            if not measurement.tokens_per_second or checkpoint is None or model.cache is None:
                continue
            machine = catalogue.machine(measurement.machine)
            kind = SPECULATIVE if measurement.speculative else kind_of(machine, model)
            engine = Engine.EMBEDDED if "llama" in measurement.engine.lower() else Engine.VLLM
            roofline = Roofline(machine, Loaded(model, checkpoint), engine=engine)
            ideal = roofline.ideal_step(measurement.conversations, measurement.prompt or 0)
            yield _Sample(model, measurement, kind, ideal, figures().engines[engine].step.value)
