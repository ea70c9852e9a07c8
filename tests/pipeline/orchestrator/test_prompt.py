from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContext

from pipeline.caller import Caller
from pipeline.orchestrator.prompt import CHARACTERS_A_TOKEN, TELEPHONE, Prompt, trim
from pipeline.settings.house import Household

CALLER = Caller(door="test", device="puck", room="kitchen")


def test_the_persona_comes_first_and_what_changes_behind_it() -> None:
    prompt = Prompt(Household(name="Rivera", location="Lisbon"), small=False)
    one, other = prompt.instruction(CALLER, "Speak like a pirate."), prompt.instruction(None)
    stable = prompt.instruction(None).rpartition("\n")[0]
    assert one.startswith(stable)
    assert other.startswith(stable)
    assert "Rivera" in stable
    assert "Lisbon" in stable
    assert "kitchen" in one
    assert one.endswith("Speak like a pirate.")


def test_on_the_telephone_the_model_is_told_to_be_short_behind_what_all_doors_share() -> None:
    prompt = Prompt(Household(name="Lark Hill"), small=False)
    caller = Caller("sip", "sip:100")
    there, elsewhere = prompt.instruction(caller), prompt.instruction(Caller("browser", "tablet"))
    assert TELEPHONE in there
    assert there.startswith(elsewhere.rpartition("\n")[0])
    assert TELEPHONE not in elsewhere
    assert prompt.instruction(caller, "Speak like a pirate.").endswith("pirate.")


def test_a_small_model_learns_from_examples_and_reads_the_time_there() -> None:
    household = Household(timezone="Europe/Lisbon")
    messages = Prompt(household, small=True).opening()
    assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert messages[-2]["content"] == "What time is it?"
    assert not Prompt(household, small=False).opening()


def context(*texts: str) -> LLMContext:
    roles = ("user", "assistant")
    return LLMContext(messages=[{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)])


def size(messages: list) -> int:
    return sum(len(str(message)) // CHARACTERS_A_TOKEN for message in messages)


def test_a_conversation_that_fits_is_left_alone() -> None:
    talk = context("hello", "hi")
    assert trim(talk, 1000) == 0
    assert len(talk.messages) == 2


@given(st.lists(st.text("abc ", min_size=1, max_size=300), min_size=4, max_size=40), st.integers(0, 2))
def test_the_oldest_turns_are_forgotten_and_what_is_kept_begins_with_a_question(texts: list[str], keep: int) -> None:
    talk = context(*texts)
    opening = talk.messages[: keep * 2]
    before = list(talk.messages)
    budget = size(before) // 2
    trim(talk, budget, keep=keep * 2)
    assert talk.messages[: keep * 2] == opening
    kept = talk.messages[keep * 2 :]
    assert before[len(before) - len(kept) :] == kept
    if kept:
        assert kept[0]["role"] == "user"


def test_an_image_counts_as_an_image_and_not_as_its_letters() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 60_000}}
    context = LLMContext(
        messages=[
            {"role": "user", "content": "Remember the word heron."},
            {"role": "assistant", "content": "I will."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
        ]
    )
    assert trim(context, 4000) == 0
    assert trim(context, 900) == 2
