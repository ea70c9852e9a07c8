from hypothesis import given
from hypothesis import strategies as st

from satellites.sip.dictation import FIRST, LONGEST, MOST_PIECE, PAUSE, STEP, Dictation
from satellites.sip.wire import RATE

SIZE = int(STEP * RATE) * 2


def dictate(dictation: Dictation, *parts: tuple[float, bool]) -> float:
    """Say something, or nothing, for so many seconds each; returns after how many it was over."""
    seconds = 0.0
    for length, speech in parts:
        for _ in range(int(length / STEP)):
            if dictation.over:
                return seconds
            step = dictation.feed(bytes(SIZE))
            assert step is not None
            dictation.judge(step, speech=speech)
            seconds += STEP
    return seconds


def test_a_pause_for_thought_does_not_end_it_and_a_longer_one_does():
    dictation = Dictation()
    assert dictate(dictation, (3, True), (2.5, False), (2, True), (20, False)) == 7.5 + PAUSE
    assert dictation.spoken


def test_who_says_nothing_is_not_waited_for_long():
    dictation = Dictation()
    assert dictate(dictation, (60, False)) == FIRST
    assert not dictation.spoken


def test_nobody_talks_without_end():
    assert dictate(Dictation(), (600, True)) == LONGEST


@given(st.lists(st.tuples(st.floats(0.5, 40), st.booleans()), max_size=6), st.binary(max_size=SIZE - 2))
def test_the_pieces_are_what_was_said_and_none_is_too_long(parts, rest):
    dictation = Dictation()
    seconds = dictate(dictation, *parts)
    rest = rest[: len(rest) // 2 * 2]
    assert dictation.feed(rest) is None
    pieces = dictation.pieces()
    assert sum(map(len, pieces)) == int(seconds / STEP) * SIZE + len(rest)
    assert all(len(each) <= (MOST_PIECE + STEP) * 2 * RATE for each in pieces)
