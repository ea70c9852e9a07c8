"""The plan of the embedded set beside what `passfel serve` really takes, all its processes together.

The proportional set size would be smaller than it is for a household, since the tests have the same libraries loaded.
Where nothing else runs it is within 1% of the resident size that is taken here. Nobody else has Postgres loaded, whose
processes share their buffers: of those the proportional size is taken.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.budget import memory_need
from pipeline.budget.catalogue import Catalogue
from pipeline.budget.footprint import descendants, footprint, name
from pipeline.settings import Settings
from tests.test_short_of_memory import free_port

CONFIGURATIONS = [
    {},
    {"hearing": {"model": "tiny.en"}},
    {"language": {"context": 4096}},
    {"language": {"context": 2048}},
    {"hearing": {"model": "tiny.en"}, "language": {"context": 4096}},
    {"hearing": {"threads": 1}, "speaking": {"threads": 1}, "language": {"threads": 1}},
]


@contextmanager
def serving(data: Path, port: int, configuration: Mapping[str, Mapping[str, object]]) -> Iterator[int]:
    variables = {
        f"PASSFEL_{group}__{name}".upper(): str(value)
        for group, values in configuration.items()
        for name, value in values.items()
    }
    own = {"PASSFEL_DATA_DIR": str(data), "PASSFEL_PORT": str(port), "PASSFEL_STORES__EMBEDDED": "true"}
    environment = os.environ | variables | own
    command = [sys.executable, "-m", "passfel", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                if _healthy(port):
                    break
                assert process.poll() is None
                time.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_the_plan_is_what_it_takes(
    configuration: Mapping[str, Mapping[str, object]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSFEL_STORES__EMBEDDED", "true")
    planned = memory_need.need(Settings.model_validate({"data_dir": data, **configuration}), Catalogue.load())
    talk = [sys.executable, "-m", "passfel", "talk", str(_question(tmp_path)), "-o", str(tmp_path / "answer.wav")]
    port, most = free_port(), 0
    with (
        serving(data, port, configuration) as process,
        subprocess.Popen([*talk, "--server", f"http://127.0.0.1:{port}"], stdout=subprocess.DEVNULL) as talking,
    ):
        while talking.poll() is None:
            most = max(most, sum(resident(each) for each in (process, *descendants(process))))
            time.sleep(0.2)
    assert not planned.measured
    assert planned.speech + planned.language + planned.stores == pytest.approx(most, rel=0.1)


def resident(process: int) -> int:
    if name(process) in ("postgres", "valkey-server"):
        return footprint(process)
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _question(folder: Path) -> Path:
    file = folder / "question.wav"
    say = [sys.executable, "-m", "passfel", "say", "What is the capital of Portugal?", "-o", str(file)]
    subprocess.run(say, check=True, env=os.environ | {"PASSFEL_DATA_DIR": str(folder)})
    return file
