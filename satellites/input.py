"""What the inputs of doors have in common."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from pipecat.frames.frames import CancelFrame, EndFrame
from pipecat.transports.base_input import BaseInputTransport


class AttendedInput(BaseInputTransport):
    """An input that a task of its own attends to for as long as it lasts, however it ends."""

    _attending: asyncio.Task[None] | None = None

    def attend(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin with what goes on until the input has ended, or has ended it."""
        self._attending = self.create_task(work)

    async def stop(self, frame: EndFrame) -> None:
        """Hear nothing more; what is being said goes on to its end."""
        await self._leave()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Hear nothing more."""
        await self._leave()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Hear nothing more, if neither an end nor a cancellation came by."""
        await self._leave()
        await super().cleanup()

    async def _leave(self) -> None:
        attending, self._attending = self._attending, None
        if attending is not None and attending is not asyncio.current_task():
            await self.cancel_task(attending)
