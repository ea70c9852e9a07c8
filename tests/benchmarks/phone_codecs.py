"""What a telephone costs in word errors: recordings through each codec beside the same ones without.

`python -m tests.benchmarks.phone_codecs`. The sound takes the way of a call: to the codec's rate as a phone does, through
FFmpeg's encoder and decoder, and up to the recogniser's rate as `satellites.sip.media` does.
"""

import asyncio
import tempfile
from pathlib import Path

import av
import numpy as np
import soxr

from satellites.sip.wire import RATE
from tests.benchmarks.recordings import Corpus, corpus
from tests.benchmarks.wording import slots_heard, word_errors
from voice import models
from voice.resampling import StreamResampler
from voice.whisper import WhisperEngine

CODECS = {
    "PCMU": ("pcm_mulaw", 8000),
    "PCMA": ("pcm_alaw", 8000),
    "G.722": ("g722", 16_000),
    "Opus": ("libopus", 48_000),
}
MODELS = ("base", "tiny.en")


def phoned(samples: np.ndarray, codec: str, rate: int) -> np.ndarray:
    """Return how a recording of 16 kHz sounds after a call."""
    sound = soxr.resample(samples, RATE, rate, quality="HQ")
    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    if codec == "libopus":
        encoder.bit_rate, encoder.options = 32_000, {"application": "voip"}
    decoder = av.CodecContext.create("libopus" if codec == "libopus" else codec, "r")
    decoder.sample_rate, decoder.layout = rate, "mono"
    heard = []
    step = rate // 50
    for start in range(0, len(pcm) - step, step):
        frame = av.AudioFrame.from_ndarray(pcm[None, start : start + step], "s16", "mono")
        frame.sample_rate, frame.pts = rate, start
        for packet in encoder.encode(frame):
            heard += [_mono(each) for each in decoder.decode(packet)]
    carried = StreamResampler(rate, RATE).resample(np.concatenate(heard).tobytes())
    return np.frombuffer(carried, "<i2").astype(np.float32) / 32768


def _mono(frame: av.AudioFrame) -> np.ndarray:
    sound = frame.to_ndarray().reshape(-1)
    return sound if sound.dtype == np.int16 else (np.clip(sound, -1, 1) * 32767).astype("<i2")


async def measured(engine: WhisperEngine, spoken: Corpus, codec: str | None) -> str:
    """Word errors of sentences, and the share of values in orders that are heard."""
    wrong = words = heard = values = 0
    for each in (*spoken.sentences, *spoken.orders):
        samples = each.samples if codec is None else phoned(each.samples, *CODECS[codec])
        text = (await engine.transcribe(samples)).text
        if each.words is not None:
            found, said = word_errors(each.words, text)
            wrong, words = wrong + found, words + said
        heard, values = heard + slots_heard(each.slots, text), values + len(each.slots)
    return f"{wrong / words:10.1%} {heard / values:10.1%}"


async def main() -> None:
    """Print a table."""
    spoken = corpus()
    voices = "people" if spoken.real else "Piper"
    print(f"{len(spoken.sentences)} sentences and {len(spoken.orders)} orders, spoken by {voices}")
    print(f"{'model':10} {'codec':10} {'word errors':>10} {'values':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            engine = WhisperEngine(models.whisper_model(model, Path(folder)), language="en")
            try:
                for codec in (None, *CODECS):
                    print(f"{model:10} {codec or 'none':10} {await measured(engine, spoken, codec)}", flush=True)
            finally:
                engine.close()


if __name__ == "__main__":
    asyncio.run(main())
