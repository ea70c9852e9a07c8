import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.budget.catalogue import Catalogue
from pipeline.budget.model_config import ConfigDamaged, read_config
from tests.pipeline.budget.configs import GPT_OSS_120B, LLAMA_70B, NEMOTRON_3_NANO, PUBLISHED, QWEN3_30B


def written(folder: Path, config: Any) -> Path:
    file = folder / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return file


@pytest.mark.parametrize("model", PUBLISHED)
def test_counted_parameters_are_those_that_the_makers_tell(model: str, tmp_path: Path) -> None:
    config, parameters, active, precision = PUBLISHED[model]
    read = read_config(written(tmp_path, config))
    assert read.parameters == pytest.approx(parameters, rel=0.015)
    # Some count the embeddings among the active ones, some only the last table, some none.
    assert read.active == pytest.approx(active, rel=0.08)
    assert read.checkpoints[0].precision == precision


@pytest.mark.parametrize("model", PUBLISHED)
def test_the_cache_is_that_of_the_catalogue(model: str, tmp_path: Path) -> None:
    assert read_config(written(tmp_path, PUBLISHED[model][0])).cache == Catalogue.load().model(model).cache


def test_a_folder_with_weights_is_loaded_from_there_and_has_their_size(tmp_path: Path) -> None:
    written(tmp_path, LLAMA_70B)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(bytes(3000))
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(bytes(2000))
    checkpoint = read_config(tmp_path).checkpoints[0]
    assert checkpoint.gigabytes == pytest.approx(5e-6)
    assert checkpoint.name == str(tmp_path)


def test_the_model_is_named_after_its_folder_or_as_told(tmp_path: Path) -> None:
    folder = tmp_path / "My Model_1.5"
    folder.mkdir()
    assert read_config(written(folder, LLAMA_70B)).id == "my-model-1.5"
    told = read_config(folder / "config.json", name="somebody/Other-7B")
    assert (told.id, told.name, told.checkpoints[0].name) == ("other-7b", "Other-7B", "somebody/Other-7B")


@pytest.mark.parametrize(
    ("quantization", "precision"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4-awq"),
        ({"quant_method": "gptq", "bits": 4}, "int4-gptq"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4-bnb"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 4}}}}, "int4-awq"),
    ],
)
def test_the_precision_is_that_of_the_quantization(
    quantization: dict[str, Any], precision: str, tmp_path: Path
) -> None:
    config = LLAMA_70B | {"quantization_config": quantization}
    assert read_config(written(tmp_path, config)).checkpoints[0].precision == precision


@pytest.mark.parametrize("field", ["hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads"])
def test_a_missing_figure_is_named(field: str, tmp_path: Path) -> None:
    config = {name: value for name, value in LLAMA_70B.items() if name != field}
    with pytest.raises(ConfigDamaged, match=field):
        read_config(written(tmp_path, config))


@pytest.mark.parametrize("value", [-1, 0, 10**12, 4096.5, "4096", True, [4096]])
def test_an_absurd_size_is_refused_with_its_field(value: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigDamaged, match="hidden_size"):
        read_config(written(tmp_path, LLAMA_70B | {"hidden_size": value}))


@pytest.mark.parametrize("config", ["", "{", "[1, 2]", '"text"', "null"])
def test_what_is_no_config_is_told_so(config: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigDamaged, match=r"config\.json"):
        read_config(written(tmp_path, config))


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigDamaged, match="cannot be read"):
        read_config(tmp_path / "nowhere.json")


def test_strange_layers_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigDamaged, match="hybrid_override_pattern"):
        read_config(written(tmp_path, NEMOTRON_3_NANO | {"hybrid_override_pattern": "MEX"}))
    with pytest.raises(ConfigDamaged, match="layer_types"):
        read_config(written(tmp_path, GPT_OSS_120B | {"layer_types": ["full_attention"]}))


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=3)


@settings(deadline=None)
@given(st.sampled_from(sorted(QWEN3_30B)), _VALUES)
def test_a_damaged_field_never_ends_in_anything_but_a_told_error(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    file = written(tmp_path_factory.mktemp("model"), QWEN3_30B | {field: value})
    with contextlib.suppress(ConfigDamaged):
        model = read_config(file)
        assert 0 < model.active <= model.parameters
