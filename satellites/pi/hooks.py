"""Commands that run when a satellite's state changes: for a lamp, or to turn the music down while somebody speaks."""

import asyncio
import os
import shlex
from collections import deque
from collections.abc import Mapping
from typing import Final

from loguru import logger

from satellites.pi.attention import State

SECONDS: Final = 10.0
"""What a command may take."""
MOST_WAITING: Final = 8


class Hooks:
    """Runs one command at a time, in order; of too many the oldest are left out.

    Args:
        commands: what to run on entering a state, by the state's name.
    """

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = {state: shlex.split(command) for state, command in commands.items()}
        self._waiting: deque[tuple[list[str], State, State]] = deque(maxlen=MOST_WAITING)
        self._arrived = asyncio.Event()

    def tell(self, state: State, before: State) -> None:
        """Have the command for a state run soon."""
        if command := self._commands.get(state.value):
            self._waiting.append((command, state, before))
            self._arrived.set()

    async def run(self) -> None:
        """Run commands until cancelled, which ends the one that runs."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._execute(*self._waiting.popleft())

    async def _execute(self, command: list[str], state: State, before: State) -> None:
        environment = {**os.environ, "PASSFEL_STATE": state.value, "PASSFEL_STATE_BEFORE": before.value}
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environment)
        except OSError as error:
            logger.warning(f"the command for {state.value} cannot be run: {error}")
            return
        try:
            async with asyncio.timeout(SECONDS):
                status = await process.wait()
            if status:
                logger.warning(f"the command for {state.value} ended with {status}")
        except TimeoutError:
            logger.warning(f"the command for {state.value} took more than {SECONDS:.0f} s and is ended")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
