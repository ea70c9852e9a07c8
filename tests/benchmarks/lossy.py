"""What a bad network costs at the doors that use UDP: the words and slot values that get through, and how late.

A client speaks the recordings over a link that loses packets or holds each back for a while of its own, as a weak Wi-Fi
does, and what the door passes on is transcribed as the assistant would. Losses are drawn packet by packet.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.settings.house import Hearing
from tests.benchmarks import lossy_browser, lossy_telephone
from tests.benchmarks.accuracy import Heard, Transcribe, engine_way, hear
from tests.benchmarks.lossy_telephone import OPUS, PCMU
from tests.benchmarks.networks import Network
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.report import NONE, section
from tests.benchmarks.signals import Samples
from voice.models import whisper_model
from voice.whisper import WhisperEngine

AT_ONCE = 2
"""Networks that are measured at the same time at the browser's door, whose clients are made of Python."""
CALLS_AT_ONCE = 5
ORDERS = 10
CLEAN = "the recordings themselves"
BROWSER = "A bad network at the browser's door"
TELEPHONE = "A bad network at the telephone's door"

NETWORKS = (Network(0), Network(0.02), Network(0.05), Network(0, 0.1), Network(0.05, 0.1))

Sounds = list[tuple[Samples, float]]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one way brought."""

    way: str
    heard: list[Heard]
    lags: list[float]
    """Seconds by which each utterance was passed on later than it was spoken."""
    door: str = BROWSER
    """The heading of its table."""


async def measure(spoken: Corpus, folder: Path, networks: tuple[Network, ...] = NETWORKS) -> list[Arrived]:
    """Speak over every network, and transcribe what arrived; the recordings themselves come first at each door."""
    recordings = (*spoken.sentences, *spoken.orders[:ORDERS])
    browser = [partial(lossy_browser.over, network, recordings) for network in networks]
    calls = [(codec, network) for codec in (PCMU, OPUS) for network in networks]
    telephone = [
        partial(lossy_telephone.over, network, recordings, codec, place % CALLS_AT_ONCE)
        for place, (codec, network) in enumerate(calls)
    ]
    clean: Sounds = [(each.samples, 0.0) for each in recordings]
    ways = [
        (BROWSER, CLEAN, clean),
        *((BROWSER, each.name, sounds) for each, sounds in zip(networks, await _some(browser, AT_ONCE), strict=True)),
        (TELEPHONE, CLEAN, clean),
        *(
            (TELEPHONE, f"{codec.name}, {network.name}", sounds)
            for (codec, network), sounds in zip(calls, await _some(telephone, CALLS_AT_ONCE), strict=True)
        ),
    ]
    engine = await asyncio.to_thread(_engine, folder)
    try:
        transcribe = engine_way(engine)
        return [
            await asyncio.to_thread(_heard, door, way, recordings, sounds, transcribe) for door, way, sounds in ways
        ]
    finally:
        engine.close()


async def _some(measures: list[Callable[[], Coroutine[Any, Any, Sounds]]], at_once: int) -> list[Sounds]:
    arrived: list[Sounds] = []
    for first in range(0, len(measures), at_once):
        arrived += await asyncio.gather(*(each() for each in measures[first : first + at_once]))
    return arrived


def _engine(folder: Path) -> WhisperEngine:
    chosen = Hearing()
    return WhisperEngine(
        whisper_model(chosen.model, folder),
        language=chosen.language,
        beam=chosen.beam,
        threads=chosen.threads,
        compute_type=chosen.compute_type,
    )


def _heard(door: str, way: str, recordings: tuple[Recording, ...], sounds: Sounds, transcribe: Transcribe) -> Arrived:
    heard = [
        hear(transcribe, Recording(each.name, samples, each.speech, each.words, each.slots))
        for each, (samples, _) in zip(recordings, sounds, strict=True)
    ]
    return Arrived(way, heard, [lag for _, lag in sounds], door)


def table(found: list[Arrived]) -> str:
    """Return what each network let through, a table for each door."""
    doors = list(dict.fromkeys(each.door for each in found))
    return "\n\n".join(_table(door, [each for each in found if each.door == door]) for door in doors)


def _table(door: str, found: list[Arrived]) -> str:
    rows = []
    for each in found:
        sentences = [one for one in each.heard if one.words]
        orders = [one for one in each.heard if one.of_slots]
        errors, words = sum(one.errors for one in sentences), sum(one.words for one in sentences)
        slots, of_slots = sum(one.slots for one in orders), sum(one.of_slots for one in orders)
        lag = NONE if each.way == CLEAN else f"{np.median(each.lags) * 1000:.0f}"
        rows.append([each.way, f"{errors} of {words}", f"{slots} of {of_slots}", lag])
    note = f"{len(found[0].heard)} recordings, transcribed as the assistant does by default."
    columns = ["over", "words wrong", "slot values right", "passed on later, ms"]
    return section(door, columns, rows, note)
