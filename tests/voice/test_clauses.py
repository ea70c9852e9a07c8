import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.clauses import ClauseAggregator, ClauseSplitter


def split(text: str, size: int = 1) -> list[str]:
    """All pieces of a text that arrives `size` characters at a time, without the space around them."""
    return [piece.strip() for piece in split_exactly([text[i : i + size] for i in range(0, len(text), size)])]


def split_exactly(chunks: list[str]) -> list[str]:
    splitter = ClauseSplitter()
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)]
    rest = splitter.flush()
    return pieces if rest is None else [*pieces, rest]


@pytest.mark.parametrize(
    ("so_far", "clause"),
    [
        ("Sure!", "Sure!"),
        ("What time is it?", "What time is it?"),
        ("The light is on.", "The light is on."),
        ("I can help you with that,", "I can help you with that,"),
        ("It is raining now;", "It is raining now;"),
        ("Here is the list: ", "Here is the list:"),
        ("The kitchen light is on —", "The kitchen light is on —"),
        ("The kitchen light is on - ", "The kitchen light is on -"),
        ("I would go out but ", "I would go out"),
        ("Take an umbrella because ", "Take an umbrella"),
        ("It is sunny and quite warm and ", "It is sunny and quite warm"),
        ("The capital of France is Paris. ", "The capital of France is Paris."),
        ("It is three p.m. T", "It is three p.m."),
        ("Is it **really?**", "Is it **really?**"),
        ("He asked (did he?)", "He asked (did he?)"),
        (
            "Tomorrow morning the weather here will get very warm in t",
            "Tomorrow morning the weather here will get very warm",
        ),
        (
            "The quick brown fox jumped over seven lazy sleeping dogs t",
            "The quick brown fox jumped over seven lazy sleeping dogs",
        ),
        ("# Weather\n", "# Weather"),
        ("天気はいいです。", "天気はいいです。"),
    ],
)
def test_the_first_clause_comes_out_at_once(so_far: str, clause: str) -> None:
    splitter = ClauseSplitter()
    before = [piece for character in so_far[:-1] for piece in splitter.feed(character)]
    assert before == []
    assert splitter.feed(so_far[-1]) == [clause]


@pytest.mark.parametrize(
    "so_far",
    [
        "It is 3.",
        "It costs 1,",
        "It is now about 7:",
        "Please call Dr. ",
        "Please call Dr. S",
        "Fruit, e.g. ",
        "It costs approx. ",
        "See No. 5",
        "It was on Nov. 2",
        "It was on November 23, ",
        "It was on November 23, 2",
        "At 5 p.m. t",
        "The U.S. A",
        "J. R. R. T",
        "Well,",
        "Salt and pepper and ",
        "Open https://example.com/?",
        "Open www.example.",
        "Write to bob@example.",
        "Read the manual [here, or",
        "Read the manual [here](https://example.com/a,",
        "This is **very, very ",
        "This is *quite hot, ",
        "Here: `a, b, c; ",
        "Look here ![a picture, of ",
        "```python\nprint('Well, well. What? ",
        "1. ",
        "He said “Stop!",
        "Between three and ",
        "One two three four five six seven eight nine the ",
        "One two three four five six seven eight costs 20 ",
        "One two three four five six seven eight nine New York",
        "Word word word word word word word word word November 2",
    ],
)
def test_what_belongs_together_is_not_cut(so_far: str) -> None:
    for size in (1, 3, len(so_far)):
        splitter = ClauseSplitter()
        assert [p for i in range(0, len(so_far), size) for p in splitter.feed(so_far[i : i + size])] == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Sure! I can do that, of course. Anything else?", ["Sure!", "I can do that,", "of course.", "Anything else?"]),
        (
            "It is sunny today, and warm. Tomorrow, though, it will rain, and it will be cold.",
            ["It is sunny today,", "and warm.", "Tomorrow, though, it will rain, and it will be cold."],
        ),
        (
            "Dr. Smith lives on Main St. near the park, e.g. the big one. He is 3.5 years old.",
            ["Dr. Smith lives on Main St. near the park,", "e.g. the big one.", "He is 3.5 years old."],
        ),
        (
            "It is 7:30 now, and 1,000 people wait. Pi is 3.14. It has no end.",
            ["It is 7:30 now,", "and 1,000 people wait.", "Pi is 3.14.", "It has no end."],
        ),
        (
            "See https://example.com/a,b?c=1. It has more! Or write to me@example.com. Bye.",
            ["See https://example.com/a,b?c=1.", "It has more!", "Or write to me@example.com.", "Bye."],
        ),
        (
            "Here are the steps:\n1. Heat the oven.\n2. Mix it, then wait\n- Enjoy",
            ["Here are the steps:", "1. Heat the oven.", "2. Mix it, then wait", "- Enjoy"],
        ),
        ("No. That is wrong. See No. 5 for that.", ["No.", "That is wrong.", "See No. 5 for that."]),
        ("Bonjour ! Il fait beau.", ["Bonjour !", "Il fait beau."]),
        ("```\na. b\n```\nThat is all. Good.", ["```\na. b\n```", "That is all.", "Good."]),
        ("He said that she had said “Stop!” and left. So.", ["He said that she had said “Stop!”", "and left.", "So."]),
        ("I do like it... maybe not. ", ["I do like it.", ".. maybe not.", ""]),
    ],
)
def test_a_response_is_cut_where_a_reader_would_breathe(text: str, pieces: list[str]) -> None:
    assert split(text) == pieces


def test_marks_that_arrive_together_stay_together() -> None:
    assert split_exactly(["Wow", "!!!", " That is great", "...", " I think."]) == [
        "Wow!!!",
        " That is great...",
        " I think.",
    ]


def test_a_long_sentence_is_cut_at_a_mark() -> None:
    start = "This comes first. "
    clause = " ".join(["word"] * 26)
    assert split(f"{start}{clause}, {clause}.") == ["This comes first.", f"{clause},", f"{clause}."]


def test_a_sentence_that_never_ends_is_cut_all_the_same() -> None:
    pieces = split(" ".join(["word"] * 200))
    assert max(len(piece.split()) for piece in pieces) <= 45


def test_an_asterisk_that_is_never_closed_does_not_hold_the_rest_back() -> None:
    assert len(split("Look at *this. " + "It goes on and on. " * 30)) > 5


def test_each_response_begins_anew() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("It is a long story, but ") == ["It is a long story,"]
    assert splitter.flush() == " but "
    assert splitter.flush() is None
    assert splitter.feed("I can do that, ") == ["I can do that,"]


WORDS = st.sampled_from(
    "I you the a of it rain sunny Paris 3 3.5 1,000 7:30 20 and but because Dr. e.g. etc. p.m. No. Nov. U.S. — - "
    "**bold *it* [link](https://a.com/b,c) https://a.com?b=c me@a.com `code, x` really? yes! end. stop, so; is: "
    "“Hi!” (what?) Wait... **x, y** 1. 你好。".split()
)
PROSE = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", " ", " ", "\n", "\n\n- "])), max_size=60).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)


def cut_up(text: str, cuts: list[int]) -> list[str]:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


@given(st.one_of(st.text(), PROSE, st.text(alphabet="ab .,!?*`[](\n1—-“”")), st.lists(st.integers(0, 400)))
def test_nothing_is_lost_or_added(text: str, cuts: list[int]) -> None:
    assert "".join(split_exactly(cut_up(text, cuts))) == text


def spoken(pieces: list[str]) -> list[list[str]]:
    """The words of each piece that has any; marks may fall on either side of a seam."""
    return [words for piece in pieces if (words := re.findall(r"\w+", piece))]


@given(PROSE, st.lists(st.integers(0, 400)))
def test_the_sizes_in_which_text_arrives_do_not_change_the_pieces(text: str, cuts: list[int]) -> None:
    assert spoken(split_exactly(cut_up(text, cuts))) == spoken(split_exactly(list(text)))


async def test_pipecat_gets_clauses_without_the_space_around_them() -> None:
    aggregator = ClauseAggregator(language="en-US")
    pieces = [a.text async for a in aggregator.aggregate("Sure! I can do that, of course. What")]
    assert pieces == ["Sure!", "I can do that,", "of course."]
    assert aggregator.text.text == "What"
    rest = await aggregator.flush()
    assert rest is not None
    assert rest.text == "What"
    assert rest.type == "sentence"
    assert await aggregator.flush() is None
    assert aggregator.language == "en"


async def test_an_interruption_forgets_the_response() -> None:
    aggregator = ClauseAggregator()
    assert [a.text async for a in aggregator.aggregate("It is raining now, so take")] == ["It is raining now,"]
    await aggregator.handle_interruption()
    assert await aggregator.flush() is None
    assert [a.text async for a in aggregator.aggregate("I can do that, of")] == ["I can do that,"]


async def test_white_space_alone_is_not_spoken() -> None:
    aggregator = ClauseAggregator()
    assert [a.text async for a in aggregator.aggregate("All done. \n\n")] == ["All done."]
    assert await aggregator.flush() is None


@pytest.mark.parametrize("word", ["Word", "1", "the", "(word", "“word"])
def test_words_that_never_want_to_be_parted_are_parted_in_the_end(word: str) -> None:
    pieces = split(f"{word} " * 300)
    assert max(len(piece.split()) for piece in pieces) <= 90
