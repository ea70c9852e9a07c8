"""`passfel engine`: runs the engine, says how it fares, and tells the assistant to leave it alone or use it again."""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
from loguru import logger
from pydantic import SecretStr

from pipeline.budget.catalogue import Catalogue, CatalogueDamaged
from pipeline.budget.command import own_models
from pipeline.budget.detect import Undetected, detect, free_gib
from pipeline.budget.starting import DoesNotFit, prepare
from pipeline.engines.capabilities import Capabilities
from pipeline.engines.endpoint import Endpoint
from pipeline.engines.engine_state import EngineRecord, EngineRunning, EngineState
from pipeline.engines.probe import probe
from pipeline.engines.supervision import LanguageEngineError
from pipeline.engines.vllm import VllmEngine
from pipeline.settings.engine import Engine

PATH = "/v1/engine"
"""Where an assistant tells how its language model fares; `/drain` and `/resume` below it are posted to."""

ANSWER_SECONDS = 5.0
"""What an assistant may take to answer."""
DRAIN_SECONDS = 120.0
"""How long `drain` waits for answers that have begun."""
_LOOK_SECONDS = 0.5


class EngineCommandFailed(Exception):  # noqa: N818 - reads as what happened
    """A command could not do what it was asked; the message is one line and says what to do."""


class Settings(Protocol):
    """What the commands need of the settings."""

    @property
    def data_dir(self) -> Path:
        """Where the engine's state is kept."""

    @property
    def token(self) -> SecretStr | None:
        """What the assistant asks callers for."""

    @property
    def engine(self) -> Engine:
        """What is started."""


def add_commands(commands: Any, address: Callable[[Any], str]) -> None:
    """Add `engine` to a parser's subcommands. `address` tells from the settings where the assistant is reached.

    Each command takes the settings and the options and returns the exit status, or raises `EngineCommandFailed`.
    """
    engine = commands.add_parser(
        "engine",
        help="run vLLM, and take it out of use for maintenance",
        description="Run the language model with vLLM, see how it fares, or take it out of use for maintenance.",
    )
    actions = engine.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, helps: str, command: Callable[[Settings, argparse.Namespace], int]) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, help=helps, description=f"{helps[0].upper()}{helps[1:]}."
        )
        parser.set_defaults(command=command)
        return parser

    starting = add(
        "start",
        "run vLLM with the settings' engine until Ctrl-C",
        lambda chosen, options: start(chosen, auto=options.auto, planned=not options.unplanned),
    )
    starting.set_defaults(runs_on=True)
    planning = starting.add_mutually_exclusive_group()
    planning.add_argument(
        "--auto", action="store_true", help="take the model that fits best where the one set does not"
    )
    planning.add_argument("--unplanned", action="store_true", help="start as the settings say, whether it fits or not")
    add("status", "say how the engine fares", lambda chosen, _: status(chosen, address(chosen)))
    drain_parser = add(
        "drain",
        "have the assistant ask the engine nothing more, and wait for answers that have begun",
        lambda chosen, options: drain(chosen, address(chosen), wait=options.wait),
    )
    drain_parser.add_argument(
        "--wait", type=float, default=DRAIN_SECONDS, metavar="SECONDS", help="how long at most (%(default)g)"
    )
    add("resume", "have the assistant ask the engine again", lambda chosen, _: resume(chosen, address(chosen)))


def start(chosen: Settings, *, auto: bool = False, planned: bool = True) -> int:
    """Run vLLM in the foreground until SIGINT or SIGTERM, with what the plan makes of the settings."""
    engine = _planned(chosen, auto=auto) if planned else chosen.engine
    if engine.model is None:
        raise EngineCommandFailed(
            "no model to start: set engine.model to a folder or a name on the hub; passfel plan recommends one, and "
            "passfel engine start --auto takes it"
        )
    try:
        asyncio.run(_run(engine, EngineRecord(chosen.data_dir)))
    except asyncio.CancelledError:
        print("Ended.")
    except (LanguageEngineError, EngineRunning) as error:
        raise EngineCommandFailed(str(error)) from None
    except OSError as error:
        raise EngineCommandFailed(f"{chosen.data_dir}: {error.strerror or error}: set data_dir") from None
    return 0


def _planned(chosen: Settings, *, auto: bool) -> Engine:
    on_cpu = chosen.engine.device == "cpu"
    try:
        catalogue = Catalogue.load(own_models(chosen))
        machine, free = detect(catalogue, cpu=on_cpu), free_gib(cpu=on_cpu)
        started = prepare(chosen.engine, catalogue, machine, free=free, auto=auto)
    except (CatalogueDamaged, DoesNotFit) as error:
        raise EngineCommandFailed(str(error)) from None
    except Undetected as error:
        print(f"Started without a plan: {error}", flush=True)
        return chosen.engine
    if started is None:
        return chosen.engine
    print(started.note, flush=True)
    return started.settings


async def _run(settings: Engine, record: EngineRecord) -> None:
    """Serve until cancelled, which a signal does; then no process is left, and no record."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with record.held():
        noted = _Noted(record, settings)
        engine = VllmEngine(settings, on_change=noted.change)
        print(f"vLLM loads {settings.name}; this takes a while, Ctrl-C ends it", flush=True)
        try:
            endpoint = await engine.start()
            noted.serving(endpoint)
            print(f"Serving at {endpoint.url}", flush=True)
            # It also warms the engine: the first grammar takes seconds.
            capabilities = await probe(endpoint)
            noted.able(capabilities)
            print(capabilities.summary(), flush=True)
            await asyncio.Event().wait()
        finally:
            await engine.stop()


class _Noted:
    """Keeps the record up to date."""

    def __init__(self, record: EngineRecord, settings: Engine) -> None:
        self._record = record
        self._state = EngineState(settings.name, os.getpid(), sequences=settings.sequences, problem="it is loading")
        record.write(self._state)

    def serving(self, endpoint: Endpoint) -> None:
        """Note where it is reached."""
        self._note(
            url=endpoint.url,
            api_key=endpoint.api_key,
            context=endpoint.context,
            calls_tools=endpoint.calls_tools,
            reasons=endpoint.reasons,
        )

    def able(self, capabilities: Capabilities) -> None:
        """Note what it can do."""
        self._note(context=capabilities.context or self._state.context, summary=capabilities.summary())

    def change(self, healthy: bool, problem: str | None) -> None:
        """Note how it fares."""
        self._note(healthy=healthy, problem=problem or "")

    def _note(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        try:
            self._record.write(self._state)
        except OSError as error:
            # A full disk is no reason to end an engine that serves.
            logger.warning(f"Others see an old state of the engine: {error}")


def status(chosen: Settings, address: str) -> int:
    """Say how the engine and its use by the assistant at `address` fare; 0 where both are well."""
    state = EngineRecord(chosen.data_dir).read()
    if state is not None:
        well, lines = state.healthy, _described(state)
    elif chosen.engine.model is not None:
        well, lines = False, [f"{chosen.engine.name} is not running: passfel engine start"]
    else:
        well, lines = True, ["none of its own: engine.model is not set"]
    told = [("engine", lines[0]), *(("", line) for line in lines[1:])]
    try:
        use = _ask(chosen, address, "GET", PATH)
    except EngineCommandFailed as error:
        told.append(("assistant", str(error)))
    else:
        well = well and not use.get("failing")
        told.append(("assistant", _use(use)))
        if isinstance(memory := use.get("memory"), Mapping):
            free = f"{memory.get('free')} of {memory.get('limit')} GiB are free"
            told.append(("memory", f"{free}; given up to save it: {memory.get('shed')}"))
    for name, text in told:
        print(f"{name:9}  {text}")
    return 0 if well else 1


def drain(chosen: Settings, address: str, *, wait: float = DRAIN_SECONDS) -> int:
    """Have the assistant ask the engine nothing more; 0 once no answer runs, 1 where some still do after `wait` s."""
    use = _ask(chosen, address, "POST", f"{PATH}/drain")
    print(_use(use), flush=True)
    until = time.monotonic() + wait
    while use.get("running") and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        use = _ask(chosen, address, "GET", PATH)
        if not use.get("draining"):
            raise EngineCommandFailed("somebody resumed the engine meanwhile")
    if running := use.get("running"):
        print(f"{running} answers still run; passfel engine status tells when they have ended")
        return 1
    print("Nothing runs: the engine can be ended. Afterwards: passfel engine resume")
    return 0


def resume(chosen: Settings, address: str) -> int:
    """Have the assistant ask the engine again."""
    print(_use(_ask(chosen, address, "POST", f"{PATH}/resume")))
    return 0


def _described(state: EngineState) -> list[str]:
    where = f"{state.model} at {state.url}" if state.url else state.model
    lines = [f"{where}: {'well' if state.healthy else state.problem or 'it does not answer'} (process {state.process})"]
    return [*lines, state.summary] if state.summary else lines


def _use(use: Mapping[str, Any]) -> str:
    """Say what an assistant tells of its engine."""
    words = "asks the engine nothing" if use.get("draining") else "asks the engine"
    if use.get("failing"):
        words += ", which has been failing"
    return f"{words}; {use.get('running', 0)} answers run, {use.get('waiting', 0)} wait"


def _ask(chosen: Settings, address: str, method: str, path: str) -> Mapping[str, Any]:
    """Ask the assistant. Raises `EngineCommandFailed`."""
    headers = {"Authorization": f"Bearer {chosen.token.get_secret_value()}"} if chosen.token else {}
    try:
        answer = httpx.request(method, f"{address}{path}", headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise EngineCommandFailed(f"no assistant answers at {address}: passfel serve starts it") from None
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise EngineCommandFailed(f"the assistant at {address} wants another token: correct token in the settings")
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise EngineCommandFailed(f"the assistant at {address} is still loading: try again in a few seconds")
    try:
        use = answer.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        use = None
    if not isinstance(use, dict):
        raise EngineCommandFailed(
            f"what answers at {address} is no PASSFEL of this version (status {answer.status_code})"
        )
    return use
