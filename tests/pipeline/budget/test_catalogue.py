from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.budget.catalogue import Cache, Catalogue, CatalogueDamaged, Unknown

WANTED = {
    "nemotron-ultra-253b",
    "nemotron-super-49b",
    "qwen2.5-72b",
    "llama-3.1-70b",
    "llama-3.3-70b",
    "mixtral-8x22b",
    "deepseek-v2",
    "deepseek-v2.5",
    "qwen3-30b-a3b",
    "qwen3.6-35b-a3b",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "nemotron-3-nano",
    "nemotron-3.5-lightning",
    "nemotron-3-super",
    "glm-4.5-air",
    "llama-4-scout",
}
ENTRY = """
name = "Mine"
kind = "language"
parameters = 7
active = 7
context = 8192
checkpoints = [{ precision = "bf16", engines = ["vllm"] }]
[cache]
attention_layers = 32
kv_heads = 8
head_size = 128
[sources]
"parameters, active, context, cache" = "config.json"
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def entry(folder: Path, text: str, name: str = "mine") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_model_that_people_ask_about_is_there(catalogue: Catalogue) -> None:
    assert {model.id for model in catalogue.models("language")} >= WANTED
    for kind in ("transcriber", "synthesizer", "embedding"):
        assert catalogue.models(kind)


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("nemotron-super-49b", 200_704),
        ("llama-3.3-70b", 327_680),
        ("deepseek-v2", 69_120),
        ("qwen3-30b-a3b", 98_304),
        ("qwen3.6-35b-a3b", 20_480),
        ("gpt-oss-120b", 36_864),
        ("nemotron-3-nano", 6_144),
    ],
)
def test_a_token_takes_the_bytes_that_its_layers_keep(model: str, bytes_per_token: int, catalogue: Catalogue) -> None:
    cache = catalogue.model(model).cache
    assert cache is not None
    assert cache.bytes_per_token("bf16") == bytes_per_token
    assert cache.bytes_per_token("fp8") == bytes_per_token // 2


def test_a_window_stops_growing_and_a_state_never_grows() -> None:
    cache = Cache(attention_layers=1, kv_heads=1, head_size=1, window_layers=3, window=100, state_bytes=1000)
    assert cache.bytes_for(50, "fp8") == 50 * 2 + 3 * 50 * 2 + 1000
    assert cache.bytes_for(200, "fp8") - cache.bytes_for(100, "fp8") == 100 * 2


@given(
    st.integers(0, 50),
    st.integers(1, 8),
    st.integers(1, 256),
    st.integers(0, 50),
    st.integers(1, 4096),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_more_tokens_never_take_less(
    layers: int, heads: int, size: int, windows: int, window: int, tokens: int, more: int
) -> None:
    cache = Cache(attention_layers=layers, kv_heads=heads, head_size=size, window_layers=windows, window=window)
    assert cache.bytes_for(tokens, "bf16") <= cache.bytes_for(tokens + more, "bf16")


def test_a_model_is_found_by_its_id_its_name_and_its_checkpoints(catalogue: Catalogue) -> None:
    found = catalogue.model("qwen3-30b-a3b")
    assert catalogue.model("Qwen3-30B-A3B-Instruct-2507") is found
    assert catalogue.model("qwen/qwen3-30b-a3b-instruct-2507-fp8") is found


def test_an_unknown_name_is_answered_with_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(Unknown, match="qwen3-30b-a3b"):
        catalogue.model("qwen3-30b")
    with pytest.raises(Unknown, match="gx10"):
        catalogue.machine("gx1")
    with pytest.raises(Unknown, match="known are"):
        catalogue.machine("€")


def test_a_households_own_model_wins(tmp_path: Path) -> None:
    entry(tmp_path, ENTRY, "gpt-oss-20b")
    entry(tmp_path, ENTRY)
    catalogue = Catalogue.load(tmp_path)
    assert catalogue.model("gpt-oss-20b").parameters == 7
    assert catalogue.model("mine").layers is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (ENTRY.replace("parameters = 7", ""), "parameters"),
        (ENTRY.replace("parameters = 7", "parameters = -7"), "parameters"),
        (ENTRY.replace("parameters = 7", "parameters = 1e30"), "parameters"),
        (ENTRY.replace("active = 7", "active = 70"), "active is 70 billion"),
        (ENTRY.replace("context = 8192", ""), "context"),
        (ENTRY.replace("kv_heads = 8", ""), "kv_heads"),
        (ENTRY.replace("context, cache", "context"), "no source for cache"),
        (ENTRY.replace("context, cache", "context, cache, colour"), "colour"),
        (ENTRY.replace('kind = "language"', 'kind = "poem"'), "kind"),
        (ENTRY + "[surprise]\nyes = 1\n", "surprise"),
        ("name = ", "not TOML"),
    ],
)
def test_a_damaged_entry_is_named_with_its_field(wrong: str, told: str, tmp_path: Path) -> None:
    file = entry(tmp_path, wrong)
    with pytest.raises(CatalogueDamaged, match=told) as caught:
        Catalogue.load(file.parent)
    assert str(file) in str(caught.value)


def test_every_figure_that_was_not_seen_says_so(catalogue: Catalogue) -> None:
    for model in catalogue.models("language"):
        for checkpoint in model.checkpoints:
            assert checkpoint.name is not None or checkpoint.source
        for figure in ("parameters", "context"):
            assert model.source(figure)
