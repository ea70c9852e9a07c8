"""Tells a device of its timers, in ESPHome's words."""

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Final

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import APIConnectionError
from aioesphomeapi.model import VoiceAssistantTimerEventType as EventType
from loguru import logger

from pipeline.assistant import AssistantNotReady
from satellites.services import Assistant
from satellites.timer_display import Happened, TimerDisplay, TimerEvent

EVENTS: Final[Mapping[Happened, EventType]] = {
    Happened.STARTED: EventType.VOICE_ASSISTANT_TIMER_STARTED,
    Happened.UPDATED: EventType.VOICE_ASSISTANT_TIMER_UPDATED,
    Happened.CANCELLED: EventType.VOICE_ASSISTANT_TIMER_CANCELLED,
    Happened.FINISHED: EventType.VOICE_ASSISTANT_TIMER_FINISHED,
}


class TimerTeller:
    """Serves one connection.

    Args:
        display: what the device shows.
        client: the connection.
    """

    def __init__(self, display: TimerDisplay, client: APIClient) -> None:
        self._display = display
        self._client = client
        display.connected()

    async def watch(self, assistant: Assistant, device: str) -> None:
        """Tell of what is set at a device, and of each change, until cancelled."""
        try:
            async with aclosing(assistant.timers_at(device)) as changes:
                async for there in changes:
                    self._tell(self._display.see(there))
        except AssistantNotReady as error:
            logger.info("{} is shown no timers: {}", device, error)

    def begin(self) -> None:
        """A conversation begins."""
        self._display.begin()

    def answer(self) -> None:
        """Somebody has said something in it."""
        self._display.answer()

    def end(self) -> None:
        """It is over."""
        self._tell(self._display.end())

    def _tell(self, events: Sequence[TimerEvent]) -> None:
        for event in events:
            timer, left = event.timer, round(event.timer.left(time.time()))
            runs = event.happened in (Happened.STARTED, Happened.UPDATED)
            try:
                self._client.send_voice_assistant_timer_event(
                    EVENTS[event.happened],
                    timer.id,
                    timer.name or None,
                    round(timer.seconds),
                    left if runs else 0,
                    runs,
                )
            except APIConnectionError as error:
                # Its session ends next, and it is told all of it when it is there again.
                logger.debug("a device is not told of its timer: {}", error)
