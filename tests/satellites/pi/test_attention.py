import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satellites.pi.attention import (
    ANSWER,
    DUCKED,
    FIRST_WORDS,
    HANGOVER,
    PATIENCE,
    PREROLL,
    STAND_IN,
    Attention,
    Cancel,
    Duck,
    Forget,
    Output,
    Pause,
    Play,
    Send,
    Silence,
    State,
    Tell,
)

WINDOW = 0.032
FOLLOW_UP = 5.0


class Driver:
    """An attention with a clock; every window of sound is numbered, so that what is sent can be told apart."""

    def __init__(self, *, connected: bool = True, barge_in: bool = True) -> None:
        self.attention = Attention(FOLLOW_UP, barge_in=barge_in)
        self.now = 100.0
        self.count = 0
        if connected:
            self.attention.connected(self.now)
        self.outputs()

    @property
    def state(self) -> State:
        return self.attention.state

    def outputs(self) -> list[Output]:
        return [each for each in self.attention.take() if not isinstance(each, Tell)]

    def hear(self, seconds: float, *, speech: bool = False) -> list[Output]:
        for _ in range(round(seconds / WINDOW)):
            self.now += WINDOW
            self.count += 1
            self.attention.hear(self.count.to_bytes(2, "little") * 512, speech=speech, now=self.now)
        return self.outputs()

    def wake(self) -> list[Output]:
        self.attention.wake(self.now)
        return self.outputs()

    def ask(self) -> None:
        """A question, up to where the server has understood it."""
        self.wake()
        self.hear(1.0, speech=True)
        self.attention.turn_began(self.now)
        self.hear(0.5)
        self.attention.turn_ended(self.now)
        self.attention.understood(self.now)
        self.outputs()

    def answer(self) -> None:
        """An answer that has been sent and not yet played."""
        self.attention.response_began(self.now)
        self.attention.speak(b"speech", self.now)
        self.attention.response_ended(self.now)
        self.outputs()


def sent(outputs: list[Output]) -> list[int]:
    return [int.from_bytes(each.pcm[:2], "little") for each in outputs if isinstance(each, Send)]


def test_nothing_is_sent_before_the_wake_word() -> None:
    assert Driver().hear(20.0, speech=True) == []


def test_what_follows_the_wake_word_is_sent_and_the_silence_before_it_is_not() -> None:
    driver = Driver()
    driver.hear(1.0, speech=True)
    driver.wake()
    assert driver.state is State.WOKEN
    first = driver.count + 1
    heard = sent(driver.hear(0.5, speech=True))
    assert heard == list(range(first, driver.count + 1))


def test_speech_after_a_pause_is_sent_with_what_came_right_before() -> None:
    driver = Driver()
    driver.wake()
    assert sent(driver.hear(2.0)) == []
    began = driver.count + 1
    heard = sent(driver.hear(0.1, speech=True))
    assert heard == list(range(began - int(PREROLL / WINDOW), driver.count + 1))


def test_silence_behind_speech_is_sent_only_for_a_while() -> None:
    driver = Driver()
    driver.wake()
    driver.hear(1.0, speech=True)
    assert len(sent(driver.hear(5.0))) == pytest.approx(HANGOVER / WINDOW, abs=2)


def test_silence_is_sent_for_as_long_as_the_server_waits_for_the_end_of_a_turn() -> None:
    driver = Driver()
    driver.wake()
    driver.hear(0.5, speech=True)
    driver.attention.turn_began(driver.now)
    before = driver.count
    assert sent(driver.hear(4.0)) == list(range(before + 1, driver.count + 1))
    driver.attention.turn_ended(driver.now)
    assert sent(driver.hear(3.0)) == []


def test_who_says_nothing_after_the_wake_word_is_not_listened_to_for_long() -> None:
    driver = Driver()
    driver.wake()
    driver.hear(FIRST_WORDS - 0.5)
    assert driver.state is State.WOKEN
    driver.hear(1.0)
    assert driver.state is State.IDLE


def test_a_question_is_answered_and_may_be_followed_by_another() -> None:
    driver = Driver()
    driver.ask()
    assert driver.state is State.TALKING
    driver.answer()
    assert driver.attention.playing
    driver.attention.played(driver.now)
    assert driver.state is State.FOLLOW_UP
    driver.hear(FOLLOW_UP - 1.0)
    assert sent(driver.hear(0.5, speech=True))
    driver.attention.turn_began(driver.now)
    assert driver.state is State.TALKING


def test_after_the_follow_up_it_takes_the_wake_word() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    driver.attention.played(driver.now)
    driver.hear(FOLLOW_UP + 0.5)
    assert driver.state is State.IDLE
    assert driver.hear(1.0, speech=True) == []


def test_the_server_hears_silence_for_what_was_not_sent() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    driver.attention.played(driver.now)
    driver.hear(3.0)
    assert driver.hear(0.1, speech=True)[0] == Pause(STAND_IN)
    driver.hear(HANGOVER + PREROLL + 0.3)
    first, *_ = driver.hear(0.1, speech=True)
    assert isinstance(first, Pause)
    assert first.seconds < 0.5
    assert not [each for each in driver.hear(2.0, speech=True) if isinstance(each, Pause)]


def test_a_turn_in_which_nothing_was_understood_is_not_waited_for() -> None:
    driver = Driver()
    driver.wake()
    driver.hear(0.5, speech=True)
    driver.attention.turn_began(driver.now)
    driver.attention.turn_ended(driver.now)
    driver.hear(FOLLOW_UP + 0.5)
    assert driver.state is State.IDLE


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    driver = Driver()
    driver.ask()
    driver.hear(ANSWER - 1.0)
    assert driver.state is State.TALKING
    driver.hear(2.0)
    assert driver.state is State.IDLE


def test_a_turn_that_the_server_never_ends_is_forgotten() -> None:
    driver = Driver()
    driver.wake()
    driver.hear(0.5, speech=True)
    driver.attention.turn_began(driver.now)
    assert Forget() in driver.hear(ANSWER + 1.0)
    assert driver.state is State.IDLE


def test_who_speaks_over_an_answer_is_heard_makes_it_quieter_and_then_silent() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    heard = driver.hear(0.3, speech=True)
    assert Duck(True) in heard
    assert sent(heard)
    driver.attention.turn_began(driver.now)
    assert driver.outputs() == [Silence()]
    assert Duck(False) in driver.hear(0.1)
    assert driver.state is State.TALKING


def test_people_who_go_on_talking_to_one_another_do_not_keep_an_answer_quiet() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    heard = driver.hear(DUCKED + 2.0, speech=True)
    assert [output for output in heard if isinstance(output, Duck)] == [Duck(True), Duck(False)]
    assert not [output for output in driver.hear(2.0) if isinstance(output, Duck)]
    assert Duck(True) in driver.hear(0.3, speech=True)


def test_the_wake_word_breaks_off_an_answer() -> None:
    driver = Driver()
    driver.ask()
    driver.attention.response_began(driver.now)
    driver.attention.speak(b"speech", driver.now)
    driver.outputs()
    assert driver.wake() == [Silence(), Cancel()]
    assert driver.state is State.WOKEN


def test_one_that_hears_itself_is_only_woken_while_it_speaks() -> None:
    driver = Driver(barge_in=False)
    driver.ask()
    driver.answer()
    assert driver.hear(1.0, speech=True) == []
    driver.attention.played(driver.now)
    assert driver.hear(0.4, speech=True) == [], "the end of its answer still sounds"
    driver.hear(0.3)
    assert sent(driver.hear(0.5, speech=True))


def test_a_button_ends_all_of_it() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    driver.attention.rest()
    assert driver.outputs() == [Silence()]
    assert driver.state is State.IDLE


def test_what_the_house_says_of_its_own_accord_is_played_and_may_be_answered() -> None:
    driver = Driver()
    driver.attention.response_began(driver.now)
    driver.attention.speak(b"The washing is done.", driver.now)
    assert driver.outputs() == [Play(b"The washing is done.")]
    driver.attention.response_ended(driver.now)
    driver.attention.played(driver.now)
    assert driver.state is State.FOLLOW_UP


def test_what_is_said_while_the_server_is_away_is_kept_for_it() -> None:
    driver = Driver(connected=False)
    assert driver.state is State.AWAY
    driver.wake()
    assert driver.state is State.BUFFERING
    first = driver.count + 1
    assert sent(driver.hear(1.5, speech=True)) == []
    last = driver.count
    driver.hear(5.0)
    driver.attention.connected(driver.now)
    heard = sent(driver.outputs())
    assert heard[: last - first + 1] == list(range(first, last + 1))
    assert sent(driver.hear(0.5)), "with silence behind, in which the server notices the end"
    assert driver.state is State.WOKEN


def test_a_question_that_was_lost_with_the_server_is_asked_again() -> None:
    driver = Driver()
    driver.wake()
    first = driver.count + 1
    driver.hear(1.0, speech=True)
    last = driver.count
    driver.attention.turn_began(driver.now)
    driver.attention.turn_ended(driver.now)
    driver.attention.disconnected(driver.now)
    assert driver.state is State.BUFFERING
    driver.outputs()
    driver.attention.connected(driver.now)
    assert sent(driver.outputs()) == list(range(first, last + 1))


def test_a_question_that_was_answered_is_not_asked_again() -> None:
    driver = Driver()
    driver.ask()
    driver.answer()
    driver.attention.disconnected(driver.now)
    assert driver.state is State.TALKING, "what has come is played to its end"
    driver.attention.played(driver.now)
    assert driver.state is State.AWAY
    driver.attention.connected(driver.now)
    assert sent(driver.outputs()) == []
    assert driver.state is State.IDLE


def test_a_server_that_stays_away_is_not_waited_for_for_ever() -> None:
    driver = Driver(connected=False)
    driver.wake()
    driver.hear(1.0, speech=True)
    driver.hear(PATIENCE + 1.0)
    assert driver.state is State.AWAY
    driver.attention.connected(driver.now)
    assert sent(driver.outputs()) == []


STEPS = st.sampled_from(
    "silence speech wake rest connected disconnected turn_began turn_ended understood response_began speak "
    "response_ended played".split()
)


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(1, 60)), max_size=40))
def test_whatever_happens_nothing_is_sent_unasked_and_it_comes_to_rest(steps: list[tuple[str, int]]) -> None:
    driver, connected, newest, told = Driver(connected=False), False, 0, State.AWAY
    attention = driver.attention
    for step, windows in steps:
        asleep = driver.state in (State.IDLE, State.AWAY)
        if step in ("silence", "speech"):
            driver.now += WINDOW
            for _ in range(windows):
                driver.now += WINDOW
                driver.count += 1
                attention.hear(driver.count.to_bytes(2, "little") * 512, speech=step == "speech", now=driver.now)
        elif step == "rest":
            attention.rest()
        elif step in ("wake", "connected", "disconnected"):
            connected = step == "connected" or (connected and step == "wake")
            getattr(attention, step)(driver.now)
        elif step == "speak" and connected:
            attention.speak(b"speech", driver.now)
        elif step != "speak" and (connected or step == "played"):
            getattr(attention, step)(driver.now)
        outputs = attention.take()
        for output in outputs:
            if isinstance(output, Tell):
                assert output.before is told, "every state is told of once, in order"
                told = output.state
        numbers = sent(outputs)
        assert connected or not numbers
        assert not (asleep and step in ("silence", "speech") and numbers)
        assert numbers == sorted(numbers), "in the order in which it was heard"
        if numbers and step in ("silence", "speech"):
            assert numbers[0] > newest, "and once, while the server stays"
            newest = numbers[-1]
        assert told is driver.state
        assert (driver.state is State.AWAY) <= (not connected)
        assert (driver.state is State.IDLE) <= connected
    attention.played(driver.now)
    driver.hear(ANSWER + PATIENCE)
    assert driver.state in (State.IDLE, State.AWAY) or attention.playing
