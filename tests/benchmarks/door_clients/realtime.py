"""The realtime websocket, that the other doors are held against."""

from tests.benchmarks.clients import RealtimeCaller, calling
from tests.benchmarks.door_clients.door import Door, latencies
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server


class Caller(RealtimeCaller):
    """Hears answers out, as people at devices do."""

    async def wake(self) -> None:
        """Do nothing: it is listened to all the time."""

    async def say(self, recording: Recording) -> float:
        """Speak."""
        return self.begin(recording)


async def _ask(server: Server, utterances: tuple[Recording, ...]) -> list[float]:
    caller = Caller(f"ws://127.0.0.1:{server.port}/v1/realtime", utterances[0])
    async with calling(caller):
        return await latencies(caller, utterances)


DOOR = Door("realtime websocket", "PCM, 20 ms, over a websocket", _ask)
