"""The engine that `passfel engine start` runs, as other processes of this machine find it.

Whoever runs it holds a lock for as long, so a file that a crash left behind deceives nobody.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from loguru import logger
from pydantic import TypeAdapter, ValidationError

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.vllm import with_strict_tools
from pipeline.private_file import write_private

# Whoever looks whether the lock is held holds it for a moment.
_PATIENCE_SECONDS = 1.0


class EngineRunning(Exception):  # noqa: N818 - reads as what is the matter
    """Another process runs the engine already; the message says which."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """What a running engine is doing, and how it is reached."""

    model: str
    process: int
    """Of who runs it."""
    url: str = ""
    """The address that ends in `/v1`; none until it first serves."""
    api_key: str = field(default="", repr=False)
    context: int = 0
    sequences: int = 0
    calls_tools: bool = False
    reasons: bool = False
    healthy: bool = False
    """Whether it answered when it was last asked."""
    problem: str = ""
    """Why it is being started again."""
    summary: str = ""
    """What it can do."""

    def endpoint(self) -> Endpoint:
        """How an assistant asks it."""
        return Endpoint(
            self.url,
            self.api_key,
            self.model,
            context=self.context,
            calls_tools=self.calls_tools,
            reasons=self.reasons,
            adapt=with_strict_tools,
        )


_ADAPTER = TypeAdapter(EngineState)


class Maintenance:
    """Whether the own model is out of use, which a restart of the assistant does not change."""

    def __init__(self, data_dir: Path) -> None:
        self._mark = data_dir / "engine" / "maintenance"

    @property
    def on(self) -> bool:
        """Whether the own model is to be asked nothing."""
        return self._mark.exists()

    def set(self, on: bool) -> None:
        """Note that the own model is out of use, or is used again."""
        try:
            if on:
                self._mark.parent.mkdir(parents=True, exist_ok=True)
                self._mark.touch()
            else:
                self._mark.unlink(missing_ok=True)
        except OSError as error:
            logger.error(f"a restart of the assistant will not know of the maintenance: {error}")


class EngineRecord:
    """Where the state of the one engine of a data folder is written."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "engine" / "state.json"
        self._lock = data_dir / "engine" / "lock"

    def read(self) -> EngineState | None:
        """Return the running engine's state, or None where none runs. Blocks, but not for long."""
        if not self._file.is_file() or not self._held():
            return None
        try:
            return _ADAPTER.validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one who runs the engine. Raises `EngineRunning`, or `OSError` where the folder cannot be written."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._lock, timeout=_PATIENCE_SECONDS):
                try:
                    yield
                finally:
                    self._file.unlink(missing_ok=True)
        except Timeout:
            state = self.read()
            who = f"process {state.process} serves {state.model}" if state else "another process starts it"
            raise EngineRunning(f"the engine is running already: {who}; end that first") from None

    def write(self, state: EngineState) -> None:
        """Replace what is on record; only this user can read it, because it holds the key."""
        write_private(self._file, json.dumps(asdict(state)).encode())

    def _held(self) -> bool:
        try:
            with FileLock(self._lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False
