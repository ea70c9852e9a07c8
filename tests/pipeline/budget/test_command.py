import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import passfel
from tests.pipeline.budget.configs import QWEN3_30B
from tests.pipeline.budget.test_model_config import written


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSFEL_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plan_of_all_models_fits_a_terminal_and_recommends_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["plan", "--machine", "gx10"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 100
    assert "Recommended: " in told
    assert "nemotron-ultra-253b does not fit" in " ".join(told.split())


def test_one_model_is_told_with_its_arithmetic_at_every_precision(capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["plan", "--machine", "gx10", "--model", "glm-4.5-air"]) == 0
    told = capsys.readouterr().out
    for word in ("bf16", "fp8", "int4-awq", "nvfp4", "weights", "cache", "reserve", "first token", "requests/s"):
        assert word in told


def test_what_does_not_fit_ends_in_one_and_names_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["plan", "--machine", "rtx-4090", "--model", "glm-4.5-air"]) == 1
    assert "Nearest that fits: gpt-oss-20b" in capsys.readouterr().out


def test_json_holds_the_memory_the_speed_and_the_targets(capsys: pytest.CaptureFixture[str]) -> None:
    passfel.main(["plan", "--machine", "gx10", "--model", "qwen3-30b-a3b", "--precision", "fp8", "--json"])
    plan = json.loads(capsys.readouterr().out)
    assert plan["fits"]
    assert plan["memory"]["needed"] == pytest.approx(sum(item["gib"] for item in plan["memory"]["items"]))
    assert len(plan["targets"]) == 7
    assert [speed["conversations"] for speed in plan["speed"]] == [1, 5]
    passfel.main(["plan", "--machine", "gx10", "--json"])
    survey = json.loads(capsys.readouterr().out)
    assert survey["recommended"]["model"] in {plan["model"] for plan in survey["plans"]}


def test_the_picture_is_a_drawing_with_every_part(data: Path) -> None:
    file = data / "plan.svg"
    assert passfel.main(["plan", "--machine", "gx10", "--plot", str(file)]) == 0
    drawing = ET.parse(file).getroot()
    words = " ".join(drawing.itertext())
    assert "weights" in words
    assert "tokens/s" in words


def test_a_picture_that_cannot_be_written_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["plan", "--machine", "gx10", "--plot", str(data / "no" / "plan.svg")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_arguments_are_those_that_vllm_is_started_with(capsys: pytest.CaptureFixture[str]) -> None:
    passfel.main(["plan", "--machine", "gx10", "--model", "nemotron-3-nano", "--arguments"])
    told = capsys.readouterr().out
    assert "--kv-cache-memory-bytes" in told
    assert "enable_thinking" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--machine", "gx100"], "gx10"),
        (["--machine", "gx10", "--model", "qwen3-30b"], "qwen3-30b-a3b"),
        (["--machine", "gx10", "--context", "-1"], "from 1 to"),
        (["--machine", "gx10", "--conversations", "0"], "from 1 to"),
        (["--machine", "gx10", "--model", "gpt-oss-20b", "--precision", "bf16"], "mxfp4"),
    ],
)
def test_bad_questions_get_a_sentence(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["plan", *words]) == 1
    assert told in capsys.readouterr().err


def test_the_comparison_has_every_model_and_what_quantisation_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["models", "compare", "--machine", "gx10"]) == 0
    told = capsys.readouterr().out
    for name in ("Nemotron-Ultra", "DeepSeek-V2.5", "gpt-oss-120b", "GLM-4.5-Air", "quantisation", "BFCL"):
        assert name in told
    assert passfel.main(["models", "compare", "--machine", "gx10", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    ultra = next(model for model in compared["models"] if model["id"] == "nemotron-ultra-253b")
    assert ultra["verdicts"]["int4"] == "no"


def test_a_model_is_shown_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert passfel.main(["models", "show", "nemotron-3.5-lightning"]) == 0
    assert "unverified" in capsys.readouterr().out


def test_an_added_model_can_be_planned_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data / "My-Mixture"
    folder.mkdir()
    written(folder, QWEN3_30B)
    assert passfel.main(["models", "add", str(folder)]) == 0
    assert "30.5 billion" in capsys.readouterr().out
    assert passfel.main(["plan", "--machine", "gx10", "--model", "my-mixture"]) == 0
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert passfel.main(["models", "add", str(folder)]) == 1
    assert "hidden_size" in capsys.readouterr().err


def test_a_damaged_model_of_the_household_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "catalogue").mkdir()
    (data / "catalogue" / "broken.toml").write_text('name = "Broken"\n', encoding="utf-8")
    assert passfel.main(["plan", "--machine", "gx10"]) == 1
    assert "broken.toml" in capsys.readouterr().err
