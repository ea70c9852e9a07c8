import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import Event
from wyoming.ping import Ping
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.snd import Played
from wyoming.wake import Detection

from satellites.wyoming.dialogue import (
    Begin,
    Dialogue,
    Hear,
    Output,
    Send,
    State,
)
from satellites.wyoming.wire import Malformed
from tests.spoken import pcm, room_tone, speech
from voice.wakeword import WakeWords

WORDS = WakeWords()
WAKE = pcm(np.concatenate([room_tone(1.5), speech("Okay nabu."), room_tone(0.2)]))
QUIET = pcm(room_tone(0.1))
WOKEN_HERE = RunPipeline(PipelineStage.WAKE, PipelineStage.TTS).event()
WOKEN_THERE = RunPipeline(PipelineStage.ASR, PipelineStage.TTS).event()
TURN = LLMContextUserTurnFrame("What time is it?", "now")
SPEECH = bytes(2048)


def chunk(sound: bytes) -> Event:
    return AudioChunk(16_000, 2, 1, sound).event()


class Driver:
    """A satellite's events, and short names for what they lead to."""

    def __init__(self, *, barge_in: bool = True) -> None:
        WORDS.reset()
        self.dialogue = Dialogue("kitchen", WORDS, barge_in=barge_in)
        self.dialogue.open()
        assert self.done() == ["run-satellite"]

    def done(self) -> list[str]:
        return [name_of(output) for output in self.dialogue.take()]

    def receive(self, *events: Event) -> list[str]:
        for event in events:
            self.dialogue.receive(event)
        return self.done()

    def hear(self, sound: bytes) -> list[str]:
        return self.receive(*(chunk(sound[at : at + 2048]) for at in range(0, len(sound), 2048)))

    def woken(self) -> "Driver":
        """A satellite that has heard its wake word and answers."""
        self.receive(Detection("okay_nabu").event(), WOKEN_THERE, chunk(QUIET))
        self.dialogue.decided(won=True)
        self.done()
        return self

    def speak(self) -> list[str]:
        self.dialogue.play(SPEECH)
        return self.done()


def name_of(output: Output) -> str:
    return output.event.event().type if isinstance(output, Send) else type(output).__name__


def test_a_satellite_that_heard_its_wake_word_asks_and_then_talks() -> None:
    driver = Driver()
    assert driver.receive(Detection("okay_nabu").event(), WOKEN_THERE) == []
    assert driver.receive(chunk(QUIET), chunk(QUIET)) == ["Ask"]
    driver.dialogue.decided(won=True)
    assert driver.done() == ["Begin", "Hear", "Hear"]
    assert driver.receive(chunk(QUIET)) == ["Hear"]
    assert driver.dialogue.state is State.TALKING


def test_one_that_another_device_answers_for_goes_back_to_its_wake_word() -> None:
    driver = Driver()
    driver.receive(WOKEN_THERE, chunk(QUIET))
    driver.dialogue.decided(won=False)
    assert driver.done() == ["run-satellite"]
    assert driver.receive(chunk(QUIET)) == []
    assert driver.dialogue.state is State.IDLE


def test_the_wake_word_is_listened_for_here_where_the_satellite_only_streams() -> None:
    driver = Driver()
    assert driver.receive(WOKEN_HERE) == []
    assert driver.hear(WAKE) == ["Ask"]
    driver.dialogue.decided(won=True)
    sent, begin, *heard = driver.dialogue.take()
    assert isinstance(sent, Send)
    assert sent.event == Detection("okay_nabu")
    assert isinstance(begin, Begin)
    assert all(isinstance(each, Hear) for each in heard)


def test_without_a_wake_word_nothing_is_heard() -> None:
    driver = Driver()
    driver.receive(WOKEN_HERE)
    assert driver.hear(pcm(np.concatenate([room_tone(1.0), speech("What time is it?")]))) == []


def test_it_goes_on_streaming_until_the_conversation_is_over() -> None:
    driver = Driver().woken()
    for frame in (UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), TURN, BotStartedSpeakingFrame()):
        driver.dialogue.see(frame)
    assert driver.done() == ["voice-started", "voice-stopped"]
    assert driver.speak() == ["audio-start", "audio-chunk"]
    assert driver.speak() == ["audio-chunk"]
    assert driver.receive(chunk(QUIET)) == ["Hear"]
    driver.dialogue.see(BotStoppedSpeakingFrame())
    assert driver.done() == ["audio-stop"]
    assert driver.receive(Played().event()) == ["Listen"]
    driver.dialogue.ended()
    (sent,) = driver.dialogue.take()
    assert isinstance(sent, Send)
    assert sent.event.event().data == {"text": "What time is it?"}
    assert driver.receive(WOKEN_THERE, chunk(QUIET)) == ["Ask"]


def test_what_is_broken_off_ends_there() -> None:
    driver = Driver().woken()
    driver.speak()
    driver.dialogue.see(InterruptionFrame())
    assert driver.done() == ["audio-stop"]
    driver.dialogue.see(BotStoppedSpeakingFrame())
    assert driver.done() == []


def test_one_that_hears_itself_is_only_listened_to_for_the_wake_word_while_it_plays() -> None:
    driver = Driver(barge_in=False).woken()
    driver.speak()
    sound = speech("Turn on the light.")
    driver.dialogue.receive(chunk(pcm(sound)))
    (heard,) = driver.dialogue.take()
    assert heard == Hear(bytes(2 * len(sound)))
    assert "Interrupt" in driver.hear(WAKE)
    driver.dialogue.receive(chunk(pcm(sound)))
    assert driver.dialogue.take() == [Hear(pcm(sound))]


@pytest.mark.parametrize("tells", [True, False])
def test_one_that_hears_itself_is_listened_to_again_when_all_is_played(tells: bool) -> None:
    driver = Driver(barge_in=False).woken()
    driver.speak()
    driver.dialogue.see(BotStoppedSpeakingFrame())
    if tells:
        driver.receive(Played().event())
    else:
        driver.hear(pcm(room_tone(2.1)))
    driver.done()
    sound = pcm(speech("And tomorrow?"))
    driver.dialogue.receive(chunk(sound))
    assert driver.dialogue.take() == [Hear(sound)]


def test_an_announcement_is_said_without_a_wake_word_and_ends_without_a_sound() -> None:
    driver = Driver()
    driver.dialogue.call()
    assert driver.done() == ["Begin"]
    assert driver.dialogue.deaf
    assert driver.speak() == ["audio-start", "audio-chunk"]
    driver.dialogue.see(BotStoppedSpeakingFrame())
    driver.dialogue.ended()
    assert driver.done() == ["audio-stop"]


def test_an_announcement_can_be_answered_with_the_wake_word() -> None:
    driver = Driver()
    driver.dialogue.call()
    driver.speak()
    assert driver.receive(WOKEN_THERE, chunk(QUIET)) == ["Interrupt", "Hear"]
    assert not driver.dialogue.deaf


def test_an_announcement_comes_when_another_device_has_answered() -> None:
    driver = Driver()
    driver.receive(WOKEN_THERE, chunk(QUIET))
    driver.dialogue.call()
    assert driver.done() == []
    driver.dialogue.decided(won=False)
    assert driver.done() == ["run-satellite", "Begin"]


def test_silence_stands_in_for_one_that_stops_streaming() -> None:
    driver = Driver().woken()
    assert not driver.dialogue.deaf
    driver.receive(AudioStop().event())
    assert driver.dialogue.deaf
    driver.receive(chunk(QUIET))
    assert not driver.dialogue.deaf


def test_speech_is_sent_at_the_rate_it_plays_at() -> None:
    driver = Driver()
    driver.receive(Event("run-pipeline", {**WOKEN_THERE.data, "snd_format": {"rate": 48_000}}), chunk(QUIET))
    driver.dialogue.decided(won=True)
    assert driver.dialogue.take()[0] == Begin(48_000)


def test_pings_are_answered() -> None:
    assert Driver().receive(Ping("x").event()) == ["pong"]


EVENTS = st.sampled_from(
    [
        WOKEN_HERE,
        WOKEN_THERE,
        chunk(QUIET),
        chunk(WAKE),
        chunk(b""),
        AudioStop().event(),
        Played().event(),
        Ping().event(),
        Detection("okay_nabu").event(),
        Event("run-pipeline", {"start_stage": 7, "snd_format": [1]}),
        Event("detection", {"name": 3}),
        Event("audio-chunk", {"rate": "x"}, b"abc"),
        Event("error", {"text": "oh"}),
        Event("unheard-of"),
    ]
)
HAPPENINGS = st.sampled_from(["won", "lost", "call", "ended", "play", "turn", "stopped", "interrupted"])


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS | HAPPENINGS, max_size=25), st.booleans())
def test_whatever_comes_conversations_and_speech_begin_and_end_in_turn(steps: list, barge_in: bool) -> None:
    driver, talking, asked, sounding = Driver(barge_in=barge_in), False, False, False
    frames = {"turn": TURN, "stopped": BotStoppedSpeakingFrame(), "interrupted": InterruptionFrame()}
    for step in steps:
        if isinstance(step, Event):
            try:
                driver.dialogue.receive(step)
            except Malformed:
                assert step.type == "audio-chunk"
        elif step in ("won", "lost"):
            if not asked:
                continue
            asked = False
            driver.dialogue.decided(won=step == "won")
        elif step == "call":
            driver.dialogue.call()
        elif not talking:
            continue  # the rest happens in conversations
        elif step == "ended":
            driver.dialogue.ended()
            talking = False
        elif step == "play":
            driver.dialogue.play(SPEECH)
        else:
            driver.dialogue.see(frames[step])
        for name in driver.done():
            assert not (name == "Begin" and talking), "one conversation at a time"
            assert not (name == "Ask" and (asked or talking)), "asked once for each wake word"
            assert talking or name not in ("Hear", "Interrupt", "Listen") or name == "Begin"
            assert sounding is (name in ("audio-chunk", "audio-stop")) or not name.startswith("audio-")
            talking, asked = talking or name == "Begin", asked or name == "Ask"
            sounding = name != "audio-stop" if name.startswith("audio-") else sounding
        assert (driver.dialogue.state is State.TALKING) is talking
        assert not (sounding and not talking), "speech ends with its conversation"
