import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import httpx
import pytest
import soundfile
from loguru import logger

import passfel
from voice.hypothesis import words_of

ROOT = Path(__file__).resolve().parents[1]
STARTING = 60.0
"""Seconds that a start may take on a busy machine."""


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Take back the logging that a command sets up for its own process."""
    yield
    logger.remove()
    logger.add(sys.__stderr__)


@pytest.fixture
def here(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, with small models and a data folder that the tests share."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PASSFEL_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PASSFEL_HEARING__MODEL", "tiny.en")
    return tmp_path


def start(data_dir: Path, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PASSFEL_")}
    environment |= {
        "PASSFEL_DATA_DIR": str(data_dir),
        "PASSFEL_HEARING__MODEL": "tiny.en",
        "PASSFEL_PORT": "0",
    }
    command = [sys.executable, str(ROOT / "passfel.py"), "serve"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment | variables, stdout=pipe, stderr=pipe, text=True, cwd=data_dir)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://localhost:\d+", line):
            return found[0]
    pytest.fail(f"it did not start: {process.stderr and process.stderr.read()}")


def wait_until_warm(address: str) -> None:
    deadline = time.monotonic() + STARTING
    while httpx.get(f"{address}/healthz", trust_env=False).status_code != 200:
        assert time.monotonic() < deadline, "it does not become ready"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def assistant(data_dir: Path) -> Iterator[str]:
    """The address of a running assistant, as `passfel serve` starts it."""
    process = start(data_dir)
    try:
        address = address_of(process)
        wait_until_warm(address)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=30)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail, and return the one line that it says."""
    assert passfel.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("passfel: ")
    return line.removeprefix("passfel: ")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "--help"], ["talk", "--help"]])
def test_help_and_version_are_told(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        passfel.main(arguments)
    assert ended.value.code == 0
    assert "passfel" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["talk"], ["say"], ["hear"], ["serve", "--loud"]])
def test_what_is_not_understood_gets_usage_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        passfel.main(arguments)
    assert ended.value.code == 2
    assert "usage: passfel" in capsys.readouterr().err


def test_an_unknown_setting_gets_one_line(here, capsys, monkeypatch):
    monkeypatch.setenv("PASSFEL_PROT", "1")
    assert failure(capsys, "hear", "x.wav").endswith("did you mean PASSFEL_PORT?")


def test_another_settings_file_can_be_named(here, capsys):
    (here / "other.toml").write_text("port = -1")
    assert "other.toml: port" in failure(capsys, "--config", "other.toml", "doctor")


def test_hear_writes_down_what_is_said(here, capsys, shared_audio):
    assert passfel.main(["hear", str(shared_audio / "jfk.flac")]) == 0
    assert "ask not what your country can do for you" in capsys.readouterr().out.lower()


def test_hear_names_the_file_where_there_are_several(here, capsys, shared_audio):
    files = [str(shared_audio / name) for name in ("what-time-is-it.wav", "turn-on-the-lamp.wav")]
    assert passfel.main(["hear", *files]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{files[0]}: ")
    assert second.startswith(f"{files[1]}: ")


def test_a_file_that_is_no_recording_gets_one_line(here, capsys):
    (here / "notes.wav").write_text("hello")
    assert "no sound file" in failure(capsys, "hear", "notes.wav")
    assert "no such file" in failure(capsys, "talk", "absent.wav")


def test_what_is_said_can_be_heard_again(here, capsys):
    said = "Please turn on the light in the kitchen."
    assert passfel.main(["say", said, "-o", "said.wav"]) == 0
    assert soundfile.info("said.wav").duration > 1
    capsys.readouterr()
    assert passfel.main(["hear", "said.wav"]) == 0
    # Piper says it a little differently each time, and Whisper may mishear a word of it.
    assert SequenceMatcher(a=words_of(said), b=words_of(capsys.readouterr().out)).ratio() > 0.8


def test_saying_nothing_or_into_nowhere_gets_one_line(here, capsys):
    assert "nothing to say" in failure(capsys, "say", "  ")
    assert "cannot be written" in failure(capsys, "say", "Hello", "-o", "no/such/folder/said.wav")


def test_a_voice_that_is_missing_gets_one_line(here, capsys, monkeypatch):
    monkeypatch.setenv("PASSFEL_SPEAKING__VOICE", "ours.onnx")
    assert "no file ours.onnx" in failure(capsys, "say", "Hello")


def test_the_doctor_finds_nothing_wrong_and_what_is(here, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("PASSFEL_PORT", str(listening.getsockname()[1]))
    assert passfel.main(["doctor"]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out
    monkeypatch.setenv("PASSFEL_SPEAKING__VOICE", "ours.onnx")
    assert passfel.main(["doctor"]) == 1
    assert "\x1b[" not in capsys.readouterr().out


def test_serve_on_a_busy_port_gets_one_line_and_fails(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = start(data_dir, PASSFEL_PORT=str(listening.getsockname()[1]))
        _, errors = process.communicate(timeout=STARTING)
    assert process.returncode == 1
    (line,) = [line for line in errors.splitlines() if "INFO" not in line]
    assert "another program uses it" in line


def test_serve_without_its_model_gets_one_line_and_fails(data_dir, tmp_path):
    process = start(data_dir, PASSFEL_LANGUAGE__MODEL=str(tmp_path / "absent.gguf"))
    _, errors = process.communicate(timeout=STARTING)
    assert process.returncode == 1
    (line,) = [line for line in errors.splitlines() if "INFO" not in line]
    assert "absent.gguf" in line


def test_serve_with_a_damaged_model_fails_without_a_traceback(data_dir, tmp_path):
    damaged = tmp_path / "whisper"
    damaged.mkdir()
    (damaged / "config.json").write_text("{}")
    (damaged / "model.bin").write_bytes(b"not a model")
    process = start(data_dir, PASSFEL_HEARING__MODEL=str(damaged))
    _, errors = process.communicate(timeout=STARTING)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert str(damaged) in errors.splitlines()[-1]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_when_asked(data_dir, ending):
    process = start(data_dir)
    wait_until_warm(address_of(process))
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Ended." in rest
    assert "Traceback" not in errors


def test_serve_ends_cleanly_while_it_still_loads(data_dir):
    process = start(data_dir)
    address_of(process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=STARTING)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_talk_asks_and_is_answered(here, assistant, capsys, shared_audio):
    questions = [str(shared_audio / name) for name in ("what-time-is-it.wav", "whats-the-weather-like.wav")]
    assert passfel.main(["talk", "--server", assistant, "-o", "answers.wav", *questions]) == 0
    told = capsys.readouterr().out
    assert "what time is it" in told.lower()
    assert "weather" in told.lower()
    assert told.count("first sound ") == 2
    assert soundfile.info("answers.wav").samplerate == 24000
    assert soundfile.info("answers.wav").duration > 1
    records = json.loads(httpx.get(f"{assistant}/v1/turns", trust_env=False).text)
    assert all(record["timings"]["first_audio"] is not None for record in records[-2:])


def test_talking_to_nobody_gets_one_line(here, capsys, shared_audio):
    question = str(shared_audio / "what-time-is-it.wav")
    assert "passfel serve" in failure(capsys, "talk", "--server", "http://127.0.0.1:9", question)


def test_who_reads_only_the_beginning_gets_no_traceback(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m passfel plan --machine gx10 | head -n 1'
    ended = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PASSFEL_DATA_DIR": str(tmp_path)},
    )
    assert ended.stdout.startswith("ASUS Ascent GX10")
    assert ended.stderr == ""
