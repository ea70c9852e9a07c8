"""One connection: what the device and the conversation do, and what follows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import LLMMessagesAppendFrame

from satellites.xiaozhi import framing
from satellites.xiaozhi.messages import Mode
from satellites.xiaozhi.outputs import (
    Begin,
    Close,
    Greeted,
    Hear,
    Hold,
    Interrupt,
    Listening,
    Output,
    Send,
    SendSound,
    Tell,
    Woken,
    Wrong,
)
from satellites.xiaozhi.protocol import ECHO_UNKNOWN, MOST_WRONG, State, XiaozhiProtocol
from voice.frames import CommitAudioFrame, TurnDetectionFrame

HELLO = {
    "type": "hello",
    "version": 1,
    "features": {"mcp": True},
    "transport": "websocket",
    "audio_params": {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 60},
}


class Driver:
    """A device that has said hello."""

    def __init__(self, **hello: Any) -> None:
        self.protocol = XiaozhiProtocol("s")
        self.greeting = self.send({**HELLO, **hello})

    def send(self, message: dict[str, Any]) -> list[Output]:
        self.protocol.receive_text(json.dumps(message))
        return self.protocol.take()

    def listen(self, state: str = "start", **more: Any) -> list[Output]:
        return self.send({"type": "listen", "state": state, **more})

    def sound(self, packets: int = 1) -> list[Output]:
        for _ in range(packets):
            self.protocol.receive_binary(b"packet")
        return self.protocol.take()

    def answer(self, *sentences: str) -> list[Output]:
        protocol = self.protocol
        protocol.answer_began()
        protocol.voice_comes()
        for sentence in sentences:
            protocol.sentence(sentence)
        protocol.voice_began()
        protocol.sound(b"speech")
        protocol.voice_ended()
        protocol.answer_ended()
        return protocol.take()


def sent(outputs: list[Output], kind: str = "") -> list[dict[str, Any]]:
    messages = [output.message for output in outputs if isinstance(output, Send)]
    return [each for each in messages if not kind or each["type"] == kind]


def without_faces(outputs: list[Output]) -> list[Output]:
    return [each for each in outputs if not (isinstance(each, Send) and each.message["type"] == "llm")]


def test_a_hello_is_answered_with_how_the_house_speaks() -> None:
    driver = Driver()
    (hello,) = sent(driver.greeting)
    assert hello == {
        "session_id": "s",
        "type": "hello",
        "version": 1,
        "transport": "websocket",
        "audio_params": {"format": "opus", "sample_rate": 24000, "channels": 1, "frame_duration": 60},
    }
    assert Greeted(tools=True) in driver.greeting


@pytest.mark.parametrize(
    ("hello", "reason"),
    [({"audio_params": {"format": "pcm"}}, "Send Opus, not pcm."), ({"version": 9}, "Use version 1, 2 or 3, not 9.")],
)
def test_what_cannot_be_heard_is_hung_up_on_with_the_reason(hello: dict[str, Any], reason: str) -> None:
    driver = Driver(**hello)
    assert driver.greeting == [Close(1003, reason)]
    assert driver.send(HELLO) == []


def test_who_says_no_hello_is_hung_up_on() -> None:
    protocol = XiaozhiProtocol("s")
    protocol.receive_binary(b"sound")
    assert protocol.take() == []
    protocol.receive_text('{"type": "listen", "state": "start"}')
    assert protocol.take() == [Close(1002, "Say hello first.")]


def test_a_device_that_listens_by_itself_holds_a_conversation() -> None:
    driver = Driver()
    assert driver.listen(mode="auto") == [Begin(), Listening()]
    assert driver.sound() == [Hear(b"packet")]
    driver.protocol.heard("what time is it")
    assert sent(driver.protocol.take(), "stt") == [{"session_id": "s", "type": "stt", "text": "what time is it"}]
    outputs = without_faces(driver.answer("It is noon."))
    assert [each.get("state") for each in sent(outputs)] == ["start", "sentence_start", "stop"]
    assert outputs[2] == SendSound(b"speech", b"speech", 60)
    assert driver.protocol.state is State.LISTENING
    assert driver.listen(mode="auto") == [Listening()]


def test_a_device_hears_itself_not_while_it_speaks_unless_it_cancels_its_echo() -> None:
    for mode, heard in (("auto", []), ("realtime", [Hear(b"packet")])):
        driver = Driver()
        driver.listen(mode=mode)
        driver.protocol.voice_comes()
        driver.protocol.take()
        assert driver.sound() == heard


def test_a_device_that_leaves_its_echo_to_the_house_tells_what_it_plays() -> None:
    driver = Driver(version=2, features={"aec": True})
    assert Greeted(tools=False, leaves_echo=True) in driver.greeting
    driver.listen(mode="realtime")
    driver.protocol.voice_comes()
    driver.protocol.take()
    driver.protocol.receive_binary(framing.wrap(2, b"packet", milliseconds=60))
    assert driver.protocol.take() == [Hear(b"packet", playing=60)]


@pytest.mark.parametrize("version", [1, 3])
def test_a_device_whose_echo_cannot_be_cancelled_is_not_heard_while_it_speaks(version: int) -> None:
    driver = Driver(version=version, features={"aec": True})
    assert Greeted(tools=False) in driver.greeting
    assert [each for each in driver.greeting if isinstance(each, Wrong)] == [Wrong(ECHO_UNKNOWN)]
    driver.listen(mode="realtime")
    assert driver.protocol.take() == []
    driver.protocol.voice_comes()
    driver.protocol.take()
    driver.protocol.receive_binary(framing.wrap(version, b"packet"))
    assert driver.protocol.take() == []
    driver.protocol.voice_silent()
    driver.protocol.take()
    driver.protocol.receive_binary(framing.wrap(version, b"packet"))
    assert driver.protocol.take() == [Hear(b"packet")]


def test_a_button_ends_the_turn() -> None:
    driver = Driver()
    begin, tell, hold, listening = driver.listen(mode="manual")
    assert (begin, hold, listening) == (Begin(), Hold(True), Listening())
    assert isinstance(tell, Tell)
    assert isinstance(tell.frame, TurnDetectionFrame)
    assert not tell.frame.enabled
    assert tell.frame.create_response
    driver.sound(10)
    assert [type(each) for each in driver.listen("stop")] == [Tell, Hold]
    outputs = without_faces(driver.answer("Yes."))
    assert sent(outputs)[-1]["state"] == "stop"
    assert driver.protocol.state is State.IDLE


def test_a_button_pressed_by_mistake_asks_nothing() -> None:
    driver = Driver()
    driver.listen(mode="manual")
    driver.sound(1)
    assert driver.listen("stop") == [Hold(False)]


def test_a_device_with_a_button_stays_connected_and_others_are_hung_up() -> None:
    for mode, last in (("manual", []), ("auto", [Close(1000, "Nobody said anything more.")])):
        driver = Driver()
        driver.listen(mode=mode)
        driver.listen("stop")
        driver.protocol.ended()
        assert without_faces(driver.protocol.take()) == last


def test_a_press_while_the_conversation_ends_begins_the_next() -> None:
    driver = Driver()
    driver.listen(mode="manual")
    driver.protocol.ended()
    assert isinstance(driver.protocol.take()[0], Begin)


def test_an_abort_stops_the_voice_at_once_and_for_good() -> None:
    driver = Driver()
    driver.listen(mode="auto")
    driver.protocol.answer_began()
    driver.protocol.sentence("Once upon a time")
    driver.protocol.voice_began()
    driver.protocol.take()
    outputs = without_faces(driver.send({"type": "abort", "reason": "wake_word_detected"}))
    assert [each["state"] for each in sent(outputs)] == ["stop"]
    assert outputs[-1] == Interrupt()
    driver.protocol.sentence("there was a king")
    driver.protocol.sound(b"more")
    driver.protocol.interrupted()
    assert driver.protocol.take() == []
    driver.protocol.heard("what else")
    assert [each["state"] for each in sent(driver.answer("Nothing."), "tts")] == ["start", "sentence_start", "stop"]


def test_a_wake_word_comes_before_listening_and_typed_words_after() -> None:
    driver = Driver()
    assert driver.sound() == [Hear(b"packet", conversation=False)]
    assert driver.listen("detect", text="Hi, house") == [Woken()]
    driver.listen(mode="auto")
    (tell,) = driver.listen("detect", text="what time is it")
    assert isinstance(tell, Tell)
    assert isinstance(tell.frame, LLMMessagesAppendFrame)
    assert tell.frame.messages == [{"role": "user", "content": "what time is it"}]


def test_something_is_said_at_a_device_that_rests() -> None:
    driver = Driver()
    driver.listen(mode="manual")
    driver.listen("stop")
    driver.protocol.ended()
    driver.protocol.take()
    driver.protocol.begin()
    assert driver.protocol.take()[0] == Begin()
    driver.protocol.voice_comes()
    driver.protocol.voice_began()
    driver.protocol.voice_ended()
    assert [each["state"] for each in sent(driver.protocol.take(), "tts")] == ["start", "stop"]
    assert driver.protocol.state is State.IDLE


def test_silence_between_two_sentences_of_an_answer_gives_the_microphone_not_back() -> None:
    driver = Driver()
    driver.listen(mode="auto")
    driver.protocol.answer_began()
    for _ in range(2):
        driver.protocol.voice_began()
        driver.protocol.voice_ended()
    assert [each["state"] for each in sent(driver.protocol.take(), "tts")] == ["start"]
    driver.protocol.answer_ended()
    assert [each["state"] for each in sent(driver.protocol.take(), "tts")] == ["stop"]


@pytest.mark.parametrize("version", framing.VERSIONS)
def test_sound_travels_in_the_devices_version(version: int) -> None:
    driver = Driver(version=version)
    driver.listen(mode="realtime")
    driver.protocol.receive_binary(framing.wrap(version, b"heard"))
    assert driver.protocol.take() == [Hear(b"heard")]
    driver.protocol.voice_comes()
    for _ in range(2):
        driver.protocol.sound(b"said")
    sounds = [each.data for each in driver.protocol.take() if isinstance(each, SendSound)]
    assert sounds == [framing.wrap(version, b"said", milliseconds=time) for time in (60, 120)], "0 were no time"


def test_a_message_may_come_in_a_binary_one() -> None:
    driver = Driver(version=2)
    driver.protocol.receive_binary(
        bytes.fromhex("0002 0001 00000000 00000000 00000024") + b'{"type": "listen", "state": "start"}'
    )
    assert driver.protocol.take() == [Begin(), Listening()]


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"type": 3}', "[" * 9000, '{"type": "listen"}', '{"type": "listen", "state": "detect", "text": "\\ud800"}'])  # fmt: skip
def test_what_makes_no_sense_is_told_and_too_much_of_it_ends_the_connection(text: str) -> None:
    driver = Driver()
    driver.protocol.receive_text(text)
    (wrong,) = driver.protocol.take()
    assert isinstance(wrong, Wrong)
    for _ in range(MOST_WRONG):
        driver.protocol.receive_text(text)
    assert isinstance(driver.protocol.take()[-1], Close)
    assert driver.protocol.state is State.CLOSED


def test_what_older_firmware_says_besides_is_passed_over() -> None:
    assert Driver().send({"type": "iot", "descriptors": []}) == []


device_sends = st.one_of(
    st.sampled_from(
        [
            json.dumps(each)
            for each in (
                HELLO,
                *({"type": "listen", "state": "start", "mode": mode} for mode in Mode),
                {"type": "listen", "state": "stop"},
                {"type": "listen", "state": "detect", "text": "hi"},
                {"type": "abort"},
                {"type": "mcp", "payload": {}},
            )
        ]
    ),
    st.binary(max_size=40),
    st.text(max_size=20),
)
happens = st.sampled_from(
    [
        "answer_began", "answer_ended", "voice_comes", "voice_began", "voice_ended", "voice_silent", "interrupted",
        "failed", "ended", "begin",
    ]
)  # fmt: skip


@given(st.integers(1, 3), st.lists(device_sends | happens | st.just(b"packet"), max_size=80))
def test_whatever_happens_the_device_is_never_left_speaking_nor_spoken_to_while_it_listens(
    version: int, events: list[str | bytes]
) -> None:
    protocol = XiaozhiProtocol("s", version)
    speaking = conversing = closed = False
    for event in [json.dumps({**HELLO, "version": version}), *events, "interrupted"]:
        if isinstance(event, bytes):
            protocol.receive_binary(event)
        elif hasattr(protocol, event):
            getattr(protocol, event)()
            protocol.sound(b"x")
        else:
            protocol.receive_text(event)
        conversing = conversing and event != "ended"
        for output in protocol.take():
            assert not closed
            match output:
                case Begin():
                    assert not conversing
                    conversing = True
                case SendSound():
                    assert speaking
                case Send(message) if message["type"] == "tts":
                    assert message["state"] in ("start", "stop")
                    assert speaking is (message["state"] == "stop")
                    speaking = not speaking
                case Close():
                    closed = True
    assert closed or not speaking


def test_a_commit_is_told_behind_what_was_heard() -> None:
    driver = Driver()
    driver.listen(mode="manual")
    driver.sound(5)
    tell, _ = driver.listen("stop")
    assert isinstance(tell, Tell)
    assert isinstance(tell.frame, CommitAudioFrame)
