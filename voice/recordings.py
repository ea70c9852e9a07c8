"""Sound files: any that libsndfile knows (WAV, FLAC, OGG, MP3, …), any rate, any number of channels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr


class RecordingUnreadable(Exception):  # noqa: N818 - reads as what is wrong
    """A sound file cannot be read; the message is one line and names it."""


def read(file: Path, rate: int) -> npt.NDArray[np.float32]:
    """Read a sound file as mono at `rate` Hz, shape (samples,), -1 to 1. Raises `RecordingUnreadable`."""
    try:
        samples, own_rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = "there is no such file" if not file.exists() else "this is no sound file that can be read"
        raise RecordingUnreadable(f"{file}: {reason}; use WAV, FLAC, OGG or MP3") from error
    if not len(samples):
        raise RecordingUnreadable(f"{file}: there is no sound in it")
    mono = samples.mean(axis=1)
    return np.asarray(soxr.resample(mono, own_rate, rate), dtype=np.float32)


def write(file: Path, pcm: bytes, rate: int) -> None:
    """Write 16-bit mono PCM at `rate` Hz as WAV. Raises `OSError`."""
    with file.open("wb") as stream:
        soundfile.write(stream, np.frombuffer(pcm, dtype="<i2"), rate, format="WAV", subtype="PCM_16")
