"""Settings of the tools that ask somebody outside of the process."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.addresses import checked_url

_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

Url = Annotated[str, AfterValidator(checked_url)]


class Weather(BaseModel):
    """Forecasts from Open-Meteo, and in the United States from the National Weather Service."""

    model_config = _FROZEN

    enabled: bool = True
    """Whether these services may be asked, which tells them the place."""
    forecast_url: Url = "https://api.open-meteo.com"
    places_url: Url = "https://geocoding-api.open-meteo.com"
    states_url: Url = "https://api.weather.gov"


class Home(BaseModel):
    """Home Assistant, which controls the house."""

    model_config = _FROZEN

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

    model_config = _FROZEN

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
