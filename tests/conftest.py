"""Fixtures that tests of every room share."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

from pipeline.settings import is_loopback

# Every assistant would make a database of its own, which takes 40 MB; what needs one asks for it.
_NO_DATABASE = "PASSFEL_STORES__EMBEDDED"
os.environ[_NO_DATABASE] = "false"

# Piper draws its noise anew in every run, and a recognizer then mishears now this word and now that one.
onnxruntime.set_seed(1)

_SHARED_AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder with recordings of real people, which lies beside the repository and not in it."""
    if not _SHARED_AUDIO.is_dir():
        pytest.skip("the recordings of real people (../shared/audio) are not here")
    return _SHARED_AUDIO


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that other accounts can reach: as root, Postgres runs as one of them."""
    made = Path(tempfile.mkdtemp(prefix="passfel-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Let no test reach beyond this machine: an address or name that is not loopback fails at once.

    Only `make test-live` does.
    """
    if os.environ.get("LIVE"):
        yield
        return
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name and not is_loopback(name):
            raise ConnectionRefusedError(f"tests may not reach {name}: only loopback")

    def guarded(original):
        def call(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and self.type & socket.SOCK_STREAM:
                refuse(address[0])
            return original(self, address)

        return call

    def guarded_getaddrinfo(host, *args, **kwargs):
        refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out of every test."""
    for variable in os.environ:
        if variable.upper().startswith("PASSFEL_") and variable != _NO_DATABASE:
            monkeypatch.delenv(variable)
