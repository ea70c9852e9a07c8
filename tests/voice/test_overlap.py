import pytest

from voice.overlap import Overlap, is_echo, judge_overlap, only_stops
from voice.whisper import Transcript

SAID = "the capital of france is paris and it lies on the seine".split()


def heard(text: str, log_probability: float = -0.2) -> Transcript:
    return Transcript(text, "en", log_probability, 0.0, 1.0)


@pytest.mark.parametrize("text", ["Mm-hm.", "Uh-huh.", "Yeah.", "Okay, right.", "I see."])
def test_a_sign_of_listening_is_no_interruption(text: str) -> None:
    assert judge_overlap(heard(text), SAID, final=True) is Overlap.BACKCHANNEL


@pytest.mark.parametrize(
    "text", ["Stop.", "Wait, what?", "No no, I meant London.", "What about the weather?", "Hold on."]
)
def test_words_that_mean_something_interrupt(text: str) -> None:
    assert judge_overlap(heard(text), SAID, final=True) is Overlap.INTERRUPTION


@pytest.mark.parametrize("text", ["", "Thank you.", "you", "The capital of France is Paris.", "lies on the Seine"])
def test_noise_and_echo_are_nothing(text: str) -> None:
    assert judge_overlap(heard(text), SAID, final=True) is Overlap.NOTHING


def test_what_whisper_makes_of_a_hum_is_nothing() -> None:
    hummed = Transcript("and the matcha", "en", -0.61, 0.2, 0.9)
    assert judge_overlap(hummed, SAID, final=True) is Overlap.NOTHING
    assert judge_overlap(hummed, SAID, final=True, goes_on=True) is Overlap.INTERRUPTION
    asked = Transcript("and the matcha", "en", -0.61, 0.2, 2.4)
    assert judge_overlap(asked, SAID, final=True) is Overlap.INTERRUPTION
    asked = Transcript("turn on the light", "en", -0.61, 0.2, 0.9)
    assert judge_overlap(asked, SAID, final=True) is Overlap.INTERRUPTION, "nobody hums four words"
    coughed = Transcript("three two one go", "en", -0.88, 0.2, 0.7)
    assert judge_overlap(coughed, SAID, final=True) is Overlap.NOTHING


def test_people_afar_may_only_ask_for_silence() -> None:
    assert judge_overlap(heard("What about the weather?"), SAID, final=True, afar=True) is Overlap.NOTHING
    assert judge_overlap(heard("Yeah."), SAID, final=True, afar=True) is Overlap.NOTHING
    assert judge_overlap(heard("Stop it."), SAID, final=True, afar=True) is Overlap.INTERRUPTION
    assert judge_overlap(heard("Hold on."), SAID, final=False, afar=True) is Overlap.INTERRUPTION


def test_a_guess_that_says_stop_is_taken_from_somebody_near() -> None:
    assert judge_overlap(heard("Okay, stop.", -1.1), SAID, final=True) is Overlap.INTERRUPTION
    assert judge_overlap(heard("Start talking", -0.8), SAID, final=True) is Overlap.INTERRUPTION
    assert judge_overlap(heard("Okay, stop.", -1.1), SAID, final=True, afar=True) is Overlap.NOTHING
    assert judge_overlap(heard("Stop.", -1.5), SAID, final=True) is Overlap.NOTHING


def test_what_only_begins_like_a_word_that_stops_does_not() -> None:
    assert judge_overlap(heard("Waiter, the bill"), SAID, final=True, afar=True) is Overlap.NOTHING
    assert judge_overlap(heard("unstoppable"), SAID, final=True, afar=True) is Overlap.NOTHING


@pytest.mark.parametrize("text", ["Sei still!", "Hör auf.", "Tais-toi !", "Ça suffit.", "¡Cállate!", "Ya basta."])
def test_silence_is_asked_for_in_other_languages_too(text: str) -> None:
    assert only_stops(text)
    assert judge_overlap(heard(text), SAID, final=False) is Overlap.INTERRUPTION


@pytest.mark.parametrize(
    "text", ["Stop, stop, stop!", "Okay, that's enough, thanks.", "Be quiet now, please.", "No, stop."]
)
def test_silence_may_be_asked_for_politely_or_again_and_again(text: str) -> None:
    assert only_stops(text)


@pytest.mark.parametrize("text", ["Stop the music.", "No.", "Please.", "", "Stop, what time is it?", "Enough milk?"])
def test_who_says_more_than_stop_wants_an_answer(text: str) -> None:
    assert not only_stops(text)


def test_the_assistant_may_say_stop_without_stopping_itself() -> None:
    said = "the train will stop in lyon and wait there for ten minutes".split()
    for echo in ("the train will stop in Lyon", "Wait there for ten minutes", "the train will stop"):
        assert judge_overlap(heard(echo), said, final=True) is Overlap.NOTHING
        assert judge_overlap(heard(echo), said, final=False) is Overlap.NOTHING
    for text in (
        "Stop.",
        "Please stop.",
        "Stop it now.",
        "Wait.",
        "No, please stop it now",
        "Stop, and what about Paris?",
    ):
        assert judge_overlap(heard(text), said, final=True) is Overlap.INTERRUPTION


def test_a_guess_of_whisper_is_nothing() -> None:
    assert judge_overlap(heard("Fish tank", -1.1), SAID, final=True) is Overlap.NOTHING


def test_before_the_pause_words_must_be_heard_twice() -> None:
    assert judge_overlap(heard("What about"), SAID, final=False) is Overlap.NOTHING
    assert judge_overlap(heard("What about London"), SAID, final=False, before="What about") is Overlap.INTERRUPTION
    assert judge_overlap(heard("What about London"), SAID, final=False, before="Why that") is Overlap.NOTHING


def test_before_the_pause_one_word_is_not_enough_unless_it_stops() -> None:
    assert judge_overlap(heard("London"), SAID, final=False) is Overlap.NOTHING
    assert judge_overlap(heard("Stop"), SAID, final=False) is Overlap.INTERRUPTION
    assert judge_overlap(heard("London"), SAID, final=True) is Overlap.INTERRUPTION


def test_an_echo_may_have_a_misheard_word() -> None:
    assert is_echo("it flies on the seine".split(), SAID)
    assert is_echo("light it with water".split(), "wipe it with water and a little vinegar".split())
    assert not is_echo("what is the capital of spain then".split(), SAID)
    assert not is_echo(["paris"], [])
