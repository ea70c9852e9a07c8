import warnings

import numpy as np
import pytest

from satellites.realtime import g711

SAMPLES = np.arange(-32768, 32768, 5, dtype=np.int16)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_survives_a_round_trip(law):
    codes = bytes(range(256))
    again = g711.encode(g711.decode(codes, law), law)
    differing = [code for code, other in zip(codes, again, strict=True) if code != other]
    assert differing in ([], [0x7F])  # mu-law has two zeros


@pytest.mark.parametrize(
    ("law", "codes", "values"),
    [
        ("ulaw", "80 00 ff 7f f0 8f", [32124, -32124, 0, 0, 120, 16764]),
        ("alaw", "aa 2a d5 55 80 d4", [32256, -32256, 8, -8, 5504, 24]),
    ],
)
def test_known_codes_have_their_values(law, codes, values):
    assert np.frombuffer(g711.decode(bytes.fromhex(codes), law), dtype="<i2").tolist() == values


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_each_sample_becomes_the_nearest_code(law):
    encoded = g711.encode(SAMPLES.astype("<i2").tobytes(), law)
    decoded = np.frombuffer(g711.decode(encoded, law), dtype="<i2").astype(int)
    values = np.unique(np.frombuffer(g711.decode(bytes(range(256)), law), dtype="<i2").astype(int))
    nearest = np.abs(SAMPLES.astype(int)[:, None] - values[None, :]).min(axis=1)
    assert np.array_equal(np.abs(SAMPLES - decoded), nearest)


def test_it_agrees_with_the_standard_library_where_that_still_has_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop", reason="Python 3.13 has no audioop")
    codes = bytes(range(256))
    assert g711.decode(codes, "ulaw") == audioop.ulaw2lin(codes, 2)
    assert g711.decode(codes, "alaw") == audioop.alaw2lin(codes, 2)
