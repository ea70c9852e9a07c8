from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

from satellites.attention import ANSWER, FIRST_WORDS, Attention

FOLLOW_UP = 5.0
NOBODY: Any = None


def call() -> FunctionCallsStartedFrame:
    return FunctionCallsStartedFrame([FunctionCallFromLLM("get_weather", "1", {}, NOBODY)])


def result() -> FunctionCallResultFrame:
    return FunctionCallResultFrame("get_weather", "1", {}, "sunny")


def turn() -> LLMContextUserTurnFrame:
    return LLMContextUserTurnFrame("What time is it?", "")


STARTED, STOPPED, SPEAKS, SPOKE = (
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
)


@pytest.mark.parametrize(
    ("frames", "ends_after"),
    [
        ([], FIRST_WORDS),
        ([STARTED], None),
        ([STARTED, STOPPED], FOLLOW_UP),
        ([STARTED, turn, STOPPED], ANSWER),
        ([STARTED, STOPPED, turn], ANSWER),
        ([STARTED, STOPPED, turn, SPEAKS], None),
        ([STARTED, STOPPED, turn, SPEAKS, SPOKE], FOLLOW_UP),
        ([STARTED, STOPPED, turn, LLMFullResponseEndFrame], FOLLOW_UP),
        ([turn, call, LLMFullResponseEndFrame], ANSWER),
        ([turn, call, SPEAKS, SPOKE], ANSWER),
        ([turn, call, LLMFullResponseEndFrame, result], ANSWER),
        ([turn, call, result, SPEAKS, SPOKE], FOLLOW_UP),
        ([turn, SPEAKS, STARTED, InterruptionFrame], None),
        ([turn, SPEAKS, STARTED, InterruptionFrame, STOPPED], FOLLOW_UP),
    ],
)
def test_a_device_listens_as_long_as_somebody_may_still_say_something(frames: list, ends_after: float | None) -> None:
    attention = Attention(FOLLOW_UP, 100.0)
    for make in frames:
        attention.see(make(), 100.0)
    assert attention.ends == (None if ends_after is None else 100.0 + ends_after)


def test_a_bare_stop_is_not_waited_to_be_answered() -> None:
    attention = Attention(FOLLOW_UP, 0.0)
    for frame in (SPEAKS(), InterruptionFrame(), LLMContextUserTurnFrame("Stop.", ""), STOPPED()):
        attention.see(frame, 1.0)
    assert attention.ends == 1.0 + FOLLOW_UP
    assert not attention.answering


def test_an_answer_is_given_until_it_is_heard_and_no_tool_works_for_it() -> None:
    attention = Attention(FOLLOW_UP, 0.0)
    answering = []
    for make in (STARTED, turn, call, SPEAKS, SPOKE, result, SPEAKS, SPOKE):
        attention.see(make(), 1.0)
        answering.append(attention.answering)
    assert answering == [False, True, True, True, True, True, True, False]


def test_a_device_that_listens_later_is_waited_for_from_then_on() -> None:
    attention = Attention(FOLLOW_UP, 0.0)
    attention.see(SPOKE(), 1.0)
    attention.listen(3.0)
    assert attention.ends == 3.0 + FOLLOW_UP
    attention.see(SPEAKS(), 4.0)
    attention.listen(4.0)
    assert attention.ends is None


@given(some.lists(some.sampled_from([STARTED, STOPPED, SPEAKS, SPOKE, turn, call, result, InterruptionFrame])))
def test_whatever_happens_it_ends_once_nobody_speaks(frames: list) -> None:
    attention = Attention(FOLLOW_UP, 0.0)
    for make in [*frames, STOPPED, SPOKE]:
        frame: Frame = make()
        attention.see(frame, 1.0)
    assert attention.ends is not None
    assert 1.0 < attention.ends <= 1.0 + ANSWER
