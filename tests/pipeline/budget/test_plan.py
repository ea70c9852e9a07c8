import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.budget.catalogue import Cache, Catalogue, Checkpoint, Machine, Model
from pipeline.budget.figures import Engine
from pipeline.budget.memory import CannotPlan, Load, Loaded, NoCheckpoint, TooLarge, plan_memory, weights_gib
from pipeline.budget.plan import Planner, best, nearest, recommend
from pipeline.budget.roofline import Roofline, fit, leave_one_out

CATALOGUE = Catalogue.load()
PLANNER = Planner(CATALOGUE)
GX10 = CATALOGUE.machine("gx10")


def dense(**more: object) -> Model:
    figures = {
        "id": "dense",
        "name": "Dense",
        "kind": "language",
        "parameters": 10,
        "active": 10,
        "hidden": 4096,
        "layers": 40,
        "vocabulary": 100_000,
        "context": 100_000,
        "cache": Cache(attention_layers=40, kv_heads=8, head_size=128),
        "checkpoints": (Checkpoint(precision="fp8", name="some/dense", engines=("vllm",)),),
        "sources": {"parameters, active, hidden, layers, vocabulary, context, cache": "made up"},
    }
    return Model.model_validate(figures | more)


def gx10(**more: object) -> Machine:
    return GX10.model_copy(update=more)


@pytest.mark.parametrize(
    ("model", "precision", "gigabytes"),
    [("nemotron-super-49b", "fp8", 49.9), ("llama-3.3-70b", "nvfp4", 39.7), ("qwen3-30b-a3b", "bf16", 61.0)],
)
def test_weights_take_their_parameters_times_their_bytes(model: str, precision: str, gigabytes: float) -> None:
    found = CATALOGUE.model(model)
    checkpoint = next(c for c in found.checkpoints if c.precision == precision)
    assert weights_gib(found, checkpoint) * 1.073741824 == pytest.approx(gigabytes, rel=0.01)


@pytest.mark.parametrize("model", ["nemotron-ultra-253b", "deepseek-v2", "deepseek-v2.5"])
def test_what_never_fits_a_gx10_is_told_so_at_every_precision(model: str) -> None:
    plans, missing = PLANNER.survey(GX10, Load())
    plan = next((plan for plan in plans if plan.model.id == model), None)
    if plan is None:
        # Figures are missing, but what is known is enough to know.
        assert any(isinstance(reason, TooLarge) and reason.model == model for reason in missing)
    else:
        assert not plan.fits


def test_the_dense_49b_misses_what_a_conversation_needs_and_a_small_mixture_does_not() -> None:
    load = Load()
    large = best(PLANNER.plans(GX10, CATALOGUE.model("nemotron-super-49b"), load))
    small = best(PLANNER.plans(GX10, CATALOGUE.model("qwen3-30b-a3b"), load))
    failed = {target.name for target in large.targets if not target.held}
    assert failed >= {"tool chosen", "a token", "tokens/s"}
    assert {target.name for target in small.targets if not target.held} <= {"requests/s"}


def test_the_recommended_model_fits_and_says_why() -> None:
    plans, _ = PLANNER.survey(GX10, Load())
    found = recommend(plans)
    assert found is not None
    assert found.plan.fits
    assert found.plan.checkpoint.name
    assert found.plan.held == max(plan.held for plan in plans)
    assert len(found.why) == 3


def test_nothing_is_recommended_where_nothing_fits() -> None:
    plans, _ = PLANNER.survey(gx10(memory_gib=4.0), Load())
    assert recommend(plans) is None


def test_a_model_whose_context_is_too_short_does_not_fit() -> None:
    plan = PLANNER.plans(GX10, dense(context=4096), Load(context=8192))[0]
    assert plan.memory.fits
    assert not plan.fits


def test_in_place_of_what_does_not_fit_the_same_model_at_fewer_bits_comes_first() -> None:
    model = CATALOGUE.model("llama-3.3-70b")
    plans = PLANNER.plans(GX10, model, Load())
    large = next(plan for plan in plans if plan.checkpoint.precision == "bf16")
    assert not large.fits
    others, _ = PLANNER.survey(GX10, Load())
    instead = nearest(large, [*plans, *others])
    assert instead is not None
    assert instead.model is model
    assert instead.fits


@pytest.mark.parametrize("figure", ["cache", "hidden", "vocabulary"])
def test_a_missing_figure_is_named_with_what_cannot_be_computed(figure: str) -> None:
    with pytest.raises(CannotPlan, match=rf"{figure}.*(cannot be computed|can be computed)"):
        PLANNER.plans(GX10, dense(**{figure: None}), Load())


def test_no_checkpoint_for_the_engine_is_told_with_those_that_are_there() -> None:
    with pytest.raises(NoCheckpoint, match="bf16, fp8"):
        PLANNER.plans(GX10, CATALOGUE.model("llama-3.3-70b"), Load(), Engine.EMBEDDED)


@pytest.mark.parametrize("load", [{"context": 0}, {"context": -5}, {"conversations": 0}, {"boxes": 10**9}])
def test_absurd_loads_are_refused_with_the_range(load: dict[str, int]) -> None:
    with pytest.raises(CannotPlan, match="give a number from 1 to"):
        Load(**load)


def test_two_boxes_hold_half_each_and_pay_for_the_cable() -> None:
    model = dense()
    loaded = Loaded(model, model.checkpoints[0])
    one, two = (
        plan_memory(GX10, loaded, Load(boxes=boxes), engine=Engine.VLLM, cache_precision="fp8") for boxes in (1, 2)
    )
    assert two.gib("weights") == pytest.approx(one.gib("weights") / 2)
    alone, linked = (Roofline(GX10, loaded, engine=Engine.VLLM, boxes=boxes) for boxes in (1, 2))
    assert alone.step(1, 1024) / 2 < linked.step(1, 1024) < alone.step(1, 1024)


def test_a_card_of_its_own_holds_only_the_model() -> None:
    model = dense()
    card = CATALOGUE.machine("h100")
    plan = plan_memory(card, Loaded(model, model.checkpoints[0]), Load(), engine=Engine.VLLM, cache_precision="fp8")
    assert {item.name for item in plan.items} == {"weights", "cache", "activations", "engine", "reserve"}


def test_efficiency_is_fitted_to_what_was_measured() -> None:
    model = dense(
        measurements=[
            {"machine": "gx10", "precision": "fp8", "engine": "vllm", "tokens_per_second": speed, "source": "made up"}
            for speed in (11.0, 12.0)
        ]
    )
    catalogue = Catalogue([model], CATALOGUE.machines())
    reached = fit(catalogue)
    roofline = Roofline(GX10, Loaded(model, model.checkpoints[0]), engine=Engine.VLLM, efficiency=reached)
    assert 11.0 < 1 / roofline.step(1, 0) < 12.0


def test_published_measurements_are_predicted_from_other_models() -> None:
    checks = [check for check in leave_one_out(CATALOGUE) if check.error is not None]
    assert len(checks) >= 15
    assert sum(check.missed for check in checks) <= 3


@given(st.integers(1, 64), st.integers(1, 64), st.integers(0, 100_000))
def test_more_conversations_are_never_faster_for_one_and_never_slower_for_all(
    few: int, more: int, context: int
) -> None:
    for name in ("qwen3-30b-a3b", "llama-3.3-70b"):
        model = CATALOGUE.model(name)
        roofline = Roofline(GX10, Loaded(model, model.checkpoints[0]), engine=Engine.VLLM)
        fewer, most = sorted((few, more))
        assert roofline.step(fewer, context) <= roofline.step(most, context) + 1e-12
        assert fewer / roofline.step(fewer, context) <= most / roofline.step(most, context) + 1e-9


@given(st.integers(1, 200_000), st.integers(0, 200_000), st.integers(1, 50))
def test_more_context_never_needs_less(context: int, more: int, conversations: int) -> None:
    model = dense(context=10**6)
    loaded = Loaded(model, model.checkpoints[0])

    def needed(tokens: int) -> float:
        load = Load(tokens, conversations)
        return plan_memory(GX10, loaded, load, engine=Engine.VLLM, cache_precision="fp8").needed

    assert needed(context) <= needed(context + more)
