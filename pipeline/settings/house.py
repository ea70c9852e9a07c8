"""Settings of the house, and of what hears, thinks and speaks for it."""

from datetime import datetime, tzinfo
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline.quiet import QuietHours
from pipeline.settings.addresses import checked_url
from pipeline.settings.group import FROZEN


def _checked_hours(words: str) -> str:
    QuietHours(words)
    return words


QuietTime = Annotated[str, AfterValidator(_checked_hours)]
Threads = Annotated[int, Field(ge=0, le=256)]
ComputeType = Literal["auto", "int8", "int8_float32", "int8_float16", "int16", "float16", "bfloat16", "float32"]


class Hearing(BaseModel):
    """Speech to text: a Whisper model in CTranslate2's format."""

    model_config = FROZEN

    model: str = "base"
    """A name that `voice.models` knows, a folder, or a name on the Hugging Face hub."""
    language: str = Field(default="en", pattern=r"^(auto|[a-z]{2,3})$")
    """The language spoken, or `auto` to detect it in every utterance."""
    beam: int = Field(default=1, ge=1, le=20)
    """Hypotheses kept while decoding: more are more accurate and slower."""
    threads: Threads = 0
    """Threads for one utterance; 0 takes one for each core."""
    device: Literal["cpu", "cuda"] = "cpu"
    """What Whisper computes on; CTranslate2's wheels know CUDA on x86_64 only."""
    compute_type: ComputeType = "int8"
    """How CTranslate2 stores and multiplies the weights."""

    @model_validator(mode="after")
    def _english_model_hears_english(self) -> Self:
        if self.model.endswith(".en") and self.language != "en":
            raise ValueError(
                f'{self.model} hears English only, and language is "{self.language}": '
                'set model = "base", or language = "en"'
            )
        return self


class Speaking(BaseModel):
    """Text to speech: a Piper voice."""

    model_config = FROZEN

    voice: str = "en_US-joe-medium"
    """A Piper voice's name, or a path to its `.onnx` file."""
    voices: list[str] = []
    """Further Piper voices that a device may choose; each takes memory once it is used."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """1 is the voice's own pace, 2 twice as fast."""
    threads: Threads = 0
    """Threads for one sentence; 0 takes one for each core."""


class Language(BaseModel):
    """The language model: the embedded engine, or any OpenAI-compatible server."""

    model_config = FROZEN

    url: str | None = None
    """Address of an OpenAI-compatible API, with its `/v1`; none starts the embedded engine."""
    model: str | None = None
    """The model's name at that server, or a `.gguf` file for the embedded engine."""
    api_key: SecretStr | None = None
    """Sent to the server as a bearer token."""
    threads: Threads = 0
    """Threads of the embedded engine; 0 takes half of the cores to write and all of them to read."""
    context: int = Field(default=8192, ge=512)
    """Tokens of conversation that the model sees at once."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    max_tokens: int = Field(default=400, ge=16)
    """The longest answer, in tokens."""
    tools: bool = True
    """Whether the server's model is offered the tools of the house; the embedded one is too small for them."""
    images: bool = False
    """Whether the server's model can look at images."""

    _http_url = field_validator("url")(checked_url)


class Fallback(BaseModel):
    """A hosted OpenAI-compatible service that answers while the household's own model cannot."""

    model_config = FROZEN

    allowed: bool = False
    """Whether what is said in the house may leave it at all."""
    url: str = "https://api.venice.ai/api/v1"
    model: str | None = None
    """The model's name at that service."""
    api_key: SecretStr | None = None
    private: bool = False
    """Whether the service may also see what belongs to a person: results of tools, where the house is."""

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.allowed and not (self.model and self.api_key):
            raise ValueError("is allowed and lacks model or api_key: set both, or allowed = false")
        return self


class Household(BaseModel):
    """What the assistant knows about the house it serves."""

    model_config = FROZEN

    name: str | None = None
    location: str | None = None
    """Where the house stands, as one would say it: "Lisbon, Portugal"."""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    """Where it stands exactly; without them `location` is looked up."""
    units: Literal["metric", "imperial"] = "metric"
    """How temperatures and speeds are told."""
    contact: str | None = Field(default=None, pattern=r"^[^\s\x00]{3,200}$")
    """A mail or web address that servers on the internet are told; some want one."""
    timezone: str | None = None
    """A name such as `Europe/Lisbon`; none is the system's."""
    quiet: QuietTime | None = None
    """Hours in which nothing is announced that can wait, such as 22:00-07:00."""
    persona: str | None = Field(default=None, max_length=4000)
    """Further instructions on how to answer."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("has one of latitude and longitude: set both, or neither")
        return self

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, timezone: str | None) -> str | None:
        if timezone is not None:
            try:
                ZoneInfo(timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("is no time zone known here; use a name such as Europe/Lisbon") from None
        return timezone

    @property
    def zone(self) -> tzinfo:
        """The household's time zone. The system's carries today's offset, so ask for it anew each time."""
        if self.timezone is not None:
            return ZoneInfo(self.timezone)
        system = datetime.now().astimezone().tzinfo
        assert system is not None
        return system
