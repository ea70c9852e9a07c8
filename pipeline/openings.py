"""Where in a conversation something may be said that nobody has just asked for."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    StartFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

QUIET: Final = 0.7
"""Seconds after the last word in which an answer begins, or its voice does."""
TOO_SOON: Final = 1.5
"""Seconds of an announcement after which an interruption can be an answer to it: it takes half a second to react, and a
second until words are known to be an interruption."""
LONGEST_WAIT: Final = 20.0
"""Seconds for which others may keep the floor; a timer is worth an interruption then."""


class Floor:
    """Who has the floor. Without input or output; times are monotonic seconds."""

    def __init__(self) -> None:
        self._person = self._answer = self._voice = False
        self._since = 0.0

    def see(self, frame: Frame, now: float) -> bool:
        """Follow a frame; tell whether it says anything about the floor."""
        match frame:
            case UserStartedSpeakingFrame():
                self._person = True
            case UserStoppedSpeakingFrame():
                self._person = False
            case LLMFullResponseStartFrame():
                self._answer = True
            case LLMFullResponseEndFrame() | InterruptionFrame() | EagerEndOfTurnCancelFrame():
                self._answer = False
            case BotStartedSpeakingFrame():
                self._voice = True
            case BotStoppedSpeakingFrame():
                self._voice = False
            case _:
                return False
        self._since = now
        return True

    def opens_in(self, now: float) -> float | None:
        """Seconds until it is free, if nobody speaks meanwhile; None while somebody has it."""
        if self._person or self._answer or self._voice:
            return None
        return max(0.0, self._since + QUIET - now)


@dataclass(frozen=True, slots=True)
class _Announcement:
    text: str
    until: float
    """When it is said whoever has the floor, in monotonic seconds."""
    heard: asyncio.Future[bool] | None

    @property
    def withdrawn(self) -> bool:
        return self.heard is not None and self.heard.cancelled()

    def is_heard(self, heard: bool) -> None:
        if self.heard is not None and not self.heard.done():
            self.heard.set_result(heard)


class Openings(FrameProcessor):
    """Says announcements when nobody speaks and no answer is on its way. It stands between the model and the voice."""

    def __init__(self) -> None:
        super().__init__()
        self._floor = Floor()
        self._waiting: deque[_Announcement] = deque()
        self._changed = asyncio.Event()
        self._speaking: asyncio.Task[None] | None = None
        self._said: _Announcement | None = None
        self._heard_since: float | None = None
        self._understood: asyncio.TimerHandle | None = None

    def say(self, text: str, heard: asyncio.Future[bool] | None = None) -> None:
        """Say `text` at the next opening, after `LONGEST_WAIT` seconds even without one.

        Args:
            heard: its result is True once somebody can have understood it, False where the conversation ends before;
                cancel it to withdraw what is not yet said.
        """
        self._waiting.append(_Announcement(text, time.monotonic() + LONGEST_WAIT, heard))
        self._changed.set()

    def unsaid(self) -> list[str]:
        """Take back what was not said and what nobody waits for, once the conversation has ended."""
        self._take_back()
        left = [each.text for each in self._waiting if each.heard is None]
        for each in self._waiting:
            each.is_heard(False)
        self._waiting.clear()
        return left

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow who speaks."""
        await super().process_frame(frame, direction)
        now = time.monotonic()
        if isinstance(frame, BotStartedSpeakingFrame) and self._heard_since is None:
            self._heard_since = now
            self._understood = asyncio.get_running_loop().call_later(TOO_SOON, self._is_heard)
        elif isinstance(frame, BotStoppedSpeakingFrame) and self._heard_since is not None:
            self._is_heard()
            self._said = None
        elif isinstance(frame, InterruptionFrame):
            self._take_back()
        if self._floor.see(frame, now):
            self._changed.set()
        elif isinstance(frame, EndFrame | CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._speaking is None:
            self._speaking = self.create_task(self._speak(), "openings")

    async def cleanup(self) -> None:
        """Say nothing more."""
        await self._stop()
        await super().cleanup()

    async def _speak(self) -> None:
        while True:
            self._changed.clear()
            now = time.monotonic()
            wait = self._wait(now)
            if wait == 0.0:
                self._said = self._waiting.popleft()
                if self._said.withdrawn:
                    self._said = None
                    continue
                # Two of them must not run into each other before the voice of the first is heard.
                self._floor.see(BotStoppedSpeakingFrame(), now)
                self._heard_since = None
                await self.push_frame(TTSSpeakFrame(self._said.text))
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def _take_back(self) -> None:
        """Say again what was broken off before anybody could understand it."""
        now = time.monotonic()
        said, self._said = self._said, None
        if self._understood is not None:
            self._understood.cancel()
        if said is not None and (self._heard_since is None or now - self._heard_since < TOO_SOON):
            self._waiting.appendleft(replace(said, until=now + LONGEST_WAIT))
        elif said is not None:
            said.is_heard(True)

    def _is_heard(self) -> None:
        if self._said is not None:
            self._said.is_heard(True)

    def _wait(self, now: float) -> float | None:
        if not self._waiting:
            return None
        impatient = max(0.0, self._waiting[0].until - now)
        opens = self._floor.opens_in(now)
        return impatient if opens is None else min(opens, impatient)

    async def _stop(self) -> None:
        speaking, self._speaking = self._speaking, None
        if speaking is not None:
            await self.cancel_task(speaking)
