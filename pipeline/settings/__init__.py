"""What can be set, each setting with its default and what it may be; `pipeline.settings.file` reads them."""

import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.settings.addresses import FilePath, expanded
from pipeline.settings.engine import Engine
from pipeline.settings.house import Fallback, Hearing, Household, Language, Speaking
from pipeline.settings.satellites import Esphome, Https, OwnSatellite, Webrtc, Wyoming, Xiaozhi
from pipeline.settings.sip import Sip
from pipeline.settings.stores import Embeddings, Stores
from pipeline.settings.tools import Calendar, Finance, Google, Home, Joplin, Mcp, News, Policy, Questions, Weather

PREFIX = "PASSFEL_"
DELIMITER = "__"

# A websocket subprotocol and a bearer header can both carry these characters unquoted.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")
_MAKE_TOKEN = "make one with: openssl rand -hex 24"  # noqa: S105 - advice, not a token


def _upper(level: object) -> object:
    return level.upper() if isinstance(level, str) else level


def _checked_token(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(f"needs at least 16 letters, digits or . _ ~ - and nothing else; {_MAKE_TOKEN}")
    return token


Token = Annotated[SecretStr, AfterValidator(_checked_token)]
LogLevel = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]


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
