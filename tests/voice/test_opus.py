"""Opus, packet by packet."""

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.opus import DECODED_RATE, MAX_PACKET, NotOpus, OpusDecoder, OpusEncoder, seconds


def tone(rate: int, length: float) -> bytes:
    return (np.sin(np.arange(int(rate * length)) * 2 * np.pi * 440 / rate) * 8000).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [16_000, 24_000])
@pytest.mark.parametrize("milliseconds", [20, 40, 60])
def test_speech_comes_back_in_packets_that_tell_their_length(rate: int, milliseconds: int) -> None:
    encoder, decoder = OpusEncoder(rate, milliseconds), OpusDecoder()
    audio = tone(rate, 0.9)
    packets = [packet for start in range(0, len(audio), 640) for packet in encoder.encode(audio[start : start + 640])]
    packets += encoder.rest()
    assert {seconds(packet) for packet in packets} == {milliseconds / 1000}
    heard = np.frombuffer(b"".join(map(decoder.decode, packets)), "<i2")
    assert len(heard) / DECODED_RATE == pytest.approx(0.9, abs=0.06)
    strongest = np.argmax(np.abs(np.fft.rfft(heard[: DECODED_RATE // 2])[1:])) * 2
    assert strongest == pytest.approx(440, abs=4)
    assert encoder.rest() == []


def test_a_sound_is_late_by_less_than_ten_milliseconds() -> None:
    encoder, decoder = OpusEncoder(24_000, 60), OpusDecoder()
    silence = bytes(24_000)
    packets = encoder.encode(silence + tone(24_000, 0.2) + silence)
    heard = np.abs(np.frombuffer(b"".join(map(decoder.decode, packets)), "<i2"))
    onset = np.flatnonzero(heard > heard.max() / 4)[0] / DECODED_RATE
    assert 0.0 <= onset - 0.5 < 0.01


def test_garbage_is_refused_or_heard_and_what_follows_is_heard() -> None:
    encoder, decoder = OpusEncoder(24_000, 60), OpusDecoder()
    (packet,) = encoder.encode(tone(24_000, 0.06))
    refused = 0
    for length in range(1, 400):
        try:
            assert len(decoder.decode(os.urandom(length))) <= 0.12 * DECODED_RATE * 2
        except NotOpus:
            refused += 1
        assert len(decoder.decode(packet)) == 0.06 * DECODED_RATE * 2
    assert refused
    for wrong in (b"", bytes(MAX_PACKET + 1)):
        with pytest.raises(NotOpus, match="bytes"):
            decoder.decode(wrong)


@given(st.binary(max_size=MAX_PACKET + 10))
def test_any_bytes_are_told_to_last_no_longer_than_a_packet_can(packet: bytes) -> None:
    with contextlib.suppress(NotOpus):
        assert 0 < seconds(packet) <= 0.12


def test_what_was_begun_is_forgotten_when_it_is_broken_off() -> None:
    encoder = OpusEncoder(24_000, 60)
    assert encoder.encode(tone(24_000, 0.03)) == []
    encoder.drop()
    assert encoder.rest() == []
