"""Whether somebody who stops to think is cut off."""

from collections.abc import Sequence

from tests.benchmarks.latency import converse_all
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.servers import Side
from tests.benchmarks.turns import Turn


async def measure(sides: Sequence[Side], spoken: Corpus, sentences: Sequence[Recording], rounds: int) -> list[Turn]:
    """Speak sentences with a pause inside to both sides, alternating in `rounds` parts."""
    turns: list[Turn] = []
    for n in range(rounds):
        for side in sides if n % 2 == 0 else tuple(reversed(sides)):
            turns += await converse_all(side, sentences[n::rounds], warm_up=spoken.questions[0])
    return turns
