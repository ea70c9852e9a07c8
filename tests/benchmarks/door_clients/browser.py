"""Chromium with the assistant's own page.

Both ends are read on one clock: the page's own microphone and the assistant's sound, as Web Audio measures them. The
microphone is a file, whose place on that clock is found by comparing loudness envelopes.
"""

import asyncio
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from playwright.async_api import Page, Playwright, async_playwright

from tests.benchmarks.clients import to_pcm
from tests.benchmarks.door_clients.door import CannotRun, Door
from tests.benchmarks.playback import AUDIBLE
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server
from tests.benchmarks.signals import FRAME, SAMPLE_RATE, Samples, levels
from tests.benchmarks.turns import ANSWER_LIMIT

LEAD = 6.0
"""Seconds of silence in which the page connects."""
GAP = 7.0
"""Seconds after each utterance, in which it is answered."""
MICROPHONE_RATE = 48_000
STEP = 0.01
"""Seconds between two looks at the levels."""
ARGUMENTS = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

_KEEP_MICROPHONE = """
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => (window.heard = await open(wanted));
"""
_MEASURE = """async () => {
  const context = new AudioContext();
  const listener = (stream) => {
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    return () => {
      analyser.getFloatTimeDomainData(samples);
      return Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
    };
  };
  const heard = listener(window.heard);
  const said = listener(document.getElementById("voice").srcObject);
  window.levels = [];
  setInterval(() => window.levels.push([context.currentTime, heard(), said()]), 5);
}"""


def door(folder: Path) -> Door:
    """Return the door with one browser, whose microphone is written into a folder."""

    async def ask(server: Server, utterances: tuple[Recording, ...]) -> list[float]:
        chromium = shutil.which("chromium")
        if chromium is None:
            raise CannotRun("Chromium is not installed")
        return await _ask(server, chromium, utterances, folder)

    return Door("browser, WebRTC", "Opus, 20 ms, over WebRTC", ask)


async def _ask(server: Server, chromium: str, utterances: tuple[Recording, ...], folder: Path) -> list[float]:
    file = folder / "microphone.wav"
    played, ends = microphone((utterances[0], *utterances), file)
    async with async_playwright() as playwright, talking(playwright, chromium, server.port, file) as page:
        await asyncio.sleep(len(played) / SAMPLE_RATE)
        return (await heard(page, played, ends))[1:]


@asynccontextmanager
async def talking(playwright: Playwright, chromium: str, port: int, file: Path) -> AsyncIterator[Page]:
    """Have a browser with a file for its microphone talk with the assistant that listens on a port."""
    arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={file}%noloop"]
    browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
    try:
        page = await browser.new_page()
        await page.add_init_script(_KEEP_MICROPHONE)
        await page.goto(f"http://127.0.0.1:{port}")
        await page.click("#talk")
        await page.wait_for_selector("body[data-state=listening]")
        await page.evaluate(_MEASURE)
        yield page
    finally:
        await browser.close()


async def heard(page: Page, played: Samples, ends: list[float]) -> list[float]:
    """Seconds from the end of each utterance that was played to what was heard next in a browser."""
    rows: list[list[float]] = await page.evaluate("window.levels")
    return latencies(np.array(rows), played, ends)


def latencies(rows: NDArray[Any], played: Samples, ends: list[float]) -> list[float]:
    """Seconds from each end of speech to what is heard next.

    Args:
        rows: shape (looks, 3): seconds, and the levels of the microphone and of the assistant, 0 to 1.
        played: what the microphone was given, at 16 kHz.
        ends: where in it each utterance ends, in seconds.
    """
    clock = np.arange(rows[0, 0], rows[-1, 0], STEP)
    heard = np.interp(clock, rows[:, 0], 20 * np.log10(rows[:, 1] + 1e-6))
    envelope = np.maximum(levels(played, FRAME), -60)
    heard = np.maximum(heard, -60)
    matched = np.correlate(heard - heard.mean(), envelope - envelope.mean(), mode="full")
    begins = clock[0] + (int(matched.argmax()) - (len(envelope) - 1)) * STEP
    found = []
    for end in ends:
        after = rows[(rows[:, 0] > begins + end) & (rows[:, 0] < begins + end + GAP)]
        audible = after[after[:, 2] > AUDIBLE]
        found.append(float(audible[0, 0] - begins - end) if len(audible) else ANSWER_LIMIT)
    return found


def microphone(utterances: tuple[Recording, ...], file: Path) -> tuple[Samples, list[float]]:
    """Write what a microphone shall hear; return it, at 16 kHz, and where in it each utterance ends, in seconds."""
    parts: list[Samples] = [np.zeros(round(LEAD * SAMPLE_RATE), np.float32)]
    ends, at = [], LEAD
    for each in utterances:
        ends.append(at + each.speech.end)
        parts += [each.samples, np.zeros(round(GAP * SAMPLE_RATE), np.float32)]
        at += each.seconds + GAP
    played = np.concatenate(parts)
    _write(file, played)
    return played, ends


def _write(file: Path, samples: Samples) -> None:
    with wave.open(str(file), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(MICROPHONE_RATE)
        output.writeframes(to_pcm(soxr.resample(samples, SAMPLE_RATE, MICROPHONE_RATE)))
