"""Reasoning: chosen rarely, and never heard."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.orchestrator.reasoning import ThinkFilter, wants_reasoning


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Think about it: which of the two is cheaper?", "en"),
        ("Which one should I take? Think carefully.", "en"),
        ("Please take your time and tell me", "en"),
        ("I want you to think carefully", "en"),
        ("Can you think it through for me?", "en"),
        ("Plan a birthday party for eight children", "en"),
        ("Could you help me plan my weekend in Lisbon?", "en"),
        ("Make a plan for the garden", "en"),
        ("Figure out the best order for the three errands", "en"),
        ("What are the pros and cons of a heat pump?", "en"),
        ("What is 12 times 7 plus 30 minus 4?", "en"),
        ("If a train leaves at 3 and drives 60 miles an hour, how far is it at 5?", "en"),
        ("Tom has twelve apples and gives three to each of two friends. How many are left over?", "en"),
        ("Denk bitte gut darüber nach", "de"),
        ("Überleg mal genau, was wir brauchen", "de"),
        ("Plane einen Ausflug für Sonntag", "de"),
        ("Réfléchis bien", "fr"),
        ("Piénsalo bien", "es"),
        ("Denk er goed over na", "nl"),
    ],
)
def test_reasoning_is_wanted(text, language):
    assert wants_reasoning(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What do you think about it?", "en"),
        ("I'll think about it", "en"),
        ("I need to think about it", "en"),
        ("I'll sit down and think about it", "en"),
        ("Don't think about it", "en"),
        ("What time is it in Tokyo?", "en"),
        ("Set a timer for 5 minutes and 30 seconds", "en"),
        ("Set three timers for 5, 10 and 15 minutes", "en"),
        ("What's 12 times 8?", "en"),
        ("What is 15 percent of 80?", "en"),
        ("What's the plan for today?", "en"),
        ("Do I have plans on Saturday?", "en"),
        ("How many people live in Portugal?", "en"),
        ("Play the 3 best songs of 1999", "en"),
        ("Turn on the light if it is dark", "en"),
        ("Wie spät ist es?", "de"),
        ("Stell einen Wecker auf 7 Uhr 30", "de"),
        ("Ich denke noch darüber nach", "de"),
        ("", "en"),
        ("Quelle heure est-il ?", "fr"),
        ("何時ですか", "ja"),
    ],
)
def test_reasoning_is_not_wanted(text, language):
    assert not wants_reasoning(text, language)


def filtered(text: str, cuts: list[int] | None = None, *, complete: bool = True, **options) -> str:
    thoughts = ThinkFilter(**options)
    marks = [0, *sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(marks)]
    return "".join([thoughts.feed(piece) for piece in pieces]) + thoughts.close(complete=complete)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("<think>Hm.</think>It is noon.", "It is noon."),
        ("<think>\n\n</think>\n\nIt is noon.", "It is noon."),
        ("It is <think>what?</think>noon.", "It is noon."),
        ("<think>It never ends", ""),
        ("It is noon.<think>Or is it", "It is noon."),
        ("It is</think> noon.", "It is noon."),
        ("[THINK]Hm.[/THINK]It is [noon].", "It is [noon]."),
        ("<thinking>Hm <think> hm</thinking>It is noon.", "It is noon."),
        ("2 < 3 and 4 <th", "2 < 3 and 4 <th"),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is noon.<|return|>",
            "It is noon.",
        ),
        ("<|start|>assistant<|channel|>final<|message|>It is noon.", "It is noon."),
        ("<|channel|>analysis<|message|>It never ends", ""),
        ("<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}<|call|>", ""),
    ],
)
def test_thoughts_are_not_heard(text, heard):
    assert filtered(text) == heard


def test_a_template_that_opens_the_thought_is_waited_for():
    assert filtered("Hm, noon?</think>\nIt is noon.", begins_inside=True) == "It is noon."
    assert filtered("<think>Hm.</think>It is noon.", begins_inside=True) == "It is noon."


def test_without_any_tag_it_was_an_answer_if_the_model_had_finished():
    assert filtered("It is noon.", begins_inside=True) == "It is noon."
    assert filtered("Hm, let me see", begins_inside=True, complete=False) == ""


def test_a_server_that_keeps_thoughts_apart_is_not_waited_for():
    thoughts = ThinkFilter(begins_inside=True)
    thoughts.parsed()
    assert thoughts.feed("It is noon.") == "It is noon."


TAGS = [
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<thinking>",
    "</thinking>",
    "<|channel|>",
    "<|start|>",
    "<|end|>",
]
TEXTS = st.lists(
    st.sampled_from([*TAGS, "<|message|>", "final", "analysis", "<", "[", "<th", "ink>", " ", "Hi. "])
).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200)), st.booleans(), st.booleans())
def test_however_an_answer_is_split_the_same_is_heard(text, cuts, begins_inside, complete):
    options = {"begins_inside": begins_inside, "complete": complete}
    whole = filtered(text, **options)
    assert filtered(text, cuts, **options) == whole
    assert filtered(text, list(range(len(text))), **options) == whole
    assert not any(tag in whole for tag in ("<think>", "</think>", "<|channel|>")) or "<<" in text or "<th" in text


@given(st.text(alphabet="abc <[|>.\n", max_size=60))
def test_text_without_tags_is_heard_as_it_is(text):
    assert filtered(text) == text.lstrip()
