"""Who may ask the model: the queue under a clock of its own, and coroutines that wait for it."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.orchestrator.admission import Admission, Place, Priority, Queue, Saturated, Standing

VOICE, SPECULATION, TYPED, BACKGROUND = Priority


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(queue: Queue, priority: Priority, conversation: str = "a", longest: float = 1e9) -> Place:
    place, _ = queue.ask(priority, conversation, longest=0.0 if priority is SPECULATION else longest)
    return place


def running(*places: Place) -> list[bool]:
    return [place.standing is Standing.RUNNING for place in places]


def test_a_free_engine_is_asked_at_once():
    queue = Queue(2, clock=Clock())
    assert queue.expected_wait(VOICE) == 0
    assert running(ask(queue, VOICE), ask(queue, VOICE), ask(queue, VOICE)) == [True, True, False]


def test_a_voice_goes_before_everybody_who_waits():
    queue = Queue(1, clock=Clock())
    first = ask(queue, TYPED)
    typed, background, voice = ask(queue, TYPED), ask(queue, BACKGROUND), ask(queue, VOICE)
    queue.leave(first)
    assert running(typed, background, voice) == [False, False, True]
    queue.begin(voice)
    queue.leave(voice)
    assert running(typed, background) == [True, False]


def test_others_leave_slots_for_a_voice():
    queue = Queue(4, others=2, clock=Clock())
    typed = [ask(queue, TYPED) for _ in range(3)]
    assert running(*typed) == [True, True, False]
    assert running(ask(queue, VOICE), ask(queue, VOICE)) == [True, True]


def test_while_a_voice_is_expected_only_voices_start():
    clock = Clock()
    queue = Queue(4, clock=clock)
    queue.expect_voice(1.0)
    guess, voice, typed = ask(queue, SPECULATION), ask(queue, VOICE), ask(queue, TYPED)
    assert running(guess, voice, typed) == [True, True, False]
    queue.leave(guess)
    queue.leave(voice)
    assert running(typed) == [False]
    clock.now += 1.0
    queue.advance()
    assert running(typed) == [True]


def test_a_voice_that_is_expected_sooner_does_not_shorten_the_time():
    clock = Clock()
    queue = Queue(4, clock=clock)
    queue.expect_voice(2.0)
    queue.expect_voice(0.5)
    clock.now += 1.0
    assert running(ask(queue, TYPED)) == [False]


async def test_who_was_kept_out_for_a_voice_that_did_not_come_is_let_in():
    admission = Admission(Queue(1))
    admission.expect_voice(0.05)
    async with asyncio.timeout(5):
        place = await admission.admit(TYPED, "typing")
    assert place.waited >= 0.05


def test_nothing_else_starts_until_a_voice_has_its_first_word():
    queue = Queue(4, clock=Clock())
    voice = ask(queue, VOICE)
    typed = ask(queue, TYPED)
    assert running(typed) == [False]
    assert queue.begin(voice) == [typed]
    assert running(typed) == [True]


def test_conversations_take_turns():
    queue = Queue(1, clock=Clock())
    current = ask(queue, VOICE, "greedy")
    greedy = [ask(queue, VOICE, "greedy") for _ in range(3)]
    modest = ask(queue, VOICE, "modest")
    queue.leave(current)
    assert running(modest, *greedy) == [True, False, False, False]
    queue.leave(modest)
    assert running(*greedy) == [True, False, False]


def test_a_speculation_never_waits():
    queue = Queue(1, clock=Clock())
    ask(queue, VOICE)
    with pytest.raises(Saturated):
        ask(queue, SPECULATION)
    assert queue.waiting == 0


def test_a_speculation_gives_way_to_a_voice_and_keeps_its_slot_until_it_has_left():
    queue = Queue(2, clock=Clock())
    guess, other = ask(queue, SPECULATION, "a"), ask(queue, SPECULATION, "b")
    voice, changed = queue.ask(VOICE, "c", longest=9)
    assert changed == [guess]
    assert guess.standing is Standing.DROPPED
    assert other.standing is Standing.RUNNING, "one voice takes one place"
    assert running(voice) == [False]
    assert queue.leave(guess) == [voice]


def test_a_speculation_that_was_right_stays():
    queue = Queue(1, clock=Clock())
    guess = ask(queue, SPECULATION)
    queue.promote(guess)
    _, changed = queue.ask(VOICE, "c", longest=9)
    assert changed == []
    assert running(guess) == [True]


def test_the_expected_wait_follows_what_was_measured():
    clock = Clock()
    queue = Queue(1, clock=clock)
    for _ in range(40):
        place = ask(queue, TYPED)
        clock.now += 4
        queue.leave(place)
    ask(queue, TYPED)
    assert queue.expected_wait(TYPED) == pytest.approx(4, rel=0.01)
    ask(queue, TYPED)
    assert queue.expected_wait(TYPED) == pytest.approx(8, rel=0.01)
    assert queue.expected_wait(VOICE) == pytest.approx(4, rel=0.01), "a voice does not wait for what waits"
    with pytest.raises(Saturated) as refused:
        ask(queue, TYPED, longest=5)
    assert refused.value.retry_after == pytest.approx(8, rel=0.01)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["ask", "leave", "begin", "promote", "wait"]), st.integers(0, 11)), max_size=60),
)
def test_nobody_is_lost_and_no_slot_is_used_twice(slots, steps):
    clock = Clock()
    queue = Queue(slots, clock=clock)
    places: list[Place] = []
    for step, number in steps:
        if step == "wait":
            clock.now += number
        elif step == "ask":
            with contextlib.suppress(Saturated):
                places.append(ask(queue, Priority(number % 4), str(number // 4), longest=20))
        elif places:
            place = places[number % len(places)]
            if step == "leave":
                queue.leave(place)
                places.remove(place)
            elif step == "begin":
                queue.begin(place)
            else:
                queue.promote(place)
        held = [place for place in places if place.standing in (Standing.RUNNING, Standing.DROPPED)]
        assert len(held) == queue.running <= slots
        assert len(places) == queue.running + queue.waiting
        assert sum(not place.of_a_voice for place in held) <= max(1, slots // 2)
    for _ in range(2 * len(places)):
        if held := next((place for place in places if place.standing is not Standing.WAITING), None):
            queue.leave(held)
            places.remove(held)
    assert not places, "everybody who waits gets a turn"
    assert (queue.running, queue.waiting) == (0, 0)


async def test_waiting_ends_when_a_place_is_free():
    admission = Admission(Queue(1))
    first = await admission.admit(VOICE, "a")
    waiting = asyncio.create_task(admission.admit(VOICE, "b"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    admission.release(first)
    second = await waiting
    assert second.waited > 0
    admission.release(second)
    assert admission.queue.running == 0


async def test_a_cancelled_wait_frees_the_place():
    admission = Admission(Queue(1))
    first = await admission.admit(VOICE, "a")
    gone, patient = (asyncio.create_task(admission.admit(VOICE, name)) for name in "bc")
    await asyncio.sleep(0.01)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    admission.release(first)
    admission.release(await patient)
    assert (admission.queue.running, admission.queue.waiting) == (0, 0)


async def test_a_cancellation_at_the_moment_of_admission_frees_the_place():
    admission = Admission(Queue(1))
    first = await admission.admit(VOICE, "a")
    waiting = asyncio.create_task(admission.admit(VOICE, "b"))
    await asyncio.sleep(0.01)
    admission.release(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (admission.queue.running, admission.queue.waiting) == (0, 0)


async def test_a_wait_that_becomes_too_long_is_refused():
    admission = Admission(Queue(1))
    await admission.admit(VOICE, "a")
    with pytest.raises(Saturated):
        await admission.admit(TYPED, "b", longest=1.1)
    assert admission.queue.waiting == 0


async def test_a_burst_is_answered_or_refused_and_nothing_is_lost():
    admission = Admission(Queue(2))
    answered = refused = 0

    async def request(number: int) -> None:
        nonlocal answered, refused
        try:
            place = await admission.admit(TYPED, str(number % 5), longest=10)
        except Saturated:
            refused += 1
            return
        await asyncio.sleep(0.001)
        admission.release(place)
        answered += 1

    await asyncio.gather(*(request(number) for number in range(200)))
    assert answered + refused == 200
    assert answered >= 2
    assert refused >= 1
    assert (admission.queue.running, admission.queue.waiting) == (0, 0)


async def test_a_closing_house_tells_those_who_wait():
    admission = Admission(Queue(1))
    await admission.admit(VOICE, "a")
    waiting = asyncio.create_task(admission.admit(VOICE, "b"))
    await asyncio.sleep(0.01)
    admission.refuse_waiting(RuntimeError("closing"))
    with pytest.raises(RuntimeError, match="closing"):
        await waiting
    assert admission.queue.waiting == 0
