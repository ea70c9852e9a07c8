"""A server in a process of its own, watched and started again when it fails.

Protocol between the two: once requests are served, the program writes one line of JSON, `{"port": 40123}`, to standard
output; it logs to standard error; it ends when standard input does, so it never outlives its parent.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import httpx
from loguru import logger

_MISSED_CHECKS = 3
_SHORTEST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 30.0
# A process that served this long did not fail because of how it was started.
_STEADY_SECONDS = 60.0

# What is killed is gone at once, unless a driver holds it.
_REAP_SECONDS = 5.0

_KEPT_LINES = 400
_SHOWN_LINES = 8
# A problem that was logged longer ago is not what the process died of.
_RECENT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 14
_LONGEST_LINE_BYTES = 1 << 12


class LanguageEngineError(Exception):
    """A language model cannot be served; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, and how it is to be understood."""

    name: str
    """What people call it: "the language engine"."""
    log_name: str
    """Stands before each line of its log."""
    serves: str
    """The model, as errors name it."""
    command: Callable[[int], Sequence[str]]
    """Makes the command line for a port; 0 is any that is free."""
    environment: Mapping[str, str] = field(repr=False)
    """All of its variables. The key is among them, because everybody can read command lines."""
    key: str = field(repr=False)
    """What callers must show as a bearer token."""
    health: str
    """The path that answers 200 while the server is well."""
    start_seconds: float
    """How long it may take until it serves."""
    stop_seconds: float
    """How long it may take to end before it is killed."""
    explain: Callable[[str], str | None]
    """Tells what is wrong and what to do, if a line of the log says so."""
    too_slow: str
    """What to do where it is not ready in time."""
    broken: str
    """What to do where it ends before it is ready and nothing is explained."""


class Supervisor:
    """Keeps one program running from `start` to `stop`.

    A task watches the process. When it ends or no longer answers, it is started again at the same port, after a delay
    that doubles from 0.1 s to 30 s and begins anew once it has served for a minute.
    """

    def __init__(
        self,
        program: Program,
        *,
        check_interval: float = 5.0,
        on_change: Callable[[bool, str | None], None] = lambda _healthy, _problem: None,
    ) -> None:
        """Take a program, which is not run before `start`.

        A health check comes every `check_interval` seconds and may take as long; three without an answer mean that
        the process hangs. `on_change` is told `healthy` and `problem` whenever they have changed.
        """
        self._program = program
        self._check_interval = check_interval
        self._on_change = on_change
        self._child: _Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._healthy = False
        self._problem: str | None = None

    async def start(self, port: int = 0) -> int:
        """Run the program and return its port once it serves.

        Raises `LanguageEngineError` where it does not come up; then, as after a cancellation, no process is left.
        """
        if self._task is not None:
            raise RuntimeError(f"{self._program.name} is started already")
        self._child = await self._launch(port)
        self._note(healthy=True)
        self._task = asyncio.create_task(self._supervise(self._child.port), name=self._program.name)
        return self._child.port

    async def stop(self) -> None:
        """End the program; it is killed where that takes too long. May be called at any time, repeatedly.

        When cancelled, the process is killed at once.
        """
        task, self._task = self._task, None
        self._healthy = False
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        finally:
            await self._end_child()

    @property
    def healthy(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self._healthy

    @property
    def problem(self) -> str | None:
        """Why it is being started again, or None while it serves."""
        return self._problem

    async def _supervise(self, port: int) -> None:
        delay = _SHORTEST_DELAY_SECONDS
        while True:
            began: float | None = None
            try:
                if self._child is None:
                    self._child = await self._launch(port)
                    self._note(healthy=True)
                began = time.monotonic()
                problem = await self._watch(self._child)
            except LanguageEngineError as error:
                problem = str(error)
            self._note(healthy=False, problem=problem)
            await self._end_child()
            if began is not None and time.monotonic() - began >= _STEADY_SECONDS:
                delay = _SHORTEST_DELAY_SECONDS
            logger.error(f"{self._program.name} failed and is started again in {delay:g} s: {problem}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY_SECONDS)

    async def _launch(self, port: int) -> "_Child":
        began = time.monotonic()
        try:
            child = await _Child.start(self._program, port)
        except (LanguageEngineError, OSError) as error:
            raise LanguageEngineError(f"{self._program.serves} cannot be served: {error}") from None
        took = time.monotonic() - began
        logger.info(f"{self._program.name} serves {self._program.serves} on port {child.port}, after {took:.1f} s")
        return child

    async def _watch(self, child: "_Child") -> str:
        """Return what is wrong, once `child` has ended or missed several health checks."""
        missed = 0
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._program.key}", "Connection": "close"},
            timeout=self._check_interval,
            trust_env=False,
        ) as client:
            while missed < _MISSED_CHECKS:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._check_interval):
                        code = await child.wait()
                        return child.problem or f"its process ended with exit code {code}; {child.last_words}"
                healthy = await _answers(client, f"http://127.0.0.1:{child.port}{self._program.health}")
                self._note(healthy=healthy)
                missed = 0 if healthy else missed + 1
        return f"it did not answer {missed} health checks; {child.problem or child.last_words}"

    def _note(self, *, healthy: bool, problem: str | None = None) -> None:
        before = self._healthy, self._problem
        self._healthy, self._problem = healthy, problem
        if before != (healthy, problem):
            self._on_change(healthy, problem)

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.end()
            self._child = None


class _Child:
    """The program's process. It ends with this object's pipes, so it never outlives this process."""

    def __init__(self, process: asyncio.subprocess.Process, program: Program) -> None:
        self.port = 0
        self._process = process
        self._program = program
        self._lines: deque[tuple[float, str]] = deque(maxlen=_KEPT_LINES)
        self._reader = asyncio.create_task(self._read_log(), name=f"log of {program.name}")

    @classmethod
    async def start(cls, program: Program, port: int) -> Self:
        """Run the program and wait for its line of JSON. Raises `LanguageEngineError`."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *program.command(port),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=program.environment,
            # An interrupt typed at the terminal is for the parent, which then ends its child in order.
            start_new_session=True,
        )
        child = cls(process, program)
        try:
            async with asyncio.timeout(program.start_seconds):
                child.port = await child._ready()
        except TimeoutError:
            await child.end()
            raise LanguageEngineError(
                f"it was not ready in {program.start_seconds:.0f} s; {program.too_slow}"
            ) from None
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def problem(self) -> str | None:
        """What is wrong, by the first of the latest lines of its log that says so."""
        since = time.monotonic() - _RECENT_SECONDS
        recent = (line for at, line in self._lines if at >= since)
        return next(filter(None, map(self._program.explain, recent)), None)

    @property
    def last_words(self) -> str:
        """The last lines that it logged, as one."""
        shown = [line for _, line in self._lines][-_SHOWN_LINES:]
        return f"its last lines: {' | '.join(shown)}" if shown else "it logged nothing"

    async def wait(self) -> int:
        """Wait until it has ended and nobody writes to its log; return the exit code, or minus the signal's number."""
        code = await self._process.wait()
        await asyncio.wait({self._reader})
        return code

    async def end(self) -> None:
        """Terminate it, kill its group after a while, and wait for its end. A cancellation kills at once."""
        ended = False
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._program.stop_seconds):
                    self._signal_termination()
                    await self.wait()
                    ended = True
        finally:
            if not ended:
                # Its session began with it, so its group has its number, also where only others of the group are left.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REAP_SECONDS):
                        await self.wait()

    async def _ready(self) -> int:
        """Wait until it serves and return its port."""
        assert self._process.stdout is not None
        if line := await self._process.stdout.readline():
            try:
                return int(json.loads(line)["port"])
            except (ValueError, LookupError, TypeError):
                told = line.decode(errors="replace").strip()
                raise LanguageEngineError(f"it told no port, but {told!r}; {self._program.broken}") from None
        await self.wait()
        raise LanguageEngineError(self.problem or f"{self.last_words}; {self._program.broken}")

    def _signal_termination(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while chunk := await self._process.stderr.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LONGEST_LINE_BYTES:]
            for line in lines:
                self._note(line.decode(errors="replace").strip())
        self._note(rest.decode(errors="replace").strip())

    def _note(self, line: str) -> None:
        if not line:
            return
        logger.debug(f"{self._program.log_name}: {line}")
        self._lines.append((time.monotonic(), line))


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url)
    except httpx.HTTPError:
        return False
    return response.is_success
