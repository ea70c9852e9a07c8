"""Talk with a real linux-voice-assistant in all the ways there are, and measure how long its answers take. Run by hand:

    python -m tests.peers.linux_voice_assistant FOLDER [INTERFACE]

FOLDER is where linux-voice-assistant of the Open Home Foundation was installed by its own instructions, with its
`.venv` in it; INTERFACE is a network interface with a MAC address, which it takes its name from (eth0). It needs
`pulseaudio` and `pulseaudio-utils`. A microphone and a loudspeaker that are not there (PulseAudio's null sinks) stand
in for real ones, so it takes no quiet room. It listens on the loopback interface and tells of itself by multicast DNS;
in a network namespace of its own (`unshare -n`) not even that leaves the machine.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import numpy as np

from tests.peers.server import running_server
from tests.spoken import RATE, pcm, speech
from voice import models
from voice.whisper import Audio, WhisperEngine

SOUND = ("--rate=16000", "--channels=1", "--format=s16le", "--latency-msec=10")
AUDIBLE = 0.01
PAUSE = 0.45
QUESTIONS = ("What time is it?", "What is seven times eight?", "How many centimeters are two meters?")


@asynccontextmanager
async def program(*command: str | Path, log: Path, **environment: str) -> AsyncIterator[None]:
    """Run a program until the context ends."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env=os.environ | environment, cwd=environment.get("FOLDER")
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


class Ear:
    """Records a sink, and knows when what was heard."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._sound = bytearray()
        self._began: float | None = None

    async def listen(self) -> None:
        process = await asyncio.create_subprocess_exec(
            "parec", "-d", f"{self._sink}.monitor", *SOUND, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            while piece := await process.stdout.read(4096):
                self._began = self._began or time.monotonic() - len(piece) / (RATE * 2)
                self._sound += piece
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def spans(self, since: float) -> list[tuple[float, float, Audio]]:
        """What was loud since a moment: from when to when, in monotonic seconds."""
        assert self._began is not None
        sound = np.frombuffer(bytes(self._sound[: len(self._sound) // 2 * 2]), "<i2").astype(np.float32) / 32768
        loud = np.flatnonzero(abs(sound) > AUDIBLE)
        loud = loud[loud > (since - self._began) * RATE]
        edges = np.flatnonzero(np.diff(loud) > PAUSE * RATE)
        runs = np.split(loud, edges + 1) if len(loud) else []
        return [(self._began + r[0] / RATE, self._began + r[-1] / RATE, sound[r[0] : r[-1] + RATE // 4]) for r in runs]


async def say(*pieces: str | float) -> None:
    """Speak words and pauses into the microphone."""
    sound = [speech(piece) if isinstance(piece, str) else np.zeros(int(piece * RATE), np.float32) for piece in pieces]
    process = await asyncio.create_subprocess_exec("pacat", "-d", "mic", *SOUND, stdin=asyncio.subprocess.PIPE)
    await process.communicate(pcm(np.concatenate(sound)))


async def measure(microphone: Ear, loudspeaker: Ear, ears: WhisperEngine) -> None:
    """Ask some questions, the last one over an answer."""
    for question in QUESTIONS:
        began = time.monotonic()
        await say("Okay nabu.", 1.8, question, 9.0)
        asked = microphone.spans(began)[-1][1]
        heard = [span for span in loudspeaker.spans(began) if span[0] > asked]
        words = (await ears.transcribe(heard[0][2])).text if heard else "nothing"
        after = f"{heard[0][0] - asked:.2f} s after the end of speech" if heard else ""
        print(f"{question} → {words} {after}", flush=True)
    began = time.monotonic()
    await say("Okay nabu.", 1.8, "Tell me about the history of the Roman empire.", 6.0, QUESTIONS[0], 9.0)
    *_, (_, _, heard_last) = loudspeaker.spans(began)
    print(f"{QUESTIONS[0]} over the answer to another → …{(await ears.transcribe(heard_last)).text}")


async def idle(address: str) -> None:
    """Wait until the device is connected and rests. Raises `TimeoutError`."""
    async with httpx.AsyncClient(base_url=address) as http, asyncio.timeout(60):
        while [each["state"] for each in (await http.get("/v1/satellites")).json()] != ["idle"]:
            await asyncio.sleep(0.5)


async def live_with(address: str, microphone: Ear, loudspeaker: Ear, ears: WhisperEngine) -> None:
    """Ask on without the wake word, be told something while nobody talks, and have a timer ring until it is stopped."""

    async def heard(since: float) -> list[str]:
        return [(await ears.transcribe(span[2])).text.strip() for span in loudspeaker.spans(since)]

    def asked(since: float) -> float:
        """When the first question had been asked: the sound that the wake word makes is not an answer."""
        return microphone.spans(since)[1][1]

    await idle(address)
    began = time.monotonic()
    await say("Okay nabu.", 1.8, QUESTIONS[0], 6.0, QUESTIONS[1], 6.0)
    print(f"{QUESTIONS[0]}, then {QUESTIONS[1]} without the wake word → {await heard(asked(began))}", flush=True)
    await idle(address)
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=address, timeout=30) as http:
        told = await http.post("/v1/announce", json={"text": "The washing machine is done.", "device": "pi"})
    await asyncio.sleep(5)
    print(f"an announcement, {told.json()['status']} → {await heard(began)}", flush=True)
    await idle(address)
    began = time.monotonic()
    await say("Okay nabu.", 1.8, "Set a timer for twenty seconds.", 32.0)
    print(f"a timer of twenty seconds → {(await heard(asked(began)))[:2]}", flush=True)
    await idle(address)
    began = time.monotonic()
    await asyncio.sleep(4)
    print(f"nobody has answered: it rings {len(loudspeaker.spans(began))} times in 4 s", flush=True)
    await say("Stop.", 3.0)
    began = time.monotonic()
    await asyncio.sleep(5)
    print(f"after stop: {len(loudspeaker.spans(began))} times", flush=True)


async def main(folder: Path, interface: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="passfel-lva-")))
        socket_file = data / "pulse.sock"
        os.environ["PULSE_SERVER"] = f"unix:{socket_file}"
        null = ["module-null-sink sink_name=mic rate=16000 channels=1", "module-null-sink sink_name=spk"]
        modules = [*null, "module-remap-source master=mic.monitor source_name=virtmic"]
        modules.append(f"module-native-protocol-unix socket={socket_file} auth-anonymous=1")
        loaded = [part for module in modules for part in ("-L", module)]
        pulse = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", *loaded]
        await stack.enter_async_context(program(*pulse, log=data / "pulse.log", XDG_RUNTIME_DIR=str(data)))
        await asyncio.sleep(2)
        where = ["--host", "127.0.0.1", "--port", str(port), "--network-interface", interface]
        sound = ["--audio-input-device", "virtmic", "--audio-output-device", "pulse/spk", "--disable-peripheral-api"]
        kept = ["--preferences-file", data / "preferences.json", "--download-dir", data]
        python = [folder / ".venv/bin/python", "-m", "linux_voice_assistant", *where, *sound, *kept]
        await stack.enter_async_context(program(*python, log=data / "lva.log", FOLDER=str(folder)))
        running = await stack.enter_async_context(
            running_server(
                data,
                PASSFEL_ESPHOME__DEVICES=json.dumps({"pi": {"address": "127.0.0.1", "port": port}}),
                PASSFEL_ESPHOME__DISCOVER="off",
                PASSFEL_ESPHOME__HOST="127.0.0.1",
                PASSFEL_ESPHOME__PORT="0",
            )
        )
        ears = WhisperEngine(models.whisper_model("base", data), language="en")
        stack.callback(ears.close)
        try:
            await idle(running.address)
        except TimeoutError:
            sys.exit(f"linux-voice-assistant did not come up:\n{(data / 'lva.log').read_text()[-2000:]}")
        microphone, loudspeaker = Ear("mic"), Ear("spk")
        recording = [asyncio.create_task(each.listen()) for each in (microphone, loudspeaker)]
        try:
            await asyncio.sleep(1)
            await measure(microphone, loudspeaker, ears)
            await live_with(running.address, microphone, loudspeaker, ears)
            for turn in await running.turns():
                print(turn["heard"], "→", turn["answered"], turn["timings"])
        finally:
            for task in recording:
                task.cancel()
            await asyncio.wait(recording)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "eth0"))
