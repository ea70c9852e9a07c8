"""Settings of the tools that ask somebody outside of the process."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, field_validator, model_validator

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
