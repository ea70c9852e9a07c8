from pathlib import Path

import pytest

from tests.benchmarks.tool_choice.asking import Answer, house_tools
from tests.benchmarks.tool_choice.requests import Call, Request, requests
from tests.benchmarks.tool_choice.scoring import meaning, right_calls, right_tools
from tests.benchmarks.tool_choice.tables import text, wilson

FEWEST = 4
TOOLS = house_tools(Path("nowhere"))


def one(*calls: Call) -> Request:
    return Request("something", (), (calls,))


def made(tool: str, **arguments: object) -> Call:
    return Call(tool, arguments)


def test_there_are_enough_requests_and_enough_that_need_no_tool():
    asked = requests()
    assert len(asked) >= 100
    assert len({request.said for request in asked}) == len(asked)
    assert sum(request.topic == "(no tool)" for request in asked) >= 25


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_of_the_house_is_asked_for(tool):
    assert sum(request.topic == tool for request in requests()) >= FEWEST


def test_what_is_wanted_can_be_called():
    for request in requests():
        for wanted in request.wanted:
            assert right_calls(request, wanted, TOOLS), request.said


@pytest.mark.parametrize(
    ("one_way", "another"),
    [
        (made("set_timer", minutes=1, seconds=30), made("set_timer", seconds=90)),
        (made("set_alarm", time="7 pm"), made("set_alarm", time="19:00")),
        (made("add_to_list", item="the Milk"), made("add_to_list", item="milk", list_name="shopping")),
        (made("add_to_list", item="x", list_name="to-do"), made("add_to_list", item="x", list_name="To do")),
        (made("calculate", expression="15 percent of 80"), made("calculate", expression="0.15*80")),
        (
            made("convert_units", value=10, from_unit="miles", to_unit="km"),
            made("convert_units", value=10, from_unit="mile", to_unit="kilometers"),
        ),
    ],
)
def test_two_ways_to_put_the_same_are_equal(one_way, another):
    assert meaning(one_way, TOOLS) == meaning(another, TOOLS)


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        (made("set_timer", minutes=10), made("set_timer", minutes=11)),
        (made("set_timer", minutes=10), made("set_timer", minutes=10, name="pasta")),
        (made("set_alarm", time="7 pm"), made("set_alarm", time="7 am")),
        (made("calculate", expression="2+2"), made("calculate", expression="nonsense")),
        (
            made("convert_units", value=10, from_unit="miles", to_unit="km"),
            made("convert_units", value=10, from_unit="km", to_unit="miles"),
        ),
    ],
)
def test_wrong_arguments_are_wrong_while_the_tool_is_right(wanted, other):
    assert right_tools(one(wanted), [other])
    assert not right_calls(one(wanted), [other], TOOLS)


def test_several_calls_count_in_any_order_but_each_once():
    milk, eggs = made("add_to_list", item="milk"), made("add_to_list", item="eggs")
    assert right_calls(one(milk, eggs), [eggs, milk], TOOLS)
    assert not right_calls(one(milk, eggs), [milk], TOOLS)
    assert not right_calls(one(milk), [milk, eggs], TOOLS)


def test_no_call_is_right_only_where_none_is_wanted():
    assert right_calls(one(), [], TOOLS)
    assert not right_calls(one(), [made("get_time")], TOOLS)
    assert not right_calls(one(made("get_time")), [], TOOLS)


def test_other_calls_that_do_as_well_are_right():
    request = Request("x", (), ((made("set_timer", minutes=5),), (made("set_reminder", text="*", minutes=5),)))
    assert right_calls(request, [made("set_reminder", text="whatever", minutes=5)], TOOLS)
    assert not right_calls(request, [made("set_reminder", text="whatever", minutes=6)], TOOLS)


def test_the_interval_of_a_rate_holds_it_and_narrows_with_more_requests():
    few, many = wilson(8, 10), wilson(800, 1000)
    assert few.low < 0.8 < few.high
    assert few.high - few.low > many.high - many.low
    assert wilson(0, 10).low == 0.0


def test_the_report_counts_and_names_what_was_missed():
    timer = made("set_timer", minutes=5)
    request = Request("five minutes please", (), ((timer,),))
    right = Answer(request, (timer,), 0, "", 0.1)
    wrong = Answer(request, (made("get_time"),), 1, "", 0.2)
    told = text({"big": [right], "small": [wrong]}, TOOLS)
    assert "| set_timer | 1 of 1 | 0 of 1 |" in told
    assert "- 'five minutes please': get_time()" in told
    assert "small against big: -100.0% right calls" in told
