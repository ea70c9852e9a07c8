import base64
import json

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from satellites.realtime.talk import RATE, Call, TalkFailed, Turn, talk, waterfall
from voice.recordings import write

SECOND_OF_SOUND = base64.b64encode(bytes(2 * RATE)).decode()
SPEECH_STARTED = {"type": "input_audio_buffer.speech_started"}
SPEECH_STOPPED = {"type": "input_audio_buffer.speech_stopped"}
CREATED = {"type": "response.created"}
COMPLETED = {"type": "response.done", "response": {"status": "completed"}}
CANCELLED = {"type": "response.done", "response": {"status": "cancelled"}}


def after(*events: dict) -> Turn:
    turn = Turn()
    for at, event in enumerate(events):
        turn.note(event, float(at))
    return turn


def test_a_turn_settles_with_its_answer():
    assert not after().settled
    assert not after(SPEECH_STARTED, SPEECH_STOPPED).settled
    assert not after(SPEECH_STARTED, SPEECH_STOPPED, CREATED).settled
    assert after(SPEECH_STARTED, SPEECH_STOPPED, CREATED, COMPLETED).settled


def test_a_turn_that_goes_on_after_a_pause_waits_for_the_second_answer():
    events = [SPEECH_STARTED, SPEECH_STOPPED, CREATED, SPEECH_STARTED, CANCELLED, SPEECH_STOPPED]
    assert not after(*events).settled
    assert not after(*events, CREATED).settled
    assert after(*events, CREATED, COMPLETED).settled


def test_what_was_heard_and_answered_is_kept_in_order():
    turn = after(
        {"type": "conversation.item.input_audio_transcription.completed", "transcript": " What time is it? "},
        {"type": "response.output_audio.delta", "delta": SECOND_OF_SOUND},
        {"type": "response.output_audio.delta", "delta": SECOND_OF_SOUND},
        {"type": "response.output_audio_transcript.done", "transcript": "Noon."},
        {"type": "some.event.of.tomorrow"},
    )
    assert (turn.heard, turn.answered) == (["What time is it?"], ["Noon."])
    assert (turn.first_sound, turn.playing_until) == (1.0, 3.0)


def test_a_failure_is_reported():
    failed = {"status": "failed", "status_details": {"error": {"message": "no model"}}}
    assert after({"type": "response.done", "response": failed}).error == "no model"
    assert after({"type": "response.done", "response": {"status": "failed", "status_details": None}}).error
    assert after({"type": "error", "error": {"message": "bad event"}}).error == "bad event"


def record(speculation: dict | None = None, **timings: float | None) -> dict:
    return {"timings": timings, "speculation": speculation or {"used": False, "saved": None}}


def test_the_waterfall_shows_each_stage_where_it_happened():
    lines = waterfall(record(vad=0.2, transcribed=0.3, decided=0.25, first_token=None, first_audio=0.5))
    assert [line[:15].rstrip() for line in lines] == [
        "silence noticed",
        "turn over",
        "words known",
        "first sound",
    ]
    starts = [line.index("█") for line in lines]
    assert starts == sorted(starts)
    assert lines[-1].endswith("0.500 s")
    assert len({len(line) for line in lines}) == 1


def test_the_waterfall_bears_records_without_times_and_tells_of_speculation():
    assert waterfall(record()) == []
    assert waterfall(record(first_audio=0.0, decided=-0.1))
    assert "0.310 s saved" in waterfall(record({"used": True, "saved": 0.31}, first_audio=0.2))[-1]


@pytest.fixture
def recording(tmp_path):
    file = tmp_path / "tone.wav"
    wave = 10_000 * np.sin(np.arange(RATE // 2) / 10)
    write(file, wave.astype("<i2").tobytes(), RATE)
    return file


async def test_the_microphone_stays_open_and_quiet_around_the_recording():
    heard = bytearray()

    class Websocket:
        async def send(self, message: str) -> None:
            heard.extend(base64.b64decode(json.loads(message)["audio"]))
            if len(heard) >= RATE:  # half a second
                raise ConnectionResetError

    call = Call(Websocket())  # type: ignore[arg-type]
    with pytest.raises(ConnectionResetError):
        await call.keep_microphone_open()
    tone = np.frombuffer(heard, "<i2")
    assert 5 < tone.std() < 50


async def test_an_assistant_that_hangs_up_is_reported(recording):
    async def hang_up(websocket: ServerConnection) -> None:
        await websocket.close(1011, "the server has failed")

    # The latency records are asked for first, and a plain websocket server refuses that.
    async with serve(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TalkFailed, match="hung up"):
            await talk([recording], server=f"http://127.0.0.1:{port}", token=None, on_turn=print)


async def test_an_assistant_that_is_not_there_is_reported(recording):
    with pytest.raises(TalkFailed, match="start one with passfel serve"):
        await talk([recording], server="http://127.0.0.1:9", token=None, on_turn=print)
