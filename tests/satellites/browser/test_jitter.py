from collections.abc import Iterable
from itertools import accumulate
from random import Random

from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as some

from satellites.browser.jitter import VoiceBuffer

PATIENCE = 5


def passed(numbers: Iterable[int], buffer: VoiceBuffer | None = None) -> list[list[int]]:
    """Return what comes out after each packet, by the numbers that the packets carry."""
    buffer, out = buffer or VoiceBuffer(PATIENCE), []
    for number in numbers:
        packet = RtpPacket(sequence_number=number % (1 << 16), timestamp=number * 960 % (1 << 32))
        packet._data = str(number).encode()
        _, frame = buffer.add(packet)
        out.append([int(frame.data)] if frame is not None else [])
    return out


def all_of(out: list[list[int]]) -> list[int]:
    return [number for each in out for number in each]


def test_what_comes_in_order_is_passed_on_at_once() -> None:
    assert passed(range(4)) == [[0], [1], [2], [3]]


def test_a_packet_that_was_overtaken_takes_its_place() -> None:
    assert all_of(passed([0, 2, 3, 1, 4, 5, 6, 7])) == [0, 1, 2, 3, 4, 5]


def test_a_lost_packet_is_waited_for_only_so_long() -> None:
    assert passed([0, 2, 3, 4, 5, 6]) == [[0], [], [], [], [], [2]]


def test_a_packet_that_comes_after_it_was_given_up_is_dropped() -> None:
    assert 1 not in all_of(passed([0, 2, 3, 4, 5, 6, 1, 7, 8, 9]))


def test_numbers_begin_anew_at_zero() -> None:
    assert all_of(passed(range(65_530, 65_545))) == list(range(65_530, 65_545))


def test_a_sender_that_begins_anew_is_heard_at_once() -> None:
    assert passed([7, 8, 40_000, 40_001]) == [[7], [8], [40_000], [40_001]]


def test_packets_without_sound_are_no_frames() -> None:
    buffer = VoiceBuffer(PATIENCE)
    empty = RtpPacket(sequence_number=0)
    empty._data = b""
    assert buffer.add(empty) == (False, None)
    assert passed([1], buffer) == [[1]]


@settings(max_examples=30)
@given(some.integers(), some.floats(0, 0.3), some.integers(0, 65_535))
def test_of_a_lossy_link_all_that_came_is_heard_in_order_and_little_later(seed: int, loss: float, first: int) -> None:
    random = Random(seed)
    sent = [number for number in range(first, first + 300) if number == first or random.random() >= loss]
    # Each is overtaken by fewer than it is waited for.
    came = {number: number + (random.uniform(0, PATIENCE - 1) if number > first else 0) for number in sent}
    order = sorted(sent, key=came.__getitem__)
    out = passed(order)
    heard = all_of(out)
    assert heard == sent[: len(heard)]
    # Those that wait for one that is missing, and no others: also at the end.
    assert max(accumulate(1 - len(each) for each in out)) < PATIENCE
