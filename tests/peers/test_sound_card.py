"""The satellite of the house with a sound card: PulseAudio's, of which one plays into the microphone's place."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.peers.server import ROOT, running_server
from tests.spoken import RATE, pcm, room_tone, speech
from voice import models, recordings
from voice.whisper import WhisperEngine

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("pulseaudio") and find_library("portaudio")) and not os.environ.get("CI"),
        reason="no sound server: apt install pulseaudio pulseaudio-utils libasound2-plugins libportaudio2",
    ),
]
QUESTION = np.concatenate(
    [room_tone(0.5), speech("Okay nabu."), room_tone(0.2), speech("What time is it?"), room_tone(1.0)]
)
SOUND_CARD = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"


@asynccontextmanager
async def sound_server(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Run PulseAudio with a loudspeaker and a microphone that are not there; yields what its programs need to know."""
    home, run = folder / "home", folder / "run"
    home.mkdir()
    run.mkdir(mode=0o700)
    (home / ".asoundrc").write_text(SOUND_CARD)
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(run)}
    modules = "module-native-protocol-unix", "module-null-sink sink_name=spoken", "module-null-sink sink_name=played"
    process = await asyncio.create_subprocess_exec(
        *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
        *(part for module in modules for part in ("-L", module)),
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            while await ended("pactl", "set-default-source", "spoken.monitor", env=environment):
                await asyncio.sleep(0.2)
        assert await ended("pactl", "set-default-sink", "played", env=environment) == 0
        yield environment
    finally:
        process.terminate()
        await process.wait()


async def ended(*command: str, env: dict[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_it_hears_and_answers_through_a_sound_card(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    recordings.write(tmp_path / "question.wav", pcm(QUESTION), RATE)
    log = tmp_path / "satellite.log"
    async with sound_server(tmp_path) as environment, running_server(tmp_path / "data") as server:
        with log.open("wb") as output:
            satellite = await asyncio.create_subprocess_exec(
                *(sys.executable, "passfel.py", "satellite", "--server", server.address),
                cwd=ROOT,
                env=environment | {"XDG_DATA_HOME": str(tmp_path)},
                stdout=output,
                stderr=output,
            )
        try:
            await told(log, "is there")
            await asyncio.sleep(2.0)
            played = await asyncio.create_subprocess_exec(
                "parecord", "-d", "played.monitor", "--file-format=wav", str(tmp_path / "played.wav"), env=environment
            )
            assert await ended("paplay", "-d", "spoken", str(tmp_path / "question.wav"), env=environment) == 0
            await told(log, "answered: ")
            await asyncio.sleep(4.0)
            played.terminate()
            await played.wait()
        finally:
            satellite.terminate()
            await satellite.wait()
    sound, rate = soundfile.read(tmp_path / "played.wav", dtype="float32", always_2d=True)
    ears = WhisperEngine(models.whisper_model("base", tmp_path), language="en")
    heard = (await ears.transcribe(soxr.resample(sound[:, 0], rate, RATE).astype(np.float32))).text
    ears.close()
    assert re.search(r"\d|o'clock|noon|midnight", heard), log.read_text()


async def told(log: Path, what: str) -> None:
    """Wait until the satellite has told something."""
    async with asyncio.timeout(60):
        while not _holds(log, what):
            await asyncio.sleep(0.1)


def _holds(log: Path, what: str) -> bool:
    return what in log.read_text()
