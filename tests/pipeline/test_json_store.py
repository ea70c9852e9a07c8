import asyncio
import json
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


async def test_damaged_files_are_set_aside_each_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "timers.json"
    damages = ["{", '{"a": 1}', "[1]"]
    for damaged in damages:
        file.write_text(damaged)
        assert await JsonStore(file).load() == []
        assert not file.exists()
    assert _texts(tmp_path) == sorted(damages)


async def test_a_cancelled_save_spoils_no_later_one(tmp_path: Path) -> None:
    store = JsonStore(tmp_path / "timers.json")
    for number in range(20):
        cancelled = asyncio.create_task(store.save([{"id": str(number), "text": "long " * 10_000}]))
        await asyncio.sleep(0)
        cancelled.cancel()
    await store.save([{"id": "last"}])
    await asyncio.get_running_loop().shutdown_default_executor()
    assert [json.loads(text) for text in _texts(tmp_path)] == [[{"id": "last"}]]


async def test_a_save_leaves_the_old_file_whole_until_the_new_one_is(tmp_path: Path) -> None:
    file = tmp_path / "timers.json"
    store = JsonStore(file)
    await store.save([{"id": "a"}])
    (tmp_path / "timers.json.new").write_text("half writ")
    (tmp_path / "timers.json.new").chmod(0o644)
    assert await store.load() == [{"id": "a"}]
    await store.save([{"id": "b"}])
    assert await store.load() == [{"id": "b"}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _texts(folder: Path) -> list[str]:
    """What all files of a folder hold."""
    return sorted(file.read_text() for file in folder.iterdir())
