import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.doctor import Finding, State, examine, size
from pipeline.settings import Settings


def findings(**values: object) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(Settings(**values))}  # type: ignore[arg-type]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Server(BaseHTTPRequestHandler):
    """An OpenAI-compatible server's list of models, behind a key."""

    def do_GET(self):
        allowed = self.headers["Authorization"] == "Bearer sk-right"
        found = self.path == "/v1/models"
        body = b'{"data": [{"id": "qwen3"}, {"id": "llama"}]}'
        if self.path == "/odd/models":
            allowed, found, body = True, True, b"[]"
        self.send_response(200 if allowed and found else 404 if allowed else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_sound_installation_has_nothing_wrong(tmp_path, free_port):
    found = findings(data_dir=tmp_path, port=free_port)
    assert [finding for finding in found.values() if finding.state is State.WRONG] == []
    assert "MB" in found["hearing"].detail
    assert str(tmp_path) in found["hearing"].detail
    assert found["pipecat-ai"].detail == "1.14.0"
    assert "this machine only" in found["address"].detail


def test_a_busy_port_is_wrong(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        found = findings(data_dir=tmp_path, port=listening.getsockname()[1])["address"]
    assert found.state is State.WRONG
    assert "stop the other program" in found.detail


def test_a_data_folder_that_cannot_be_made_is_wrong(tmp_path, free_port):
    (tmp_path / "file").touch()
    found = findings(data_dir=tmp_path / "file" / "data", port=free_port)["data folder"]
    assert found.state is State.WRONG
    assert "set data_dir" in found.detail


def test_a_missing_model_is_wrong_and_one_not_fetched_yet_is_a_note(tmp_path, free_port):
    found = findings(
        data_dir=tmp_path,
        port=free_port,
        hearing={"model": "small"},
        speaking={"voice": str(tmp_path / "ours.onnx")},
        language={"model": "ours.gguf"},
    )
    assert found["hearing"].state is State.NOTE
    assert found["speaking"].state is State.WRONG
    assert found["language"].state is State.WRONG
    assert not Path(tmp_path, "models").exists()


@pytest.mark.parametrize(
    ("path", "language", "state", "detail"),
    [
        ("/v1", {"api_key": "sk-right"}, State.GOOD, "qwen3, llama"),
        ("/v1", {"api_key": "sk-right", "model": "llama"}, State.GOOD, "qwen3, llama"),
        (
            "/v1",
            {"api_key": "sk-right", "model": "gpt"},
            State.WRONG,
            "set language.model to one of qwen3, llama",
        ),
        ("/v1", {"api_key": "sk-wrong"}, State.WRONG, "check language.api_key"),
        ("", {"api_key": "sk-right"}, State.WRONG, "in /v1"),
        ("/odd", {"api_key": "sk-right"}, State.WRONG, "no OpenAI-compatible API"),
    ],
)
def test_a_language_server_is_asked_what_it_has(tmp_path, free_port, server, path, language, state, detail):
    found = findings(data_dir=tmp_path, port=free_port, language={"url": server + path, **language})
    assert found["language server"].state is state
    assert detail in found["language server"].detail
    assert "sk-" not in found["language server"].detail
    assert "language" not in found


def test_a_language_server_that_is_not_there_is_wrong(tmp_path, free_port):
    found = findings(data_dir=tmp_path, port=free_port, language={"url": f"http://127.0.0.1:{free_port}/v1"})
    assert found["language server"].state is State.WRONG
    assert "does not answer" in found["language server"].detail


@pytest.mark.parametrize(("of_bytes", "text"), [(0, "0 MB"), (145_217_532, "145 MB"), (2_500_000_000, "2.5 GB")])
def test_sizes_are_written_as_people_read_them(of_bytes, text):
    assert size(of_bytes) == text


def test_the_memory_that_serving_takes_is_told_beside_what_is_free(tmp_path):
    finding = next(found for found in examine(Settings(data_dir=tmp_path)) if found.what == "memory")
    assert "GiB needed by the catalogue" in finding.detail
    assert "free of" in finding.detail


def test_a_redis_that_does_not_answer_is_told_without_its_password(tmp_path, free_port):
    finding = findings(data_dir=tmp_path, stores={"redis": f"redis://:geheim@127.0.0.1:{free_port}/0"})["redis"]
    assert finding.state is State.NOTE
    assert "127.0.0.1" in finding.detail
    assert "geheim" not in finding.detail


def test_what_finds_texts_by_meaning_is_looked_at(tmp_path):
    assert "model.safetensors" in findings(data_dir=tmp_path)["embeddings"].detail
    served = findings(data_dir=tmp_path, embeddings={"url": "http://localhost:9/v1", "model": "bge-m3"})["embeddings"]
    assert served.detail == "bge-m3 at http://localhost:9/v1"


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path, free_port):
    address = f"postgresql://passfel:hidden@127.0.0.1:{free_port}/passfel"
    finding = findings(data_dir=tmp_path, stores={"postgres": address})["database"]
    assert finding.state is State.NOTE
    assert "127.0.0.1" in finding.detail
    assert "hidden" not in finding.detail
