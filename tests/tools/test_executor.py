import asyncio
import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import ALL, context
from tools.executor import CONFIRM_WITHIN, Executor
from tools.outcomes import Status
from tools.tool import Context, Effect, Failed, Result, TryAgain, tool


class Lamp:
    """A tool that can be slow, and counts what it does."""

    def __init__(self) -> None:
        self.switched: list[str] = []
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def switch(
        self, context: Context, to: Literal["on", "off"], room: str = "kitchen", level: int = 100
    ) -> Result:
        """Switch a lamp.

        Args:
            to: which way.
            room: where it is.
            level: how bright, in percent.
        """
        await self.may_finish.wait()
        self.switched.append(to)
        return Result(f"The {room} lamp is {to}.", {"level": level})

    async def look(self, context: Context) -> Result:
        """Look at a lamp."""
        await self.may_finish.wait()
        self.switched.append("looked")
        return Result("It is on.")

    async def break_down(self, context: Context, how: str = "") -> Result:
        """Break down."""
        if how == "again":
            raise TryAgain("Say which lamp.")
        if how == "failed":
            raise Failed("The lamp is gone.")
        raise ZeroDivisionError


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


@pytest.fixture
def executor(lamp: Lamp) -> Executor:
    return Executor(
        [
            tool(lamp.switch, effect=Effect.CONTROL, seconds=0.3),
            tool(lamp.look, effect=Effect.READ),
            tool(lamp.break_down, effect=Effect.READ),
        ]
    )


def test_a_schema_comes_from_signature_and_docstring(lamp: Lamp) -> None:
    made = tool(lamp.switch, effect=Effect.CONTROL)
    assert (made.name, made.description) == ("switch", "Switch a lamp.")
    assert made.parameters == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "to": {"description": "which way.", "enum": ["on", "off"], "type": "string"},
            "room": {"description": "where it is.", "type": "string", "default": "kitchen"},
            "level": {"description": "how bright, in percent.", "type": "integer", "default": 100},
        },
        "required": ["to"],
    }


def test_what_matters_needs_a_question_to_ask_first(lamp: Lamp) -> None:
    with pytest.raises(ValueError, match="question"):
        tool(lamp.switch, effect=Effect.SECURE)


@pytest.mark.parametrize("arguments", [{"to": "on"}, '{"to": "on", "level": "40"}', {"to": "on", "level": 40.0}])
async def test_good_arguments_are_taken_as_they_are_meant(executor: Executor, arguments: object) -> None:
    outcome = await executor.call("switch", arguments, context(), allowed=ALL)  # type: ignore[arg-type]
    assert (outcome.status, outcome.say) == (Status.DONE, "The kitchen lamp is on.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{to: on}", "not valid JSON"),
        ("[]", "JSON object"),
        ({}, "to: Field required"),
        ({"to": "sideways"}, "'on' or 'off'"),
        ({"to": "on", "colour": "red"}, "colour"),
        ({"to": "on", "level": "bright"}, "level"),
    ],
)
async def test_bad_arguments_are_told_so_that_a_model_can_repair_them(
    executor: Executor, lamp: Lamp, arguments: object, told: str
) -> None:
    outcome = await executor.call("switch", arguments, context(), allowed=ALL)  # type: ignore[arg-type]
    assert outcome.status is Status.INVALID
    assert told in outcome.say
    assert not lamp.switched


async def test_an_unknown_tool_is_told_the_known_ones(executor: Executor) -> None:
    outcome = await executor.call("explode", {}, context(), allowed={Effect.CONTROL})
    assert outcome.status is Status.INVALID
    assert "switch" in outcome.say
    assert "look" not in outcome.say, "not allowed here"


async def test_a_caller_may_only_do_what_it_is_allowed(executor: Executor, lamp: Lamp) -> None:
    outcome = await executor.call("switch", {"to": "on"}, context(), allowed={Effect.READ})
    assert outcome.status is Status.REFUSED
    assert not lamp.switched


async def test_the_same_call_in_one_turn_acts_once(executor: Executor, lamp: Lamp) -> None:
    first = await executor.call("switch", {"to": "on"}, context(), allowed=ALL)
    again = await executor.call("switch", '{"level": 100, "to": "on"}', context(), allowed=ALL)
    assert again == first
    await executor.call("switch", {"to": "on"}, context("the next turn"), allowed=ALL)
    assert lamp.switched == ["on", "on"]


async def test_two_of_the_same_at_once_act_once(executor: Executor, lamp: Lamp) -> None:
    calls = [executor.call("switch", {"to": "off"}, context(), allowed=ALL) for _ in range(5)]
    assert len({outcome.key for outcome in await asyncio.gather(*calls)}) == 1
    assert lamp.switched == ["off"]


async def test_an_interruption_does_not_stop_what_acts_and_loses_no_outcome(executor: Executor, lamp: Lamp) -> None:
    lamp.may_finish.clear()
    call = asyncio.create_task(executor.call("switch", {"to": "on"}, context(), allowed=ALL))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    lamp.may_finish.set()
    outcome = await executor.call("switch", {"to": "on"}, context(), allowed=ALL)
    assert outcome.status is Status.DONE
    assert lamp.switched == ["on"]


async def test_what_only_tells_is_stopped_with_its_caller(executor: Executor, lamp: Lamp) -> None:
    lamp.may_finish.clear()
    call = asyncio.create_task(executor.call("look", {}, context(), allowed=ALL))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    lamp.may_finish.set()
    await asyncio.sleep(0.01)
    assert not lamp.switched


async def test_a_tool_that_takes_too_long_is_given_up_and_may_be_tried_again(executor: Executor, lamp: Lamp) -> None:
    lamp.may_finish.clear()
    assert (await executor.call("switch", {"to": "on"}, context(), allowed=ALL)).status is Status.FAILED
    lamp.may_finish.set()
    assert (await executor.call("switch", {"to": "on"}, context(), allowed=ALL)).status is Status.DONE


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ("again", Status.INVALID, "Say which lamp."),
        ("failed", Status.FAILED, "The lamp is gone."),
        ("", Status.FAILED, "Sorry, that went wrong."),
    ],
)
async def test_a_tool_that_breaks_harms_nobody(executor: Executor, how: str, status: Status, said: str) -> None:
    outcome = await executor.call("break_down", {"how": how}, context(), allowed=ALL)
    assert (outcome.status, outcome.say) == (status, said)


async def test_what_matters_is_done_after_a_yes_and_only_once(lamp: Lamp) -> None:
    now = [0.0]
    secure = tool(lamp.switch, effect=Effect.SECURE, question=lambda arguments: f"Shall I turn it {arguments['to']}?")
    executor = Executor([secure], clock=lambda: now[0])
    asked = await executor.call("switch", {"to": "off"}, context("1"), allowed=ALL)
    assert (asked.status, asked.say) == (Status.UNCONFIRMED, "Shall I turn it off?")
    assert executor.pending("another talk") is None
    assert not lamp.switched
    done = await executor.confirm("talk", context("2"), yes=True)
    assert done is not None
    assert done.status is Status.DONE
    assert await executor.confirm("talk", context("3"), yes=True) is None
    assert lamp.switched == ["off"]


async def test_a_no_and_a_late_yes_do_nothing(lamp: Lamp) -> None:
    now = [0.0]
    secure = tool(lamp.switch, effect=Effect.SECURE, question=lambda _: "Shall I?")
    executor = Executor([secure], clock=lambda: now[0])
    await executor.call("switch", {"to": "off"}, context("1"), allowed=ALL)
    left = await executor.confirm("talk", context("2"), yes=False)
    assert left is not None
    assert left.status is Status.REFUSED
    await executor.call("switch", {"to": "off"}, context("3"), allowed=ALL)
    now[0] += CONFIRM_WITHIN + 1
    assert await executor.confirm("talk", context("4"), yes=True) is None
    assert not lamp.switched


async def test_closing_waits_for_what_acts(executor: Executor, lamp: Lamp) -> None:
    lamp.may_finish.clear()
    call = asyncio.create_task(executor.call("switch", {"to": "on"}, context(), allowed=ALL))
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.05, lamp.may_finish.set)
    await executor.close()
    assert lamp.switched == ["on"]
    assert (await call).status is Status.DONE


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.dictionaries(st.text(), st.text())
)
async def test_no_arguments_break_the_executor(arguments: object) -> None:
    executor = Executor([tool(Lamp().switch, effect=Effect.CONTROL)])
    outcome = await executor.call("switch", json.dumps(arguments), context(), allowed=ALL)
    assert outcome.status in (Status.INVALID, Status.DONE)
