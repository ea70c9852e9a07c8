"""Settings of what is kept, and of what finds it."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline.settings.addresses import checked_postgres, checked_redis, checked_url
from pipeline.settings.group import FROZEN


class Stores(BaseModel):
    """Where what is said is kept, and for how long."""

    model_config = FROZEN

    postgres: Annotated[SecretStr, AfterValidator(checked_postgres)] | None = None
    """A Postgres of your own, as `postgresql://USER:PASSWORD@HOST/DATABASE`; none is the embedded one."""
    redis: Annotated[SecretStr, AfterValidator(checked_redis)] | None = None
    """A Redis of your own, as `redis://:PASSWORD@HOST/0`; none is the embedded one."""
    embedded: bool = True
    """Whether what is not set is started in the data directory; without Postgres nothing is kept."""
    resume_minutes: float = Field(default=30.0, ge=0.0, le=100_000.0)
    """How long after the last word a conversation from the same device is taken up again; 0 never does."""
    keep_days: float = Field(default=90.0, gt=0.0, le=100_000.0)
    """How long what was said is kept."""
    learns: bool = True
    """Whether what people say of themselves is remembered after a conversation without being asked for."""
    follows: bool = False
    """Whether a person's conversation goes on by itself at another of their devices; asked for, it always does."""
    readings_days: float = Field(default=60.0, ge=15.0, le=100_000.0)
    """How long each reading of a sensor is kept; the hours' means are kept for five years."""
    context_seconds: float = Field(default=0.06, gt=0.0, le=10.0)
    """What an answer waits for what the household's memory knows; what is later is left out."""


class Embeddings(BaseModel):
    """What finds texts by what they mean: all-MiniLM-L6-v2 in this process, or any OpenAI-compatible server."""

    model_config = FROZEN

    url: str | None = None
    """Address of an API with `/embeddings`, with its `/v1`."""
    model: str | None = None
    """The model's name at that server."""
    api_key: SecretStr | None = None

    _http_url = field_validator("url")(checked_url)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.url is not None and self.model is None:
            raise ValueError("url is set and model is missing: name the model at that server")
        return self
