"""The embedded language model: llama.cpp in a process of its own, watched and started again when it fails."""

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
from loguru import logger

from pipeline.endpoint import Endpoint

_PROGRAM = Path(__file__).with_name("llama_server.py")
_TEMPLATE = Path(__file__).with_name("chat_template.jinja")

# Loading is bounded by the disk: this long for anything, and the time a slow card takes to read the file.
_START_SECONDS = 30.0
_SLOW_DISK_BYTES_PER_SECOND = 20e6
_TERMINATE_SECONDS = 3.0
_MISSED_CHECKS = 3
_SHORTEST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 30.0
# A process that lived this long did not fail because of how it was started.
_STEADY_SECONDS = 60.0

SMALL_MODEL_BYTES = 1_000_000_000
"""A file smaller than this holds a model that follows examples better than rules."""

_LAST_LINES = 8
_CHUNK_BYTES = 1 << 14
_LONGEST_LINE_BYTES = 1 << 12
# llama.cpp begins a line with its running time and a letter for the level.
_ERROR_LINE = re.compile(r"[\d.]+ E (?P<text>.*)")


class LanguageEngineError(Exception):
    """The embedded language model cannot be started; the message is one line and says what to do."""


def with_forced_call(request: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a chat completion request so that llama.cpp obeys a `tool_choice` of "required" or of one function.

    llama.cpp takes a named function for "auto", and before a required call it lets the model write any text, which
    a small one never ends. So only the named function is offered, the answer's beginning is given, and it ends
    after one call. A request with another `tool_choice`, or none, is returned as it is.
    """
    choice = request.get("tool_choice")
    if isinstance(choice, Mapping):
        tools = [t for t in request["tools"] if t["function"]["name"] == choice["function"]["name"]]
    elif choice == "required":
        tools = request["tools"]
    else:
        return dict(request)
    return {
        **request,
        "tools": tools,
        "tool_choice": "required",
        "messages": [*request["messages"], {"role": "assistant", "content": "<tool_call>\n"}],
        "stop": ["</tool_call>"],
    }


class EmbeddedLanguageEngine:
    """Serves one GGUF model to this machine for as long as it is started.

    A task watches the server's process. When the process ends or no longer answers, it is started again at the
    same address and with the same key, after a delay that doubles from 0.1 s to 30 s and begins anew after a
    minute without a failure. Until then requests are refused at once.
    """

    def __init__(
        self,
        model: Path,
        *,
        prefixes: Path | None = None,
        threads: int = 0,
        context: int = 8192,
        slots: int = 4,
        check_interval: float = 5.0,
    ) -> None:
        """Take the GGUF file `model`, which is not opened before `start`.

        `prefixes` is the folder where `pipeline.prefixes` keeps computed prompts; without one it keeps none.

        `threads` write an answer; 0 takes half of the cores, because llama.cpp's threads wait for each other after
        every operation: on cores that speech needs too, more threads are slower by far. All cores, or `threads`, read
        a prompt, which is work in larger pieces and waits for less. `slots` conversations are
        answered at the same time and share `context` tokens. A health check comes every `check_interval`
        seconds and may take as long; three without an answer mean that the process hangs.
        """
        self._model = model
        self._prefixes = prefixes
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._threads = threads or max(1, cores // 2)
        self._reading_threads = threads or cores
        # With a thread on every core, one that spins at a barrier keeps the one it waits for from running.
        self._spin = self._reading_threads < max(2, cores)
        self._context = context
        self._slots = slots
        self._check_interval = check_interval
        self._key = ""
        self._endpoint: Endpoint | None = None
        self._child: _Child | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._healthy = False

    async def start(self) -> Endpoint:
        """Start the server and return once it answers requests.

        Raises `LanguageEngineError` where the file is missing or damaged, or the server does not come up in time;
        then, as after a cancellation, no process is left.
        """
        if self._supervisor is not None:
            raise RuntimeError("the language engine is started already")
        if not self._model.is_file():
            raise LanguageEngineError(f"no file {self._model}: check the path in your settings")
        if self._prefixes is not None:
            self._prefixes.mkdir(parents=True, exist_ok=True)
        self._key = secrets.token_urlsafe(32)
        self._child = await self._launch(port=0)
        self._endpoint = Endpoint(
            url=f"http://127.0.0.1:{self._child.port}/v1",
            api_key=self._key,
            model=self._model.stem,
            context=self._context // self._slots,
            slots=self._slots,
            needs_examples=self._model.stat().st_size < SMALL_MODEL_BYTES,
            adapt=with_forced_call,
        )
        self._healthy = True
        self._supervisor = asyncio.create_task(self._supervise(self._child.port), name="language engine")
        return self._endpoint

    async def stop(self) -> None:
        """End the server; it is killed where it does not end within 3 s. May be called at any time, repeatedly.

        When cancelled, the process is killed without waiting for its end.
        """
        supervisor, self._supervisor = self._supervisor, None
        self._healthy = False
        try:
            if supervisor is not None:
                supervisor.cancel()
                await asyncio.wait({supervisor})
        finally:
            await self._end_child()
            self._endpoint = None

    @property
    def endpoint(self) -> Endpoint:
        """The server's address, the same until `stop`. Raises `RuntimeError` where the engine is not started."""
        if self._endpoint is None:
            raise RuntimeError("the language engine is not started")
        return self._endpoint

    @property
    def healthy(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self._healthy

    async def _supervise(self, port: int) -> None:
        delay = _SHORTEST_DELAY_SECONDS
        while True:
            began = time.monotonic()
            try:
                if self._child is None:
                    self._child = await self._launch(port)
                    self._healthy = True
                problem = await self._watch(self._child)
            except LanguageEngineError as error:
                problem = str(error)
            self._healthy = False
            await self._end_child()
            if time.monotonic() - began >= _STEADY_SECONDS:
                delay = _SHORTEST_DELAY_SECONDS
            logger.error(f"The language engine failed and is started again in {delay:g} s: {problem}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY_SECONDS)

    async def _launch(self, port: int) -> "_Child":
        began = time.monotonic()
        environment = os.environ | {"LLAMA_API_KEY": self._key}
        if not self._spin:
            environment.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            limit = _START_SECONDS + self._model.stat().st_size / _SLOW_DISK_BYTES_PER_SECOND
            child = await _Child.start(self._command(port), environment, limit)
        except (LanguageEngineError, OSError) as error:
            raise LanguageEngineError(f"{self._model} cannot be served: {error}") from None
        logger.info(
            f"The language engine serves {self._model.name} on port {child.port}, with {self._threads} threads, "
            f"after {time.monotonic() - began:.1f} s"
        )
        return child

    def _command(self, port: int) -> list[str]:
        # By path and with -P, so that neither our folders nor the current one can shadow what it imports.
        return [
            *(sys.executable, "-P", str(_PROGRAM)),
            *("--model", str(self._model.absolute())),
            *("--template", str(_TEMPLATE)),
            *("--port", str(port)),
            *("--threads", str(self._threads)),
            *("--reading-threads", str(self._reading_threads)),
            *("--context", str(self._context)),
            *("--slots", str(self._slots)),
            *(("--prefixes", str(self._prefixes.absolute())) if self._prefixes else ()),
        ]

    async def _watch(self, child: "_Child") -> str:
        """Return what is wrong, once `child` has ended or missed several health checks."""
        missed = 0
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}", "Connection": "close"},
            timeout=self._check_interval,
            trust_env=False,
        ) as client:
            while missed < _MISSED_CHECKS:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._check_interval):
                        return f"its process ended with exit code {await child.wait()}; {child.last_words}"
                self._healthy = await _answers(client, child.port)
                missed = 0 if self._healthy else missed + 1
        return f"it did not answer {missed} health checks; {child.last_words}"

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.end()
            self._child = None


class _Child:
    """The server's process. It ends with this object's pipes, so it never outlives this process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self._process = process
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._first_error: str | None = None
        self._reader = asyncio.create_task(self._read_log(), name="language engine's log")

    @classmethod
    async def start(cls, command: list[str], environment: dict[str, str], limit: float) -> Self:
        """Start `command` and wait up to `limit` seconds for its line of JSON. Raises `LanguageEngineError`."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            # An interrupt typed at the terminal is for the parent, which then ends its child in order.
            start_new_session=True,
        )
        child = cls(process)
        try:
            async with asyncio.timeout(limit):
                child.port = await child._ready()
        except TimeoutError:
            await child.end()
            raise LanguageEngineError(f"it did not load in {limit:.0f} s; name a smaller model") from None
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def last_words(self) -> str:
        """The last lines that it logged, as one."""
        return f"its last lines: {' | '.join(self._lines)}" if self._lines else "it logged nothing"

    async def wait(self) -> int:
        """Wait for its end and return the exit code, or the negative number of the signal."""
        code = await self._process.wait()
        await asyncio.wait({self._reader})
        return code

    async def end(self) -> None:
        """Terminate it, kill it after a while, and wait for its end. A cancellation kills it at once."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TERMINATE_SECONDS):
                    self._signal_termination()
                    await self._process.wait()
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        await self.wait()

    async def _ready(self) -> int:
        """Wait until it serves and return its port."""
        assert self._process.stdout is not None
        if line := await self._process.stdout.readline():
            return int(json.loads(line)["port"])
        await self.wait()
        raise LanguageEngineError(f"{self._first_error or self.last_words}; fetch it again or name another")

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
        logger.debug(f"llama.cpp: {line}")
        self._lines.append(line)
        if self._first_error is None and (error := _ERROR_LINE.fullmatch(line)):
            self._first_error = error["text"]


async def _answers(client: httpx.AsyncClient, port: int) -> bool:
    try:
        response = await client.get(f"http://127.0.0.1:{port}/metrics")
    except httpx.HTTPError:
        return False
    return response.is_success
