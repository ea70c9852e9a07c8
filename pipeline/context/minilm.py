"""all-MiniLM-L6-v2: sentences as points that lie close together where they mean the same.

A BERT encoder of six layers (Devlin et al., https://arxiv.org/abs/1810.04805) whose last states are averaged and
brought to length 1, as its makers' sentence-transformers package does. In numpy, a sentence takes some milliseconds.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from pipeline.context.embeddings import BATCH, EmbeddingsDown, Points

NAME: Final = "all-MiniLM-L6-v2"
LONGEST: Final = 256
"""Word pieces that it was made to read; the rest of a longer text is not looked at."""

_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_EPSILON = np.float32(1e-12)
_MASKED = np.float32(-1e9)

Array = NDArray[np.float32]


class MiniLM:
    """Embeds in a thread of its own, one batch after the other. Loading takes 0.1 s and 90 MB.

    Raises `EmbeddingsDown` for damaged files.
    """

    name = NAME

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        """Load both files."""
        try:
            self._weights: dict[str, Array] = load_file(weights)
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:
            # tokenizers raises Exception itself.
            raise EmbeddingsDown(f"{weights.parent} cannot be read, install its package again: {error}") from error
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="minilm")

    async def embed(self, texts: Sequence[str]) -> Points:
        """Return a row of length 1 for each text."""
        loop = asyncio.get_running_loop()
        # Between two batches whoever waits for a single sentence gets their turn.
        parts = [
            await loop.run_in_executor(self._thread, self._encode, texts[start : start + BATCH])
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, _WIDTH), np.float32)

    async def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, texts: Sequence[str]) -> Points:
        encodings = self._tokenizer.encode_batch(list(texts))
        ids = np.array([encoding.ids for encoding in encodings])
        mask = np.array([encoding.attention_mask for encoding in encodings], np.float32)
        states = self._states(ids, mask)
        weight = mask[:, :, None]
        mean = (states * weight).sum(axis=1) / weight.sum(axis=1)
        points: Points = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return points

    def _states(self, ids: NDArray[np.int64], mask: Array) -> Array:
        weights = self._weights
        states = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalized(states, "embeddings.LayerNorm")
        # What only fills a batch up is looked at by nobody.
        bias = ((1 - mask) * _MASKED)[:, None, None, :]
        for layer in range(_LAYERS):
            states = self._layer(states, bias, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Array, bias: Array, name: str) -> Array:
        query, key, value = (
            _by_head(self._linear(states, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(2, 3) / np.float32(np.sqrt(_WIDTH // _HEADS)) + bias
        seen = _softmax(scores) @ value
        joined = seen.swapaxes(1, 2).reshape(states.shape)
        states = self._normalized(
            states + self._linear(joined, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        between = _gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._normalized(states + self._linear(between, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, states: Array, name: str) -> Array:
        result: Array = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return result

    def _normalized(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        result: Array = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result


def _by_head(states: Array) -> Array:
    batch, length, _ = states.shape
    return states.reshape(batch, length, _HEADS, -1).swapaxes(1, 2)


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Array = raised / raised.sum(axis=-1, keepdims=True)
    return result


def _gelu(values: Array) -> Array:
    """Gaussian error linear unit, with formula 7.1.26 of Abramowitz and Stegun for the error function."""
    scaled = np.abs(values) * np.float32(1 / np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * scaled)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    error = 1 - series * np.exp(-scaled * scaled)
    result: Array = np.float32(0.5) * values * (1 + np.copysign(error, values)).astype(np.float32)
    return result
