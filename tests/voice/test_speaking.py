import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.speakable import speakable
from voice.speaking import pair_words


@pytest.mark.parametrize(
    ("written", "pairs"),
    [
        ("It is 7:30 now.", [("It", "It"), ("is", "is"), ("7:30", "seven thirty"), ("now.", "now.")]),
        ("Hello there.", [("Hello", "Hello"), ("there.", "there.")]),
    ],
)
def test_each_written_word_is_paired_with_what_is_said_for_it(written: str, pairs: list[tuple[str, str]]) -> None:
    assert pair_words(written.split(), speakable(written).split()) == pairs


@given(
    st.lists(st.text("abc1.:%", min_size=1, max_size=6), min_size=1, max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=6), max_size=12),
)
def test_no_word_is_lost_or_doubled(written: list[str], spoken: list[str]) -> None:
    pairs = pair_words(written, spoken)
    assert [word for word, _ in pairs] == written
    assert " ".join(sound for _, sound in pairs if sound).split() == spoken
