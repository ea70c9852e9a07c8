from pathlib import Path

import pytest

from pipeline.budget import detect
from pipeline.budget.catalogue import Catalogue
from pipeline.budget.detect import Card, Undetected, parse_card

CATALOGUE = Catalogue.load()


@pytest.fixture
def nvidia(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Put a program named nvidia-smi first that prints what it is told to."""

    def answer(text: str, status: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho '{text}'\nexit {status}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return answer


def test_a_gb10_shares_the_systems_memory(nvidia) -> None:
    nvidia("NVIDIA GB10, [N/A], [N/A], 12.1")
    machine = detect.detect(CATALOGUE)
    assert machine.unified
    assert machine.bandwidth == CATALOGUE.machine("gx10").bandwidth
    assert machine.memory_gib == pytest.approx(detect.detect(CATALOGUE, cpu=True).memory_gib)


def test_a_card_is_known_by_its_name_and_has_its_own_memory(nvidia) -> None:
    nvidia("NVIDIA H100 80GB HBM3, 81559, 80000, 9.0")
    machine = detect.detect(CATALOGUE)
    assert machine.compute == "sm_90"
    assert machine.bandwidth == CATALOGUE.machine("h100").bandwidth
    assert machine.memory_gib == pytest.approx(79.6)
    assert detect.free_gib() == pytest.approx(78.1, abs=0.1)


def test_an_unknown_card_is_told_with_what_is_known(nvidia) -> None:
    nvidia("NVIDIA Future 9000, 65536, 65000, 15.0")
    with pytest.raises(Undetected, match=r"Future 9000 \(sm_150, 64 GiB\).*--machine"):
        detect.detect(CATALOGUE)
    assert detect.detect(CATALOGUE, cpu=True).compute == "cpu"


@pytest.mark.parametrize("status", [1, 9])
def test_a_driver_that_fails_leaves_a_plain_cpu(nvidia, status: int) -> None:
    nvidia("NVIDIA-SMI has failed", status)
    assert detect.detect(CATALOGUE).compute == "cpu"


@pytest.mark.parametrize("answer", ["", "\n", "No devices were found", ", 1, 2, 3"])
def test_an_answer_without_a_card_is_none(answer: str) -> None:
    assert parse_card(answer) is None


def test_the_first_card_counts() -> None:
    assert parse_card("A, 1024, 512, 8.6\nB, 2048, 1, 9.0\n") == Card("A", 1.0, 0.5, "sm_86")
