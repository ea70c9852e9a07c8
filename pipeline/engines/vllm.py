"""vLLM as the engine: started with what `pipeline.engines.vllm_arguments` makes of the settings, and supervised."""

import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.families import family_of
from pipeline.engines.served import ServedEngine
from pipeline.engines.supervision import LanguageEngineError, Program
from pipeline.engines.vllm_arguments import MODULE, arguments
from pipeline.settings.engine import Engine

__all__ = ["VllmEngine", "explain", "with_strict_tools"]

_GUARDIAN = Path(__file__).with_name("guardian.py")
# The guardian is given longer than the server, which it kills when its time is up.
_GUARDIAN_SECONDS = 5.0

_SMALLER = "lower engine.kv_cache_bytes, engine.context or engine.sequences, or name a smaller model"
# The first that matches a line says what is wrong. The groups are vLLM's own words.
_PROBLEMS = (
    (r"guardian: (?P<what>port .+)", "{what}: stop that, or set engine.port"),
    (r"guardian: (?P<what>.+ cannot be run: .+)", "{what}: correct engine.python"),
    (r"guardian: (?P<what>it ended .+ memory ran out)", "{what}: " + _SMALLER),
    (r"guardian: (?P<what>it ended .+)", "{what}"),
    (r"No module named '?vllm\b", "vLLM is not installed there: set engine.python to an environment that has it"),
    (r"unrecognized arguments: (?P<what>.+)", "this vLLM knows no {what}: correct engine.arguments"),
    (r"error: argument (?P<what>.+)", "{what}: correct engine.arguments"),
    (r"invalid tool call parser: (?P<what>\S+)", "this vLLM has no tool parser {what}: correct engine.tool_parser"),
    (r"[Rr]easoning parser:? '?(?P<what>[^' ]+)'? (not found|\()",
     "this vLLM has no reasoning parser {what}: correct engine.reasoning_parser"),
    (r"(?P<what>Invalid repository ID or local directory|.+is not a local folder and is not a valid model identifier)",
     "there is no such model on this machine nor on the hub: correct engine.model"),
    (r"(?P<what>LocalEntryNotFoundError|couldn't connect to .+huggingface|Failed to resolve|OfflineModeIsEnabled)",
     "the model is not on this machine and the hub cannot be reached: connect once, or set engine.model to a folder"),
    (r"Free memory on device [^(]*\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\)",
     "only {free} of {total} GiB are free: lower engine.memory_utilization, or end what takes the memory"),
    (r"Available memory on node \d+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\)",
     "only {free} of {total} GiB are free: lower engine.kv_cache_bytes or engine.memory_utilization"),
    (r"No available memory for the cache blocks",
     "the weights leave no memory for conversations: raise engine.memory_utilization, or name a smaller model"),
    (r"larger than the available KV cache memory \((?P<free>[\d.]+) GiB\)",
     "a conversation as long as engine.context does not fit in {free} GiB: lower it, or raise engine.kv_cache_bytes"),
    (r"OutOfMemoryError|out of memory|Cannot allocate memory|std::bad_alloc", "memory ran out: " + _SMALLER),
    (r"is greater than the derived max_model_len \(\w+=(?P<most>\d+)",
     "the model's longest conversation has {most} tokens: lower engine.context"),
    (r"(^|\) )(?P<what>(?!RuntimeError: Engine core init)\w*(Error|Exception): .{1,300})",
     "{what} (log_level DEBUG shows all of its log)"),
)  # fmt: skip
_COMPILED = [(re.compile(pattern), advice) for pattern, advice in _PROBLEMS]


def explain(line: str) -> str | None:
    """Tell what is wrong and what to do, if a line of vLLM's log says so."""
    for pattern, advice in _COMPILED:
        if found := pattern.search(line):
            return advice.format(**found.groupdict())
    return None


def with_strict_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a chat completion request so that vLLM holds the arguments of every call to their schema.

    Version 0.32 does so only for functions that are `strict`; the others' arguments, and even whether a required call
    comes, are left to the model. The grammars cost no time that could be measured. A request without tools is
    returned as it is.
    """
    if not request.get("tools"):
        return dict(request)
    return {
        **request,
        "tools": [{**tool, "function": {**tool["function"], "strict": True}} for tool in request["tools"]],
    }


class VllmEngine(ServedEngine):
    """Serves one model with vLLM, whose processes all end with it."""

    def __init__(
        self,
        engine: Engine,
        *,
        check_interval: float = 10.0,
        grace: float = 10.0,
        on_change: Callable[[bool, str | None], None] = lambda _healthy, _problem: None,
    ) -> None:
        """Take the settings, whose model must be set.

        A health check comes every `check_interval` seconds. After `grace` seconds a server that was told to end is
        killed. `on_change` is told `healthy` and `problem` whenever they have changed.
        """
        if engine.model is None:
            raise ValueError("an engine without a model cannot be started")
        super().__init__(check_interval=check_interval, on_change=on_change)
        self._engine = engine
        self._grace = grace

    async def start(self) -> Endpoint:
        """Start the server and return once it answers requests, which takes from half a minute to many.

        Raises `LanguageEngineError`; then, as after a cancellation, no process is left.
        """
        engine = self._engine
        python = engine.python or Path(sys.executable)
        _demand_files(engine, python)
        program = self._program(python, secrets.token_urlsafe(32))
        self._endpoint = Endpoint(
            url=await self._serve(program, engine.port),
            api_key=program.key,
            model=engine.name,
            context=engine.context,
            calls_tools=engine.tool_parser is not None,
            reasons=family_of(engine.name).reasons,
            adapt=with_strict_tools,
        )
        return self._endpoint

    def _program(self, python: Path, key: str) -> Program:
        # With -P, so that nothing in the current folder can shadow what vLLM imports.
        server = [str(python), "-P", "-m", MODULE, "--host", "127.0.0.1", "--port", "{port}", *arguments(self._engine)]
        guardian = [sys.executable, "-P", str(_GUARDIAN), "--health", "/health", "--grace", str(self._grace)]
        # Nothing phones home: vLLM reports what it serves unless told not to.
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return Program(
            name="vLLM",
            log_name="vLLM",
            serves=self._engine.name,
            command=lambda port: [*guardian, "--port", str(port), "--", *server],
            environment=os.environ | quiet | {"VLLM_API_KEY": key},
            key=key,
            health="/health",
            start_seconds=self._engine.start_seconds,
            stop_seconds=self._grace + _GUARDIAN_SECONDS,
            explain=explain,
            too_slow="raise engine.start_seconds, or name a smaller model",
            broken="log_level DEBUG shows all of it",
        )


def _demand_files(engine: Engine, python: Path) -> None:
    if not python.is_file():
        raise LanguageEngineError(f"no file {python}: set engine.python to the Python that vLLM is installed for")
    model = engine.model or ""
    # A name on the hub has at most one stroke, and none at its beginning.
    is_path = model.startswith((".", "~", "/")) or model.count("/") > 1
    if is_path and not Path(model).expanduser().is_dir():
        raise LanguageEngineError(f"no folder {model}: set engine.model to a folder or a name on the hub")
    for file in (engine.chat_template, engine.tool_parser_plugin):
        if file is not None and not file.is_file():
            raise LanguageEngineError(f"no file {file}: correct the settings of the engine")
