"""One turn of a conversation, as the person hears it."""

import asyncio
from dataclasses import dataclass

from tests.benchmarks.clients import Caller
from tests.benchmarks.recordings import Recording

ANSWER_LIMIT = 10.0
"""Seconds after which a turn counts as not answered; it enters the quantiles with this value."""
SETTLE = 0.7
"""Seconds of room tone before each utterance."""
LISTEN_ON = 0.5
"""Seconds to listen to each answer before it is stopped."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of an utterance."""

    side: str
    recording: str
    latency: float
    """Seconds from the true end of speech to the first audible sample of the answer."""
    answered: bool
    cut: bool
    """The server took the turn, or spoke, before the speaker had ended."""
    spoken_over: bool
    """It was heard to speak before the speaker had ended."""
    heard: str
    answer: str


async def converse(side: str, caller: Caller, recording: Recording) -> Turn:
    """Say one utterance, wait for the answer to become audible, and stop it."""
    await caller.silence(SETTLE, limit=10)
    await asyncio.sleep(SETTLE)
    before = caller.begin(recording)
    start, end = before + recording.speech.start, before + recording.speech.end
    audible = await caller.audible(end, ANSWER_LIMIT)
    await asyncio.sleep(LISTEN_ON)
    ended_early = any(event.at < end for event in caller.since(start, "turn ended"))
    spoke = caller.playback.first_audible(start)
    spoken_over = spoke is not None and spoke < end
    turn = Turn(
        side=side,
        recording=recording.name,
        latency=ANSWER_LIMIT if audible is None else audible - end,
        answered=audible is not None,
        cut=ended_early or spoken_over,
        spoken_over=spoken_over,
        heard=" ".join(event.text.strip() for event in caller.since(start, "transcript")),
        answer=" ".join(event.text.strip() for event in caller.since(start, "answer text")),
    )
    await caller.hush()
    return turn
