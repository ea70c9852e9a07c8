"""The order in which a device is told things, whatever happens."""

from collections.abc import Callable
from itertools import count

import pytest
from aioesphomeapi.model import VoiceAssistantEventType as Event
from hypothesis import given
from hypothesis import strategies as some

from satellites.esphome.run import (
    Announce,
    BreakOff,
    Command,
    Converse,
    Finish,
    HangUp,
    Hush,
    Judge,
    Listen,
    Phase,
    Run,
    Speak,
    Tell,
    Traits,
)

PLAYER = Traits(announces=True, follows_up=True, listens_after=True)
SPEAKER = Traits(plays_urls=False, follows_up=True)
OLD = Traits(starts_early=False, follows_up=True)
LINUX = Traits(full_duplex=True, announces=True, follows_up=True, listens_after=True)
ALL = [PLAYER, SPEAKER, OLD, LINUX, Traits()]


def run(traits: Traits = PLAYER) -> Run:
    numbers = count(1)
    return Run(traits, lambda: f"http://house/{next(numbers)}")


def names(commands: list[Command]) -> list[str]:
    return [
        each.event.name.removeprefix("VOICE_ASSISTANT_") if isinstance(each, Tell) else type(each).__name__
        for each in commands
    ]


def test_a_run_from_its_wake_word_to_its_end() -> None:
    one = run()
    assert names(one.asked("okay nabu")) == ["Judge"]
    assert names(one.judged(won=True)) == ["RUN_START", "STT_START", "Converse"]
    assert names(one.began()) == ["STT_VAD_START"]
    assert one.began() == []
    assert names(one.said("what time is it")) == ["STT_VAD_END", "STT_END", "INTENT_START"]
    assert names(one.speech()) == ["Speak", "INTENT_PROGRESS"]
    assert one.speech() == []
    one.sentence("It is noon.")
    finish, intent_end, tts_start, tts_end, run_end = one.answered()
    assert finish == Finish()
    assert intent_end == Tell(Event.VOICE_ASSISTANT_INTENT_END, (("continue_conversation", "1"),))
    assert tts_start == Tell(Event.VOICE_ASSISTANT_TTS_START, (("text", "It is noon."),))
    assert tts_end == Tell(Event.VOICE_ASSISTANT_TTS_END, (("url", "http://house/1"),))
    assert run_end == Tell(Event.VOICE_ASSISTANT_RUN_END)


def test_a_device_that_goes_on_listening_needs_not_win_again() -> None:
    one = run()
    answer(one)
    assert names(one.asked("okay nabu")) == ["RUN_START", "STT_START", "Listen"]
    assert names(one.ended()) == ["RUN_END"]
    assert names(one.asked("okay nabu")) == ["Judge"]


def test_a_device_that_is_not_the_one_to_answer_closes_its_microphone() -> None:
    one = run()
    one.asked("okay nabu")
    assert names(one.judged(won=False)) == ["RUN_END"]
    assert one.phase is Phase.IDLE


def test_a_wake_word_may_be_left_to_be_heard_here() -> None:
    one = run()
    assert names(one.left_to_hear()) == ["RUN_START", "WAKE_WORD_START", "AwaitWord"]
    assert one.began() == []
    assert names(one.woken("Okay Nabu")) == ["WAKE_WORD_END", "Judge"]
    assert names(one.judged(won=True)) == ["STT_START", "Converse"]


def test_a_button_needs_no_judgement() -> None:
    assert names(run().asked(None)) == ["RUN_START", "STT_START", "Converse"]


def test_what_is_said_unasked_is_announced_at_an_idle_device() -> None:
    one = run()
    assert one.called() == [Converse()]
    assert one.speech() == [Speak("http://house/1"), Announce("http://house/1", listen=True, text="…")]
    assert one.answered() == [Finish()]
    assert names(one.asked("okay nabu")) == ["RUN_START", "STT_START", "Listen"]


def test_what_is_said_unasked_to_who_listens_closes_the_microphone_first() -> None:
    one = run()
    one.asked(None)
    assert names(one.speech()) == ["STT_VAD_END", "Speak", "INTENT_PROGRESS"]


def test_what_of_a_broken_off_answer_still_comes_is_not_played() -> None:
    one = run()
    one.asked(None)
    one.said("tell me a story")
    one.speech()
    assert names(one.asked(None)) == ["Finish", "BreakOff", "RUN_START", "STT_START", "Listen"]
    assert one.speech() == []
    assert one.interrupted() == []
    one.said("what time is it")
    assert names(one.speech()) == ["Speak", "INTENT_PROGRESS"]


def test_who_asks_anew_before_the_answer_has_begun_is_not_given_that_answer() -> None:
    one = run()
    one.asked(None)
    one.said("tell me a story")
    assert names(one.asked(None)) == ["BreakOff", "RUN_START", "STT_START", "Listen"]
    assert one.speech() == []
    one.interrupted()
    assert names(one.speech()) != []


def test_over_the_answer_of_a_full_duplex_device_what_was_said_may_be_known_first() -> None:
    one = run(LINUX)
    one.asked(None)
    one.said("tell me a story")
    one.speech()
    assert one.said("what time is it") == []
    assert names(one.interrupted()) == ["Finish", "Hush", "INTENT_START"]
    assert names(one.speech()) == ["RUN_START", "Speak", "INTENT_PROGRESS"]
    assert names(one.answered()) == ["Finish"]
    assert one.phase is Phase.LISTENING


def test_a_stop_at_the_device_ends_the_conversation() -> None:
    one = run()
    one.asked(None)
    one.said("tell me a story")
    one.speech()
    assert one.stopped() == [Finish(broken_off=True), BreakOff(), HangUp(), Tell(Event.VOICE_ASSISTANT_RUN_END)]
    assert one.stopped() == []


def test_a_failure_is_told_to_who_asked() -> None:
    one = run()
    one.asked(None)
    assert names(one.failed("not-ready", "it is loading")) == ["ERROR", "RUN_END"]
    other = run()
    other.called()
    assert other.failed("not-ready", "it is loading") == []


def answer(one: Run) -> None:
    one.asked(None)
    one.said("what time is it")
    one.speech()
    one.answered()


HAPPENINGS: dict[str, Callable[[Run], list[Command]]] = {
    "woken": lambda one: one.asked("okay nabu"),
    "left to hear": lambda one: one.left_to_hear(),
    "word": lambda one: one.woken("Okay Nabu"),
    "button": lambda one: one.asked(None),
    "won": lambda one: one.judged(won=True),
    "lost": lambda one: one.judged(won=False),
    "stopped": lambda one: one.stopped(),
    "played": lambda one: one.played(),
    "called": lambda one: one.called(),
    "began": lambda one: one.began(),
    "said": lambda one: one.said("what time is it"),
    "speech": lambda one: one.speech(),
    "answered": lambda one: one.answered(),
    "interrupted": lambda one: one.interrupted(),
    "ended": lambda one: one.ended(),
    "failed": lambda one: one.failed("failed", "it failed"),
}


@given(some.sampled_from(ALL), some.lists(some.sampled_from(sorted(HAPPENINGS)), max_size=60))
def test_whatever_happens_the_order_holds(  # noqa: C901 - one case a command
    traits: Traits, happenings: list[str]
) -> None:
    one = run(traits)
    speaking = talking = False
    told_url = ""
    for happening in happenings:
        for command in HAPPENINGS[happening](one):
            match command:
                case Speak(url):
                    assert not speaking
                    speaking, told_url = True, url
                case Finish():
                    assert speaking
                    speaking = False
                case Converse():
                    assert not talking
                    talking = True
                case HangUp():
                    assert talking
                    talking = False
                case Listen():
                    assert talking
                case Announce(url, _):
                    assert url == told_url
                    assert traits.announces
                case Hush():
                    assert traits.full_duplex
                case Tell(Event.VOICE_ASSISTANT_TTS_END, data):
                    assert dict(data)["url"].startswith("http://house/")
                case Tell(Event.VOICE_ASSISTANT_TTS_START, data):
                    assert dict(data)["text"]
                case Tell(Event.VOICE_ASSISTANT_STT_VAD_END):
                    assert not traits.full_duplex
                case Judge():
                    assert one.phase is Phase.WOKEN
        if happening in ("ended", "failed"):
            talking = False
        assert speaking == (one.phase is Phase.SPEAKING)
        assert one.talking == talking
    one.ended()
    one.stopped()
    assert one.phase is Phase.IDLE
    assert not one.talking


@pytest.mark.parametrize("traits", ALL)
def test_every_kind_of_device_is_answered_again_and_again(traits: Traits) -> None:
    one = run(traits)
    for _ in range(3):
        one.asked(None)
        one.said("what time is it")
        one.speech()
        assert one.phase is Phase.SPEAKING
        one.answered()
        assert one.phase in (Phase.IDLE, Phase.LISTENING)
