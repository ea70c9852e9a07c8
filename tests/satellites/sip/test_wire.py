import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.sip import wire

CALLS = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(max_size=40)
MESSAGES = st.one_of(
    st.builds(wire.Answer, CALLS),
    st.builds(wire.HangUp, CALLS),
    st.builds(wire.Dial, CALLS, TEXT, TEXT, st.floats(1, 100)),
    st.builds(wire.Registration, TEXT, st.booleans(), st.none() | st.integers(100, 699), TEXT, st.floats(0, 1e6)),
    st.builds(wire.Incoming, CALLS, st.none() | TEXT, TEXT, TEXT, st.booleans()),
    st.builds(wire.Digit, CALLS, TEXT),
    st.builds(wire.Ended, CALLS, TEXT, st.none() | st.integers(100, 699)),
    st.builds(wire.Alive),
)
AUDIO = st.builds(wire.Audio, CALLS, st.binary(max_size=400).map(lambda each: each[: len(each) // 2 * 2]))


def framed(each: wire.Message | wire.Audio) -> bytes:
    return wire.encode_audio(each.call, each.pcm) if isinstance(each, wire.Audio) else wire.encode(each)


@given(st.lists(MESSAGES | AUDIO, max_size=8), st.lists(st.integers(1, 60), max_size=50))
def test_what_was_sent_arrives_however_it_is_cut(sent, cuts):
    stream = b"".join(framed(each) for each in sent)
    decoder, received = wire.Decoder(), []
    for cut in cuts:
        received += decoder.feed(stream[:cut])
        stream = stream[cut:]
    received += decoder.feed(stream)
    assert received == sent


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_whatever_arrives_is_understood_or_refused(pieces):
    decoder = wire.Decoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except wire.WireBroken:
        pass


def test_a_frame_that_is_too_long_is_refused_before_it_is_there():
    with pytest.raises(wire.WireBroken, match="bytes"):
        wire.Decoder().feed((wire.LARGEST + 1).to_bytes(4, "big"))
    with pytest.raises(ValueError, match="too many"):
        wire.encode_audio(1, bytes(wire.LARGEST))


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="half"):
        wire.encode_audio(1, b"abc")
    with pytest.raises(wire.WireBroken):
        wire.Decoder().feed(b"\0\0\0\x06a\0\0\0\x01x")


def test_a_broken_message_does_not_repeat_what_it_holds():
    frame = b'j{"kind":"setup","accounts":[{"password":"hunter2"}]}'
    with pytest.raises(wire.WireBroken) as caught:
        wire.Decoder().feed(len(frame).to_bytes(4, "big") + frame)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_account_does_not_show_its_password():
    account = wire.AccountSetup("a", "b", "c", "hunter2", None, None, "udp", "off", 60, registers=True)
    assert "hunter2" not in repr(account)
