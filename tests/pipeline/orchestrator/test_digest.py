from pipecat.processors.aggregators.llm_context import LLMContext

from pipeline.orchestrator.digest import LONGEST, MOST_PROMISES, MOST_TOPICS, digest
from pipeline.orchestrator.prompt import trim


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_promises_and_topics_stay() -> None:
    told = digest(
        [
            said("user", "What's the weather?"),
            said("assistant", "I can't check the weather."),
            said("user", "Remind me to call Anna at six."),
            said("assistant", "Sure. I'll remind you at six: call Anna."),
            {"role": "assistant", "tool_calls": []},
            said("tool", "done"),
        ]
    )
    assert told is not None
    assert "- Remind me to call Anna at six." in told["content"]
    assert "- I'll remind you at six: call Anna." in told["content"]
    assert "can't check" not in told["content"]


def test_nothing_stands_for_nothing() -> None:
    assert digest([]) is None
    assert digest([{"role": "tool", "content": "done"}, "half a message", {"role": "user", "content": []}]) is None


def test_a_digest_of_a_digest_forgets_no_promise() -> None:
    first = digest([said("user", "Feed the cat at noon, remind me."), said("assistant", "I'll remind you at noon.")])
    second = digest([first, said("user", "And the dog?"), said("assistant", "I will do that too.")])
    assert second is not None
    assert second["content"].count("Earlier in this conversation") == 1
    assert [line for line in second["content"].splitlines() if line.startswith("- ")] == [
        "- Feed the cat at noon, remind me.",
        "- And the dog?",
        "- I'll remind you at noon.",
        "- I will do that too.",
    ]


def test_it_stays_short() -> None:
    many = [
        said(role, f"I'll do number {n}, " + "and so on " * 50) for n in range(50) for role in ("user", "assistant")
    ]
    told = digest(many)
    assert told is not None
    assert len(told["content"]) < (MOST_PROMISES + MOST_TOPICS) * (LONGEST + 4) + 200


def test_what_no_longer_fits_is_summed_up_in_its_place() -> None:
    opening = [said("user", "Hello."), said("assistant", "Hi.")]
    talk = [
        message
        for n in range(60)
        for message in (said("user", f"Question {n}?"), said("assistant", f"I'll see to {n}. " + "More words. " * 10))
    ]
    context = LLMContext([*opening, *talk])
    assert trim(context, 1500, keep=2, digest=digest) > 0
    messages = context.messages
    assert messages[:2] == opening
    assert messages[2]["role"] == "developer"
    assert "I'll see to" in messages[2]["content"]
    assert messages[3]["role"] == "user"
    assert messages[-1] == talk[-1]
