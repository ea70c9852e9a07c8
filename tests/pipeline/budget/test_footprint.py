import os
import subprocess
import sys

from pipeline.budget.footprint import descendants, footprint, peak

HOLD = "import sys; held = bytearray({size}); held[::4096] = b'x' * len(held[::4096]); print('ready'); sys.stdin.read()"


def holding(size: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(size=size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_what_a_process_holds_is_counted() -> None:
    with holding(0) as small, holding(64 << 20) as large:
        assert abs(footprint(large.pid) - footprint(small.pid) - (64 << 20)) < 4 << 20
        for process in (small, large):
            process.communicate()


def test_processes_that_it_started_and_theirs_are_found() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = descendants(os.getpid())
        assert process.pid in found
        assert len(descendants(process.pid)) == 1
        process.communicate("\n")


def test_what_a_process_held_for_a_moment_is_in_its_peak() -> None:
    moment = "held = bytearray(80 << 20); held[::4096] = b'x' * len(held[::4096]); del held; print('x', flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", moment + "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert peak(process.pid) - footprint(process.pid) > 60 << 20
        process.communicate("\n")


def test_a_process_that_is_gone_takes_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert footprint(process.pid) == 0
