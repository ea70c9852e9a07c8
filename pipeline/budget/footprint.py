"""What processes really take: the proportional set size, in which memory that several share is split among them.

Linux's `proc(5)`: `smaps_rollup`, and the parent in `stat`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_KIB = 1024
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def footprint(process: int, *, proc: Path = Path("/proc")) -> int:
    """Return the bytes that a process takes; 0 of one that has ended."""
    return _told(proc / str(process) / "smaps_rollup", _PSS) or _told(proc / str(process) / "status", _RSS)


def peak(process: int, *, proc: Path = Path("/proc")) -> int:
    """Return what a process takes, and how much more it once held: the kernel notes that with all that is shared."""
    status = proc / str(process) / "status"
    return footprint(process, proc=proc) + max(0, _told(status, _PEAK) - _told(status, _RSS))


def name(process: int, *, proc: Path = Path("/proc")) -> str:
    """Return a process's name, of 15 characters at most; nothing of one that has ended."""
    try:
        return (proc / str(process) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _told(file: Path, line: re.Pattern[str]) -> int:
    try:
        found = line.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return 0
    return int(found[1]) * _KIB if found else 0


def descendants(process: int, *, proc: Path = Path("/proc")) -> list[int]:
    """Return the processes that one has started, and those that they have."""
    parents = dict(_parents(proc))
    found: list[int] = []
    generation = {process}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found += sorted(generation)
    return found


def _parents(proc: Path) -> Iterator[tuple[int, int]]:
    for folder in proc.glob("[0-9]*"):
        try:
            told = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # A name may hold anything, brackets and spaces too; the parent comes after the last bracket and the state.
        rest = told.rpartition(")")[2].split()
        if len(rest) > 1:
            yield int(folder.name), int(rest[1])
