"""A device that plays and hears at once, on a clock made of sound; the way between the two is simulated."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from satellites.xiaozhi.echo import Echo
from satellites.xiaozhi.protocol import PACKET_MS
from tests.acoustics import AcousticPath, Acoustics
from tests.spoken import RATE, pcm, room_tone, speech
from voice.opus import DECODED_RATE, OpusDecoder, OpusEncoder

Samples = npt.NDArray[np.float32]

PACKET = RATE * PACKET_MS // 1000
AHEAD = 4
"""Packets that are sent before they are heard."""
LEARNT = 3 * RATE
"""Samples after which the canceller has had time to learn the room."""
ANSWER = "The sea is vast and full of old stories. Sailors told them when the nights were long and the wind was cold."
PLACE = Acoustics(reverberation=0.2, delay=0.02, gain=0.4)


def hear(answer: Samples, said: Samples, *, written: float, sounds: float, echo: Echo) -> tuple[Samples, Samples]:
    """Play an answer while something is said; return what the microphone delivers, and that without its echo.

    Args:
        answer: what the house sends.
        said: by a person in the room.
        written: milliseconds into a packet of the microphone at which the loudspeaker takes one.
        sounds: milliseconds behind the beginning of that, at which it is heard.
        echo: what is tried.
    """
    packets = OpusEncoder(RATE, PACKET_MS).encode(pcm(answer))
    ahead = enumerate(packets, 1)
    length = len(packets) * PACKET
    shift = round((written + sounds - PACKET_MS) * RATE / 1000)
    played = np.pad(answer, (max(0, shift), length))[max(0, -shift) :][:length]
    path = AcousticPath(PLACE)
    returned = np.concatenate([path.carry(played[at : at + PACKET]) for at in range(0, length, PACKET)])
    near = returned + room_tone(length / RATE) + np.pad(said, (0, length))[:length]
    decoder, heard, cleaned = OpusDecoder(), b"", b""
    for n, packet in enumerate(OpusEncoder(RATE, PACKET_MS).encode(pcm(near)), 1):
        decoded = decoder.decode(packet)
        heard += decoded
        for time, sent in itertools.islice(ahead, AHEAD if n == 1 else 1):
            echo.sent(time * PACKET_MS, sent)
        cleaned += echo.heard(decoded, n * PACKET_MS)
    return samples(heard), samples(cleaned)


def samples(decoded: bytes) -> Samples:
    audio = np.frombuffer(decoded, "<i2").astype(np.float32) / 32768
    return np.asarray(soxr.resample(audio, DECODED_RATE, RATE), np.float32)


def power(audio: Samples) -> float:
    return float(10 * np.log10(np.mean(audio**2) + 1e-12))


@pytest.mark.parametrize(("written", "sounds"), [(1, 0), (30, 0), (59, 0), (1, 60), (59, 90)])
def test_the_assistants_voice_is_taken_out_wherever_the_loudspeaker_stands_in_its_packet(
    written: float, sounds: float
) -> None:
    answer = np.tile(speech(ANSWER), 2)
    heard, cleaned = hear(answer, np.zeros(0, np.float32), written=written, sounds=sounds, echo=Echo())
    assert power(heard[LEARNT : len(cleaned)]) - power(cleaned[LEARNT:]) > 20


def test_who_speaks_over_it_is_heard() -> None:
    answer = np.tile(speech(ANSWER), 2)
    words = speech("No, wait. What time is it?")
    said = np.pad(words, (LEARNT + RATE, 0))
    _, cleaned = hear(answer, said, written=30, sounds=30, echo=Echo())
    _, alone = hear(answer, np.zeros(0, np.float32), written=30, sounds=30, echo=Echo())
    spoken = slice(LEARNT + RATE, LEARNT + RATE + len(words))
    assert power(cleaned[spoken]) - power(alone[spoken]) > 15
    assert power(cleaned[spoken]) > power(words) - 6


def test_what_a_device_hears_while_nothing_is_played_is_left_as_it_is() -> None:
    words = pcm(np.asarray(soxr.resample(speech("What time is it?"), RATE, DECODED_RATE), np.float32))
    cleaned = Echo().heard(words, 0)
    assert power(samples(cleaned)) == pytest.approx(power(samples(words)), abs=1.5)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1) | st.sampled_from([60, 120, 180]), st.integers(0, 5760)), max_size=30)
)
def test_whatever_a_device_says_that_it_plays_nothing_is_lost_of_what_it_hears(told: list[tuple[int, int]]) -> None:
    echo = Echo()
    for n, packet in enumerate(OpusEncoder(RATE, PACKET_MS).encode(bytes(PACKET * 2 * 3)), 1):
        echo.sent(n * PACKET_MS, packet)
    sent = heard = 0
    for playing, length in told:
        sent += length * 2
        heard += len(echo.heard(bytes(length * 2), playing))
    assert 0 <= sent - heard < DECODED_RATE // 100 * 2
