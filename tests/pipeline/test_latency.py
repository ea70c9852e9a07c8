import time

from pipeline.latency import KEPT_TURNS, LatencyLog, TurnClock
from voice.hearing import HeardTurn


def clock() -> tuple[TurnClock, LatencyLog]:
    log = LatencyLog()
    return TurnClock(log, conversation="c", door="realtime", device="d"), log


def turn(text: str, *, speculated: float | None = None) -> HeardTurn:
    now = time.monotonic()
    return HeardTurn(
        text=text, speech_ended=now - 0.4, paused=now - 0.3, transcribed=now - 0.2, decided=now, speculated=speculated
    )


def test_stages_are_seconds_after_the_end_of_speech() -> None:
    taker, log = clock()
    taker.heard(turn("what time is it"))
    taker.response_began()
    for stage in ("first_token", "first_clause", "audio_ready", "first_audio"):
        taker.mark(stage)
    taker.answered("It is noon.", interrupted=False)
    (record,) = log.turns()
    timings = record["timings"]
    assert record["heard"] == "what time is it"
    assert record["answered"] == "It is noon."
    assert timings["vad"] == 0.1
    assert timings["decided"] == 0.4
    assert 0.4 <= timings["first_token"] <= timings["first_clause"] <= timings["first_audio"] < 5
    assert record["speculation"] == {"used": False, "saved": None, "withdrawn": 0}


def test_what_was_prepared_before_the_decision_is_counted_as_saved() -> None:
    taker, log = clock()
    began = time.monotonic()
    taker.response_began()
    taker.mark("first_token")
    time.sleep(0.02)
    taker.mark("audio_ready")
    taker.heard(turn("hello", speculated=began))
    taker.mark("first_audio")
    (record,) = log.turns()
    assert record["speculation"]["used"]
    assert 0 < record["speculation"]["saved"] < 0.5
    assert record["timings"]["first_token"] < record["timings"]["decided"]


def test_times_of_a_withdrawn_answer_do_not_count() -> None:
    taker, log = clock()
    taker.response_began()
    taker.mark("first_token")
    taker.heard(turn("a longer sentence"))
    (record,) = log.turns()
    assert record["timings"]["first_token"] is None


def test_a_later_answer_does_not_change_the_first_sound() -> None:
    taker, log = clock()
    taker.heard(turn("one"))
    taker.response_began()
    taker.mark("first_audio")
    first = log.turns()[0]["timings"]["first_audio"]
    taker.response_began()
    time.sleep(0.01)
    taker.mark("first_audio")
    assert log.turns()[0]["timings"]["first_audio"] == first


def test_an_interrupted_answer_is_marked() -> None:
    taker, log = clock()
    taker.typed("tell me a story")
    taker.answered("Once upon", interrupted=True)
    assert log.turns()[0]["interrupted"]
    assert log.turns()[0]["answered"] == "Once upon"


def test_only_the_latest_turns_are_kept() -> None:
    taker, log = clock()
    for number in range(KEPT_TURNS + 10):
        taker.typed(str(number))
    assert len(log.turns()) == KEPT_TURNS
    assert log.turns()[0]["heard"] == "10"


def test_what_was_said_before_the_turn_is_not_its_answer() -> None:
    taker, log = clock()
    taker.response_began()
    for stage in ("first_token", "first_audio"):
        taker.mark(stage)
    time.sleep(0.01)
    now = time.monotonic()
    taker.heard(HeardTurn(text="what time is it", speech_ended=now, decided=now + 0.3, speculated=now + 0.1))
    (record,) = log.turns()
    assert record["timings"]["first_token"] is record["timings"]["first_audio"] is None
    assert not record["speculation"]["used"]
