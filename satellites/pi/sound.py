"""Where a satellite's sound comes from and goes to: a sound card, or recordings in its place."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from loguru import logger

from satellites.pi.loudspeaker import Loudspeaker
from voice import recordings
from voice.resampling import StreamResampler

RATE: Final = 16_000
"""Hz of what is heard."""
BLOCK_SECONDS: Final = 0.02
MOST_BLOCKS: Final = 100
"""Two seconds of sound that wait to be listened to; of more, the newest are dropped."""
STALLED_SECONDS: Final = 5.0
"""Without a sound, after which a sound card is taken for gone."""
ROOM_TONE: Final = 0.0005
"""Standard deviation of a quiet room's noise, about -66 dB below full scale."""
BREATH: Final = 1.0
"""Seconds between the end of an answer and the next recording."""
STUCK_SECONDS: Final = 90.0
"""After which a satellite that neither speaks nor listens is waited for no more: its assistant is not there."""
UNANSWERED_SECONDS: Final = 15.0
"""For which an answer to a recording is waited for that seems to have woken nobody."""

Block = tuple[bytes, bytes]
"""What the microphone heard and what the loudspeaker was given meanwhile: 16-bit mono PCM at `RATE`."""


class SoundLost(Exception):  # noqa: N818 - reads as what happened
    """There is no sound card to hear and play with; the message is one line and says what to do."""


class Sound(Protocol):
    """A microphone beside a loudspeaker."""

    def blocks(self) -> AsyncIterator[Block]:
        """Hear and play, in real time, until that is over. Raises `SoundLost`."""


class SoundCard:
    """A sound card by way of PortAudio, which speaks to ALSA, PipeWire and others.

    Args:
        loudspeaker: what it plays; at its rate the card is run.
        microphone: the device's name or a part of it, or its number; None is the system's.
        output: the same of the loudspeaker.
    """

    def __init__(self, loudspeaker: Loudspeaker, *, microphone: str | None = None, output: str | None = None) -> None:
        self._loudspeaker = loudspeaker
        self._devices = (_device(microphone), _device(output))

    async def blocks(self) -> AsyncIterator[Block]:
        """Hear and play until cancelled. Raises `SoundLost`."""
        queue: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        rate = self._loudspeaker.rate
        near, far = StreamResampler(rate, RATE, quality="MQ"), StreamResampler(rate, RATE, quality="MQ")
        async with self._open(queue):
            while True:
                try:
                    async with asyncio.timeout(STALLED_SECONDS):
                        heard, played = await queue.get()
                except TimeoutError:
                    raise SoundLost("the sound card has stopped: was it unplugged?") from None
                yield near.resample(heard), far.resample(played)

    @asynccontextmanager
    async def _open(self, queue: "asyncio.Queue[tuple[bytes, bytes]]") -> AsyncIterator[None]:
        try:
            # Importing it looks for PortAudio.
            import sounddevice  # noqa: PLC0415
        except (ImportError, OSError) as error:
            raise SoundLost(f"sound cards need PortAudio: apt install libportaudio2 ({error})") from error
        loop, loudspeaker = asyncio.get_running_loop(), self._loudspeaker

        def put(heard: bytes, played: bytes) -> None:
            if queue.qsize() < MOST_BLOCKS:
                queue.put_nowait((heard, played))

        def callback(heard: npt.NDArray[np.int16], out: npt.NDArray[np.int16], frames: int, *rest: Any) -> None:
            if status := rest[-1]:
                logger.debug(f"the sound card: {status}")
            played = loudspeaker.take(frames)
            out[:, 0] = played
            loop.call_soon_threadsafe(put, heard.tobytes(), played.tobytes())

        try:
            stream = sounddevice.Stream(
                samplerate=loudspeaker.rate,
                blocksize=round(loudspeaker.rate * BLOCK_SECONDS),
                device=self._devices,
                channels=1,
                dtype="int16",
                callback=callback,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SoundLost(f"no sound card can be used: {reason}; python -m sounddevice lists them") from error
        with stream:
            yield


class Recordings:
    """Plays recordings to the satellite in a quiet room, each once the answer to the one before is over.

    Args:
        loudspeaker: what is answered; it is kept in `answer`.
        files: the recordings.
        idle: tells whether the satellite waits for somebody to speak.

    Raises:
        voice.recordings.RecordingUnreadable: where one cannot be read.
    """

    def __init__(self, loudspeaker: Loudspeaker, files: Sequence[Path], *, idle: Callable[[], bool]) -> None:
        self._loudspeaker = loudspeaker
        self._said = [recordings.read(file, RATE) for file in files]
        self._idle = idle
        self.answer = bytearray()
        """What the loudspeaker played, at its rate, without the silence around it."""

    async def blocks(self) -> AsyncIterator[Block]:
        """Hear and play until the last recording is answered."""
        random, far = np.random.default_rng(0), StreamResampler(self._loudspeaker.rate, RATE, quality="MQ")
        due, waiting = time.monotonic(), np.zeros(0, np.float32)
        rest, stuck, answered = BREATH, 0.0, True
        length = round(RATE * BLOCK_SECONDS)
        while True:
            due += BLOCK_SECONDS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            room = random.normal(0, ROOM_TONE, length)
            said, waiting = waiting[:length], waiting[length:]
            room[: len(said)] += said
            sounding = not self._loudspeaker.empty
            played = self._loudspeaker.take(round(self._loudspeaker.rate * BLOCK_SECONDS)).tobytes()
            if sounding:
                self.answer += played
            yield (np.clip(room, -1, 1) * 32767).astype("<i2").tobytes(), far.resample(played)
            answered = answered or sounding or not self._idle()
            rest = 0.0 if len(waiting) or sounding or not self._idle() else rest + BLOCK_SECONDS
            stuck = 0.0 if sounding or self._idle() else stuck + BLOCK_SECONDS
            if stuck >= STUCK_SECONDS:
                return
            if rest >= (BREATH if answered else UNANSWERED_SECONDS):
                if not self._said:
                    return
                waiting, rest, answered = self._said.pop(0), 0.0, False


def _device(named: str | None) -> int | str | None:
    return int(named) if named is not None and named.isdecimal() else named
