import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.settings import Settings, is_loopback
from pipeline.settings.file import SettingsInvalid, load

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def write(in_empty_folder: Path):
    def write_file(text: str) -> Path:
        file = in_empty_folder / "passfel.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_file


def problems(file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(file)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value).splitlines()


def test_without_a_file_the_embedded_defaults_hold(in_empty_folder):
    settings = load()
    assert (settings.host, settings.port, settings.token) == ("127.0.0.1", 7860, None)
    assert settings.hearing.model == "base"
    assert settings.speaking.voice == "en_US-joe-medium"
    assert settings.language.url is None
    assert settings.data_dir.name == "passfel"


def test_the_file_in_the_current_folder_wins_over_the_platforms(write, in_empty_folder):
    platforms = in_empty_folder / "config" / "passfel" / "passfel.toml"
    platforms.parent.mkdir(parents=True)
    platforms.write_text("port = 7001")
    assert load().port == 7001
    write("port = 7002")
    assert load().port == 7002
    assert load(platforms).port == 7001


def test_the_environment_wins_over_the_file_and_leaves_its_neighbours(write, monkeypatch):
    write('[language]\nurl = "http://one:8000/v1/"\nmodel = "big"\n')
    monkeypatch.setenv("PASSFEL_LANGUAGE__URL", "http://two:8000/v1/")
    language = load().language
    assert (language.url, language.model) == ("http://two:8000/v1", "big")


def test_a_secret_of_a_server_that_the_file_names_may_be_a_variable(write, monkeypatch):
    write('[mcp.music]\nurl = "http://music.local:8080/mcp"\n')
    monkeypatch.setenv("PASSFEL_MCP__MUSIC__HEADERS__AUTHORIZATION", "Bearer of news")
    music = load().mcp["music"]
    assert music.url == "http://music.local:8080/mcp"
    assert music.headers["authorization"].get_secret_value() == "Bearer of news"


def test_whatever_is_switched_on_no_two_of_them_want_the_same_port(in_empty_folder):
    settings = load()
    ports = [settings.port, *(group.port for _, group in settings if hasattr(group, "port"))]
    assert len(ports) > 4
    assert len(set(ports)) == len(ports)


def test_an_empty_variable_counts_as_absent(write, monkeypatch):
    write("port = 7002")
    monkeypatch.setenv("PASSFEL_PORT", "")
    assert load().port == 7002


def test_a_name_that_looks_like_a_number_stays_a_name(in_empty_folder, monkeypatch):
    monkeypatch.setenv("PASSFEL_LANGUAGE__MODEL", "123")
    assert load().language.model == "123"


def test_settings_cannot_be_changed(in_empty_folder):
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.hearing.model = "tiny.en"  # type: ignore[misc]


def test_unknown_settings_are_named_as_they_are_written(write, monkeypatch):
    file = write('prt = 1\n[language]\nurll = "http://x/v1"\n')
    monkeypatch.setenv("PASSFEL_HEARING__BEEM", "1")
    monkeypatch.setenv("PASSFEL_PROT", "1")
    assert sorted(problems()) == sorted(
        [
            "PASSFEL_PROT: there is no such setting; did you mean PASSFEL_PORT?",
            "PASSFEL_HEARING__BEEM: there is no such setting; did you mean PASSFEL_HEARING__BEAM?",
            f"{file}: language.urll: there is no such setting; did you mean language.url?",
            f"{file}: prt: there is no such setting; did you mean port?",
        ]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 70000", "port: should be less than or equal to 65535"),
        ('log_level = "loud"', "log_level: should be 'TRACE', "),
        ("[speaking]\nspeed = 9", "speaking.speed: should be less than or equal to 2"),
        ('[hearing]\nlanguage = "English"', "hearing.language: "),
        ('[language]\nurl = "localhost:8000"', "language.url: needs an address such as http://"),
        ('[household]\ntimezone = "Mars/Olympus"', "household.timezone: is no time zone known here"),
        (
            '[hearing]\nmodel = "tiny.en"\nlanguage = "de"',
            'hearing: tiny.en hears English only, and language is "de"',
        ),
        ("port = [", "this is not TOML"),
        ("language = 3", "language: should be a valid dictionary"),
    ],
)
def test_a_bad_value_in_the_file_gets_one_line(write, text, message):
    file = write(text)
    (line,) = problems()
    assert line.startswith(f"{file}: {message}")


def test_a_bad_value_in_the_environment_is_named_as_its_variable(in_empty_folder, monkeypatch):
    monkeypatch.setenv("PASSFEL_PORT", "many")
    (line,) = problems()
    assert line.startswith("PASSFEL_PORT: should be a valid integer")


def test_a_group_that_is_not_json_in_the_environment_is_explained(in_empty_folder, monkeypatch):
    monkeypatch.setenv("PASSFEL_LANGUAGE", "http://x")
    (line,) = problems()
    assert "PASSFEL_LANGUAGE__URL" in line


def test_a_file_that_is_not_there_is_an_error_where_it_was_asked_for(in_empty_folder):
    (line,) = problems(in_empty_folder / "other.toml")
    assert "cannot be read: No such file" in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "kitchen.local"])
def test_other_machines_are_let_in_only_with_a_token(write, host):
    write(f'host = "{host}"')
    (line,) = problems()
    assert "no token is set" in line
    write(f'host = "{host}"\ntoken = "{TOKEN}"')
    assert load().host == host


@pytest.mark.parametrize(
    "token", ["brief", "has space has space", "väldigt-hemligt-token", "a" * 15, "slash/slash/slash/x"]
)
def test_a_token_that_is_short_or_cannot_travel_is_refused_and_not_repeated(write, token):
    write(f'token = "{token}"')
    (line,) = problems()
    assert "token: needs at least 16" in line
    assert token not in line


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_token_file_is_read_only_while_others_cannot_read_it(write, in_empty_folder):
    secret = in_empty_folder / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    write(f'token_file = "{secret}"')
    settings = load()
    assert settings.token is not None
    assert settings.token.get_secret_value() == TOKEN
    secret.chmod(0o640)
    (line,) = problems()
    assert f"chmod 600 {secret}" in line
    secret.unlink()
    (line,) = problems()
    assert "cannot be read" in line


def test_token_and_token_file_together_are_refused(write):
    write(f'token = "{TOKEN}"\ntoken_file = "x"')
    (line,) = problems()
    assert "keep one" in line


def test_secrets_show_in_no_text_of_the_settings(write):
    write(f'token = "{TOKEN}"\n[language]\napi_key = "sk-{TOKEN}"\n')
    settings = load()
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.language)):
        assert TOKEN not in text


@given(st.text())
def test_no_error_repeats_a_value(value):
    with pytest.raises(ValidationError) as caught:
        Settings(token=f"tok\n{value}", language={"api_key": 3, "url": f"sk-secret {value}"})  # type: ignore[arg-type]
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(host, loopback):
    assert is_loopback(host) is loopback
