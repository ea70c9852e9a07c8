from hypothesis import given
from hypothesis import strategies as st

from satellites.realtime.pacing import LEAD, Pacer

CHUNK = 0.02


def test_the_lead_goes_out_at_once_and_then_each_chunk_in_its_time():
    pacer, now, waits = Pacer(), 5.0, []
    for _ in range(20):
        waits.append(pacer.sent(CHUNK, now))
        now += waits[-1]
    at_once = round(LEAD / CHUNK)
    assert all(wait == 0 for wait in waits[: at_once - 1])
    assert all(abs(wait - CHUNK) < 1e-9 for wait in waits[at_once + 1 :])


def test_a_stall_is_caught_up_with():
    pacer, now = Pacer(), 5.0
    for _ in range(20):
        now += pacer.sent(CHUNK, now)
    now += 0.06  # shorter than the lead: nobody heard it
    waits = [pacer.sent(CHUNK, now) for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert waits[3] > 0


def test_the_next_response_starts_at_once_after_an_interruption():
    pacer = Pacer()
    for _ in range(20):
        pacer.sent(CHUNK, 5.0)
    pacer.dropped()
    assert pacer.sent(CHUNK, 5.0) == 0


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
def test_speech_is_never_further_ahead_than_the_lead_and_a_chunk(stalls):
    pacer, now = Pacer(), 1.0
    heard = now
    for stall in stalls:
        heard = max(heard, now) + CHUNK
        assert heard - now <= LEAD + CHUNK + 1e-9
        now += pacer.sent(CHUNK, now) + stall
