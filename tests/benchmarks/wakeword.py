"""How often a wake word is missed, and how often one is heard that nobody said: `python -m tests.benchmarks.wakeword`.

Misses: Piper says each wake word at several speeds and levels, alone and in a kitchen. False accepts: everything that
people say in the recordings of ../shared/audio, which hold no wake word, what Piper makes of sentences like one, and
an hour and more of prose that it reads from this repository's own texts, each sentence once.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path

import numpy as np
import soxr
from piper import PiperVoice, SynthesisConfig
from platformdirs import user_data_path

from tests.benchmarks.recordings import SHARED_AUDIO, VOICE, load
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from voice.models import piper_voice
from voice.wakeword import KNOWN, WakeWords

SAID = {"okay_nabu": "Okay nabu.", "hey_jarvis": "Hey Jarvis.", "hey_mycroft": "Hey Mycroft.", "alexa": "Alexa."}
SPEEDS = (0.75, 1.0, 1.3)
PITCHES = (0.9, 1.0, 1.1)
"""A voice read faster or slower than it was made stands in for other people: there is one Piper voice here."""
LEVELS = (-15.0, -30.0, -45.0)
"""Of speech, in dB below full scale: close by, across a table, across a room."""
NOISES = (None, 15.0, 10.0, 5.0, 0.0)
"""Decibels that speech is above the kitchen; None is a quiet room."""
ALIKE = (
    "Okay, now you tell me.", "Okay, not you.", "Hey Jeeves, is dinner ready?", "They journey on service.",
    "Hey, my craft is here.", "A lexicon of words.", "Alexander is coming.", "I like sand.", "Okay, a new book.",
    "Hey there, Travis.", "Hey Mike, draft it.", "Okay, nobody knows.",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
PROSE = ("README.md", "LICENSE", "CHANGELOG.md", "docker/README.md", "tests/benchmarks/README.md")
WAKE_NAMES = re.compile("nabu|jarvis|mycroft|alexa", re.IGNORECASE)
SHORTEST = 4
"""Words that a line needs to be read aloud: the others are headings and cells of tables."""
PAUSES = (0.3, 0.6, 1.0)
"""Seconds between two sentences."""
BLOCK = 60.0
"""Seconds of prose that are listened to together, as a stream that goes on."""
REPEATS = 3
"""Every phrase is spoken as often, a little differently each time."""


@dataclass(frozen=True)
class Spoken:
    """A phrase as it is said once."""

    samples: Samples
    speed: float


def spoken(voice: PiperVoice, text: str) -> Iterator[Spoken]:
    """Say a text at every speed and pitch."""
    for speed, pitch, _ in product(SPEEDS, PITCHES, range(REPEATS)):
        pieces = voice.synthesize(text, SynthesisConfig(length_scale=pitch / speed))
        audio = np.concatenate([piece.audio_float_array for piece in pieces])
        yield Spoken(soxr.resample(audio, voice.config.sample_rate * pitch, SAMPLE_RATE).astype(np.float32), speed)


def sentences(text: str) -> list[str]:
    """Return what of a text in Markdown can be read aloud and holds no wake word."""
    text = re.sub(r"```.*?```|<!--.*?-->|<[^>]*>|https?://\S+", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    paragraphs = re.split(r"\n\s*\n|\n(?=[-|#>*] ?)|\|", text)
    plain = (re.sub(r"[`*_#>|]", "", " ".join(paragraph.split())) for paragraph in paragraphs)
    cut = [sentence.strip() for paragraph in plain for sentence in re.split(r"(?<=[.!?;:])\s+", paragraph)]
    return [each for each in cut if len(re.findall(r"[A-Za-z]{2,}", each)) >= SHORTEST and not WAKE_NAMES.search(each)]


def prose(voice: PiperVoice) -> Iterator[tuple[str, Samples]]:
    """Read the texts once, each sentence at another speed and pitch than the one before; yields `BLOCK` at a time."""
    manners = cycle(product(SPEEDS, PITCHES))
    pauses = cycle(PAUSES)
    for name in PROSE:
        block: list[Samples] = []
        for sentence in sentences((ROOT / name).read_text(encoding="utf-8")):
            speed, pitch = next(manners)
            pieces = voice.synthesize(sentence, SynthesisConfig(length_scale=pitch / speed))
            audio = np.concatenate([piece.audio_float_array for piece in pieces])
            block.append(soxr.resample(audio, voice.config.sample_rate * pitch, SAMPLE_RATE).astype(np.float32))
            block.append(np.zeros(int(next(pauses) * SAMPLE_RATE), np.float32))
            if sum(map(len, block)) > BLOCK * SAMPLE_RATE:
                yield f"{name}, up to “{sentence}”", np.concatenate(block)
                block = []
        if block:
            yield f"the end of {name}", np.concatenate(block)


def heard(words: WakeWords, samples: Samples) -> list[str]:
    """Name the wake words in a recording."""
    words.reset()
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    found = [words.hear(pcm[at : at + 2048]) for at in range(0, len(pcm), 2048)]
    return [woken.word for woken in found if woken is not None]


def at_level(samples: Samples, level: float) -> Samples:
    """Bring the louder half of it to `level` dB below full scale."""
    frames = np.sort(np.square(samples[: len(samples) // 320 * 320].reshape(-1, 320)).mean(axis=1))
    power = float(frames[len(frames) // 2 :].mean())
    return (samples * np.sqrt(10 ** (level / 10) / power)).astype(np.float32)


def in_room(
    samples: Samples, level: float, noise: Samples | None, above: float, random: np.random.Generator
) -> Samples:
    """Put it into two seconds of room before and one behind: a quiet one, or the kitchen `above` dB under the speech."""
    length = 3 * SAMPLE_RATE + len(samples)
    if noise is None:
        room = random.normal(0, 0.0002, length)
    else:
        start = int(random.integers(0, len(noise) - length))
        room = at_level(noise, level - above)[start : start + length]
    room[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + len(samples)] += at_level(samples, level)
    return np.asarray(room, np.float32)


def misses(voice: PiperVoice, noise: Samples | None) -> None:
    """Print how many of the wake words were missed."""
    random = np.random.default_rng(1)
    print("| wake word | speech | " + " | ".join("quiet" if snr is None else f"{snr:g} dB" for snr in NOISES) + " |")
    print("| --- | --- |" + " --- |" * len(NOISES))
    for word in KNOWN:
        words, said = WakeWords([word]), list(spoken(voice, SAID[word]))
        for level in LEVELS:
            cells = []
            for snr in NOISES:
                if snr is not None and noise is None:
                    cells.append("–")
                    continue
                rooms = [
                    in_room(each.samples, level, noise if snr is not None else None, snr or 0.0, random)
                    for each in said
                ]
                missed = sum(word not in heard(words, room) for room in rooms)
                cells.append(f"{missed} of {len(said)}")
            print(f"| {word} | {level:g} dB | " + " | ".join(cells) + " |", flush=True)


def false_accepts(voice: PiperVoice) -> None:
    """Print what was heard in speech that holds no wake word."""
    people = sorted([*SHARED_AUDIO.rglob("*.wav"), *SHARED_AUDIO.rglob("*.flac")])
    recordings = ((file.name, load(Path(file))) for file in people)
    report("recordings of people and a kitchen", recordings)
    report(
        "sentences like a wake word, by Piper", ((text, said.samples) for text in ALIKE for said in spoken(voice, text))
    )
    report("prose, by Piper", prose(voice))


def report(name: str, sounds: Iterable[tuple[str, Samples]]) -> None:
    """Listen to sounds that hold no wake word, each by itself, and print what was heard and what it cost."""
    words, found = WakeWords(KNOWN), dict.fromkeys(KNOWN, 0)
    samples, cost, told = 0, 0.0, []
    for of, sound in sounds:
        began = time.process_time()
        for word in heard(words, sound):
            found[word] += 1
            told.append(f"  {word} in {of}")
        cost += time.process_time() - began
        samples += len(sound)
    hours = samples / SAMPLE_RATE / 3600
    each = ", ".join(f"{word} {count}" for word, count in found.items())
    rate = f"{sum(found.values()) / hours:.1f} an hour" if hours else "nothing to hear"
    print(f"{name}: {sum(found.values())} false in {hours * 60:.1f} minutes, {rate} ({each})")
    for line in dict.fromkeys(told):
        print(line)
    if hours:
        print(
            f"  {cost / hours / 3.6:.1f} ms of processor time a second of sound, for {len(KNOWN)} wake words together"
        )


def main() -> None:
    """Measure and print."""
    voice = PiperVoice.load(piper_voice(VOICE, user_data_path("passfel", appauthor=False)))
    kitchen = SHARED_AUDIO / "kitchen-noise.flac"
    misses(voice, load(kitchen) if kitchen.is_file() else None)
    false_accepts(voice)


if __name__ == "__main__":
    sys.exit(main())
