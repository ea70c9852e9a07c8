from pathlib import Path

import pytest

from pipeline.budget.catalogue import Catalogue
from pipeline.budget.starting import DoesNotFit, prepare
from pipeline.settings.engine import Engine
from tests.pipeline.budget.configs import LLAMA_70B, QWEN3_30B
from tests.pipeline.budget.test_model_config import written

CATALOGUE = Catalogue.load()
GX10 = CATALOGUE.machine("gx10")
FREE = 110.0


def test_a_catalogued_model_is_started_with_what_its_plan_says() -> None:
    started = prepare(Engine(model="nemotron-3-nano"), CATALOGUE, GX10, free=FREE)
    assert started is not None
    assert started.plan is not None
    assert started.settings.model == started.plan.checkpoint.name
    assert started.settings.kv_cache_bytes
    assert started.settings.tool_parser == "qwen3_coder"
    assert "GiB" in started.note


def test_what_is_set_by_hand_wins() -> None:
    chosen = Engine(model="nemotron-3-nano", tool_parser="hermes", kv_cache_bytes=3 << 30, arguments=("--seed", "1"))
    started = prepare(chosen, CATALOGUE, GX10, free=FREE)
    assert started is not None
    assert started.settings.tool_parser == "hermes"
    assert started.settings.kv_cache_bytes == 3 << 30
    assert started.settings.arguments == ("--seed", "1")
    assert started.settings.reasoning_parser == "nemotron_v3"


def test_a_named_checkpoint_is_taken_as_it_is() -> None:
    name = "Qwen/Qwen3-30B-A3B-Instruct-2507"
    started = prepare(Engine(model=name), CATALOGUE, GX10, free=FREE)
    assert started is not None
    assert started.plan is not None
    assert (started.settings.model, started.plan.checkpoint.precision) == (name, "bf16")


def test_what_does_not_fit_is_refused_with_the_numbers_and_what_would() -> None:
    with pytest.raises(DoesNotFit, match=r"needs \d+\.\d GiB .* of 121\.7.*would, with \d+\.\d GiB.*--auto"):
        prepare(Engine(model="meta-llama/Llama-3.3-70B-Instruct"), CATALOGUE, GX10, free=FREE)


def test_memory_that_others_have_taken_is_not_counted_on() -> None:
    with pytest.raises(DoesNotFit, match=r"30\.0 are free now"):
        prepare(Engine(model="Qwen/Qwen3.6-35B-A3B-FP8"), CATALOGUE, GX10, free=30.0)


def test_auto_takes_the_nearest_that_fits() -> None:
    started = prepare(Engine(model="meta-llama/Llama-3.3-70B-Instruct"), CATALOGUE, GX10, free=FREE, auto=True)
    assert started is not None
    assert started.settings.model != "meta-llama/Llama-3.3-70B-Instruct"
    assert "does not fit" in started.note


def test_auto_takes_the_recommended_where_none_is_named_and_nothing_else_does() -> None:
    assert prepare(Engine(), CATALOGUE, GX10, free=FREE) is None
    started = prepare(Engine(), CATALOGUE, GX10, free=FREE, auto=True)
    assert started is not None
    assert started.plan is not None
    assert started.plan.held >= 6
    with pytest.raises(DoesNotFit, match="passfel plan"):
        prepare(Engine(), CATALOGUE, GX10, free=2.0, auto=True)


def test_a_context_that_the_model_has_not_is_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"131,072.*engine\.context is 200,000"):
        prepare(Engine(model="openai/gpt-oss-20b", context=200_000), CATALOGUE, GX10, free=FREE)


def test_a_model_of_which_nothing_is_known_is_started_as_it_is_set() -> None:
    chosen = Engine(model="somebody/nothing-known")
    started = prepare(chosen, CATALOGUE, GX10, free=FREE)
    assert started is not None
    assert started.settings is chosen
    assert "without a plan" in started.note


def test_a_folder_is_planned_from_its_config(tmp_path: Path) -> None:
    written(tmp_path, QWEN3_30B)
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    started = prepare(Engine(model=str(tmp_path)), CATALOGUE, GX10, free=FREE)
    assert started is not None
    assert started.plan is not None
    assert started.settings.model == str(tmp_path)
    written(tmp_path, LLAMA_70B)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DoesNotFit):
        prepare(Engine(model=str(tmp_path)), CATALOGUE, GX10, free=FREE)
