"""What a server process costs, read from Linux's /proc."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Return a process and all its children's children, but for the language model's, which both sides have."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"llama_server" in command:
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for process in found:
        found.extend(parents.get(process, ()))
    return found


def memory(pid: int) -> float:
    """Return the proportional set size of a process and its children in MB.

    Pages that processes share are split between them, so the sum counts each once.
    """
    total = 0
    for process in descendants(pid):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return total / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its living children have used."""
    total = 0
    for process in descendants(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS
