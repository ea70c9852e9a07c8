import numpy as np
import pytest
from aioesphomeapi.model import MediaPlayerFormatPurpose, MediaPlayerSupportedFormat

from satellites.esphome.encoding import Encoder, SpeechFormat, wanted_format
from tests.satellites.esphome.device import decoded

FORMATS = [
    SpeechFormat("wav", 24_000),
    SpeechFormat("flac", 48_000),
    SpeechFormat("flac", 16_000, 2),
    SpeechFormat("mp3", 44_100, 2),
    SpeechFormat("mp3", 24_000),
    SpeechFormat("opus", 48_000),
]


def tone(rate: int, seconds: float = 1.0) -> bytes:
    return (np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate) * 8000).astype("<i2").tobytes()


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_speech_can_be_played_from_its_first_tenth_on_and_is_whole_in_the_end(form: SpeechFormat) -> None:
    encoder, step, sound = Encoder(form), form.rate * 2 // 50, tone(form.rate)
    pieces = [encoder.encode(sound[start : start + step]) for start in range(0, len(sound), step)]
    beginning, rate = decoded(b"".join(pieces[:10]))
    assert rate == form.rate
    assert len(beginning) >= 0.05 * form.rate
    audio, _ = decoded(b"".join([*pieces, encoder.close()]))
    assert 1.0 <= len(audio) / form.rate + 0.001 < 1.1
    middle = audio[len(audio) // 4 : len(audio) // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / 32768 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_no_speech_at_all_is_no_error(form: SpeechFormat) -> None:
    assert isinstance(Encoder(form).close(), bytes)


def offered(form: str, rate: int, channels: int = 1, *, announcement: bool = True) -> MediaPlayerSupportedFormat:
    purpose = MediaPlayerFormatPurpose.ANNOUNCEMENT if announcement else MediaPlayerFormatPurpose.DEFAULT
    return MediaPlayerSupportedFormat(form, rate, channels, purpose, 2, 0)


@pytest.mark.parametrize(
    ("supported", "wanted"),
    [
        ([], SpeechFormat("mp3", 24_000)),
        ([offered("flac", 48_000)], SpeechFormat("flac", 48_000)),
        ([offered("mp3", 44_100, 2, announcement=False), offered("flac", 16_000)], SpeechFormat("flac", 16_000)),
        ([offered("mp3", 44_100, 2, announcement=False)], SpeechFormat("mp3", 44_100, 2)),
        ([offered("wav", 0)], SpeechFormat("wav", 24_000)),
        ([offered("opus", 16_000)], SpeechFormat("opus", 48_000)),
        ([offered("tape", 48_000), offered("flac", 7_000_000)], SpeechFormat("mp3", 24_000)),
    ],
)
def test_a_device_is_given_what_it_plays(supported: list[MediaPlayerSupportedFormat], wanted: SpeechFormat) -> None:
    assert wanted_format(supported, otherwise="mp3") == wanted
