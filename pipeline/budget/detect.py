"""The machine that PASSFEL runs on: its memory, limited as its container's is, and its graphics card."""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.budget import host
from pipeline.budget.catalogue import CPU, Catalogue, Machine

THIS = "this"
"""The id of the machine that was detected."""
NVIDIA_SECONDS = 5.0
"""What nvidia-smi may take; a driver that is starting answers late."""

_GIB = 1 << 30
_MIB_A_GIB = 1024


class Undetected(Exception):  # noqa: N818 - reads as what is the matter
    """The machine cannot be planned for; the message says what is known of it, and what to name instead."""


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card, as NVIDIA's driver tells of it."""

    name: str
    memory_gib: float | None
    """None where its memory is the system's."""
    free_gib: float | None
    compute: str


def detect(catalogue: Catalogue, *, cpu: bool = False, root: Path = Path("/")) -> Machine:
    """Describe this machine, with what the catalogue knows of its like. Raises `Undetected`.

    Bandwidth and rates are the catalogue's, since they cannot be read: a known card's by its name, and a plain CPU's
    of the catalogued one that has the nearest memory. `cpu` leaves a card out of it; `root` is where `proc` and `sys`
    lie.
    """
    memory = host.total(root) / _GIB
    card = None if cpu else find_card()
    if card is not None:
        return _with_card(catalogue, card, memory)
    like = [machine for machine in catalogue.machines() if machine.compute == CPU]
    if not like:
        raise Undetected("the catalogue has no plain CPU to compare this machine with: name one with --machine")
    nearest = min(like, key=lambda machine: abs(machine.memory_gib - memory))
    return _as_this(nearest, platform.processor() or platform.machine(), memory)


def find_card() -> Card | None:
    """Ask NVIDIA's driver for the first card; None where there is neither. Blocks for `NVIDIA_SECONDS` at most."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=name,memory.total,memory.free,compute_cap", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_card(answer.stdout)


def parse_card(answer: str) -> Card | None:
    """Read the first line of nvidia-smi's table; a GB10 tells no memory of its own."""
    fields = [part.strip() for part in answer.strip().split("\n")[0].split(",")]
    if len(fields) != 4 or not fields[0]:
        return None
    name, memory, free, capability = fields
    return Card(name, _gib(memory), _gib(free), f"sm_{capability.replace('.', '')}")


def free_gib(*, cpu: bool = False, root: Path = Path("/")) -> float:
    """Return what is really free now where a language model is loaded: on the card, or in the system's memory.

    A GB10's driver does not count what the page cache would give back, so there the system tells.
    """
    card = None if cpu else find_card()
    if card is not None and card.free_gib is not None:
        return card.free_gib
    return host.tightest(root).free / _GIB


def _gib(mib: str) -> float | None:
    return float(mib) / _MIB_A_GIB if mib.isdigit() else None


def _with_card(catalogue: Catalogue, card: Card, memory: float) -> Machine:
    size = card.memory_gib or memory
    named = [m for m in catalogue.machines() if m.card is not None and m.card.lower() in card.name.lower()]
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
