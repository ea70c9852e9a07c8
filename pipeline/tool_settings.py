"""Settings of the tools that ask somebody outside of the process."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

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
