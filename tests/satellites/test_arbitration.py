import asyncio

from hypothesis import given
from hypothesis import strategies as some

from satellites.arbitration import ECHO, WINDOW, Arbiter, Arbitration

heard_by = some.dictionaries(
    some.text("abcdef", min_size=1, max_size=3),
    some.tuples(some.floats(-60, 0), some.floats(0, WINDOW, exclude_max=True)),
    min_size=1,
)


@given(heard_by)
def test_exactly_one_device_answers_and_it_heard_the_wake_word_loudest(heard: dict[str, tuple[float, float]]) -> None:
    arbitration, began = Arbitration(), 0.0
    for device, (loudness, after) in sorted(heard.items(), key=lambda each: each[1][1]):
        decided = arbitration.heard(device, loudness, began + after)
        assert decided - (began + after) <= WINDOW + 1e-9
    won = [device for device in heard if arbitration.won(device)]
    assert len(won) == 1
    assert heard[won[0]][0] == max(loudness for loudness, _ in heard.values())


def test_a_device_that_heard_it_late_stays_silent_however_loudly() -> None:
    arbitration = Arbitration()
    arbitration.heard("hall", -30, 10.0)
    arbitration.heard("kitchen", -5, 10.0 + WINDOW + 0.1)
    assert arbitration.won("hall")
    assert not arbitration.won("kitchen")


def test_who_says_it_again_is_answered_and_so_is_the_next_one_later() -> None:
    arbitration = Arbitration()
    arbitration.heard("hall", -30, 10.0)
    arbitration.heard("hall", -40, 10.5)
    assert arbitration.won("hall")
    arbitration.heard("kitchen", -50, 10.6 + WINDOW + ECHO)
    assert arbitration.won("kitchen")
    assert not arbitration.won("hall")


async def test_of_two_devices_by_one_name_one_answers() -> None:
    arbiter = Arbiter()
    assert sorted(await asyncio.gather(arbiter.wins("hall", -30), arbiter.wins("hall", -12))) == [False, True]


async def test_devices_wait_for_each_other() -> None:
    arbiter = Arbiter()
    assert await asyncio.gather(arbiter.wins("hall", -30), arbiter.wins("kitchen", -12)) == [False, True]
    assert await arbiter.wins("kitchen", -12)
