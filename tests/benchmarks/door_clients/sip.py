"""A telephone by PJSIP, which calls the assistant directly. Both ends of a latency are read on its own clock."""

import asyncio
import base64
import importlib.util
import json
from pathlib import Path

import numpy as np

from tests.benchmarks.clients import Listener, from_pcm, to_pcm
from tests.benchmarks.door_clients.door import CannotRun, Door, latencies
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server
from tests.benchmarks.signals import SAMPLE_RATE, room_tone
from tests.benchmarks.turns import ANSWER_LIMIT
from tests.peers.sip.phones import SECONDS, Softphone, free_port, softphone

FRAME = 0.02
LOOK = 0.01
"""Seconds between two looks at what was heard."""
GREETING_SECONDS = 2.0
"""In which the greeting has begun."""


class WithPhone(Listener):
    """A person on the phone."""

    def __init__(self, phone: Softphone) -> None:
        super().__init__()
        self._phone = phone

    async def wake(self) -> None:
        """Do nothing: it is listened to all the time."""

    async def say(self, recording: Recording) -> float:
        """Speak, and stay in the room until the answer has come."""
        tone = room_tone(recording.samples, ANSWER_LIMIT)
        file = await self._phone.say(to_pcm(np.concatenate([recording.samples, tone])), SAMPLE_RATE)
        # A sound card has it when it is complete.
        return float((await self._phone.until(event="began", file=str(file)))["at"]) - FRAME

    async def follow(self) -> None:
        """Play what is heard."""
        seen = 0
        while True:
            new = self._phone.events[seen:]
            seen += len(new)
            for event in new:
                if event["event"] == "heard":
                    self.playback.arrive(event["at"], from_pcm(base64.b64decode(event["pcm"])), SAMPLE_RATE)
            await asyncio.sleep(LOOK)


def door(folder: Path) -> Door:
    """Return the door with one phone, which keeps its files in a folder."""
    port = free_port()
    prefix = "PASSFEL_SIP__"
    chosen = {"ENABLED": "true", "LISTEN": "127.0.0.1", "PORT": str(port), "RTP_PORTS": "[21000, 21999]"}
    chosen |= {"PEOPLE": json.dumps({"100": "ana"}), "SILENCE": "60"}

    async def ask(_: Server, utterances: tuple[Recording, ...]) -> list[float]:
        if importlib.util.find_spec("pjsua2") is None:
            raise CannotRun("pjsua2-python is not installed, which there is for x86-64 alone")
        async with softphone(folder, clock=True) as phone, asyncio.TaskGroup() as tasks:
            await _call(phone, f"sip:passfel@127.0.0.1:{port}")
            person = WithPhone(phone)
            following = tasks.create_task(person.follow())
            await asyncio.sleep(GREETING_SECONDS)
            found = await latencies(person, utterances)
            following.cancel()
        return found

    return Door(
        "SIP", "codec of the call, 20 ms, over RTP", ask, {prefix + name: value for name, value in chosen.items()}
    )


async def _call(phone: Softphone, uri: str) -> None:
    async with asyncio.timeout(SECONDS):
        await phone.call(uri)
