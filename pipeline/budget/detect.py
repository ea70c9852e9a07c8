"""The machine that PASSFEL runs on: its memory, limited as its container's is, and its graphics card."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.budget.catalogue import Catalogue, Machine
from pipeline.budget.roofline import CPU

THIS = "this"
"""The id of the machine that was detected."""
NVIDIA_SECONDS = 5.0
"""What nvidia-smi may take; a driver that is starting answers late."""

_GIB = 1 << 30
_MIB_A_GIB = 1024
# Version 1 writes a number near 2**63 where there is no limit.
_NO_LIMIT = 1 << 60


class Undetected(Exception):  # noqa: N818 - reads as what is the matter
    """The machine cannot be planned for; the message says what is known of it, and what to name instead."""


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card, as NVIDIA's driver tells of it."""

    name: str
    memory_gib: float | None
    """None where its memory is the system's."""
    compute: str


def detect(catalogue: Catalogue, *, root: Path = Path("/")) -> Machine:
    """Describe this machine, with what the catalogue knows of its like. Raises `Undetected`.

    Bandwidth and rates are the catalogue's, since they cannot be read: a known card's by its name, and a plain CPU's
    of the catalogued one that has the nearest memory. `root` is where `proc` and `sys` lie.
    """
    memory = memory_gib(root)
    card = find_card()
    if card is not None:
        return _with_card(catalogue, card, memory)
    like = [machine for machine in catalogue.machines() if machine.compute == CPU]
    if not like:
        raise Undetected("the catalogue has no plain CPU to compare this machine with: name one with --machine")
    nearest = min(like, key=lambda machine: abs(machine.memory_gib - memory))
    return _as_this(nearest, platform.processor() or platform.machine(), memory)


def memory_gib(root: Path = Path("/")) -> float:
    """Return what programs here can use: the system's memory, or the limit of this process's cgroup if that is less."""
    total = _meminfo(root)
    limits = [limit for limit in _cgroup_limits(root) if limit < _NO_LIMIT]
    return min([total, *limits]) / _GIB


def find_card() -> Card | None:
    """Ask NVIDIA's driver for the first card; None where there is neither. Blocks for `NVIDIA_SECONDS` at most."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_card(answer.stdout)


def parse_card(answer: str) -> Card | None:
    """Read the first line of nvidia-smi's table; a GB10 tells no memory of its own."""
    fields = [part.strip() for part in answer.strip().split("\n")[0].split(",")]
    if len(fields) != 3 or not fields[0]:
        return None
    name, memory, capability = fields
    gib = float(memory) / _MIB_A_GIB if memory.isdigit() else None
    return Card(name, gib, f"sm_{capability.replace('.', '')}")


def _with_card(catalogue: Catalogue, card: Card, memory: float) -> Machine:
    size = card.memory_gib or memory
    named = [m for m in catalogue.machines() if m.compute == card.compute and _same_name(m.name, card.name)]
    like = named or [m for m in catalogue.machines() if m.compute == card.compute and m.unified]
    if not like:
        raise Undetected(
            f"this machine's {card.name} ({card.compute}, {size:.0f} GiB) is not in the catalogue, so its bandwidth is "
            "not known: name the nearest with --machine"
        )
    return _as_this(min(like, key=lambda machine: abs(machine.memory_gib - size)), card.name, size)


def _as_this(like: Machine, name: str, memory: float) -> Machine:
    sources = {
        **like.sources,
        "memory_gib": "measured: this machine",
        "bandwidth_nominal": f"as {like.name}; not measured here",
        "tflops": f"as {like.name}; not measured here",
    }
    changes = {"id": THIS, "name": name, "memory_gib": round(memory, 1), "sources": sources}
    return like.model_copy(update=changes)


def _same_name(catalogued: str, told: str) -> bool:
    noise = {"nvidia", "geforce", "gpu", "card"}
    words = {word for word in catalogued.lower().replace("-", " ").split() if word not in noise}
    return words <= set(told.lower().replace("-", " ").split()) if words else False


def _meminfo(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_limits(root: Path) -> list[int]:
    """Read the limits of this process's group and of the groups above it, of cgroup version 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / group.lstrip("/")
        # A container may see its own group as the root, while the path is the host's.
        for place in (folder, *folder.parents):
            if place.is_relative_to(base):
                limits += _limit(place / name)
    return limits


def _limit(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() else []
