import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.sip.guard import (
    MOST_REFUSED,
    MOST_REQUESTS,
    MOST_SOURCES,
    WINDOW,
    Bans,
    Guard,
    Traced,
    host_of,
    read_trace,
)

INVITE = (
    "RX UDP 192.0.2.7:5060 -> 192.168.1.5:5060\r\nINVITE sip:100@192.168.1.5 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7\r\nCall-ID: abc@192.0.2.7\r\nAuthorization: Digest secret\r\n"
)


def asked(address: str = "192.0.2.7", method: str = "INVITE") -> Traced:
    return Traced(received=True, address=address, method=method, status=None, call_id=None)


def answered(status: int, address: str = "192.0.2.7") -> Traced:
    return Traced(received=False, address=address, method=None, status=status, call_id=None)


def test_a_request_is_read():
    assert read_trace(INVITE) == Traced(True, "192.0.2.7", "INVITE", None, "abc@192.0.2.7")


def test_an_answer_is_read_with_where_it_goes():
    text = "TX TLS [2001:db8::1]:5061 -> [2001:db8::2]:40000\nSIP/2.0 404 Not Found\ni: x\n"
    assert read_trace(text) == Traced(False, "2001:db8::2", None, 404, "x")


@given(st.text(max_size=200))
def test_any_text_is_read_or_is_no_trace(text):
    read_trace(text)
    read_trace(f"RX UDP {text}")


def test_a_host_is_told_from_its_port():
    assert host_of("10.0.0.1:5060") == "10.0.0.1"
    assert host_of("[::1]:5060") == "::1"


def test_who_asks_for_what_is_not_here_again_and_again_is_banned_once():
    guard = Guard()
    verdicts = [guard.see(answered(404), float(second)) for second in range(MOST_REFUSED + 1)]
    assert verdicts[:-1] == [None] * MOST_REFUSED
    assert verdicts[-1] is not None
    assert guard.see(answered(404), 30.0) is None


def test_a_person_who_dials_wrongly_is_not_banned():
    guard = Guard()
    step = WINDOW / MOST_REFUSED + 1
    assert all(guard.see(answered(404), number * step) is None for number in range(100))


def test_a_flood_is_banned_and_acknowledgements_are_not_counted():
    guard = Guard()
    assert all(guard.see(asked(method="ACK"), 0.0) is None for _ in range(500))
    assert all(guard.see(asked(), 0.0) is None for _ in range(MOST_REQUESTS))
    assert guard.see(asked(), 0.0) is not None


def test_the_registrar_is_never_banned():
    guard = Guard(frozenset({"192.0.2.7"}))
    assert all(guard.see(each, 0.0) is None for each in [asked(), answered(404)] * 500)


def test_a_success_is_nothing_against_anybody():
    guard = Guard()
    assert all(guard.see(answered(status), 0.0) is None for status in (100, 180, 200, 486) * 100)


def test_many_addresses_take_no_more_memory_than_few():
    guard = Guard()
    for number in range(5 * MOST_SOURCES):
        guard.see(asked(f"10.0.{number // 256}.{number % 256}"), 0.0)
    assert len(guard._sources) == MOST_SOURCES


def test_bans_end_and_the_list_is_bounded():
    bans = Bans(most=2)
    bans.add("192.0.2.1", 10, 0.0)
    bans.add("192.0.2.2", 20, 0.0)
    assert bans.next_end() == 10
    bans.add("192.0.2.3", 30, 0.0)
    assert bans.current(0.0) == ("192.0.2.2", "192.0.2.3")
    assert bans.current(25.0) == ("192.0.2.3",)
    assert bans.current(31.0) == ()
    assert bans.next_end() is None


@pytest.mark.parametrize("again", [5, 50])
def test_a_ban_is_never_shortened(again):
    bans = Bans()
    bans.add("192.0.2.1", 20, 0.0)
    bans.add("192.0.2.1", again, 0.0)
    assert bans.next_end() == max(20, again)
