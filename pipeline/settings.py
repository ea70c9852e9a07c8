"""What can be set, each setting with its default and what it may be; `pipeline.settings_file` reads them."""

import ipaddress
import os
import re
import stat
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.addresses import checked_url, expanded
from pipeline.engines.vllm_arguments import Engine
from pipeline.quiet import QuietHours
from pipeline.satellite_settings import Esphome, OwnSatellite, Webrtc, Wyoming, Xiaozhi
from pipeline.sip_settings import Sip
from pipeline.store.settings import Embeddings, Stores
from pipeline.tool_settings import Calendar, Finance, Google, Home, Joplin, Mcp, News, Policy, Questions, Weather

PREFIX = "PASSFEL_"
DELIMITER = "__"

# A websocket subprotocol and a bearer header can both carry these characters unquoted.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")
_MAKE_TOKEN = "make one with: openssl rand -hex 24"  # noqa: S105 - advice, not a token

_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _upper(level: object) -> object:
    return level.upper() if isinstance(level, str) else level


def _checked_token(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(f"needs at least 16 letters, digits or . _ ~ - and nothing else; {_MAKE_TOKEN}")
    return token


def _checked_hours(words: str) -> str:
    QuietHours(words)
    return words


QuietTime = Annotated[str, AfterValidator(_checked_hours)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
FilePath = Annotated[Path, AfterValidator(expanded)]
Token = Annotated[SecretStr, AfterValidator(_checked_token)]
Threads = Annotated[int, Field(ge=0, le=256)]
ComputeType = Literal["auto", "int8", "int8_float32", "int8_float16", "int16", "float16", "bfloat16", "float32"]
LogLevel = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]


class Hearing(BaseModel):
    """Speech to text: a Whisper model in CTranslate2's format."""

    model_config = _FROZEN

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

    model_config = _FROZEN

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

    model_config = _FROZEN

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

    model_config = _FROZEN

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

    model_config = _FROZEN

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


class Https(BaseModel):
    """How other devices of the house reach the page: browsers give it the microphone only over https."""

    model_config = _FROZEN

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104 - whoever is not paired gets no further than the page for it
    """The address to listen on."""
    port: int = Field(default=7443, ge=0, le=65535)
    names: list[HostName] = []
    """Further names and addresses by which this machine is called."""
    certificate: FilePath | None = None
    """A certificate of your own with its chain, in PEM; without one the house's own is made."""
    key: FilePath | None = None
    """Its key, without a passphrase."""

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both or neither")
        return self


class Settings(BaseSettings):
    """All settings. Keyword arguments are what the file said; the environment wins over them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    """The address to listen on; anything but loopback needs a token."""
    port: int = Field(default=7860, ge=0, le=65535)
    """0 takes any free port."""
    data_dir: FilePath = Field(default_factory=lambda: platformdirs.user_data_path("passfel", appauthor=False))
    token: Token | None = None
    """What a caller from another machine must show."""
    token_file: FilePath | None = None
    """A file that holds the token and that only its owner can read."""
    log_level: LogLevel = "INFO"
    https: Https = Https()
    webrtc: Webrtc = Webrtc()
    hearing: Hearing = Hearing()
    speaking: Speaking = Speaking()
    language: Language = Language()
    fallback: Fallback = Fallback()
    engine: Engine = Engine()
    stores: Stores = Stores()
    embeddings: Embeddings = Embeddings()
    household: Household = Household()
    weather: Weather = Weather()
    home: Home = Home()
    calendar: Calendar = Calendar()
    google: Google = Google()
    joplin: Joplin = Joplin()
    news: News = News()
    finance: Finance = Finance()
    questions: Questions = Questions()
    mcp: dict[str, Mcp] = {}
    policy: Policy = Policy()
    wyoming: Wyoming = Wyoming()
    satellite: OwnSatellite = OwnSatellite()
    esphome: Esphome = Esphome()
    sip: Sip = Sip()
    xiaozhi: Xiaozhi = Xiaozhi()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out `.env` and secret folders, and let the environment win."""
        return env_settings, init_settings

    @model_validator(mode="before")
    @classmethod
    def _token_from_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values.get("token_file"):
            return values
        if values.get("token"):
            raise ValueError("token and token_file are both set: keep one of them")
        return values | {"token": _read_token(expanded(Path(values["token_file"])))}

    @model_validator(mode="after")
    def _others_need_a_token(self) -> Self:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from other machines and no token is set: "
                f'set token ({_MAKE_TOKEN}), or host = "127.0.0.1"'
            )
        return self


def is_loopback(host: str) -> bool:
    """Tell whether `host`, a name or an address, can be reached from this machine only."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _read_token(file: Path) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ValueError(f"token_file {file} can be read by others: run chmod 600 {file}")
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"token_file {file} cannot be read: {error.strerror}") from None
