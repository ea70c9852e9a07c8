"""A server that PASSFEL brings, over a folder in the data directory: run by one process, used by all, taken over.

Several processes may start it over the same folder: the first runs it, the others use it, and one of them runs it once
the first has ended, however that came about.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout
from loguru import logger

START_SECONDS: Final = 60.0
"""How long it may take to serve; after a crash it first reads its log again."""
STOP_SECONDS: Final = 20.0
"""How long an ordered end may take, which writes everything to its place."""

STEADY_SECONDS: Final = 60.0
"""What served for so long did not end because of how it was started."""

# A socket's address has 108 bytes, with the server's own name at its end.
LONGEST_SOCKET_FOLDER: Final = 80

_SHORTEST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_INHERIT_SECONDS = 1.0


class ServerFailed(Exception):  # noqa: N818 - reads as what happened
    """A server cannot be started; the message is one line and says what to do."""


class EmbeddedServer(ABC):
    """One server over one folder, while it is started."""

    what: str
    """What it is for, as a log calls it."""
    signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    """What ends it in order, the kindest first."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Start it, and make what it needs where that is not there yet; return its address.

        Raises `ServerFailed`; then, as after a cancellation, no process is left.
        """
        data = await asyncio.to_thread(self._find_place)
        self._lock = FileLock(data.with_name(f"{data.name}.lock"), thread_local=False)
        try:
            if ours := _locked(self._lock):
                await self._launch()
            else:
                logger.info(f"another PASSFEL runs {self.what} in {data}; this one uses it too")
            await self._until_it_serves(data)
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep() if ours else self._inherit(), name=self.what)
        return self._address()

    async def stop(self) -> None:
        """End it in order; it is killed where that takes too long. May be called repeatedly."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            await self._end(process)
        if self._lock is not None:
            self._lock.release()

    @abstractmethod
    def _find_place(self) -> Path:
        """Make the folder above that of the data, and return the latter. Blocks; raises `ServerFailed`."""

    @abstractmethod
    def _address(self) -> str:
        """Where it is reached."""

    @abstractmethod
    async def _launch(self) -> None:
        """Run it over the folder that is ours alone now, with `_run`. Raises `ServerFailed`."""

    @abstractmethod
    async def _serves(self) -> bool:
        """Tell whether it answers."""

    async def _run(self, *command: object, log: int, **process: Any) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for PASSFEL, which then ends it in order.
                start_new_session=True,
                **process,
            )
        except OSError as error:
            told = f"{self.what} cannot be run: {error.strerror or error}: install PASSFEL again"
            raise ServerFailed(told) from None
        finally:
            os.close(log)

    async def _until_it_serves(self, data: Path) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while self._process is None or self._process.returncode is None:
                    if await self._serves():
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        told = await asyncio.to_thread(last_line, data / "log")
        raise ServerFailed(f"{self.what} does not start in {data}: {told}")

    async def _keep(self) -> None:
        """Start it again whenever it ends."""
        clock, delay = asyncio.get_running_loop().time, _SHORTEST_DELAY
        while True:
            if self._process is not None:
                began = clock()
                code = await self._process.wait()
                delay = _SHORTEST_DELAY if clock() - began > STEADY_SECONDS else delay
                logger.warning(f"{self.what} has ended with {code}; it is started again")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            await self._relaunch()

    async def _inherit(self) -> None:
        """Run it once whoever does now has ended."""
        assert self._lock is not None
        while not _locked(self._lock):  # noqa: ASYNC110 - another process sends no event
            await asyncio.sleep(_INHERIT_SECONDS)
        logger.info(f"who ran {self.what} has ended; it is run by this process now")
        await self._relaunch()
        await self._keep()

    async def _relaunch(self) -> None:
        try:
            await self._launch()
        except (ServerFailed, OSError) as error:
            self._process = None
            logger.error(f"{self.what} cannot be started: {error}")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for number in self.signals:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                continue
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def sockets_folder(data: Path) -> Path:
    """The folder of a socket: that of the data, unless its name is too long."""
    if len(str(data)) <= LONGEST_SOCKET_FOLDER:
        return data
    return Path("/tmp") / f"passfel-{digest(data)}"  # noqa: S108 - made for its owner alone


def digest(path: Path) -> str:
    """A short name for a long path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def last_line(log: Path) -> str:
    """The last of what a server has told."""
    with contextlib.suppress(OSError):
        if lines := log.read_text(encoding="utf-8", errors="replace").strip().splitlines():
            return lines[-1]
    return "its log says nothing"


def _locked(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
