"""A model of the catalogue from its `config.json`, as Hugging Face's transformers write it.

The number of parameters is counted from the shapes, so that a model of which nothing else is known can be planned for.
Norms and biases, well under a thousandth of all, are left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.budget.catalogue import Cache, Checkpoint, Model

_MOST = 10**8
"""Larger than any width, and smaller than what makes arithmetic of it senseless."""
_MOST_LAYERS = 10_000
_ENGINES = ("vllm", "sglang")
_STATE_VALUE_BYTES, _CONVOLUTION_VALUE_BYTES = 4, 2
_GATED_MATRICES, _PLAIN_MATRICES = 3, 2
_EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
_ATTENTION, _LINEAR, _MAMBA, _MIXTURE, _FEED_FORWARD = "attention", "linear", "mamba", "mixture", "feed-forward"
_PATTERN = {"M": _MAMBA, "*": _ATTENTION, "E": _MIXTURE, "-": _FEED_FORWARD}


class ConfigDamaged(ValueError):  # noqa: N818 - reads as what is the matter
    """The config.json cannot be read or understood; the message names the field."""


@dataclass(frozen=True, slots=True)
class _Weights:
    """Parameters, and those of them that one token uses."""

    all: int = 0
    active: int = 0

    def __add__(self, other: "_Weights") -> "_Weights":
        return _Weights(self.all + other.all, self.active + other.active)


def _dense(parameters: int) -> _Weights:
    return _Weights(parameters, parameters)


def read_config(path: Path, *, name: str | None = None) -> Model:
    """Make a model from a config.json, or from the folder that holds one with or without the weights.

    Raises `ConfigDamaged`, which names the missing or absurd field.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigDamaged(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigDamaged(f"{file} is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise ConfigDamaged(f"{file} holds a {type(read).__name__}: a config.json is an object")
    # Models that also see keep the shapes of the part that speaks in a group of their own.
    inner = read.get("text_config") or read.get("llm_config")
    shapes = _Shapes(file, {**read, **inner} if isinstance(inner, dict) else read)
    # A folder of the hub's cache is named by a commit, so the config's own name comes first.
    named = name or str(read.get("_name_or_path") or "").strip("/") or file.absolute().parent.name
    return _model(named, shapes, _checkpoint(read, file, named))


def _model(name: str, shapes: "_Shapes", checkpoint: Checkpoint) -> Model:
    weights = shapes.weights()
    told = f"counted from {shapes.file.name}"
    short = name.rpartition("/")[2]
    try:
        return Model(
            id="".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in short.lower()),
            name=short,
            kind="language",
            parameters=weights.all / 1e9,
            active=weights.active / 1e9,
            hidden=shapes.hidden,
            layers=len(shapes.kinds),
            vocabulary=shapes.vocabulary,
            context=shapes.number("max_position_embeddings"),
            kernel="moe" if weights.active < weights.all else "dense",
            cache=shapes.cache(),
            checkpoints=(checkpoint,),
            sources={"parameters, active": told, "hidden, layers, vocabulary, context, cache": shapes.file.name},
        )
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise ConfigDamaged(f"{shapes.file}: {wrong}") from None


class _Shapes:
    """The widths and the kinds of layers that a config tells."""

    def __init__(self, file: Path, config: Mapping[str, Any]) -> None:
        self.file = file
        self._config = config
        self.hidden = self.number("hidden_size")
        self.vocabulary = self.number("vocab_size")
        self.kinds = self._kinds()

    def number(self, *names: str, default: int | None = None) -> int:
        """Return the first of these fields; one that is there must be a plausible number."""
        for name in names:
            value = self._config.get(name)
            if value is None:
                continue
            return self._plausible(name, value, least=1)
        if default is None:
            raise ConfigDamaged(f"{self.file} has no {' or '.join(names)}: the size cannot be counted without it")
        return default

    def _option(self, name: str) -> int:
        """Return a field that many configs leave out; 0 where it is not there."""
        return self._plausible(name, self._config.get(name) or 0, least=0)

    def _plausible(self, name: str, value: object, *, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise ConfigDamaged(f"{self.file}: {name} is {value!r}: a number from {least} to {_MOST:,} is needed")
        return value

    def _kinds(self) -> list[str]:
        """Tell what each layer mixes tokens with, or of Nemotron-H's single-purpose layers what each one is."""
        if self._single_purpose:
            pattern = self._config["hybrid_override_pattern"]
            if not isinstance(pattern, str) or not pattern or set(pattern) - set(_PATTERN):
                raise ConfigDamaged(
                    f"{self.file}: hybrid_override_pattern is {pattern!r}: {''.join(_PATTERN)} are known"
                )
            return [_PATTERN[letter] for letter in pattern]
        layers = self.number("num_hidden_layers")
        if layers > _MOST_LAYERS:
            raise ConfigDamaged(f"{self.file}: num_hidden_layers is {layers:,}: at most {_MOST_LAYERS:,} make sense")
        types = self._config.get("layer_types")
        if types is None:
            return [_ATTENTION] * layers
        if not isinstance(types, list) or len(types) != layers:
            raise ConfigDamaged(f"{self.file}: layer_types does not name {layers} layers")
        return [_LINEAR if kind == "linear_attention" else _ATTENTION for kind in types]

    @property
    def _single_purpose(self) -> bool:
        return self._config.get("hybrid_override_pattern") is not None

    @property
    def _heads(self) -> int:
        return self.number("num_attention_heads")

    @property
    def _kv_heads(self) -> int:
        return self.number("num_key_value_heads", default=self._heads)

    @property
    def _head_size(self) -> int:
        return self.number("head_dim", default=max(1, self.hidden // self._heads))

    def cache(self) -> Cache:
        """Tell what is kept of a conversation."""
        attention = self.kinds.count(_ATTENTION)
        state = self.kinds.count(_LINEAR) * self._linear_state() if _LINEAR in self.kinds else 0
        state += self.kinds.count(_MAMBA) * self._mamba_state() if _MAMBA in self.kinds else 0
        if self._option("kv_lora_rank"):
            latent = self.number("kv_lora_rank") + self.number("qk_rope_head_dim")
            return Cache(attention_layers=attention, latent=latent, state_bytes=state)
        windowed = self._windowed()
        return Cache(
            attention_layers=attention - windowed,
            kv_heads=self._kv_heads,
            head_size=self._head_size,
            window_layers=windowed,
            window=self.number("sliding_window") if windowed else None,
            state_bytes=state,
        )

    def _windowed(self) -> int:
        types = self._config.get("layer_types")
        if isinstance(types, list):
            return types.count("sliding_attention")
        # Qwen's configs carry a window that they switch off.
        used = self._option("sliding_window") and self._config.get("use_sliding_window", True)
        return self.kinds.count(_ATTENTION) if used else 0

    def weights(self) -> _Weights:
        """Count the parameters."""
        embeddings = self.vocabulary * self.hidden * (1 if self._config.get("tie_word_embeddings") else 2)
        # Looking a token up reads one row of the first table; the last one is multiplied whole.
        total = _Weights(embeddings, self.vocabulary * self.hidden)
        for index, kind in enumerate(self.kinds):
            total += self._mixer(kind)
            if kind == _MIXTURE or (not self._single_purpose and self._is_mixture(index)):
                total += self._experts()
            elif kind == _FEED_FORWARD or not self._single_purpose:
                total += _dense(self._feed_forward(self.number("intermediate_size")))
        return total

    def _mixer(self, kind: str) -> _Weights:
        match kind:
            case "attention":
                return _dense(self._latent_attention() if self._option("kv_lora_rank") else self._attention())
            case "linear":
                keys, values = self._linear_widths()
                return _dense(self.hidden * (2 * keys + 3 * values))
            case "mamba":
                inner, groups = self._mamba_widths()
                return _dense(self.hidden * (3 * inner + 2 * groups + self.number("mamba_num_heads")))
        return _Weights()

    def _attention(self) -> int:
        gate = self._heads if self._config.get("attn_output_gate") else 0
        return self.hidden * self._head_size * (2 * self._heads + gate + 2 * self._kv_heads)

    def _latent_attention(self) -> int:
        """Count DeepSeek's multi-head latent attention (arXiv:2405.04434)."""
        rope, plain = self.number("qk_rope_head_dim"), self.number("qk_nope_head_dim")
        value, rank = self.number("v_head_dim"), self.number("kv_lora_rank")
        query_width = self._heads * (rope + plain)
        query_rank = self._option("q_lora_rank")
        query = query_rank * (self.hidden + query_width) if query_rank else self.hidden * query_width
        keys = self.hidden * (rank + rope) + rank * self._heads * (plain + value)
        return query + keys + self._heads * value * self.hidden

    def _is_mixture(self, layer: int) -> bool:
        if not any(self._option(name) for name in _EXPERT_COUNTS):
            return False
        dense = self._config.get("mlp_only_layers") or []
        if not isinstance(dense, list):
            raise ConfigDamaged(f"{self.file}: mlp_only_layers is {dense!r}: a list of layers is needed")
        if layer < self._option("first_k_dense_replace") or layer in dense:
            return False
        return (layer + 1) % (self._option("decoder_sparse_step") or 1) == 0

    def _experts(self) -> _Weights:
        count = self.number(*_EXPERT_COUNTS)
        used = self.number("num_experts_per_tok", "experts_per_token", "moe_topk")
        width = self.number("moe_intermediate_size", "intermediate_size")
        # Experts of Nemotron-3-Super work on a narrower copy of the token.
        latent = self._option("moe_latent_size")
        each = self._feed_forward(width, latent)
        shared = self._shared_width(width)
        always = self._feed_forward(shared) + self.hidden * count + 2 * self.hidden * latent
        return _Weights(always + count * each, always + min(used, count) * each)

    def _shared_width(self, width: int) -> int:
        for name in ("moe_shared_expert_intermediate_size", "shared_expert_intermediate_size"):
            if shared := self._option(name):
                return shared
        return width * self._option("n_shared_experts")

    def _feed_forward(self, width: int, hidden: int = 0) -> int:
        gated = "relu2" not in str(self._config.get("mlp_hidden_act") or self._config.get("hidden_act"))
        return (hidden or self.hidden) * width * (_GATED_MATRICES if gated else _PLAIN_MATRICES)

    def _linear_widths(self) -> tuple[int, int]:
        keys = self.number("linear_num_key_heads") * self.number("linear_key_head_dim")
        return keys, self.number("linear_num_value_heads") * self.number("linear_value_head_dim")

    def _linear_state(self) -> int:
        """Count a gated delta net's state: a matrix a head, and what its convolution looks back on."""
        keys, values = self._linear_widths()
        matrix = values * self.number("linear_key_head_dim")
        back = (2 * keys + values) * (self.number("linear_conv_kernel_dim") - 1)
        return matrix * _STATE_VALUE_BYTES + back * _CONVOLUTION_VALUE_BYTES

    def _mamba_widths(self) -> tuple[int, int]:
        inner = self.number("mamba_num_heads") * self.number("mamba_head_dim")
        return inner, self.number("n_groups") * self.number("ssm_state_size")

    def _mamba_state(self) -> int:
        inner, groups = self._mamba_widths()
        back = (inner + 2 * groups) * (self.number("conv_kernel") - 1)
        return inner * self.number("ssm_state_size") * _STATE_VALUE_BYTES + back * _CONVOLUTION_VALUE_BYTES


def _checkpoint(config: Mapping[str, Any], file: Path, name: str) -> Checkpoint:
    folder = file.absolute().parent
    weights = sorted(folder.glob("*.safetensors"))
    size = sum(each.stat().st_size for each in weights) / 1e9
    return Checkpoint(
        precision=_precision(config),
        gigabytes=size or None,
        name=str(folder) if weights else name,
        engines=_ENGINES,
        source=f"{len(weights)} files of weights beside it" if weights else file.name,
    )


def _precision(config: Mapping[str, Any]) -> str:
    quantization = config.get("quantization_config")
    if not isinstance(quantization, dict):
        return "bf16"
    method = str(quantization.get("quant_method") or quantization.get("quant_algo") or "").lower()
    told = json.dumps(quantization).lower()
    for mark, precision in (("mxfp4", "mxfp4"), ("nvfp4", "nvfp4"), ("fp8", "fp8"), ("float8", "fp8")):
        if mark in told:
            return precision
    match method:
        case "awq" | "gptq":
            return f"int4-{method}" if quantization.get("bits", 4) == 4 else "int8"
        case "bitsandbytes":
            return "int4-bnb" if quantization.get("load_in_4bit") else "int8"
        case "compressed-tensors":
            return "int4-awq" if '"num_bits": 4' in told else "int8"
    raise ConfigDamaged(f"quantization_config has the method {method or 'none'!r}, which is not known")
