"""Turn-taking under a clock of its own: windows of 32 ms, no audio, no models."""

from hypothesis import given
from hypothesis import strategies as st

from voice.commands import (
    Abandon,
    Backchannel,
    Command,
    Commit,
    Duck,
    PredictEnd,
    ShowPartial,
    Speculate,
    StartTurn,
    Transcribe,
    Unduck,
    Withdraw,
)
from voice.turns import ABANDON_AFTER, State, TurnTaker, windows
from voice.vad import WINDOW_SECONDS
from voice.whisper import Transcript

SPEECH, SILENCE = 0.9, 0.02
NEAR, FAR, ROOM = -25.0, -38.0, -65.0
"""dBFS."""


def heard(text: str, log_probability: float = -0.2) -> Transcript:
    return Transcript(text, "en", log_probability, 0.0, 1.0)


class Microphone:
    """Plays speech and silence to a turn taker, and answers its requests as models would, some windows later."""

    def __init__(self, *, probability: float = 0.97, delay: int = 4) -> None:
        self.taker = TurnTaker(is_command=lambda text: text == "louder")
        self.words = "what time is it?"
        self.log_probability = -0.2
        self.probability = probability
        self.delay = delay
        self.log: list[tuple[float, Command]] = []
        self._due: list[tuple[int, Transcribe | PredictEnd]] = []
        self._now = 0

    def hear(self, seconds: float, probability: float, loudness: float = NEAR) -> None:
        for _ in range(windows(seconds)):
            self._now += 1
            self.note(self.taker.window(probability, loudness))
            for due, request in [entry for entry in self._due if entry[0] <= self._now]:
                self._due.remove((due, request))
                if isinstance(request, Transcribe):
                    self.note(self.taker.transcribed(request.request, heard(self.words, self.log_probability)))
                else:
                    self.note(self.taker.predicted(request.request, self.probability))

    def speak(self, seconds: float = 1.0, loudness: float = NEAR) -> None:
        self.hear(seconds, SPEECH, loudness)

    def rest(self, seconds: float = 1.0) -> None:
        self.hear(seconds, SILENCE, ROOM)

    def note(self, commands: list[Command]) -> None:
        for command in commands:
            self.log.append((self._now * WINDOW_SECONDS, command))
            if isinstance(command, Transcribe | PredictEnd):
                self._due.append((self._now + self.delay, command))

    def said(self, *kinds: type) -> list[Command]:
        return [command for _, command in self.log if isinstance(command, kinds)]

    def when(self, kind: type) -> float:
        return next(at for at, command in self.log if isinstance(command, kind))


def test_a_short_question_is_answered_at_once() -> None:
    microphone = Microphone()
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(StartTurn, Speculate, Commit) == [
        StartTurn(), Speculate("what time is it?"), Commit("what time is it?", "en")
    ]  # fmt: skip
    assert microphone.when(Commit) - 1.0 < 0.45


def test_the_answer_is_prepared_before_the_turn_is_known_to_be_over() -> None:
    microphone = Microphone(probability=0.3)
    microphone.words = "I want a coffee."
    microphone.speak(1.0)
    microphone.rest(2.0)
    assert microphone.when(Commit) - microphone.when(Speculate) > 0.4


def test_a_pause_in_mid_sentence_is_waited_out() -> None:
    microphone = Microphone()
    microphone.words = "I want a coffee with"
    microphone.speak(1.0)
    microphone.rest(1.2)
    assert not microphone.said(Commit, Speculate)
    microphone.words = "I want a coffee with milk."
    microphone.speak(0.5)
    microphone.rest(1.0)
    assert microphone.said(Commit) == [Commit("I want a coffee with milk.", "en")]


def test_a_wrong_guess_is_withdrawn() -> None:
    microphone = Microphone(probability=0.5)
    microphone.words = "Turn on the lamp."
    microphone.speak(1.0)
    microphone.rest(0.4)
    assert microphone.said(Speculate)
    microphone.speak(0.5)
    assert microphone.said(Withdraw)
    assert not microphone.said(Commit)


def test_the_whole_turn_is_transcribed_again_after_a_pause() -> None:
    microphone = Microphone()
    microphone.words = "I want a"
    microphone.speak(1.0)
    microphone.rest(0.6)
    microphone.speak(0.5)
    microphone.rest(0.3)
    finals = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert len(finals) == 2
    assert finals[0].start == finals[1].start
    assert finals[1].end > finals[0].end


def test_partial_transcripts_come_while_the_person_speaks() -> None:
    microphone = Microphone()
    microphone.speak(3.0)
    assert microphone.said(ShowPartial)
    assert not microphone.said(Commit)


def test_a_single_loud_window_begins_nothing() -> None:
    microphone = Microphone()
    microphone.rest(0.5)
    microphone.hear(WINDOW_SECONDS, SPEECH)
    microphone.rest(1.0)
    assert microphone.log == []


def test_who_only_calls_is_listened_to_and_what_is_asked_behind_it_is_answered() -> None:
    microphone = Microphone()
    microphone.words = "Okay, Naboo."
    microphone.speak(0.6)
    microphone.rest(ABANDON_AFTER + 0.2)
    assert not microphone.said(Speculate, Commit)
    microphone.words = "Okay, Naboo. What time is it?"
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(Commit) == [Commit("What time is it?", "en")]


def test_a_single_word_of_which_whisper_is_not_sure_is_taken_where_it_is_a_command() -> None:
    for words, log_probability, taken in (("louder", -1.0, True), ("louder", -1.3, False), ("boulder", -1.0, False)):
        microphone = Microphone()
        microphone.words, microphone.log_probability = words, log_probability
        microphone.speak(0.4)
        microphone.rest(ABANDON_AFTER + 0.2)
        assert bool(microphone.said(Commit)) is taken


def test_noise_without_words_is_abandoned() -> None:
    microphone = Microphone()
    microphone.words = ""
    microphone.speak(0.3)
    microphone.rest(ABANDON_AFTER + 0.2)
    assert microphone.said(Abandon)
    assert microphone.taker.state is State.QUIET
    assert not microphone.said(Commit, Speculate)


def test_what_whisper_invents_from_noise_never_becomes_a_turn() -> None:
    microphone = Microphone()
    microphone.words, microphone.log_probability = "Thanks for watching!", -1.3
    microphone.speak(0.3)
    microphone.rest(1.0)
    assert not microphone.said(Commit, Speculate)


def test_somebody_who_spoke_for_long_is_answered_however_badly_understood() -> None:
    microphone = Microphone()
    microphone.words, microphone.log_probability = "him capuchino please", -1.0
    microphone.speak(1.5)
    microphone.rest(1.5)
    assert microphone.said(Commit)


def test_words_too_short_to_be_understood_are_the_beginning_of_what_follows() -> None:
    microphone = Microphone()
    microphone.words, microphone.log_probability = "thank you", -1.2
    microphone.speak(0.4)
    microphone.rest(ABANDON_AFTER + 0.2)
    assert microphone.said(Abandon)
    microphone.words, microphone.log_probability = "make me a latte", -0.2
    microphone.speak(0.6)
    microphone.rest(1.0)
    finals = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert finals[-1].start == finals[0].start
    assert microphone.said(StartTurn) == [StartTurn(), StartTurn()]


def test_a_person_who_speaks_over_the_answer_ducks_it_and_then_takes_the_turn() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "no, what about tomorrow?"
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.when(Duck) < 0.15
    assert microphone.said(Duck, StartTurn, Commit) == [Duck(), StartTurn(), Commit("no, what about tomorrow?", "en")]


def test_who_only_says_stop_wants_no_answer() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "Stop."
    microphone.speak(0.5)
    microphone.rest(1.5)
    assert microphone.said(StartTurn, Speculate, Commit) == [StartTurn(), Commit("Stop.", "en", answer=False)]


def test_a_sign_of_listening_only_ducks_the_answer() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "mm-hm"
    microphone.speak(0.3)
    microphone.rest(0.6)
    assert microphone.said(Duck, Unduck, Backchannel, StartTurn, Commit) == [Duck(), Unduck(), Backchannel("mm-hm")]


def test_a_cough_only_ducks_the_answer() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = ""
    microphone.speak(0.25)
    microphone.rest(0.6)
    assert microphone.said(Duck, Unduck, StartTurn, Backchannel, Abandon) == [Duck(), Unduck()]


def test_the_assistants_own_echo_does_not_interrupt_it() -> None:
    microphone = Microphone()
    microphone.taker.assistant_said("The capital of France is Paris")
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "the capital of France"
    microphone.speak(2.5)
    microphone.rest(0.6)
    assert not microphone.said(StartTurn, Commit)
    assert microphone.said(Unduck)


def test_long_noise_does_not_keep_the_answer_down() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = ""
    microphone.speak(3.0)
    assert microphone.said(Unduck)
    assert not microphone.said(StartTurn)


def test_who_still_speaks_when_the_answer_ends_has_the_turn() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "yes"
    microphone.speak(0.3)
    microphone.note(microphone.taker.assistant_speaks(speaking=False))
    microphone.rest(1.5)
    assert microphone.said(StartTurn, Commit) == [StartTurn(), Commit("yes", "en")]


def test_an_echo_that_outlasts_the_answer_is_no_turn() -> None:
    microphone = Microphone()
    microphone.taker.assistant_said("I'm here to help you with your questions")
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "here to help you with your questions."
    microphone.speak(1.5)
    microphone.note(microphone.taker.assistant_speaks(speaking=False))
    microphone.speak(0.2)
    microphone.rest(2.0)
    assert not microphone.said(StartTurn, Commit)


def test_who_goes_on_right_after_the_end_is_heard_as_one_turn() -> None:
    microphone = Microphone()
    microphone.words = "Can I get a coffee?"
    microphone.speak(1.0)
    microphone.rest(0.6)
    assert microphone.said(Commit)
    microphone.words = "Can I get a coffee, and a tea?"
    microphone.speak(0.5)
    microphone.rest(1.0)
    assert microphone.said(StartTurn) == [StartTurn(), StartTurn(continues=True)]
    finals = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert finals[-1].start == finals[0].start
    assert microphone.said(Commit)[-1] == Commit("Can I get a coffee, and a tea?", "en")


def test_the_audio_of_the_turn_is_kept_until_it_is_known_whether_it_goes_on() -> None:
    microphone = Microphone()
    microphone.speak()
    microphone.rest(0.7)
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.log_probability = -2.0
    microphone.speak(1.5)
    assert microphone.taker.oldest_window == 0, "nobody knows yet whether it was noise"
    microphone.log_probability = -0.2
    microphone.rest(0.5)
    assert microphone.said(StartTurn)[-1].continues
    assert microphone.said(Transcribe)[-1].start == 0


def test_a_question_behind_an_answer_during_which_nothing_was_heard_is_a_turn_of_its_own() -> None:
    microphone = Microphone()
    microphone.speak(1.0)
    microphone.rest(0.6)
    assert microphone.said(Commit)
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.note(microphone.taker.assistant_speaks(speaking=False))
    microphone.rest(0.2)
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(StartTurn) == [StartTurn(), StartTurn()]


def test_what_was_forgotten_is_not_gone_on_with() -> None:
    microphone = Microphone()
    microphone.speak(1.0)
    microphone.rest(0.6)
    microphone.note(microphone.taker.reset())
    microphone.rest(0.2)
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(StartTurn) == [StartTurn(), StartTurn()]


def test_a_later_question_is_a_turn_of_its_own() -> None:
    microphone = Microphone()
    microphone.speak(1.0)
    microphone.rest(3.0)
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(StartTurn) == [StartTurn(), StartTurn()]


def test_a_client_may_forbid_interruptions() -> None:
    microphone = Microphone()
    microphone.taker.may_interrupt = False
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "what about tomorrow?"
    microphone.speak(1.0)
    microphone.rest(1.0)
    assert microphone.said(Duck, StartTurn, Commit) == [StartTurn(), Commit("what about tomorrow?", "en")]


def test_a_client_may_ask_for_longer_silence() -> None:
    microphone = Microphone()
    microphone.taker.shortest_silence = 1.5
    microphone.speak(1.0)
    microphone.rest(1.3)
    assert not microphone.said(Commit)
    microphone.rest(0.5)
    assert microphone.said(Commit)


def test_a_sentence_over_a_long_noise_is_listened_to_alone() -> None:
    microphone = Microphone()
    microphone.words = ""
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.speak(8.0)
    listened = [command for _, command in microphone.log if isinstance(command, Transcribe)]
    assert max(command.end - command.start for command in listened) <= windows(4.0) + 1
    assert not [command for _, command in microphone.log if isinstance(command, StartTurn)]
    microphone.words = "stop, what time is it"
    microphone.speak(1.0)
    assert [command for _, command in microphone.log if isinstance(command, StartTurn)]


def test_words_are_heard_twice_however_long_each_look_takes() -> None:
    microphone = Microphone(delay=14)
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.speak(2.5)
    assert microphone.said(StartTurn)


def test_a_pause_shorter_than_it_takes_to_understand_it_was_a_pause() -> None:
    microphone = Microphone()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.words = "London"
    microphone.speak(0.3)
    microphone.rest(0.08)
    microphone.speak(0.25)
    assert microphone.said(StartTurn), "one word is enough once somebody has paused"


def conversation() -> Microphone:
    """Somebody near has asked something, and is being answered."""
    microphone = Microphone()
    microphone.speak(1.0)
    microphone.rest(1.0)
    microphone.log.clear()
    microphone.note(microphone.taker.assistant_speaks(speaking=True))
    microphone.rest(2.0)
    return microphone


def test_people_who_talk_afar_neither_interrupt_the_answer_nor_lower_it() -> None:
    microphone = conversation()
    microphone.words = "and then she went to London with her brother"
    for _ in range(5):
        microphone.speak(2.0, FAR)
        microphone.rest(0.3)
    assert not microphone.said(Duck, StartTurn, Backchannel)


def test_who_is_afar_can_still_stop_the_answer() -> None:
    microphone = conversation()
    microphone.words = "stop"
    microphone.speak(0.6, FAR)
    microphone.rest(1.0)
    assert microphone.said(StartTurn)


def test_somebody_near_interrupts_and_is_heard_out_over_people_afar() -> None:
    microphone = conversation()
    microphone.words = "and then she went to London with her brother"
    microphone.speak(4.3, FAR)
    began = microphone.taker.now
    microphone.words = "what about tomorrow?"
    microphone.speak(1.2)
    microphone.speak(1.5, FAR)
    assert microphone.said(StartTurn, Commit) == [StartTurn(), Commit("what about tomorrow?", "en")]
    looks = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert looks[-1].start >= began - windows(0.5), "what was said afar is no part of it"


def test_of_somebody_near_the_soft_beginning_is_heard_too() -> None:
    microphone = conversation()
    began = microphone.taker.now
    microphone.speak(0.5, FAR)
    microphone.speak(0.8)
    microphone.rest(0.3)
    looks = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert looks[-1].start <= began


def test_those_afar_do_not_go_on_with_what_somebody_near_has_asked() -> None:
    microphone = conversation()
    microphone.speak(2.0, FAR)
    microphone.words = "what about tomorrow?"
    microphone.speak(1.2)
    microphone.note(microphone.taker.assistant_speaks(speaking=False))
    microphone.speak(3.0, FAR)
    assert microphone.said(StartTurn, Commit) == [StartTurn(), Commit("what about tomorrow?", "en")]


def test_where_nobody_talks_afar_a_quiet_stretch_ends_nothing() -> None:
    microphone = conversation()
    microphone.speak(0.5)
    microphone.speak(0.6, FAR)
    microphone.speak(0.5)
    microphone.rest(1.0)
    assert microphone.said(StartTurn, Commit) == [StartTurn(), Commit("what time is it?", "en")]
    looks = [command for command in microphone.said(Transcribe) if isinstance(command, Transcribe) and command.final]
    assert len(looks) == 1


def test_who_speaks_from_afar_when_nobody_is_answered_has_the_turn() -> None:
    microphone = conversation()
    microphone.note(microphone.taker.assistant_speaks(speaking=False))
    microphone.rest(2.0)
    microphone.speak(1.0, FAR)
    microphone.rest(1.0)
    assert microphone.said(Commit)


@given(
    st.lists(
        st.tuples(st.floats(0.03, 1.5), st.sampled_from([SPEECH, 0.4, SILENCE]), st.sampled_from([NEAR, FAR])),
        max_size=12,
    ),
    st.sampled_from(["", "stop", "mm-hm", "what time is it?", "I want a"]),
    st.booleans(),
)
def test_every_turn_that_starts_also_ends(
    stretches: list[tuple[float, float, float]], words: str, overlapping: bool
) -> None:
    microphone = conversation()
    microphone.log.clear()
    microphone.words = words
    microphone.note(microphone.taker.assistant_speaks(speaking=overlapping))
    for seconds, probability, loudness in stretches:
        microphone.hear(seconds, probability, loudness)
    microphone.rest(4.0)
    assert len(microphone.said(StartTurn)) == len(microphone.said(Commit, Abandon))
    assert len(microphone.said(Duck)) == len(microphone.said(Unduck))
    assert len(microphone.said(Speculate)) >= len(microphone.said(Withdraw))
    assert microphone.taker.state is State.QUIET
