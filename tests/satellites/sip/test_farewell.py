from dataclasses import replace

import pytest

from satellites.sip.farewell import Begins, goodbye, next_hop
from satellites.sip.wire import Begun

INVITE = (
    "RX UDP 10.0.0.9:5070 -> 10.0.0.1:5060\r\nINVITE sip:passfel@10.0.0.1 SIP/2.0\r\n"
    "Record-Route: <sip:10.0.0.9:5070;lr>\r\nRecord-Route: <sip:10.0.0.8;lr>\r\n"
    "f: <sip:100@house>;tag=them\r\nt: <sip:passfel@10.0.0.1>\r\ni: one\r\nCSeq: 7 INVITE\r\n"
    'm: "Ana" <sip:100@10.0.0.9:6000;transport=udp>\r\n\r\nv=0\r\n'
)
ACCEPTED = (
    "TX UDP 10.0.0.1:5060 -> 10.0.0.9:5070\r\nSIP/2.0 200 OK\r\n"
    "Record-Route: <sip:10.0.0.9:5070;lr>\r\nRecord-Route: <sip:10.0.0.8;lr>\r\n"
    "From: <sip:100@house>;tag=them\r\nTo: <sip:passfel@10.0.0.1>;tag=us\r\nCall-ID: one\r\nCSeq: 7 INVITE\r\n"
    "Contact: <sip:passfel@10.0.0.1:5060>\r\n\r\nv=0\r\nContact: <sip:nobody@10.0.0.7>\r\n"
)
ANSWERED = (
    "RX UDP 10.0.0.9:5070 -> 10.0.0.1:5060\r\nSIP/2.0 200 OK\r\n"
    "Record-Route: <sip:10.0.0.8;lr>\r\nRecord-Route: <sip:10.0.0.9:5070;lr>\r\n"
    "From: <sip:620@house>;tag=us\r\nTo: <sip:200@house>;tag=them\r\nCall-ID: two\r\nCSeq: 3 INVITE\r\n"
    "Contact: sip:200@10.0.0.5;expires=60\r\n\r\n"
)


def test_a_call_that_was_taken_is_ended_from_the_side_that_was_called():
    begins = Begins()
    assert begins.see(INVITE) is None
    begun = begins.see(ACCEPTED)
    assert begun == Begun(
        "one",
        ours="<sip:passfel@10.0.0.1>;tag=us",
        theirs="<sip:100@house>;tag=them",
        target="sip:100@10.0.0.9:6000;transport=udp",
        route=("<sip:10.0.0.9:5070;lr>", "<sip:10.0.0.8;lr>"),
        there="10.0.0.9:5070",
        here="10.0.0.1:5060",
    )
    lines = goodbye(begun, "10.0.0.1:5060").decode().split("\r\n")
    assert lines[0] == "BYE sip:100@10.0.0.9:6000;transport=udp SIP/2.0"
    assert lines[1].startswith("Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK")
    assert lines[3:8] == [
        "Route: <sip:10.0.0.9:5070;lr>",
        "Route: <sip:10.0.0.8;lr>",
        "From: <sip:passfel@10.0.0.1>;tag=us",
        "To: <sip:100@house>;tag=them",
        "Call-ID: one",
    ]
    assert lines[-2:] == ["", ""]
    assert goodbye(begun, "10.0.0.1:5060").decode().split("\r\n") == lines, "sent again it is the same"


def test_a_call_that_was_made_is_ended_from_the_side_that_called():
    begun = Begins().see(ANSWERED)
    assert begun is not None
    assert (begun.ours, begun.theirs) == ("<sip:620@house>;tag=us", "<sip:200@house>;tag=them")
    assert begun.target == "sip:200@10.0.0.5"
    assert begun.route == ("<sip:10.0.0.9:5070;lr>", "<sip:10.0.0.8;lr>")


def test_a_call_over_a_connection_is_ended_over_another_to_where_its_messages_go():
    begun = Begins().see(ANSWERED.replace(" UDP ", " TLS "))
    assert begun is not None
    assert goodbye(begun, "10.0.0.1:40000").decode().split("\r\n")[1].startswith("Via: SIP/2.0/TLS 10.0.0.1:40000;")
    assert next_hop(begun) == ("10.0.0.9", 5070)
    assert next_hop(replace(begun, route=())) == ("10.0.0.5", 5061)
    assert next_hop(replace(begun, route=(), target="sip:a@[fd00::5]:5070;transport=tls")) == ("fd00::5", 5070)
    with pytest.raises(ValueError, match="where the other side is"):
        next_hop(replace(begun, route=("<tel:110>",)))


def test_nothing_is_known_of_a_call_that_has_not_begun():
    begins = Begins()
    assert begins.see(ACCEPTED) is None, "nobody has asked for it"
    assert begins.see(ANSWERED.replace("200 OK", "183 Session Progress")) is None
    assert begins.see(ANSWERED.replace("3 INVITE", "4 BYE")) is None
    assert begins.see(ANSWERED.replace(" UDP ", " WS ")) is None
    assert begins.see(ANSWERED.replace("house", "h" * 2000)) is None
    assert begins.see("something else") is None


def test_who_never_answers_costs_no_memory():
    begins = Begins()
    begins.see(INVITE)
    for number in range(200):
        begins.see(INVITE.replace("i: one", f"i: {number}"))
    assert begins.see(ACCEPTED) is None
