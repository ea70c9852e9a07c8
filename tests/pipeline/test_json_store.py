import stat
from pathlib import Path

from pipeline.json_store import JsonStore


async def test_what_was_saved_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "household" / "lists.json"
    await JsonStore(file).save([{"name": "Einkäufe", "items": ["Äpfel"]}])
    assert await JsonStore(file).load() == [{"name": "Einkäufe", "items": ["Äpfel"]}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    assert await JsonStore(tmp_path / "none.json").load() == []


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "timers.json"
    for damaged in ("{", '{"a": 1}', "[1]"):
        file.write_text(damaged)
        assert await JsonStore(file).load() == []
        assert (tmp_path / "timers.damaged").read_text() == damaged
        assert not file.exists()


async def test_a_save_leaves_the_old_file_whole_until_the_new_one_is(tmp_path: Path) -> None:
    file = tmp_path / "timers.json"
    store = JsonStore(file)
    await store.save([{"id": "a"}])
    (tmp_path / "timers.new").write_text("half writ")
    assert await store.load() == [{"id": "a"}]
    await store.save([{"id": "b"}])
    assert await store.load() == [{"id": "b"}]
