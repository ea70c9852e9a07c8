import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.assistant import AssistantNotReady
from pipeline.settings import Settings
from satellites.services import House
from satellites.sip.door import SipDoor
from tests.fakes.scripted_assistant import ScriptedAssistant
from tests.peers.sip.phones import eventually, free_port
from tests.tools.calling import MemoryStore
from tools.messages import Messages
from tools.telephone import Exchange
from voice.whisper import Transcript

RTP = (20_000, 20_999)


class Telephone:
    """The door, run with a scripted assistant behind it and a real telephone process."""

    def __init__(self, folder: Path, *, language: str = "en", **settings: Any) -> None:
        self.port = free_port()
        sip = {"enabled": True, "listen": "127.0.0.1", "port": self.port, "rtp_ports": RTP, **settings}
        self.assistant = Assistant()
        self.settings = Settings(data_dir=folder, sip=sip, hearing={"language": language})
        self.door = SipDoor(House(self.assistant, self.settings))

    @property
    def uri(self) -> str:
        return f"sip:passfel@127.0.0.1:{self.port}"

    @property
    def state(self) -> str:
        return self.door.satellites()[0].state

    @property
    def calls(self) -> list[Any]:
        return list(self.door.satellites()[1:])


class Assistant(ScriptedAssistant):
    """It speaks alone, too."""

    def speech(self) -> "Assistant":
        if not self.well:
            raise AssistantNotReady("it is starting")
        return self

    async def speak(self, text: str, *, rate: int) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        yield (b"\x00\x20" * 40 + b"\x00\xe0" * 40) * (rate // 800)

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[str] = []
        self.exchange = Exchange()
        self.exchange.messages = Messages(MemoryStore(), ["ana", "ben"], lambda: UTC)
        self.dictated = ""
        self.well = True

    async def holds_speech(self, audio: np.ndarray) -> bool:
        return bool(np.abs(audio).max(initial=0) > 0.1)

    async def hear(self, audio: np.ndarray) -> Transcript:
        return Transcript(self.dictated, "en", 0.0, 0.0, len(audio) / 16_000)


@asynccontextmanager
async def telephone(folder: Path, **settings: Any) -> AsyncIterator[Telephone]:
    """Run the telephone until the context ends."""
    made = Telephone(folder, **settings)
    task = asyncio.create_task(made.door.run())
    try:
        await eventually(lambda: made.state == "ready" or task.done())
        if task.done():
            await task
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
