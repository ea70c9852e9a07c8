import json
from pathlib import Path

import pytest

from pipeline.budget import memory_need
from pipeline.budget.catalogue import Catalogue
from pipeline.budget.memory_need import NotEnoughMemory, fitting, need
from pipeline.settings import Settings
from tests.pipeline.budget.test_memory_watch import memory

CATALOGUE = Catalogue.load()


def settings(folder: Path, **more: object) -> Settings:
    return Settings.model_validate({"data_dir": folder, **more})


def test_a_server_elsewhere_takes_nothing_here(tmp_path: Path) -> None:
    own = need(settings(tmp_path), CATALOGUE)
    elsewhere = need(settings(tmp_path, language={"url": "http://127.0.0.1:1/v1", "model": "any"}), CATALOGUE)
    assert own.language > 2**28
    assert elsewhere.language == 0
    assert elsewhere.speech == own.speech


def test_a_shorter_context_needs_less_by_its_cache(tmp_path: Path) -> None:
    long, short = (need(settings(tmp_path, language={"context": tokens}), CATALOGUE) for tokens in (8192, 4096))
    assert long.language - short.language == 4096 * 23_040


def test_where_enough_is_free_nothing_changes(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert fitting(chosen, auto=False, root=memory(tmp_path, 4.0)) == (chosen, "")


def test_too_little_is_refused_with_the_numbers_and_what_would_fit(tmp_path: Path) -> None:
    with pytest.raises(
        NotEnoughMemory, match=r"0\.\d\d GiB needed.*0\.90 GiB of 16\.00 are free.*context = 4096.*--auto"
    ):
        fitting(settings(tmp_path), auto=False, root=memory(tmp_path, 0.9))
    with pytest.raises(NotEnoughMemory, match="End something else"):
        fitting(settings(tmp_path), auto=True, root=memory(tmp_path, 0.1))


def test_auto_gives_up_context_before_words(tmp_path: Path) -> None:
    first, _ = fitting(settings(tmp_path), auto=True, root=memory(tmp_path, 0.88))
    assert (first.hearing.model, first.language.context) == ("base", 4096)
    last, told = fitting(settings(tmp_path), auto=True, root=memory(tmp_path, 0.76))
    assert (last.hearing.model, last.language.context) == ("tiny.en", 2048)
    assert "Started with" in told


def test_another_language_keeps_the_whisper_that_knows_it(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughMemory):
        fitting(settings(tmp_path, hearing={"language": "de"}), auto=True, root=memory(tmp_path, 0.76))


def test_the_next_start_goes_by_what_the_last_one_took(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    memory_need.record(chosen)
    noted = json.loads((tmp_path / "memory.json").read_text())
    assert noted["speech"] > 2**24
    found = need(chosen, CATALOGUE)
    assert found.measured
    assert found.speech > noted["speech"]
    assert found.loading >= noted["speech"]
    assert not need(settings(tmp_path, language={"context": 1024}), CATALOGUE).measured


def test_with_speech_loaded_the_language_model_still_needs_its_room(tmp_path: Path) -> None:
    memory_need.check_language(settings(tmp_path), root=memory(tmp_path, 0.4))
    with pytest.raises(NotEnoughMemory, match=r"0\.20 of 16\.00 are left beside speech"):
        memory_need.check_language(settings(tmp_path), root=memory(tmp_path, 0.2))


def test_memory_is_scarce_below_twice_what_is_needed(tmp_path: Path) -> None:
    assert memory_need.scarce(settings(tmp_path), root=memory(tmp_path, 1.5))
    assert not memory_need.scarce(settings(tmp_path), root=memory(tmp_path, 3.0))


@pytest.mark.parametrize("damaged", ["", "{}", "[]", "{", '{"settings": 1}', "null"])
def test_a_damaged_note_is_passed_over(damaged: str, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text(damaged)
    assert not need(settings(tmp_path), CATALOGUE).measured
