"""Settings of the doors beside the web, one class each."""

from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

WYOMING_PORT: Final = 10_700
"""Where wyoming-satellite listens."""


def _checked_tcp(uri: str) -> str:
    try:
        split = urlsplit(uri)
        port = split.port
    except ValueError:
        raise ValueError("is no address; write it as tcp://kitchen.local:10700") from None
    if split.scheme != "tcp" or not split.hostname or split.path or port == 0:
        raise ValueError("is no address of a Wyoming satellite; write it as tcp://kitchen.local:10700")
    return f"tcp://{split.netloc}" if port else f"tcp://{split.netloc}:{WYOMING_PORT}"


class WyomingSatellite(BaseModel):
    """A satellite that speaks Wyoming, such as a Raspberry Pi with wyoming-satellite."""

    model_config = _FROZEN

    uri: Annotated[str, AfterValidator(_checked_tcp)]
    """Where it listens: tcp://HOST:PORT."""
    room: str | None = None
    """The room it stands in."""
    barge_in: bool = True
    """Whether it can be spoken to while it speaks; without echo cancellation of its own it hears itself."""


class Wyoming(BaseModel):
    """The Wyoming protocol, of Home Assistant's voice. It knows no passwords."""

    model_config = _FROZEN

    enabled: bool = False
    """Whether Home Assistant may use the ears, the voice and the wake words."""
    host: str = "127.0.0.1"
    """The address to listen on. Whoever reaches it may use them, so let it be one that only the house reaches."""
    port: int = Field(default=10_300, ge=0, le=65535)
    wake_words: tuple[str, ...] = Field(default=("okay_nabu",), min_length=1, max_length=10)
    """What wakes satellites whose sound is listened to here: okay_nabu, hey_jarvis, hey_mycroft, alexa, or the
    path of a microWakeWord model's .json file."""
    follow_up: float = Field(default=8.0, ge=1.0, le=60.0)
    """Seconds after an answer in which a satellite goes on listening."""
    satellites: dict[str, WyomingSatellite] = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        uris = [each.uri for each in self.satellites.values()]
        if twice := next((uri for uri in uris if uris.count(uri) > 1), None):
            raise ValueError(f"has two satellites at {twice}: keep one of them")
        return self
