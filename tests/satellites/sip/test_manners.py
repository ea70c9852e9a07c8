from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    LLMContextUserTurnFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

from satellites.sip.manners import FAREWELL, LONGEST_HOLD, TAIL, WARNING, Act, Manners

SILENCE, LONGEST = 10.0, 600.0


def manners() -> Manners:
    return Manners(SILENCE, LONGEST, lambda text: text == "bye", 0.0)


def said(talk: Manners, now: float) -> None:
    talk.see(BotStartedSpeakingFrame(), now)
    talk.see(BotStoppedSpeakingFrame(), now + 1)


def test_a_silent_caller_is_asked_for_once_and_then_left():
    talk = manners()
    said(talk, 0.0)
    asks = talk.next(1.0)
    assert talk.act(asks - 0.1) is None
    assert talk.act(asks) is Act.ASK
    said(talk, asks)
    leaves = talk.next(asks + 1)
    assert leaves == asks + 1 + SILENCE
    assert talk.act(leaves) is Act.LEAVE
    said(talk, leaves + 0.1)
    assert talk.next(leaves + 1.2) == leaves + 1.1 + TAIL
    assert talk.act(leaves + 1.1 + TAIL) is Act.HANG_UP


def test_who_says_something_again_is_asked_for_again():
    talk = manners()
    said(talk, 0.0)
    assert talk.act(talk.next(1.0)) is Act.ASK
    talk.see(UserStartedSpeakingFrame(), 15.0)
    talk.see(UserStoppedSpeakingFrame(), 16.0)
    assert talk.act(talk.next(16.0)) is Act.ASK


def test_nobody_is_hurried_while_they_speak():
    talk = manners()
    talk.see(UserStartedSpeakingFrame(), 5.0)
    assert talk.act(100.0) is None


def test_a_goodbye_is_answered_and_ends_the_call():
    talk = manners()
    talk.see(LLMContextUserTurnFrame("bye", ""), 5.0)
    assert talk.act(5.1) is None
    talk.see(BotStartedSpeakingFrame(), 6.0)
    assert talk.act(20.0) is None
    talk.see(BotStoppedSpeakingFrame(), 21.0)
    assert talk.act(21.0 + TAIL) is Act.HANG_UP


def test_a_goodbye_that_nobody_answers_ends_the_call_too():
    talk = manners()
    talk.see(LLMContextUserTurnFrame("bye", ""), 5.0)
    assert talk.next(5.0) == 5.0 + FAREWELL
    assert talk.act(5.0 + FAREWELL) is Act.HANG_UP


def test_who_thinks_of_something_more_is_listened_to():
    talk = manners()
    talk.see(LLMContextUserTurnFrame("bye", ""), 5.0)
    talk.see(UserStartedSpeakingFrame(), 6.0)
    assert talk.act(50.0) is None


def test_the_longest_call_is_announced_and_ended_whoever_speaks():
    talk = manners()
    talk.see(UserStartedSpeakingFrame(), 5.0)
    assert talk.act(LONGEST - WARNING) is Act.WARN
    assert talk.act(LONGEST - WARNING + 1) is None
    assert talk.act(LONGEST) is Act.CUT
    talk.see(UserStartedSpeakingFrame(), LONGEST + 1)
    assert talk.act(LONGEST + FAREWELL) is Act.HANG_UP


def test_a_call_on_hold_waits_and_not_for_ever():
    talk = manners()
    said(talk, 0.0)
    talk.hold(True, 2.0)
    assert talk.act(100.0) is None
    talk.hold(False, 100.0)
    assert talk.act(101.0) is None
    talk.hold(True, 102.0)
    assert talk.act(min(LONGEST - WARNING - 1, 102.0 + LONGEST_HOLD - 1)) is None


FRAMES = st.sampled_from(
    [
        UserStartedSpeakingFrame(),
        UserStoppedSpeakingFrame(),
        BotStartedSpeakingFrame(),
        BotStoppedSpeakingFrame(),
        LLMContextUserTurnFrame("bye", ""),
        LLMContextUserTurnFrame("hello", ""),
        True,
        False,
    ]
)


@given(st.lists(st.tuples(FRAMES, st.floats(0.01, 30.0)), max_size=60))
def test_every_call_ends_whatever_happens_in_it(events):
    talk, now = manners(), 0.0
    for event, passes in events:
        now += passes
        if isinstance(event, bool):
            talk.hold(event, now)
        else:
            talk.see(event, now)
        assert talk.next(now) >= now
        if talk.act(now) is Act.HANG_UP:
            return
    for _ in range(2000):
        now = talk.next(now) + 0.001
        if talk.act(now) is Act.HANG_UP:
            break
    else:
        raise AssertionError("it never ends")
    assert now < LONGEST + 30 * 60 + 10 * FAREWELL


def test_who_took_long_to_get_in_is_not_asked_at_once_whether_they_are_there():
    talk = manners()
    talk.begin(50.0)
    assert talk.act(50.0) is None
    said(talk, 50.1)
    assert talk.next(51.1) == 51.1 + SILENCE
