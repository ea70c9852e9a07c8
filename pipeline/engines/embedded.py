"""The embedded language model: llama.cpp in a process of its own, watched and started again when it fails."""

import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.served import ServedEngine
from pipeline.engines.supervision import LanguageEngineError, Program

__all__ = ["SMALL_MODEL_BYTES", "EmbeddedLanguageEngine", "LanguageEngineError", "with_forced_call"]

_PROGRAM = Path(__file__).with_name("llama_server.py")
_TEMPLATE = Path(__file__).with_name("chat_template.jinja")

# Loading is bounded by the disk: this long for anything, and the time a slow card takes to read the file.
_START_SECONDS = 30.0
_SLOW_DISK_BYTES_PER_SECOND = 20e6
_STOP_SECONDS = 3.0

SMALL_MODEL_BYTES = 1_000_000_000
"""A file smaller than this holds a model that follows examples better than rules."""

_BROKEN = "fetch it again or name another"
# llama.cpp begins a line with its running time and a letter for the level.
_ERROR_LINE = re.compile(r"[\d.]+ E (?P<text>.*)")


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


class EmbeddedLanguageEngine(ServedEngine):
    """Serves one GGUF model. The process has nothing to save, so it is killed where it does not end within 3 s."""

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

        `prefixes` is the folder where `pipeline.engines.prefixes` keeps computed prompts; without one it keeps none.

        `threads` write an answer; 0 takes half of the cores, because llama.cpp's threads wait for each other after
        every operation: on cores that speech needs too, more threads are slower by far. All cores, or `threads`, read
        a prompt, which is work in larger pieces and waits for less. `slots` conversations are
        answered at the same time and share `context` tokens. A health check comes every `check_interval`
        seconds and may take as long; three without an answer mean that the process hangs.
        """
        super().__init__(check_interval=check_interval)
        self._model = model
        self._prefixes = prefixes
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._threads = threads or max(1, cores // 2)
        self._reading_threads = threads or cores
        # With a thread on every core, one that spins at a barrier keeps the one it waits for from running.
        self._spin = self._reading_threads < max(2, cores)
        self._context = context
        self._slots = slots

    async def start(self) -> Endpoint:
        """Start the server and return once it answers requests.

        Raises `LanguageEngineError` where the file is missing or damaged, or the server does not come up in time;
        then, as after a cancellation, no process is left.
        """
        if not self._model.is_file():
            raise LanguageEngineError(f"no file {self._model}: check the path in your settings")
        if self._prefixes is not None:
            self._prefixes.mkdir(parents=True, exist_ok=True)
        program = self._program(secrets.token_urlsafe(32))
        self._endpoint = Endpoint(
            url=await self._serve(program),
            api_key=program.key,
            model=self._model.stem,
            context=self._context // self._slots,
            slots=self._slots,
            needs_examples=self._model.stat().st_size < SMALL_MODEL_BYTES,
            adapt=with_forced_call,
        )
        return self._endpoint

    def _program(self, key: str) -> Program:
        environment = os.environ | {"LLAMA_API_KEY": key}
        if not self._spin:
            environment.setdefault("OMP_WAIT_POLICY", "passive")
        return Program(
            name="The language engine",
            log_name="llama.cpp",
            serves=str(self._model),
            command=self._command,
            environment=environment,
            key=key,
            # Unlike /health, this answers through the queue of the thread that computes, so it shows when that hangs.
            health="/metrics",
            start_seconds=_START_SECONDS + self._model.stat().st_size / _SLOW_DISK_BYTES_PER_SECOND,
            stop_seconds=_STOP_SECONDS,
            explain=_error_in,
            too_slow="name a smaller model",
            broken=_BROKEN,
        )

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


def _error_in(line: str) -> str | None:
    error = _ERROR_LINE.fullmatch(line)
    return f"{error['text']}; {_BROKEN}" if error else None
