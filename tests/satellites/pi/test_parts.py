"""The smaller parts of a satellite: what it plays, the commands it runs, recordings in place of a microphone."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.settings import Settings
from satellites.pi.attention import State
from satellites.pi.hooks import MOST_WAITING, Hooks
from satellites.pi.loudspeaker import QUIET, SPEECH_RATE, Loudspeaker
from satellites.pi.sound import RATE, Recordings, SoundCard, SoundLost
from tests.peers.server import ROOT
from tests.spoken import pcm
from voice import recordings

TONE = pcm(np.full(SPEECH_RATE, 0.5))
BLOCK = 480


def levels(loudspeaker: Loudspeaker, blocks: int) -> list[float]:
    return [float(np.abs(loudspeaker.take(BLOCK)).mean()) / 32768 for _ in range(blocks)]


def test_speech_is_played_once_with_silence_around_it() -> None:
    loudspeaker = Loudspeaker(SPEECH_RATE)
    assert levels(loudspeaker, 1) == [0.0]
    loudspeaker.add(TONE)
    assert levels(loudspeaker, 50) == pytest.approx([0.5] * 50, abs=0.01)
    assert loudspeaker.empty
    assert levels(loudspeaker, 1) == [0.0]


def test_speech_becomes_quieter_and_louder_without_a_step() -> None:
    loudspeaker = Loudspeaker(SPEECH_RATE)
    loudspeaker.add(TONE)
    levels(loudspeaker, 2)
    loudspeaker.duck(quietly=True)
    falling = levels(loudspeaker, 5)
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(0.5 * QUIET, abs=0.01)
    loudspeaker.duck(quietly=False)
    rising = levels(loudspeaker, 5)
    assert rising == sorted(rising)
    assert rising[-1] == pytest.approx(0.5, abs=0.01)


def test_what_waits_is_dropped() -> None:
    loudspeaker = Loudspeaker(48_000)
    loudspeaker.add(TONE)
    loudspeaker.clear()
    assert loudspeaker.empty


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def running(hooks: Hooks, file: Path, lines: int) -> list[str]:
    task = asyncio.create_task(hooks.run())
    async with asyncio.timeout(20):
        while len(lines_of(file)) < lines:
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait({task})
    return lines_of(file)


async def test_commands_run_in_order_and_know_the_state(tmp_path: Path) -> None:
    file = tmp_path / "lamp"
    hooks = Hooks(dict.fromkeys(("woken", "idle"), f"sh -c 'echo $PASSFEL_STATE_BEFORE $PASSFEL_STATE >> {file}'"))
    hooks.tell(State.WOKEN, State.IDLE)
    hooks.tell(State.TALKING, State.WOKEN)
    hooks.tell(State.IDLE, State.TALKING)
    assert await running(hooks, file, 2) == ["idle woken", "talking idle"]


async def test_a_command_that_fails_or_is_not_there_stops_no_other(tmp_path: Path) -> None:
    file = tmp_path / "lamp"
    hooks = Hooks(
        {"woken": "no-such-command", "talking": "false", "idle": f"touch {file}", "away": f"sh -c 'echo x > {file}'"}
    )
    for state in (State.WOKEN, State.TALKING, State.IDLE, State.AWAY):
        hooks.tell(state, State.IDLE)
    assert await running(hooks, file, 1) == ["x"]


async def test_of_too_many_commands_the_oldest_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "lamp"
    hooks = Hooks({"woken": f"sh -c 'echo $PASSFEL_STATE >> {file}'", "idle": f"sh -c 'echo last >> {file}'"})
    for _ in range(3 * MOST_WAITING):
        hooks.tell(State.WOKEN, State.IDLE)
    hooks.tell(State.IDLE, State.WOKEN)
    lines = await running(hooks, file, MOST_WAITING)
    assert lines == ["woken"] * (MOST_WAITING - 1) + ["last"]


async def test_recordings_are_heard_one_after_the_other_and_answers_are_kept(tmp_path: Path) -> None:
    files = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for file in files:
        recordings.write(file, pcm(np.full(RATE // 2, 0.5)), RATE)
    loudspeaker, loud, heard, blocks = Loudspeaker(SPEECH_RATE), 0, 0, 0
    played = Recordings(loudspeaker, files, idle=lambda: True)
    async with asyncio.timeout(60):
        async for near, far in played.blocks():
            assert len(near) == 640
            heard, blocks = heard + len(far), blocks + 1
            if np.abs(np.frombuffer(near, "<i2")).mean() > 10_000:
                loud += 1
                if loud in (20, 45):
                    loudspeaker.add(TONE[: SPEECH_RATE // 2])
    assert heard == pytest.approx(640 * blocks, abs=1280), "what is played is told as it is played"
    assert loud in range(49, 53), "two recordings of half a second"
    sound = np.frombuffer(bytes(played.answer), "<i2")
    assert np.abs(sound).mean() / 32768 == pytest.approx(0.5, abs=0.05)
    assert len(sound) == pytest.approx(SPEECH_RATE // 2, abs=2 * BLOCK)


async def test_without_a_sound_card_it_says_what_to_do() -> None:
    sound = SoundCard(Loudspeaker(48_000), microphone="no such card")
    with pytest.raises(SoundLost, match=r"no sound card can be used|apt install libportaudio2"):
        await anext(sound.blocks())


def test_a_satellite_needs_neither_the_servers_engines_nor_its_pipeline() -> None:
    heavy = "pipecat", "faster_whisper", "ctranslate2", "piper", "xllamacpp", "fastapi", "openai", "asyncpg", "torch"
    code = f"import passfel, satellites.pi.running, sys; print([each for each in {heavy} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_that_are_no_good_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fetch it from the assistant"):
        Settings(satellite={"certificate": tmp_path / "none.crt"})
    with pytest.raises(ValueError, match="needs an address"):
        Settings(satellite={"server": "assistant.local"})
    with pytest.raises(ValueError, match="commands"):
        Settings(satellite={"commands": {"dancing": "true"}})
