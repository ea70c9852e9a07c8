from voice.nearness import FAR, HELD, Nearness


def spoken(nearness: Nearness, *loudness: float) -> None:
    nearness.hear(loudness[0])
    nearness.begin(1)
    for each in loudness[1:]:
        nearness.hear(each)
        nearness.count(speech=True)


def test_before_anybody_has_spoken_nothing_is_afar() -> None:
    nearness = Nearness()
    spoken(nearness, -60.0, -60.0)
    assert nearness.run == 1
    assert not nearness.afar
    assert not nearness.utterance_afar


def test_what_is_plainly_quieter_than_the_last_turn_is_afar() -> None:
    nearness = Nearness()
    spoken(nearness, *[-25.0] * 20)
    nearness.keep()
    spoken(nearness, *[-25.0 - FAR - 1] * HELD)
    assert nearness.afar
    assert nearness.run == 0
    assert nearness.utterance_afar
    spoken(nearness, *[-25.0 - FAR + 1] * HELD)
    assert not nearness.afar
    assert nearness.run == HELD - 1
    assert not nearness.utterance_afar


def test_who_is_near_may_be_quiet_between_two_vowels() -> None:
    nearness = Nearness()
    spoken(nearness, *[-25.0] * 20)
    nearness.keep()
    spoken(nearness, -25.0, *[-50.0] * (HELD - 1))
    assert not nearness.afar
    spoken(nearness, -50.0)
    assert nearness.afar


def test_one_loud_vowel_brings_nobody_near() -> None:
    nearness = Nearness()
    spoken(nearness, *[-25.0] * 20)
    nearness.keep()
    spoken(nearness, *[-38.0] * 10, -30.0, *[-38.0] * 9)
    assert nearness.utterance_afar


def test_of_several_people_the_quietest_counts_until_they_have_left() -> None:
    nearness = Nearness()
    for loudness in (-25.0, -40.0, -25.0):
        spoken(nearness, *[loudness] * 20)
        nearness.keep()
    spoken(nearness, *[-45.0] * HELD)
    assert not nearness.afar
    for _ in range(3):
        spoken(nearness, *[-25.0] * 20)
        nearness.keep()
    spoken(nearness, *[-45.0] * HELD)
    assert nearness.afar


def test_an_utterance_that_was_no_turn_does_not_count() -> None:
    nearness = Nearness()
    spoken(nearness, *[-25.0] * 20)
    nearness.keep()
    spoken(nearness, *[-60.0] * 20)
    spoken(nearness, *[-40.0] * HELD)
    assert nearness.afar
