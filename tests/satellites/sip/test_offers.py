import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.sip.offers import read_offer, why_unacceptable

ASKED = "RX UDP 192.168.1.7:5060 -> 192.168.1.5:5060\r\nINVITE sip:passfel@192.168.1.5 SIP/2.0\r\nCall-ID: one\r\n\r\n"
SDP = "v=0\r\no=- 1 1 IN IP4 192.168.1.7\r\ns=-\r\nc=IN IP4 192.168.1.7\r\nt=0 0\r\n"
SOUND = "m=audio 4000 RTP/AVP 18 3 98 101\r\na=rtpmap:98 iLBC/8000\r\na=rtpmap:101 telephone-event/8000\r\n"


def refused(media: str, status: int = 488) -> str:
    return why_unacceptable(status, "SIP/2.0 488 Not Acceptable Here\r\n", read_offer(ASKED + SDP + media))


def test_codecs_are_told_by_their_names():
    assert "it offers G729, GSM, iLBC by RTP/AVP: choose PCMU" in refused(SOUND)


def test_who_offers_no_sound_is_told_so():
    assert refused("m=image 4000 udptl t38\r\nm=video 4002 RTP/AVP 96\r\n") == "it offers image and video, and no sound"


def test_who_wants_dtls_is_told_what_to_set():
    assert 'set encryption = "dtls"' in refused(SOUND.replace("RTP/AVP", "UDP/TLS/RTP/SAVP"))


def test_what_is_insisted_on_is_told():
    answer = "SIP/2.0 420 Bad Extension\r\nUnsupported: 100rel, timer\r\n"
    assert why_unacceptable(420, answer, None) == "it insists on 100rel, timer"


@pytest.mark.parametrize("media", ["", "m=audio abc RTP/AVP 0\r\n", "hello"])
def test_what_is_not_understood_is_told_as_that(media: str):
    assert "not understood" in refused(media)


def test_a_hold_of_the_old_kind_is_seen():
    silent = (ASKED + SDP + SOUND).replace("c=IN IP4 192.168.1.7", "c=IN IP4 0.0.0.0")
    assert [offer and offer.silent for offer in map(read_offer, (silent, ASKED + SDP + SOUND))] == [True, False]


@given(st.text(max_size=300), st.sampled_from([415, 420, 488, 500]))
def test_whatever_is_offered_is_told_in_one_line(sdp: str, status: int):
    told = why_unacceptable(status, "SIP/2.0 500 Call Error\r\n", read_offer(ASKED + sdp))
    assert told
    assert "\n" not in told
    assert len(told) < 600
