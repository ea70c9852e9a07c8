import numpy as np
import pytest
import soundfile

from voice.recordings import RecordingUnreadable, read, write


def tone(rate: int, channels: int) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 6)])
def test_any_rate_and_channels_become_mono_at_the_wanted_rate(tmp_path, suffix, rate, channels):
    file = tmp_path / f"tone.{suffix}"
    soundfile.write(file, tone(rate, channels), rate)
    samples = read(file, 16000)
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16000) <= 1
    spectrum = np.abs(np.fft.rfft(samples, 16000))
    assert spectrum.argmax() == 440
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.1)


def test_what_is_written_is_read_again(tmp_path):
    pcm = (np.arange(-500, 500) * 30).astype("<i2")
    write(tmp_path / "out.wav", pcm.tobytes(), 24000)
    assert np.array_equal(np.rint(read(tmp_path / "out.wav", 24000) * 32768), pcm)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"", "no sound file"),
        (b"RIFF....WAVE", "no sound file"),
        (b"hello", "no sound file"),
    ],
)
def test_a_file_that_is_no_sound_is_named(tmp_path, content, reason):
    file = tmp_path / "question.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecordingUnreadable, match=reason) as caught:
        read(file, 16000)
    assert str(file) in str(caught.value)


def test_an_empty_recording_is_refused(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(RecordingUnreadable, match="no sound in it"):
        read(tmp_path / "empty.wav", 16000)
