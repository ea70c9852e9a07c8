"""A satellite as a whole: its microphone and loudspeaker, its attention, its assistant."""

import asyncio
import contextlib
import time
from typing import Final

import httpx
from loguru import logger

from satellites.pi.attention import (
    RATE,
    Attention,
    Cancel,
    Duck,
    Forget,
    Output,
    Pause,
    Play,
    Send,
    Silence,
    State,
    Tell,
)
from satellites.pi.ears import Ears, Heard
from satellites.pi.hooks import Hooks
from satellites.pi.link import Link
from satellites.pi.loudspeaker import Loudspeaker
from satellites.pi.sound import Sound, SoundLost
from voice.wakeword import Woken

SOUND_PAUSE: Final = 5.0
"""Seconds between two tries to use a sound card that is not there."""
ASK_SECONDS: Final = 1.0
"""In which the assistant says whether this satellite or another one answers; without a word of it this one does."""


class Satellite:
    """Runs until its sound ends.

    Args:
        ears: listen.
        attention: decides.
        loudspeaker: plays.
        hooks: tell of it.
        sound: hears and plays, in real time.
    """

    def __init__(
        self, *, ears: Ears, attention: Attention, loudspeaker: Loudspeaker, hooks: Hooks, sound: Sound
    ) -> None:
        self._ears = ears
        self._attention = attention
        self._loudspeaker = loudspeaker
        self._hooks = hooks
        self._sound = sound
        self._link: Link | None = None
        self._asking: asyncio.TaskGroup | None = None

    async def run(self, link: Link, house: httpx.AsyncClient, name: str) -> None:
        """Serve until the sound ends; a sound card that is lost is waited for.

        Args:
            link: to the assistant.
            house: asked which satellite answers.
            name: of this one.
        """
        self._link = link
        async with asyncio.TaskGroup() as tasks:
            self._asking = tasks
            background = [tasks.create_task(link.run()), tasks.create_task(self._hooks.run())]
            while True:
                try:
                    async for near, far in self._sound.blocks():
                        for heard in self._ears.hear(near, far):
                            self._hear(heard, house, name)
                    break
                except SoundLost as error:
                    logger.error(f"{error}")
                    await asyncio.sleep(SOUND_PAUSE)
            for task in background:
                task.cancel()

    def press(self) -> None:
        """A button was pressed: it listens, or falls silent where it speaks."""
        if self._attention.playing:
            self._attention.rest()
        else:
            self._attention.wake(time.monotonic())
        self.perform()

    def _hear(self, heard: Heard, house: httpx.AsyncClient, name: str) -> None:
        now = time.monotonic()
        if self._attention.playing and self._loudspeaker.empty:
            self._attention.played(now)
        self._attention.hear(heard.pcm, speech=heard.speech, now=now)
        if heard.woken is not None:
            logger.info(f"{heard.woken.phrase}, at {heard.woken.loudness:.0f} dB")
            if self._attention.state is State.IDLE and self._asking is not None:
                self._asking.create_task(self._ask(heard.woken, house, name))
            self._attention.wake(now)
        self.perform()

    async def _ask(self, woken: Woken, house: httpx.AsyncClient, name: str) -> None:
        """Leave it to another satellite that heard the same louder."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            heard = {"device": name, "loudness": woken.loudness}
            answer = await house.post("/v1/woken", json=heard, timeout=ASK_SECONDS)
            if answer.is_success and answer.json().get("answers") is False:
                logger.info("another satellite has heard it louder, and answers")
                self._attention.rest()
                self.perform()

    def perform(self) -> None:
        """Do what the attention asks for."""
        for output in self._attention.take():
            self._do(output)

    def _do(self, output: Output) -> None:
        assert self._link is not None
        match output:
            case Send(pcm):
                self._link.send(pcm)
            case Pause(seconds):
                self._link.send(bytes(2 * int(seconds * RATE)))
            case Play(pcm):
                self._loudspeaker.add(pcm)
            case Silence():
                self._loudspeaker.clear()
            case Cancel():
                self._link.tell({"type": "response.cancel"})
            case Forget():
                self._link.tell({"type": "input_audio_buffer.clear"})
            case Duck(quietly):
                self._loudspeaker.duck(quietly=quietly)
            case Tell(state, before):
                self._hooks.tell(state, before)
