"""Takes a caller's message: listens until it is over, writes it down, and keeps what was understood."""

import asyncio
import time
from typing import Final

import numpy as np
from loguru import logger

from satellites.services import Assistant
from satellites.sip.callers import MOST_TRIES, Admission, Keys, Pins, shown
from satellites.sip.dictation import Dictation
from satellites.sip.phrases import Phrases, meant
from satellites.sip.wire import RATE
from tools.messages import MailboxFull, Messages
from voice.whisper import Audio, WhisperError

LOOK: Final = 0.25
"""Seconds without a sound, such as on hold, after which that counts as silence."""


class MessageTaker:
    """Takes the messages of one call. The sound of a message is in memory until it is written down, and nowhere else.

    Args:
        heard: what the caller says, 16-bit mono PCM at `RATE`.
        keys: what the caller presses: the hash key ends a message, and the PIN lets a person of the house in.
        ended: set when the caller has hung up, which ends a message as well.
    """

    def __init__(
        self,
        assistant: Assistant,
        admission: Admission,
        pins: Pins,
        *,
        heard: asyncio.Queue[bytes],
        keys: asyncio.Queue[str],
        ended: asyncio.Event,
    ) -> None:
        self._assistant = assistant
        self._admission = admission
        self._pins = pins
        self._heard = heard
        self._keys = keys
        self._ended = ended

    async def take(self, messages: Messages, to: str | None, phrases: Phrases) -> str | None:
        """Take a message, and keep it where anything was understood; a cancelled one is lost.

        Args:
            to: for whom it is; where that is not known, it may say so itself.
            phrases: in which language the caller is told what became of it.

        Returns:
            What is said to the caller then; None where the PIN was typed instead.

        Raises:
            AssistantNotReady: there are no ears now.
        """
        dictation = Dictation()
        if not await self._dictated(dictation):
            return None
        text = await self._written(dictation) if dictation.spoken else ""
        if not text:
            return phrases.not_understood
        who = shown(self._admission.number)
        try:
            await messages.leave(text, caller=self._admission.named, to=to or meant(text, messages.people))
        except MailboxFull:
            logger.warning(f"a message of {who} is not taken: too many wait already")
            return phrases.no_more_messages
        except OSError as error:
            logger.error(f"a message of {who} is lost, since it cannot be written: {error}")
            return phrases.no_more_messages
        logger.info(f"{who} has left a message")
        return phrases.passed_on

    async def _dictated(self, dictation: Dictation) -> bool:
        """Listen until a message is over; False where a person of the house has typed the PIN instead."""
        speech = self._assistant.speech()
        keys, tries = Keys(self._pins.length), MOST_TRIES
        while not dictation.over and not self._ended.is_set():
            try:
                async with asyncio.timeout(LOOK):
                    pcm = await self._heard.get()
            except TimeoutError:
                pcm = bytes(int(LOOK * RATE) * 2)
            if (step := dictation.feed(pcm)) is not None:
                dictation.judge(step, speech=await speech.holds_speech(_samples(step)))
            while not self._keys.empty():
                typed = keys.press(key := self._keys.get_nowait())
                if typed is None and key == "#":
                    return True
                if typed is not None and tries and self._admission.kind == "person" and self._pins.length:
                    if self._pins.check(typed, time.monotonic()):
                        return False
                    tries -= 1
                    logger.warning(f"a wrong PIN from {shown(self._admission.number)}")
        return True

    async def _written(self, dictation: Dictation) -> str:
        speech = self._assistant.speech()
        try:
            heard = [(await speech.hear(_samples(piece))).text.strip() for piece in dictation.pieces()]
        except WhisperError as error:
            logger.warning(f"a message cannot be written down: {error}")
            return ""
        return " ".join(filter(None, heard))


def _samples(pcm: bytes) -> Audio:
    samples: Audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    return samples / np.float32(32768)
