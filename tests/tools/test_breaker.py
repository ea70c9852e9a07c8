"""The circuit breaker, under a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from tools.breaker import Breaker, State


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock) -> Breaker:
    return Breaker("the model", failures=3, shortest=5.0, longest=20.0, clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.enter()
        assert ticket is not None
        breaker.failed(ticket)


def succeed(breaker: Breaker) -> None:
    ticket = breaker.enter()
    assert ticket is not None
    breaker.succeeded(ticket)


def test_three_failures_in_a_row_open_it():
    it = breaker(Clock())
    fail(it, 2)
    succeed(it)
    fail(it, 2)
    assert it.state is State.CLOSED
    fail(it)
    assert it.state is State.OPEN
    assert it.refuses
    assert it.enter() is None


def test_after_its_rest_one_request_decides():
    clock = Clock()
    it = breaker(clock)
    fail(it, 3)
    clock.now += 5
    trial = it.enter()
    assert trial is not None
    assert it.enter() is None, "a second one waits for the first one's result"
    it.succeeded(trial)
    assert it.state is State.CLOSED
    assert it.enter() is not None


def test_each_rest_is_twice_as_long_up_to_the_longest():
    clock = Clock()
    it = breaker(clock)
    fail(it, 3)
    for rest in (5, 10, 20, 20):
        clock.now += rest - 0.1
        assert it.enter() is None
        clock.now += 0.1
        fail(it)
    clock.now += 20
    succeed(it)
    fail(it, 3)
    clock.now += 5
    assert it.state is State.HALF_OPEN, "after a success the rest begins anew"


def test_a_withdrawn_trial_leaves_the_decision_to_the_next():
    clock = Clock()
    it = breaker(clock)
    fail(it, 3)
    clock.now += 5
    trial = it.enter()
    assert trial is not None
    it.left(trial)
    assert it.state is State.HALF_OPEN
    succeed(it)
    assert it.state is State.CLOSED


def test_what_was_asked_before_it_opened_says_nothing_any_more():
    clock = Clock()
    it = breaker(clock)
    early = it.enter()
    assert early is not None
    fail(it, 3)
    it.succeeded(early)
    assert it.state is State.OPEN
    clock.now += 5
    trial = it.enter()
    assert trial is not None
    it.failed(early)
    assert it.state is State.HALF_OPEN
    it.succeeded(trial)
    assert it.state is State.CLOSED


@given(st.lists(st.tuples(st.sampled_from(["enter", "succeeded", "failed", "left", "wait"]), st.integers(0, 9))))
def test_it_never_lets_two_through_while_it_doubts_and_always_comes_back(steps):
    clock = Clock()
    it = breaker(clock)
    out: list[int] = []
    doubted = 0
    for step, number in steps:
        if step == "wait":
            clock.now += number
        elif step == "enter":
            before = it.state
            ticket = it.enter()
            assert (ticket is None) == (before is State.OPEN or (before is State.HALF_OPEN and doubted > 0))
            if ticket is not None:
                out.append(ticket)
                doubted += before is State.HALF_OPEN
        elif out:
            ticket = out.pop(number % len(out))
            getattr(it, step)(ticket)
        if it.state is not State.HALF_OPEN or (step == "left" and not it.refuses):
            doubted = 0
    # Whatever happened, it asks again some time, and one success closes it.
    clock.now += 20
    for ticket in out:
        it.left(ticket)
    succeed(it)
    assert it.state is State.CLOSED
