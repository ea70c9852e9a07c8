import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.hypothesis import (
    Hypothesis,
    is_invented,
    is_looping,
    strip_annotations,
    without_invented_repetition,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "seconds", "kept"),
    [
        ("Turn on the lamp. Turn on the lamp. Turn on the", 1.9, "Turn on the lamp."),
        ("What time is it? What time is it? What time", 1.6, "What time is it?"),
        ("turn on the lamp turn on the lamp turn on", 1.9, "turn on the lamp"),
        ("Brew a mocha with milk. Brew a mocha with sk", 3.0, "Brew a mocha with milk."),
        ("Get me a Get me a Get me a Get", 0.8, "Get me a"),
    ],
)
def test_a_sentence_that_the_decoder_says_again_is_cut_off(text: str, seconds: float, kept: str) -> None:
    assert without_invented_repetition(text, seconds) == kept


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Play it again, play it again.", 3.0),
        ("No, no.", 1.2),
        ("What time is it?", 1.6),
        ("Very very good.", 1.5),
        ("", 1.0),
    ],
)
def test_what_a_person_says_twice_is_kept(text: str, seconds: float) -> None:
    assert without_invented_repetition(text, seconds) == text


@given(st.text(), st.floats(0.1, 30))
def test_cutting_keeps_a_beginning_of_the_words(text: str, seconds: float) -> None:
    kept = without_invented_repetition(text, seconds)
    assert kept == text or text.split()[: len(kept.split())] == kept.split()


def test_captions_of_sounds_are_removed() -> None:
    assert strip_annotations("[Music] Good morning (coughs) *sighs* ♪") == "Good morning"


@pytest.mark.parametrize(
    "credit",
    [
        "Thank you so much for watching!",
        "Subtitles by the Amara.org community",
        "Untertitelung des ZDF, 2020",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Untertitel der Amara.org-Community",
        "Sous-titrage Société Radio-Canada",
        "Sous-titrage ST' 501",
        "Sous-titres réalisés para la communauté d'Amara.org",
        "Merci d'avoir regardé cette vidéo !",
        "¡Gracias por ver el vídeo!",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Sottotitoli creati dalla comunità Amara.org",
    ],
)
def test_the_credits_of_films_are_removed_from_what_was_said(credit: str) -> None:
    assert not words_of(strip_annotations(credit))
    assert strip_annotations(f"What time is it? {credit}") == "What time is it?"


@pytest.mark.parametrize(
    "text",
    ["Turn on the subtitles, please.", "Schalte die Untertitel ein.", "Mets les sous-titres.", "Pon los subtítulos."],
)
def test_who_speaks_of_subtitles_is_heard(text: str) -> None:
    assert strip_annotations(text) == text


@pytest.mark.parametrize("text", ["Thank you.", "Thanks for watching!", "you", "", "...", "Bye.", "Vielen Dank."])
def test_what_whisper_writes_over_silence_is_known(text: str) -> None:
    assert is_invented(text)


def test_a_decoder_that_has_lost_its_place_is_known() -> None:
    assert is_looping("Two R O O O O O O O O O O O")
    assert is_looping("and then the " * 6)
    assert not is_looping("No no no, that is not what I said")
    assert Hypothesis("o " * 9, -0.1, 0.0).looks_wrong(20.0)


def test_a_sentence_spoken_impossibly_fast_is_decoded_again() -> None:
    assert Hypothesis("one two three four five six seven eight nine ten", -0.1, 0.0).looks_wrong(1.0)
    assert not Hypothesis("what time is it", -0.1, 0.0).looks_wrong(1.6)
    assert Hypothesis("what time is it", -1.2, 0.0).looks_wrong(1.6)


def test_a_sentence_that_is_said_to_begin_where_the_audio_ends_is_decoded_again() -> None:
    assert Hypothesis("what time", -0.6, 0.0, begins=1.0).looks_wrong(1.2)
    assert not Hypothesis("What time is it?", -0.6, 0.0, begins=0.3).looks_wrong(1.2)


def test_a_short_text_that_ends_in_mid_sentence_is_decoded_again_where_the_decoder_is_not_sure() -> None:
    assert Hypothesis("What time is", -0.64, 0.0).looks_wrong(1.1)
    assert not Hypothesis("What time is", -0.4, 0.0).looks_wrong(1.1)
    assert not Hypothesis("What time is", -0.64, 0.0).looks_wrong(5.0)
