"""`passfel talk`: a caller who plays recordings into a running assistant and listens to its answers.

It speaks OpenAI's Realtime API over `/v1/realtime`, in real time, as a person with an open microphone would:
after a recording the room is still heard, so that the assistant must notice by itself that the turn is over.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from voice import recordings

RATE = 24_000
"""Hz of the audio both ways, as the Realtime API has it."""

FRAME_SECONDS = 0.02
ROOM_TONE = 0.0005
"""Standard deviation of the quiet room's noise, about -66 dB below full scale."""

ANSWER_TIMEOUT = 30.0
"""Seconds that an answer may take to be complete once the recording has ended."""
CONNECT_TIMEOUT = 10.0
BREATH = 0.5
"""Seconds between the end of an answer and the next recording."""

Samples = npt.NDArray[np.float32]


class TalkFailed(Exception):  # noqa: N818 - reads as what happened
    """The conversation could not be held; the message is one line and says what to do."""


@dataclass
class Turn:
    """What one recording led to, filled in as the assistant's events come."""

    heard: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    """The answer: 16-bit mono PCM at `RATE`."""
    first_sound: float | None = None
    """When the answer's first sound came, in monotonic seconds."""
    error: str | None = None
    _speech: bool = False
    _owed: bool = False
    _responding: bool = False
    _answers: int = 0

    def note(self, event: dict[str, Any], now: float) -> None:
        """Take in one server event that came at `now`."""
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._speech = True
            case "input_audio_buffer.speech_stopped":
                self._speech, self._owed = False, True
            case "conversation.item.input_audio_transcription.completed":
                self.heard.append(event["transcript"].strip())
            case "response.created":
                self._owed, self._responding = False, True
            case "response.output_audio.delta":
                self.first_sound = self.first_sound or now
                self.audio += base64.b64decode(event["delta"])
            case "response.output_audio_transcript.done":
                self.answered.append(event["transcript"].strip())
            case "response.done":
                self._end(event["response"])
            case "error":
                self.error = event["error"]["message"]

    def _end(self, response: dict[str, Any]) -> None:
        self._responding = False
        if response["status"] == "completed":
            self._answers += 1
        elif response["status"] == "failed":
            self.error = ((response.get("status_details") or {}).get("error") or {}).get("message", "unknown")

    @property
    def settled(self) -> bool:
        """Whether an answer is complete and no other is on its way."""
        return bool(self._answers) and not (self._speech or self._owed or self._responding)

    @property
    def playing_until(self) -> float:
        """When a loudspeaker would be done with the answer, in monotonic seconds."""
        return (self.first_sound or 0.0) + len(self.audio) / (2 * RATE)


class Call:
    """An open microphone in a quiet room, and an ear for what the assistant says and reports."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._random = np.random.default_rng(0)
        self._waiting: Samples = np.zeros(0, np.float32)
        self._spoken = asyncio.Event()
        self._changed = asyncio.Event()
        self._turn = Turn()

    async def take_turn(self, samples: Samples) -> tuple[Turn, float]:
        """Say `samples` in real time and hear the answer out.

        Returns the turn, and the moment the last sample was sent, in monotonic seconds. Raises `TalkFailed`.
        """
        turn = self._turn = Turn()
        self._spoken.clear()
        self._waiting = samples
        await self._spoken.wait()
        ended = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                while not (turn.settled or turn.error):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TalkFailed(f"no answer within {ANSWER_TIMEOUT:.0f} s: is the recording speech?") from None
        if turn.error:
            raise TalkFailed(f"the assistant reports: {turn.error}")
        await asyncio.sleep(max(turn.playing_until - time.monotonic(), 0) + BREATH)
        return turn, ended

    async def keep_microphone_open(self) -> None:
        """Send a frame every 20 ms until cancelled. Raises `ConnectionClosed`."""
        due = time.monotonic()
        while True:
            due += FRAME_SECONDS
            await asyncio.sleep(due - time.monotonic())
            audio = base64.b64encode(self._frame()).decode()
            await self._websocket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            if not len(self._waiting):
                self._spoken.set()

    async def listen(self) -> None:
        """Take in what the assistant sends until cancelled. Raises `ConnectionClosed`."""
        while True:
            self._turn.note(json.loads(await self._websocket.recv()), time.monotonic())
            self._changed.set()

    def _frame(self) -> bytes:
        length = round(FRAME_SECONDS * RATE)
        frame = self._random.normal(0, ROOM_TONE, length)
        said, self._waiting = self._waiting[:length], self._waiting[length:]
        frame[: len(said)] += said
        return (np.clip(frame, -1, 1) * 32767).astype("<i2").tobytes()


@dataclass(frozen=True)
class Report:
    """One turn as it went, for whoever prints it."""

    recording: Path
    heard: str
    answered: str
    first_sound: float
    """Seconds from the recording's end to the answer's first sound; below 0 after a long silence in it."""
    records: list[dict[str, Any]]
    """The assistant's own latency records, as `/v1/turns` has them; several if it heard several turns.
    Empty where only an owner may see them."""


STAGES = {
    "vad": "silence noticed",
    "transcribed": "words known",
    "decided": "turn over",
    "first_token": "first word",
    "first_clause": "first clause",
    "first_audio": "first sound",
}
BAR = 40


def waterfall(record: dict[str, Any]) -> list[str]:
    """Draw a latency record: each stage from the one before it on; 0 is the end of speech."""
    moments = {stage: moment for stage in STAGES if (moment := record["timings"].get(stage)) is not None}
    scale = BAR / max(*moments.values(), 0.001) if moments else 0.0
    lines, previous = [], 0
    for stage, moment in sorted(moments.items(), key=lambda item: item[1]):
        at = max(round(moment * scale), 0)
        bar = " " * previous + "█" * max(at - previous, 1)
        lines.append(f"{STAGES[stage]:15} {bar[: BAR + 1]:{BAR + 1}} {moment:6.3f} s")
        previous = at
    if record["speculation"]["used"]:
        lines.append(f"prepared while the person might go on: {record['speculation']['saved'] or 0.0:.3f} s saved")
    return lines


async def talk(files: Sequence[Path], *, server: str, token: str | None, on_turn: Callable[[Report], None]) -> bytes:
    """Speak recordings to the assistant at `server` (http://host:port), one turn each, in one conversation.

    Every turn is reported as it ends. Returns the answers, 16-bit mono PCM at `RATE`, a pause between them.
    Raises `TalkFailed`, or `RecordingUnreadable` before a word is said. Hangs up if cancelled.
    """
    utterances = [(file, recordings.read(file, RATE)) for file in files]
    answers = bytearray()
    client = httpx.AsyncClient(base_url=server, headers=_authorization(token), trust_env=False, timeout=CONNECT_TIMEOUT)
    try:
        async with client, _connected(server, token) as websocket, asyncio.TaskGroup() as group:
            call = Call(websocket)
            background = [group.create_task(call.keep_microphone_open()), group.create_task(call.listen())]
            for file, samples in utterances:
                before = await _latency_records(client)
                turn, ended = await call.take_turn(samples)
                after = await _latency_records(client)
                records = [record for record in after if record["id"] not in {known["id"] for known in before}]
                first_sound = (turn.first_sound or ended) - ended
                on_turn(Report(file, " ".join(turn.heard), " ".join(turn.answered), first_sound, records))
                answers += turn.audio + bytes(2 * round(BREATH * RATE))
            for task in background:
                task.cancel()
    except* (ConnectionClosed, httpx.HTTPError) as errors:
        raise TalkFailed(f"the assistant hung up: {errors.exceptions[0]}") from errors
    except* TalkFailed as errors:
        raise TalkFailed(str(errors.exceptions[0])) from errors
    return bytes(answers)


async def _latency_records(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/v1/turns")
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return []
    answer.raise_for_status()
    records: list[dict[str, Any]] = answer.json()
    return records


@asynccontextmanager
async def _connected(server: str, token: str | None) -> AsyncIterator[ClientConnection]:
    url = server.replace("http", "ws", 1) + "/v1/realtime"
    try:
        websocket = await connect(
            url,
            additional_headers=_authorization(token),
            open_timeout=CONNECT_TIMEOUT,
            max_size=None,
            proxy=None,
        )
    except InvalidStatus as error:
        reason = error.response.body.decode("utf-8", "replace") or f"status {error.response.status_code}"
        raise TalkFailed(f"the assistant at {server} refuses: {reason}") from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise TalkFailed(f"no assistant answers at {server}: start one with passfel serve") from error
    async with websocket:
        session = {"type": "realtime", "audio": {"input": {"transcription": {}}}}
        await websocket.send(json.dumps({"type": "session.update", "session": session}))
        yield websocket


def _authorization(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
