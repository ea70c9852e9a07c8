"""Whether the assistant stops for an interruption, how fast, and for nothing else.

While a long answer plays, a sound comes from the room: a person's request, which must stop it, or one of
three that must not: "mm-hm", a cough, and the assistant's own voice out of the loudspeaker, 20 dB down.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.clients import Caller, calling
from tests.benchmarks.recordings import Corpus, Recording, spoken_by_piper
from tests.benchmarks.servers import Server, Side, serving
from tests.benchmarks.signals import SAMPLE_RATE, at_level, cough

LONG_REQUEST = "Tell me a long story about a dog that sails around the world."
PLAYED_BEFORE = 2.5
"""Seconds of the answer that are heard before the sound comes."""
WATCH = 6.0
"""Seconds after the beginning of the sound in which the answer is watched."""
GAP = 1.2
"""A silence this long in an answer is no longer a pause between two sentences."""
LOSS = 0.3
"""Seconds of the answer that may be dropped without a word being missed."""
ECHO_GAIN = 10 ** (-20 / 20)
BACKCHANNEL_LEVEL = -28.0
"""dBFS, as loud as the speech in the recordings."""
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Interruption:
    """What a sound did to an answer. Times are seconds from the sound's beginning."""

    side: str
    sound: str
    ducked: float | None
    """When the answer had become 6 dB quieter or silent for good."""
    stopped: float | None
    """When its last audible sample was played, or None if it went on."""
    went_on: bool
    """The answer was heard to its end, or for all of the time watched, with nothing missing and no gap."""


async def measure(sides: Sequence[Side], spoken: Corpus, rounds: int) -> list[Interruption]:
    """Interrupt both sides, alternating, once with each sound a round."""
    found: list[Interruption] = []
    for n in range(rounds):
        request = spoken.questions[(n + 1) % len(spoken.questions)]
        for side in sides if n % 2 == 0 else tuple(reversed(sides)):
            async with serving(side) as server:
                sounds = (request, *false_alarms(n), None)
                found += [await _attempt(server, spoken, sound) for sound in sounds]
    return found


def false_alarms(seed: int) -> tuple[Recording, ...]:
    """Return a spoken backchannel and a cough."""
    backchannel = at_level(spoken_by_piper("mm-hm."), BACKCHANNEL_LEVEL)
    quiet = np.random.default_rng(seed).normal(0, 3e-4, SAMPLE_RATE).astype(np.float32)
    coughed = np.concatenate([quiet, cough(seed + 1), quiet])
    return Recording.of("“mm-hm”", backchannel), Recording.of("a cough", coughed)


async def _attempt(server: Server, spoken: Corpus, sound: Recording | None) -> Interruption:
    """Try until an answer is long enough to be interrupted.

    Raises:
        RuntimeError: if the language model gives only short answers.
    """
    for _ in range(ATTEMPTS):
        async with calling(server.caller(spoken.questions[0])) as caller:
            await asyncio.sleep(1.0)
            outcome = await _interrupt(server.side.name, caller, sound)
            if outcome is not None:
                return outcome
    raise RuntimeError(f"{server.side.name} gave no answer long enough to interrupt in {ATTEMPTS} attempts")


async def _interrupt(side: str, caller: Caller, sound: Recording | None) -> Interruption | None:
    """Ask for a long answer and make a sound in it. None is the assistant's own voice."""
    asked = asyncio.get_running_loop().time()
    await caller.ask(LONG_REQUEST)
    first = await caller.audible(asked, limit=20)
    if first is None:
        return None
    await asyncio.sleep(PLAYED_BEFORE)
    if sound is None:
        caller.leak = ECHO_GAIN
        onset = asyncio.get_running_loop().time()
    else:
        onset = caller.begin(sound) + sound.speech.start
    # An answer that would have ended by itself proves nothing.
    last = caller.playback.last_audible(before=onset)
    if last is None or last < onset - GAP:
        return None
    flushed = caller.playback.flushed
    await asyncio.sleep(WATCH)
    lost = caller.playback.flushed - flushed
    return judge(side, "its own echo" if sound is None else sound.name, caller, onset, lost)


def judge(side: str, sound: str, caller: Caller, onset: float, lost: float) -> Interruption:
    """Say what became of the answer that was playing at `onset`, of which `lost` seconds were dropped."""
    new_answers = caller.since(onset, "answer started")
    until = min([event.at for event in new_answers] + [onset + WATCH])
    last = caller.playback.last_audible(before=until) or onset
    interrupted = bool(new_answers) or bool(caller.since(onset, "interrupted"))
    broken_off = interrupted or (last < until - GAP and not caller.since(onset, "answer ended"))
    ducked = caller.playback.ducked(onset, until)
    return Interruption(
        side=side,
        sound=sound,
        ducked=min(ducked, last) - onset if broken_off and ducked is not None else None,
        stopped=last - onset if broken_off else None,
        went_on=not broken_off and lost < LOSS and caller.playback.longest_silence(onset, last) < GAP,
    )
