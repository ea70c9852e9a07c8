"""Runs tools: checks arguments, keeps time limits and policy, and does nothing twice.

A call is known by its key: conversation, turn, tool and arguments. Whoever makes the same call again, after an
interruption, a retry or a repeated answer of the model, gets the outcome of the first one. A tool is not stopped by
its caller's cancellation: it ends in the executor's care, and what an acting one came to is kept.

What a tool returns is data, but a model may take it for an order. So once words from outside the house were read in a
turn, whatever acts is confirmed aloud in that turn.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from loguru import logger
from pydantic import ValidationError

from tools.outcomes import MemoryOutcomes, Outcome, Outcomes, Status
from tools.policy import Policy
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain

CONFIRM_WITHIN: Final = 60.0
"""Seconds in which a yes still belongs to the question."""
MOST_QUOTING: Final = 256
"""Conversations whose latest turn with words from outside is remembered."""
CLOSE_LIMIT: Final = 5.0
"""Seconds that tools at work get to finish when the house stops."""
_WENT_WRONG: Final = "Sorry, that went wrong."
_TOO_SLOW: Final = "Sorry, that took too long."
_LEFT: Final = "All right, I left it."
_ACTING: Final = (Effect.CONTROL, Effect.SECURE)

Watcher = Callable[[str, Outcome | None], None]
"""Told of a conversation's calls: the tool's name as one begins, and again with what came of it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    outcome: Outcome
    asked: float


@dataclass(frozen=True, slots=True)
class _Running:
    tool: Tool
    task: asyncio.Task[Outcome]


@dataclass(frozen=True, slots=True)
class _Attempt:
    status: Status
    result: Result
    settled: bool
    """It has acted, or may have: the same call must not run again."""


class Executor:
    """Holds the tools of the house, in an order that never changes. Used from one event loop.

    Args:
        outcomes: remembers what has been done.
        policy: what the household allows.
        on_call: told of each call, of what came of it, and of the seconds that it took.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        outcomes: Outcomes | None = None,
        *,
        policy: Policy | None = None,
        on_call: Callable[[Context, Outcome, float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rules = policy or Policy()
        self._tools = {tool.name: rules.over(tool) for tool in tools}
        if len(self._tools) < len(tools):
            raise ValueError("two tools have the same name")
        self._outcomes = outcomes or MemoryOutcomes()
        self._on_call = on_call
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._pending: dict[str, _Pending] = {}
        self._quoting: dict[str, str] = {}
        self._watchers: dict[str, Watcher] = {}

    @contextmanager
    def watched(self, conversation: str, watcher: Watcher) -> Iterator[None]:
        """Tell somebody of this conversation's calls until the context ends."""
        self._watchers[conversation] = watcher
        try:
            yield
        finally:
            del self._watchers[conversation]

    def tools(self, effects: Collection[Effect]) -> list[Tool]:
        """The tools with these effects."""
        return [tool for tool in self._tools.values() if tool.effect in effects]

    async def call(
        self, name: str, arguments: str | Mapping[str, Any], context: Context, *, allowed: Collection[Effect]
    ) -> Outcome:
        """Run a tool, or say why not. Raises nothing of its own.

        A caller who is cancelled stops nothing: the tool goes on, and the same call again waits for it.

        Args:
            arguments: a JSON object, parsed or not.
            allowed: what the caller's tools may do.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(each.name for each in self.tools(allowed))
            said = f"There is no tool {name!r}. There are: {known}."
            return self._noted(context, Outcome("", name, {}, Status.INVALID, said))
        try:
            checked = _check(tool, arguments)
        except TryAgain as error:
            return self._noted(context, Outcome("", name, {}, Status.INVALID, str(error)))
        key = _key(context, name, checked)
        if tool.effect not in allowed:
            refusal = Outcome(key, name, checked, Status.REFUSED, "Sorry, that is not allowed from here.")
            return self._noted(context, refusal)
        question = self._question(tool, context, checked)
        if question is not None and key not in self._running:
            return await self._recorded(key, name) or self._ask(question, checked, context, key, name)
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

    def note_quoted(self, context: Context) -> None:
        """Note that words from outside the house are read in this turn: what acts is confirmed aloud then."""
        self._quoting.pop(context.conversation, None)
        self._quoting[context.conversation] = context.turn
        while len(self._quoting) > MOST_QUOTING:
            del self._quoting[next(iter(self._quoting))]

    async def close(self, *, within: float = CLOSE_LIMIT) -> None:
        """Let tools finish for so many seconds, then stop those that only tell; what acts ends by its own limit."""
        running = list(self._running.values())
        if not running:
            return
        await asyncio.wait([each.task for each in running], timeout=within)
        for each in running:
            if each.tool.effect not in _ACTING:
                each.task.cancel()
        await asyncio.wait([each.task for each in running])

    def _question(self, tool: Tool, context: Context, arguments: Mapping[str, Any]) -> str | None:
        question = tool.question(arguments) if tool.question is not None else None
        if question is None and tool.effect in _ACTING and self._quoting.get(context.conversation) == context.turn:
            return _suspicion(tool, arguments)
        return question

    def _ask(
        self,
        question: str,
        arguments: Mapping[str, Any],
        context: Context,
        key: str,
        name: str,
    ) -> Outcome:
        now = self._clock()
        self._pending = {talk: each for talk, each in self._pending.items() if now - each.asked <= CONFIRM_WITHIN}
        outcome = Outcome(key, name, arguments, Status.UNCONFIRMED, question)
        self._pending[context.conversation] = _Pending(outcome, now)
        return self._noted(context, outcome)

    async def _run(self, tool: Tool, arguments: Mapping[str, Any], context: Context, key: str) -> Outcome:
        running = self._running.get(key)
        if running is None:
            task = asyncio.create_task(self._finish(tool, arguments, context, key), name=f"tool {tool.name}")
            running = self._running[key] = _Running(tool, task)
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running.task)

    async def _finish(self, tool: Tool, arguments: Mapping[str, Any], context: Context, key: str) -> Outcome:
        # The record is read here, where only one task has the key: whoever read it before could find it outdated.
        acts = tool.effect in _ACTING
        if acts and (done := await self._recorded(key, tool.name)) is not None:
            return done
        began = self._clock()
        self._tell(context, tool.name, None)
        attempt = await _attempt(tool, arguments, context)
        if tool.quotes:
            self.note_quoted(context)
        outcome = Outcome(key, tool.name, arguments, attempt.status, attempt.result.say, attempt.result.data)
        # What only tells may be asked again: the time has gone on.
        if acts and attempt.settled:
            await self._record(outcome)
        return self._noted(context, outcome, self._clock() - began)

    def _noted(self, context: Context, outcome: Outcome, seconds: float = 0.0) -> Outcome:
        """Write the audit record: tool, device, person, outcome, but no arguments, which may hold what is private."""
        who = f"{context.device}, {context.person}" if context.person else context.device
        # The name of a tool that does not exist is the model's own invention.
        logger.info(f"{outcome.tool[:60]!r} called from {who}: {outcome.status.value}")
        if self._on_call is not None:
            self._on_call(context, outcome, seconds)
        self._tell(context, outcome.tool, outcome)
        return outcome

    def _tell(self, context: Context, name: str, outcome: Outcome | None) -> None:
        if (watcher := self._watchers.get(context.conversation)) is not None:
            watcher(name, outcome)

    async def _recorded(self, key: str, name: str) -> Outcome | None:
        """What this call has come to before. Where that cannot be known, nothing is done: twice would be worse."""
        try:
            return await self._outcomes.get(key)
        except Exception as error:  # noqa: BLE001 - whatever the store's faults are, a conversation goes on
            logger.error(f"what was done before cannot be read, so nothing is done: {error!r}")
            return Outcome(key, name, {}, Status.FAILED, _WENT_WRONG)

    async def _record(self, outcome: Outcome) -> None:
        try:
            await self._outcomes.put(outcome)
        except Exception as error:  # noqa: BLE001 - it was done all the same, and the person is to hear so
            logger.error(f"the outcome of {outcome.tool} could not be recorded: {error!r}")


async def _attempt(tool: Tool, arguments: Mapping[str, Any], context: Context) -> _Attempt:
    try:
        async with asyncio.timeout(tool.seconds):
            return _Attempt(Status.DONE, await tool.run(context, **arguments), settled=True)
    except TryAgain as error:
        return _Attempt(Status.INVALID, Result(str(error)), settled=False)
    except Failed as error:
        data = {} if error.why is None else {"why": error.why}
        return _Attempt(Status.FAILED, Result(str(error), data), settled=False)
    except TimeoutError:
        return _Attempt(Status.FAILED, Result(_TOO_SLOW), settled=True)
    except Exception as error:  # noqa: BLE001 - a tool's fault must not end the conversation
        logger.opt(exception=error).error(f"the tool {tool.name} is broken")
        return _Attempt(Status.FAILED, Result(_WENT_WRONG), settled=True)


def _suspicion(tool: Tool, arguments: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in arguments.items() if value is not None)
    what = f"{tool.name.replace('_', ' ')}, {given}" if given else tool.name.replace("_", " ")
    return f"I was reading what somebody else wrote. Shall I really do this: {what}?"


def _check(tool: Tool, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    """Check arguments and fill in defaults. Raises `TryAgain` with words that a model can repair them from."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise TryAgain(f"The arguments of {tool.name} are not valid JSON: {error}.") from None
    if not isinstance(arguments, Mapping):
        raise TryAgain(f"The arguments of {tool.name} have to be a JSON object.")
    # Small models write null for what they leave out.
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        checked = tool.arguments.model_validate(given).model_dump()
        json.dumps(checked, ensure_ascii=False, default=str).encode()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(_problem(tool, each["type"], each["loc"], each["msg"]) for each in problems)
        raise TryAgain(f"The arguments of {tool.name} are wrong. {said}.") from None
    except UnicodeEncodeError:
        raise TryAgain(f"The arguments of {tool.name} hold half a character.") from None
    return checked


def _problem(tool: Tool, kind: str, place: Sequence[int | str], message: str) -> str:
    field, known = ".".join(map(str, place)), tool.parameters.get("properties", {})
    if kind == "extra_forbidden":
        return f"{field}: there is no such argument, only {', '.join(known) or 'none at all'}"
    if kind == "missing" and field in known:
        expected = known[field]
        choice = " or ".join(map(repr, expected.get("enum", ())))
        return f"{field}: {message}, {choice or expected.get('type', 'a value')}"
    return f"{field or 'arguments'}: {message}"


def _key(context: Context, name: str, arguments: Mapping[str, Any]) -> str:
    said = json.dumps([context.conversation, context.turn, name, arguments], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:32]
