import numpy as np
import pytest
import pytest_asyncio

from pipeline.context.embeddings import EmbeddingsDown
from pipeline.context.minilm import MiniLM
from voice import models

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def encoder():
    encoder = MiniLM(*models.sentence_encoder())
    yield encoder
    await encoder.close()


async def test_what_means_the_same_lies_close_together(encoder) -> None:
    points = await encoder.embed(
        ["Who is my dentist?", "My dentist is Doctor Weber.", "The freezer is at minus eighteen degrees."]
    )
    assert points.shape == (3, 384)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1, abs=1e-5)
    near, far = points[0] @ points[1], points[0] @ points[2]
    assert near > 0.6
    assert far < 0.2


async def test_its_makers_similarities_are_met(encoder) -> None:
    # From the model's card: sentence-transformers/all-MiniLM-L6-v2 gives these with its own code.
    weather, sunny, stadium = await encoder.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    assert weather @ sunny == pytest.approx(0.6660, abs=2e-3)
    assert weather @ stadium == pytest.approx(0.1046, abs=2e-3)


async def test_a_text_means_the_same_alone_and_beside_longer_ones(encoder) -> None:
    alone = (await encoder.embed(["A short one."]))[0]
    beside = (await encoder.embed(["A short one.", "a much longer one " * 40]))[0]
    assert alone @ beside == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["", "\n", "🙂", "a" * 100_000, "漢字かな交じり文"])
async def test_any_text_has_a_place(encoder, text: str) -> None:
    points = await encoder.embed([text])
    assert np.isfinite(points).all()


async def test_nothing_is_no_text(encoder) -> None:
    assert (await encoder.embed([])).shape == (0, 384)


async def test_damaged_files_are_told_of(tmp_path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(EmbeddingsDown, match="install its package again"):
        MiniLM(tmp_path / "model.safetensors", tmp_path / "tokenizer.json")
