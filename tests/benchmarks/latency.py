"""How long after the last word the answer is heard."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.clients import calling
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.servers import Side, serving
from tests.benchmarks.turns import Turn, converse

TURNS_A_ROUND = 5


@dataclass(frozen=True, slots=True)
class Rounds:
    """Which utterances each round speaks, the same to both sides."""

    utterances: tuple[tuple[Recording, ...], ...]

    @classmethod
    def of(cls, spoken: Corpus, rounds: int) -> "Rounds":
        """Deal short questions, orders and read sentences over the rounds, the same in every run."""
        questions, sentences = spoken.questions, [s for s in spoken.sentences if s.name.startswith("austen")]
        orders = list(spoken.orders)
        dealt = []
        for n in range(rounds):
            # `sentences` come last: they are long, and quick runs take only the first round.
            mixed = [
                questions[n % len(questions)],
                *orders[n * 3 % len(orders) :][:3],
                sentences[n % len(sentences)],
            ]
            dealt.append(tuple(mixed))
        return cls(tuple(dealt))


async def measure(sides: Sequence[Side], spoken: Corpus, rounds: int) -> list[Turn]:
    """Speak each round to one side after the other, the order swapped from round to round.

    Each round is one call to a fresh server. Its first utterance only warms the call up and is not counted.
    """
    turns: list[Turn] = []
    for n, utterances in enumerate(Rounds.of(spoken, rounds).utterances):
        for side in sides if n % 2 == 0 else tuple(reversed(sides)):
            turns += await converse_all(side, utterances, warm_up=spoken.questions[0])
    return turns


async def converse_all(side: Side, utterances: Sequence[Recording], warm_up: Recording) -> list[Turn]:
    """Speak utterances in one call, after one that is not counted."""
    async with serving(side) as server, calling(server.caller(warm_up)) as caller:
        turns = [await converse(side.name, caller, utterance) for utterance in (warm_up, *utterances)]
    return turns[1:]
