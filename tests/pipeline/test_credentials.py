import stat
from pathlib import Path

import pytest

from pipeline import credentials
from pipeline.credentials import NAME, CredentialsUnreadable
from pipeline.settings.file import SettingsInvalid, load

HOME = {"url": "http://10.0.0.2:8123", "token": "long lived"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PASSFEL_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_what_was_connected_is_a_setting_and_only_its_owner_reads_it(folder: Path) -> None:
    file = credentials.keep(folder, "home", HOME)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load()
    assert settings.home.url == HOME["url"]
    assert settings.home.token is not None
    assert settings.home.token.get_secret_value() == "long lived"
    assert "long lived" not in repr(settings)


def test_the_file_and_the_environment_win(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(folder, "home", HOME)
    Path("passfel.toml").write_text('[home]\nurl = "http://from-the-file"\n[household]\nname = "us"\n')
    settings = load()
    assert (settings.home.url, settings.household.name) == ("http://from-the-file", "us")
    monkeypatch.setenv("PASSFEL_HOME__URL", "http://from-the-environment")
    settings = load()
    assert settings.home.url == "http://from-the-environment"
    assert settings.home.token is not None


def test_one_service_does_not_push_another_out(folder: Path) -> None:
    credentials.keep(folder, "home", HOME)
    credentials.keep(folder, "calendar", {"url": "https://x", "username": "a", "password": "b"})
    assert set(credentials.read(folder)) == {"home", "calendar"}


def test_a_file_that_others_can_read_is_refused(folder: Path) -> None:
    credentials.keep(folder, "home", HOME).chmod(0o644)
    with pytest.raises(SettingsInvalid, match=r"can be read by others: run chmod 600"):
        load()


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"home": 4}', "[" * 9000])
def test_a_damaged_file_is_told_of(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / NAME).write_text(text)
    (folder / NAME).chmod(0o600)
    with pytest.raises(CredentialsUnreadable):
        credentials.read(folder)


def test_a_data_folder_of_the_settings_file_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASSFEL_DATA_DIR", raising=False)
    Path("passfel.toml").write_text(f'data_dir = "{tmp_path / "elsewhere"}"\n')
    credentials.keep(tmp_path / "elsewhere", "home", HOME)
    assert load().home.url == HOME["url"]
