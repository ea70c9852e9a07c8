"""What turns texts into points, so that what means the same lies close together: in this process or at a server."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI, OpenAIError, Timeout

from pipeline.settings.stores import Embeddings

BATCH: Final = 16
"""Texts that are embedded at once."""
SERVER_SECONDS: Final = 20.0
"""What a server gets for a batch."""

Points = NDArray[np.float32]
"""A row of length 1 for each text."""


class EmbeddingsDown(Exception):  # noqa: N818 - reads as what is the matter
    """Texts cannot be embedded now; the message says why."""


class Embedder(Protocol):
    """Turns texts into points."""

    name: str
    """Tells its points from those of other models."""

    async def embed(self, texts: Sequence[str]) -> Points:
        """Return a row of length 1 for each text. Raises `EmbeddingsDown`."""

    async def close(self) -> None:
        """Let go of what it holds."""


class ServedEmbeddings:
    """Any OpenAI-compatible server with `/v1/embeddings`."""

    def __init__(self, settings: Embeddings) -> None:
        """Take the address; nothing is asked yet."""
        assert settings.url is not None
        assert settings.model is not None
        self.name = settings.model
        self._client = AsyncOpenAI(
            base_url=settings.url,
            api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
            max_retries=1,
            timeout=Timeout(SERVER_SECONDS, connect=3.0),
        )

    async def embed(self, texts: Sequence[str]) -> Points:
        """Return a row of length 1 for each text. Raises `EmbeddingsDown`."""
        rows: list[list[float]] = []
        try:
            for start in range(0, len(texts), BATCH):
                batch = list(texts[start : start + BATCH])
                answer = await self._client.embeddings.create(model=self.name, input=batch, encoding_format="float")
                if len(answer.data) != len(batch):
                    raise EmbeddingsDown(f"{len(batch)} texts were sent and {len(answer.data)} rows came back")
                rows += [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
            points = np.array(rows, np.float32)
            lengths = np.linalg.norm(points, axis=1, keepdims=True)
        except (OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise EmbeddingsDown(f"the server of embeddings does not answer as it should: {error}") from error
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EmbeddingsDown("the server of embeddings answers with numbers that are no point")
        normal: Points = points / lengths
        return normal

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()
