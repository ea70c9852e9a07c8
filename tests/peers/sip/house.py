"""A running assistant with a telephone, and ears to understand what is heard from it."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from tests.peers.server import Server
from tests.peers.sip.phones import Softphone
from tests.spoken import RATE, pcm, room_tone, speech
from voice.whisper import WhisperEngine


@dataclass
class House:
    server: Server
    port: int
    folder: Path
    ears: WhisperEngine

    @property
    def uri(self) -> str:
        return f"sip:passfel@127.0.0.1:{self.port}"

    async def satellites(self) -> list[dict]:
        async with httpx.AsyncClient(base_url=self.server.address) as http:
            return (await http.get("/v1/satellites")).raise_for_status().json()

    async def telephone(self) -> dict:
        return next(each for each in await self.satellites() if each["device"] == "sip")

    async def understood(self, sound: np.ndarray) -> str:
        """Write down what was heard, in pieces that Whisper takes."""
        step = 25 * RATE
        pieces = [sound[start : start + step] for start in range(0, len(sound), step)]
        return " ".join([(await self.ears.transcribe(piece)).text.lower() for piece in pieces])

    async def until_understood(self, phone: Softphone, pattern: str, since: int = 0, seconds: float = 40.0) -> str:
        """Wait until words are heard from the telephone."""
        said = ""
        ends = asyncio.get_running_loop().time() + seconds
        while not re.search(pattern, said):
            assert asyncio.get_running_loop().time() < ends, f"heard only: {said}"
            await asyncio.sleep(1.0)
            sound = phone.heard()[since:]
            said = await self.understood(sound) if len(sound) > RATE else ""
        return said


def words(text: str) -> bytes:
    """Say something into a phone, with a little of the room around it."""
    return pcm(np.concatenate([room_tone(0.3), speech(text), room_tone(1.5)]))
