"""The memory of this computer as this process may use it: the system's, its control groups', and its own limit.

Linux's `proc(5)`, and the kernel's documentation of control groups versions 1 and 2 (cgroup-v1/memory, cgroup-v2).
"""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024
# Version 1 writes a number near 2**63 where there is no limit.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that a limit allows, and those of them that are still free."""

    limit: int
    free: int
    of: str
    """Whose limit it is, for people."""


@dataclass(frozen=True, slots=True)
class _Version:
    """How one version of control groups names its files, and what in them was read from files."""

    limit: str
    usage: str
    reclaimable: tuple[str, ...]


_V1 = _Version("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))
_V2 = _Version("memory.max", "memory.current", ("inactive_file", "active_file"))


def total(root: Path = Path("/")) -> int:
    """Return the bytes that programs here can use: the system's memory, or less where a limit is set."""
    return min(room.limit for room in rooms(root))


def tightest(root: Path = Path("/")) -> Room:
    """Return the limit that leaves the least free."""
    return min(rooms(root), key=lambda room: room.free)


def rooms(root: Path = Path("/")) -> list[Room]:
    """Return every limit that this process is under, the system's first. `root` is where `proc` and `sys` lie."""
    return [_system(root), *_groups(root), *_own(root)]


def _system(root: Path) -> Room:
    told = _table(root / "proc/meminfo")
    size = told.get("MemTotal", 0) * _KIB or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Room(size, told.get("MemAvailable", size // _KIB) * _KIB, "the system")


def _groups(root: Path) -> Iterator[Room]:
    """Find the limits of this process's control group and of the groups above it."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, version = root / "sys/fs/cgroup", _V2
        elif "memory" in controllers.split(","):
            base, version = root / "sys/fs/cgroup/memory", _V1
        else:
            continue
        folder = base / group.lstrip("/")
        # A container may see its own group as the root, while the path is the host's.
        for place in (folder, *folder.parents):
            if place.is_relative_to(base):
                yield from _group(place, version)


def _group(place: Path, version: _Version) -> Iterator[Room]:
    limit, usage = _number(place / version.limit), _number(place / version.usage)
    if limit is None or limit >= _NO_LIMIT:
        return
    # What was read from files can be read again: it is given back before anything is refused.
    counted = _table(place / "memory.stat")
    reclaimable = sum(counted.get(name, 0) for name in version.reclaimable)
    yield Room(limit, max(0, limit - (usage or 0) + reclaimable), "the control group")


def _own(root: Path) -> Iterator[Room]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        used = _table(root / "proc/self/status").get("VmSize", 0) * _KIB
        yield Room(limit, max(0, limit - used), "ulimit -v")


def _table(file: Path) -> dict[str, int]:
    """Read lines of a name and a number, as meminfo, status and memory.stat have them."""
    found = {}
    for line in _lines(file):
        words = line.replace(":", " ").split()
        if len(words) > 1 and words[1].isdecimal():
            found[words[0]] = int(words[1])
    return found


def _number(file: Path) -> int | None:
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdecimal() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
