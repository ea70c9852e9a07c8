from pathlib import Path

from pipeline.engines.engine_state import Maintenance


def test_maintenance_outlasts_a_restart_until_it_is_ended(tmp_path: Path) -> None:
    assert not Maintenance(tmp_path).on
    Maintenance(tmp_path).set(True)
    assert Maintenance(tmp_path).on
    Maintenance(tmp_path).set(False)
    Maintenance(tmp_path).set(False)
    assert not Maintenance(tmp_path).on


def test_a_mark_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("in the way")
    Maintenance(tmp_path).set(True)
    assert not Maintenance(tmp_path).on
