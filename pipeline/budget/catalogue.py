"""The catalogue of models and machines: figures from data files, each with its source.

A model or machine is one TOML file beside this module, named by its id; a household's own models lie in its data
directory and win over these. A figure that nobody has seen is absent, and whatever needs it says which one is missing.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CPU = "cpu"
"""What a machine without a graphics card computes with."""
UNVERIFIED = "unverified"
"""The source of a figure that was not seen anywhere."""

_FOLDER = Path(__file__).parent
_BYTES_A_VALUE = {"bf16": 2, "fp8": 1, "f32": 4}
_NEAREST = 3

Kind = Literal["language", "transcriber", "synthesizer", "embedding"]
_Count = Annotated[int, Field(gt=0, le=10**9)]
_Billions = Annotated[float, Field(gt=0, le=100_000)]
_Speed = Annotated[float, Field(gt=0, le=10**6)]
_Gib = Annotated[float, Field(gt=0, le=10**6)]
_Name = Annotated[str, Field(min_length=1)]


class Unknown(LookupError):  # noqa: N818 - reads as what is the matter
    """Neither a model nor a machine of the catalogue; the message offers the nearest names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name.lower(), names, n=_NEAREST, cutoff=0.3)
        offer = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}"
        super().__init__(f"there is no {kind} {name!r} in the catalogue: {offer}")


class CatalogueDamaged(ValueError):  # noqa: N818 - reads as what is the matter
    """A file of the catalogue cannot be read; the message names the file and the field."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Sourced(_Entry):
    sources: Mapping[str, _Name]
    """Where the figures come from: several names may share a key, with commas between them."""

    @model_validator(mode="after")
    def _every_figure_has_a_source(self) -> Self:
        named = {name.strip() for key in self.sources for name in key.split(",")}
        if strange := named - set(type(self).model_fields):
            raise ValueError(f"sources names {', '.join(sorted(strange))}, which is no figure")
        without = sorted(name for name in self.model_fields_set & self._figures() if name not in named)
        if without:
            raise ValueError(f"no source for {', '.join(without)}: write {UNVERIFIED!r} where none was seen")
        return self

    @classmethod
    def _figures(cls) -> set[str]:
        raise NotImplementedError

    def source(self, figure: str) -> str:
        """Return where a figure comes from."""
        return next(
            (text for key, text in self.sources.items() if figure in (name.strip() for name in key.split(","))),
            UNVERIFIED,
        )


class Machine(_Sourced):
    """A computer, or the graphics card in it."""

    id: _Name
    name: _Name
    memory_gib: _Gib
    """What programs can use."""
    unified: bool
    """Whether CPU and GPU share the memory."""
    bandwidth_nominal: _Speed
    """GB/s."""
    bandwidth_measured: _Speed | None = None
    """GB/s, of reading."""
    tflops: Mapping[str, _Speed]
    """Of dense matrix products, by precision."""
    compute: _Name
    """CUDA's name of the architecture, such as sm_121, or "cpu"."""
    card: _Name | None = None
    """What the driver's name of the graphics card contains."""
    system_gib: float = Field(ge=0)
    """What the operating system takes at rest."""

    @classmethod
    def _figures(cls) -> set[str]:
        return {"memory_gib", "bandwidth_nominal", "bandwidth_measured", "tflops", "system_gib"}

    @property
    def bandwidth(self) -> float:
        """GB/s: measured where it was, else nominal."""
        return self.bandwidth_measured or self.bandwidth_nominal


class Cache(_Entry):
    """What a model keeps of a conversation."""

    attention_layers: int = Field(ge=0, le=10_000)
    """Layers that keep every token."""
    kv_heads: int = Field(default=0, ge=0, le=10_000)
    head_size: int = Field(default=0, ge=0, le=100_000)
    latent: _Count | None = None
    """Values a layer and token, where keys and values share one latent vector (MLA)."""
    window_layers: int = Field(default=0, ge=0, le=10_000)
    """Layers that keep the last `window` tokens."""
    window: _Count | None = None
    state_bytes: int = Field(default=0, ge=0)
    """Of one conversation, however long: the recurrent layers of a hybrid."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.latent is None and self.attention_layers and not (self.kv_heads and self.head_size):
            raise ValueError("attention_layers need kv_heads and head_size, or latent")
        if self.window_layers and self.window is None:
            raise ValueError("window_layers need a window")
        return self

    def bytes_per_token(self, precision: str) -> int:
        """Return what each further token takes once the windows are full."""
        return self.attention_layers * self._layer_bytes(precision)

    def bytes_for(self, tokens: int, precision: str) -> int:
        """Return what one conversation of `tokens` takes."""
        windows = self.window_layers * self._layer_bytes(precision) * min(tokens, self.window or 0)
        return tokens * self.bytes_per_token(precision) + windows + self.state_bytes

    def _layer_bytes(self, precision: str) -> int:
        values = self.latent or 2 * self.kv_heads * self.head_size
        return values * _BYTES_A_VALUE[precision]


class Checkpoint(_Entry):
    """A model's weights at one precision."""

    precision: _Name
    gigabytes: Annotated[float, Field(gt=0, le=10**5)] | None = None
    """10⁹ bytes when loaded; None where they follow from the number of parameters."""
    name: _Name | None = None
    """What an engine loads it by; None where no name was seen."""
    engines: tuple[_Name, ...]
    source: _Name = UNVERIFIED


class Measurement(_Entry):
    """What somebody measured, and published."""

    machine: _Name
    precision: _Name
    engine: _Name
    tokens_per_second: _Speed | None = None
    """Of one conversation."""
    first_token: _Speed | None = None
    """Seconds."""
    prompt: int | None = Field(default=None, ge=0)
    """Tokens before the first one written."""
    conversations: _Count = 1
    speculative: bool = False
    source: _Name


class Model(_Sourced):
    """A language, speech or embedding model."""

    id: _Name
    name: _Name
    kind: Kind
    parameters: _Billions
    active: _Billions
    """Billions that one token uses; all of them in a dense model."""
    hidden: _Count | None = None
    layers: _Count | None = None
    vocabulary: _Count | None = None
    cache: Cache | None = None
    context: int = Field(default=0, ge=0, le=10**9)
    """The longest one, in tokens; 0 of a model that reads none."""
    kernel: Literal["dense", "moe"] = "dense"
    checkpoints: tuple[Checkpoint, ...]
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    reasoning: Literal["none", "always", "switch"] = "none"
    reasoning_off: str | None = None
    scores: Mapping[str, float] = {}
    languages: str | None = None
    licence: str | None = None
    measurements: tuple[Measurement, ...] = ()

    @classmethod
    def _figures(cls) -> set[str]:
        return {
            *("parameters", "active", "hidden", "layers", "vocabulary", "cache", "context", "scores"),
            *("tool_parser", "reasoning_parser", "reasoning_off", "languages", "licence"),
        }

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.active > self.parameters:
            raise ValueError(f"active is {self.active:g} billion, more than all parameters, {self.parameters:g}")
        if self.kind == "language" and not self.context:
            raise ValueError("context: a language model needs its longest one, in tokens")
        return self


_AnyEntry = TypeVar("_AnyEntry", Machine, Model)


class Catalogue:
    """All models and machines that are known."""

    def __init__(self, models: Iterable[Model], machines: Iterable[Machine]) -> None:
        self._models = {model.id: model for model in models}
        self._machines = {machine.id: machine for machine in machines}

    @classmethod
    def load(cls, own: Path | None = None) -> Self:
        """Read the catalogue, and the household's `own` folder of models where there is one.

        Raises `CatalogueDamaged`.
        """
        models = [*_read(_FOLDER / "models", Model), *(_read(own, Model) if own is not None else ())]
        return cls(models, _read(_FOLDER / "machines", Machine))

    def model(self, name: str) -> Model:
        """Return the model of this id, name or checkpoint. Raises `Unknown`."""
        wanted = name.lower()
        for model in self._models.values():
            if wanted in (model.id, model.name.lower()):
                return model
            if any(wanted == (checkpoint.name or "").lower() for checkpoint in model.checkpoints):
                return model
        raise Unknown("model", name, self._models)

    def machine(self, name: str) -> Machine:
        """Return the machine of this id. Raises `Unknown`."""
        machine = self._machines.get(name.lower())
        if machine is None:
            raise Unknown("machine", name, self._machines)
        return machine

    def models(self, kind: Kind) -> list[Model]:
        """Return all models of a kind, by their ids."""
        return sorted((model for model in self._models.values() if model.kind == kind), key=lambda model: model.id)

    def machines(self) -> list[Machine]:
        """Return all machines, by their ids."""
        return sorted(self._machines.values(), key=lambda machine: machine.id)


def _read(folder: Path, kind: type[_AnyEntry]) -> Iterator[_AnyEntry]:
    for file in sorted(folder.glob("*.toml")):
        yield _entry(file, kind)


def _entry(file: Path, kind: type[_AnyEntry]) -> _AnyEntry:
    try:
        figures = tomllib.loads(file.read_text(encoding="utf-8"))
        return kind.model_validate({**figures, "id": file.stem})
    except OSError as error:
        raise CatalogueDamaged(f"{file} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueDamaged(f"{file} is not TOML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(_sentence(part["loc"], part["msg"]) for part in error.errors())
        raise CatalogueDamaged(f"{file}: {wrong}") from None


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in place)
    return f"{where}: {message}" if where else message
