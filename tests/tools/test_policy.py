from dataclasses import replace
from typing import Any

from tests.tools.calling import ALL, context
from tools.executor import Executor
from tools.outcomes import Outcome, Status
from tools.policy import Policy
from tools.tool import Context, Effect, Result, tool


async def open_gate(context: Context, name: str = "gate") -> Result:
    """Open the gate."""
    return Result(f"The {name} is open.")


async def call(policy: Policy, *, person: str | None = None, room: str | None = None, **options: Any) -> Outcome:
    executor = Executor([tool(open_gate, effect=Effect.CONTROL, **options)], policy=policy)
    return await executor.call("open_gate", {}, replace(context(), person=person, room=room), allowed=ALL)


async def test_what_is_forbidden_is_refused_without_a_question() -> None:
    outcome = await call(Policy(forbid=frozenset({"open_gate"})), question=lambda _: "Really?")
    assert (outcome.status, outcome.say) == (Status.FAILED, "Sorry, that is not allowed in this house.")


async def test_what_is_to_be_confirmed_is_asked() -> None:
    outcome = await call(Policy(confirm=frozenset({"open_gate"})))
    assert (outcome.status, outcome.say) == (Status.UNCONFIRMED, "Shall I really do this: open gate, name gate?")


async def test_only_some_people_may() -> None:
    policy = Policy(people={"open_gate": ["Ana"]})
    assert (await call(policy, person="ana")).status is Status.DONE
    assert (await call(policy, person="bob")).status is Status.FAILED
    assert (await call(policy)).status is Status.FAILED


async def test_only_from_some_rooms() -> None:
    policy = Policy(rooms={"open_gate": ["hall"]})
    assert (await call(policy, room="Hall")).status is Status.DONE
    assert (await call(policy, room="kitchen")).say == "Sorry, that is not allowed from here."
    assert (await call(policy)).status is Status.FAILED


async def test_a_tool_without_a_rule_stays_as_it_is() -> None:
    policy = Policy(forbid=frozenset({"something_else"}), confirm=frozenset({"another"}))
    assert (await call(policy)).say == "The gate is open."
