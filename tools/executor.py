"""Runs tools: checks arguments, keeps time limits and policy, and does nothing twice.

A call is known by its key: conversation, turn, tool and arguments. Whoever makes the same call again, after an
interruption, a retry or a repeated answer of the model, gets the outcome of the first one. A tool that acts is never
stopped half-way by its caller's cancellation: it ends in the executor's care and its outcome is kept.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loguru import logger
from pydantic import ValidationError

from tools.outcomes import MemoryOutcomes, Outcome, Outcomes, Status
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain

CONFIRM_WITHIN: Final = 60.0
"""Seconds in which a yes still belongs to the question."""
CLOSE_LIMIT: Final = 5.0
"""Seconds that tools at work get to finish when the house stops."""
_WENT_WRONG: Final = "Sorry, that went wrong."
_TOO_SLOW: Final = "Sorry, that took too long."
_LEFT: Final = "All right, I left it."


@dataclass(frozen=True, slots=True)
class _Pending:
    outcome: Outcome
    asked: float


class Executor:
    """Holds the tools of the house, in an order that never changes. Used from one event loop.

    Args:
        outcomes: remembers what has been done.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        outcomes: Outcomes | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            raise ValueError("two tools have the same name")
        self._outcomes = outcomes or MemoryOutcomes()
        self._clock = clock
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._pending: dict[str, _Pending] = {}

    def tools(self, effects: Collection[Effect]) -> list[Tool]:
        """The tools with these effects."""
        return [tool for tool in self._tools.values() if tool.effect in effects]

    async def call(
        self, name: str, arguments: str | Mapping[str, Any], context: Context, *, allowed: Collection[Effect]
    ) -> Outcome:
        """Run a tool, or say why not. Raises nothing of its own.

        A caller who is cancelled stops a tool that only tells; one that acts goes on.

        Args:
            arguments: a JSON object, parsed or not.
            allowed: what the caller's tools may do.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(each.name for each in self.tools(allowed))
            return Outcome("", name, {}, Status.INVALID, f"There is no tool {name!r}. There are: {known}.")
        try:
            checked = _check(tool, arguments)
        except TryAgain as error:
            return Outcome("", name, {}, Status.INVALID, str(error))
        key = _key(context, name, checked)
        if tool.effect not in allowed:
            outcome = Outcome(key, name, checked, Status.REFUSED, "Sorry, that is not allowed from here.")
            _note(tool, context, outcome)
            return outcome
        if (done := await self._outcomes.get(key)) is not None:
            return done
        if tool.question is not None:
            outcome = Outcome(key, name, checked, Status.UNCONFIRMED, tool.question(checked))
            self._pending[context.conversation] = _Pending(outcome, self._clock())
            _note(tool, context, outcome)
            return outcome
        return await self._run(tool, checked, context, key)

    def pending(self, conversation: str) -> Outcome | None:
        """The call that waits for this conversation's yes."""
        pending = self._pending.get(conversation)
        if pending is None or self._clock() - pending.asked > CONFIRM_WITHIN:
            self._pending.pop(conversation, None)
            return None
        return pending.outcome

    async def confirm(self, conversation: str, context: Context, *, yes: bool) -> Outcome | None:
        """Make the call that waits, or forget it; None where none does."""
        waiting = self.pending(conversation)
        if waiting is None:
            return None
        del self._pending[conversation]
        if not yes:
            return Outcome(waiting.key, waiting.tool, waiting.arguments, Status.REFUSED, _LEFT)
        return await self._run(self._tools[waiting.tool], waiting.arguments, context, waiting.key)

    async def close(self) -> None:
        """Let tools at work finish for a moment, then stop them."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=CLOSE_LIMIT)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _run(self, tool: Tool, arguments: Mapping[str, Any], context: Context, key: str) -> Outcome:
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._finish(tool, arguments, context, key), name=f"tool {tool.name}")
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        acts = tool.effect in (Effect.CONTROL, Effect.SECURE)
        return await (asyncio.shield(task) if acts else task)

    async def _finish(self, tool: Tool, arguments: Mapping[str, Any], context: Context, key: str) -> Outcome:
        status, result = await _attempt(tool, arguments, context)
        outcome = Outcome(key, tool.name, arguments, status, result.say, result.data)
        # What only tells may be asked again: the time has gone on, and a failure may have passed.
        if tool.effect in (Effect.CONTROL, Effect.SECURE) and status is Status.DONE:
            await self._outcomes.put(outcome)
        _note(tool, context, outcome)
        return outcome


async def _attempt(tool: Tool, arguments: Mapping[str, Any], context: Context) -> tuple[Status, Result]:
    try:
        async with asyncio.timeout(tool.seconds):
            return Status.DONE, await tool.run(context, **arguments)
    except TryAgain as error:
        return Status.INVALID, Result(str(error))
    except Failed as error:
        return Status.FAILED, Result(str(error))
    except TimeoutError:
        return Status.FAILED, Result(_TOO_SLOW)
    except Exception as error:  # noqa: BLE001 - a tool's fault must not end the conversation
        logger.opt(exception=error).error(f"the tool {tool.name} is broken")
        return Status.FAILED, Result(_WENT_WRONG)


def _check(tool: Tool, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    """Check arguments and fill in defaults. Raises `TryAgain` with words that a model can repair them from."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except json.JSONDecodeError as error:
            raise TryAgain(f"The arguments of {tool.name} are not valid JSON: {error}.") from None
    if not isinstance(arguments, Mapping):
        raise TryAgain(f"The arguments of {tool.name} have to be a JSON object.")
    try:
        checked = tool.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise TryAgain(f"The arguments of {tool.name} are wrong. {'; '.join(problems)}.") from None
    return checked.model_dump()


def _key(context: Context, name: str, arguments: Mapping[str, Any]) -> str:
    said = json.dumps([context.conversation, context.turn, name, arguments], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _note(tool: Tool, context: Context, outcome: Outcome) -> None:
    """The audit record: who, what, outcome, but no arguments, which may hold what is private."""
    logger.info(f"{context.person or context.device} called {tool.name}: {outcome.status.value}")
