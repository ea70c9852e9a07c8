"""Runs a satellite as its settings say."""

import argparse
import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import Iterator

import httpx

from pipeline.settings.satellites import OwnSatellite
from satellites.pi.attention import Attention, State
from satellites.pi.command import SatelliteFailed
from satellites.pi.ears import Ears
from satellites.pi.hooks import Hooks
from satellites.pi.link import Link
from satellites.pi.loudspeaker import Loudspeaker
from satellites.pi.satellite import Satellite
from satellites.pi.sound import Recordings, SoundCard
from voice import models, recordings
from voice.vad import SpeechDetector
from voice.wakeword import WakeWords, WakeWordUnknown

LISTENS = (State.IDLE, State.FOLLOW_UP)
"""What it is at while it waits for somebody to speak."""


def run(chosen: OwnSatellite, token: str | None, options: argparse.Namespace) -> int:
    """Run until Ctrl-C, or until the recordings of `options` are answered. Raises `SatelliteFailed`."""
    try:
        ears = Ears(WakeWords(chosen.wake_words), SpeechDetector(models.silero_vad()))
        asyncio.run(_run(chosen, token, ears, options))
    except (WakeWordUnknown, models.ModelMissing, recordings.RecordingUnreadable) as error:
        raise SatelliteFailed(str(error)) from error
    except OSError as error:
        raise SatelliteFailed(f"it cannot run: {error.strerror or error}") from error
    return 0


async def _run(chosen: OwnSatellite, token: str | None, ears: Ears, options: argparse.Namespace) -> None:
    attention, loudspeaker = Attention(chosen.follow_up, barge_in=chosen.barge_in), Loudspeaker(chosen.rate)
    played: Recordings | None = None
    if options.files:
        played = Recordings(loudspeaker, options.files, idle=lambda: attention.state in LISTENS)
    sound = played or SoundCard(loudspeaker, microphone=chosen.microphone, output=chosen.loudspeaker)
    hooks = Hooks({str(state): command for state, command in chosen.commands.items()})
    satellite = Satellite(ears=ears, attention=attention, loudspeaker=loudspeaker, hooks=hooks, sound=sound)
    link = Link(
        chosen.server,
        token=token,
        name=chosen.name,
        room=chosen.room,
        certificate=chosen.certificate,
        attention=attention,
        changed=satellite.perform,
    )
    headers = {"authorization": f"Bearer {token}"} if token else {}
    trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=chosen.certificate) if chosen.certificate else True
    house = httpx.AsyncClient(base_url=chosen.server, headers=headers, verify=trust, trust_env=False)
    async with house:
        with _button(satellite):
            await satellite.run(link, house, chosen.name)
    if played is not None and not played.answer:
        raise SatelliteFailed("nothing was answered: is the assistant there, and a wake word in the recordings?")
    if played is not None:
        recordings.write(options.output, bytes(played.answer), loudspeaker.rate)
        sys.stdout.write(f"sent {link.sent / 1000:.0f} kB; what was answered is in {options.output}\n")


@contextlib.contextmanager
def _button(satellite: Satellite) -> Iterator[None]:
    """Take a signal for a button."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, satellite.press)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
