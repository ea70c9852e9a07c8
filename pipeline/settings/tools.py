"""Settings of the tools that ask somebody outside of the process."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline.settings.addresses import checked_url
from pipeline.settings.group import FROZEN

Url = Annotated[str, AfterValidator(checked_url)]


class Weather(BaseModel):
    """Forecasts from Open-Meteo, and in the United States from the National Weather Service."""

    model_config = FROZEN

    enabled: bool = True
    """Whether these services may be asked, which tells them the place."""
    watch: bool = True
    """Whether the weather where the household is, and warnings of it, are looked at every quarter of an hour."""
    forecast_url: Url = "https://api.open-meteo.com"
    places_url: Url = "https://geocoding-api.open-meteo.com"
    states_url: Url = "https://api.weather.gov"


class Home(BaseModel):
    """Home Assistant, which controls the house."""

    model_config = FROZEN

    url: str | None = None
    """Its address, such as http://homeassistant.local:8123."""
    token: SecretStr | None = None
    """A long-lived access token."""
    exposed_only: bool = False
    """Whether what is not exposed to Home Assistant's own assistant is left out here too."""

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.url is None) != (self.token is None):
            raise ValueError("needs both url and token: run passfel connect homeassistant")
        return self


class Calendar(BaseModel):
    """A calendar on a CalDAV server, such as Apple's or Nextcloud's."""

    model_config = FROZEN

    url: str | None = None
    """The server's address: https://caldav.icloud.com for Apple."""
    username: str | None = None
    password: SecretStr | None = None
    """One made for PASSFEL, where the server knows such."""
    name: str | None = None
    """The calendar for new appointments; none is the first one."""
    remind_minutes: float = Field(default=10.0, ge=0.0, le=1440.0)
    """How long before it begins an appointment is told of; 0 never does."""

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.url is not None and not (self.username and self.password):
            raise ValueError("has a url and lacks username or password: run passfel connect caldav")
        return self


class Google(BaseModel):
    """Calendars at Google; `passfel connect google` fills this in."""

    model_config = FROZEN

    client_id: str | None = None
    """Of an OAuth client of the type "TVs and Limited Input devices"."""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    name: str | None = None
    """The calendar for new appointments; none is the account's own."""
    calendar_url: Url = "https://www.googleapis.com/calendar/v3"
    sign_in_url: Url = "https://oauth2.googleapis.com"

    @property
    def connected(self) -> bool:
        """Whether a household has let PASSFEL in."""
        return self.refresh_token is not None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.connected and not (self.client_id and self.client_secret):
            raise ValueError("has a refresh_token and lacks its client: run passfel connect google")
        return self


class Joplin(BaseModel):
    """Notes and to-dos in Joplin, whose Web Clipper service has to be on."""

    model_config = FROZEN

    url: str | None = None
    """Its address, such as http://localhost:41184."""
    token: SecretStr | None = None
    """The one that Joplin shows under Web Clipper."""
    notebook: str = Field(default="PASSFEL", min_length=1)
    """Where new notes and to-dos go."""

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.url is None) != (self.token is None):
            raise ValueError("needs both url and token: run passfel connect joplin")
        return self


class News(BaseModel):
    """News from feeds."""

    model_config = FROZEN

    enabled: bool = True
    feeds: tuple[Url, ...] = (
        "https://feeds.bbci.co.uk/news/world/rss.xml",
        "https://www.theguardian.com/world/rss",
        "https://rss.dw.com/rdf/rss-en-all",
    )
    """Addresses of RSS or Atom feeds, the most important first."""
    ground: bool = False
    """Whether pages of Ground News may be read with a browser, whose terms are reported to forbid programs that."""
    ground_url: Url = "https://ground.news"


class Finance(BaseModel):
    """Prices of shares and coins, and rates of currencies."""

    model_config = FROZEN

    enabled: bool = True
    stocks: bool = True
    """Whether Yahoo may be asked for shares, by way of yfinance, which is for personal use."""
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    """In which the household counts."""
    rates_url: Url = "https://api.frankfurter.dev"
    coins_url: Url = "https://api.coingecko.com"
    holdings: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    """What the household has: how many of each share, by its symbol, or coin, by its name."""


class Questions(BaseModel):
    """Where questions about the world are looked up."""

    model_config = FROZEN

    enabled: bool = True
    wikipedia_url: Url = "https://en.wikipedia.org"
    wikidata_url: Url = "https://www.wikidata.org"
    facts_url: Url = "https://query.wikidata.org/sparql"
    instant_url: Url = "https://api.duckduckgo.com"
    papers_url: Url = "https://export.arxiv.org"


class Policy(BaseModel):
    """What the household allows its tools; `passfel tools` lists their names."""

    model_config = FROZEN

    forbid: tuple[str, ...] = ()
    """Tools that nobody may use."""
    confirm: tuple[str, ...] = ()
    """Tools whose use is confirmed aloud."""
    people: dict[str, tuple[str, ...]] = {}
    """Tools that only these people may use."""
    rooms: dict[str, tuple[str, ...]] = {}
    """Tools that may only be used from these rooms."""


class Mcp(BaseModel):
    """A server of the Model Context Protocol, whose tools become the house's."""

    model_config = FROZEN

    command: tuple[str, ...] = ()
    """The program to start, with its arguments."""
    env: dict[str, SecretStr] = {}
    """Variables for it."""
    url: str | None = None
    """Or the address of one that runs, for streamable HTTP."""
    headers: dict[str, SecretStr] = {}

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either command or url")
        return self
