"""Playing a sound file through whatever player the machine has."""

import asyncio
import shutil
from pathlib import Path

_PLAYERS = {
    "paplay": (),
    "pw-play": (),
    "aplay": ("-q",),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "afplay": (),
}


class CannotPlay(Exception):  # noqa: N818 - reads as what is wrong
    """There is no player, or it failed; the message is one line and says what to do."""


def find_player() -> str | None:
    """Return the name of a program that can play a WAV file, the best first."""
    return next((player for player in _PLAYERS if shutil.which(player)), None)


async def play(file: Path) -> None:
    """Play a sound file to its end. Raises `CannotPlay`. If cancelled, it falls silent at once."""
    player = find_player()
    if player is None:
        raise CannotPlay("nothing here can play sound: install pulseaudio-utils, alsa-utils or ffmpeg")
    process = await asyncio.create_subprocess_exec(player, *_PLAYERS[player], str(file), stderr=asyncio.subprocess.PIPE)
    try:
        _, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise CannotPlay(f"{player} could not play {file}: {last[0]}")
