"""Settings of the doors, one class each."""

import base64
import socket
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline.settings.addresses import FilePath, checked_url
from pipeline.settings.group import FROZEN

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]

WYOMING_PORT: Final = 10_700
"""Where wyoming-satellite listens."""
NOISE_KEY_BYTES: Final = 32
"""Of the pre-shared key of ESPHome's encryption."""


def _checked_tcp(uri: str) -> str:
    try:
        split = urlsplit(uri)
        port = split.port
    except ValueError:
        raise ValueError("is no address; write it as tcp://kitchen.local:10700") from None
    if split.scheme != "tcp" or not split.hostname or split.path or port == 0:
        raise ValueError("is no address of a Wyoming satellite; write it as tcp://kitchen.local:10700")
    return f"tcp://{split.netloc}" if port else f"tcp://{split.netloc}:{WYOMING_PORT}"


class Https(BaseModel):
    """How other devices of the house reach the page: browsers give it the microphone only over https."""

    model_config = FROZEN

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


class IceServer(BaseModel):
    """A STUN or TURN server, for browsers that are not in the house's network."""

    model_config = FROZEN

    urls: str = Field(pattern=r"^(stuns?|turns?):[^\s]{1,250}$")
    """Such as turn:turn.example.org:3478."""
    username: str | None = None
    credential: SecretStr | None = None

    @model_validator(mode="after")
    def _turn_has_its_credential(self) -> Self:
        if self.urls.startswith("turn") and not (self.username and self.credential):
            raise ValueError("a TURN server needs username and credential")
        return self

    def as_dict(self) -> dict[str, str]:
        """What a browser is told of it."""
        secret = self.credential.get_secret_value() if self.credential else None
        found = {"urls": self.urls, "username": self.username, "credential": secret}
        return {name: value for name, value in found.items() if value is not None}


class Webrtc(BaseModel):
    """How sound travels between browsers and this machine."""

    model_config = FROZEN

    ice_servers: tuple[IceServer, ...] = ()
    """Inside a house none is needed, and none is asked."""


class WyomingSatellite(BaseModel):
    """A satellite that speaks Wyoming, such as a Raspberry Pi with wyoming-satellite."""

    model_config = FROZEN

    uri: Annotated[str, AfterValidator(_checked_tcp)]
    """Where it listens: tcp://HOST:PORT."""
    room: str | None = None
    """The room it stands in."""
    barge_in: bool = True
    """Whether it can be spoken to while it speaks; without echo cancellation of its own it hears itself."""


class OwnSatellite(BaseModel):
    """This machine as a satellite of an assistant elsewhere: `passfel satellite`."""

    model_config = FROZEN

    server: str = "http://127.0.0.1:7860"
    """The assistant's address."""
    certificate: Path | None = None
    """The house's own authority, where the address is https and its certificate is the house's own."""
    name: str = Field(default_factory=socket.gethostname, pattern=r"^[\w.-]{1,64}$")
    """What the household calls this satellite."""
    room: str | None = Field(default=None, pattern=r"^[\w .-]{1,64}$")
    """The room it stands in."""
    wake_words: tuple[str, ...] = Field(default=("okay_nabu",), min_length=1, max_length=10)
    """okay_nabu, hey_jarvis, hey_mycroft, alexa, or the path of a microWakeWord model's .json file."""
    follow_up: float = Field(default=8.0, ge=1.0, le=60.0)
    """Seconds after an answer in which it goes on listening."""
    barge_in: bool = True
    """Whether it can be spoken to while it speaks; false where it hears itself in spite of its echo cancellation."""
    microphone: str | None = None
    """A sound card's name or a part of it, or its number; without one the system's own."""
    loudspeaker: str | None = None
    rate: int = Field(default=48_000, ge=16_000, le=96_000)
    """Hz at which the sound card is run."""
    commands: dict[Literal["away", "idle", "woken", "talking", "follow-up", "buffering"], str] = {}
    """What to run when its state changes, such as for a lamp."""

    _http_url = field_validator("server")(checked_url)

    @field_validator("certificate")
    @classmethod
    def _readable(cls, certificate: Path | None) -> Path | None:
        if certificate is not None and not certificate.expanduser().is_file():
            raise ValueError("there is no such file; fetch it from the assistant: /authority.crt")
        return certificate.expanduser() if certificate else None


class Wyoming(BaseModel):
    """The Wyoming protocol, of Home Assistant's voice. It knows no passwords."""

    model_config = FROZEN

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


def _checked_key(key: SecretStr) -> SecretStr:
    try:
        known = base64.b64decode(key.get_secret_value(), validate=True)
    except ValueError:
        known = b""
    if len(known) != NOISE_KEY_BYTES:
        raise ValueError(
            "is no key of ESPHome: copy the 44 characters behind api: encryption: key: in its configuration"
        )
    return key


class EsphomeDevice(BaseModel):
    """A device with ESPHome's firmware, or a linux-voice-assistant."""

    model_config = FROZEN

    address: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    """Its IP address or name, such as home-assistant-voice-0a1b2c.local."""
    port: int = Field(default=6053, ge=1, le=65535)
    key: Annotated[SecretStr, AfterValidator(_checked_key)] | None = None
    """The key of its `api: encryption:`, where it has one."""
    room: str | None = Field(default=None, max_length=64)
    """The room it stands in; unset, the area that the device itself names."""
    barge_in: bool | None = None
    """Whether it can be spoken to while it speaks, which takes a microphone that stays on and does not hear the
    speaker. Unset, a linux-voice-assistant can, and ESPHome's own firmware cannot."""


class Esphome(BaseModel):
    """Devices with ESPHome: Home Assistant Voice PE, M5Stack Atom Echo, ESP32-S3-BOX-3, linux-voice-assistant."""

    model_config = FROZEN

    enabled: bool = False
    """Whether they are looked for; those that are set here are talked with in any case."""
    discover: Literal["off", "list", "use"] = "list"
    """What is done with devices on the network that are not set here: nothing, they are listed, or those that need
    no key are talked with as well. Whoever can put a device on the network talks to the house then."""
    host: str = "0.0.0.0"  # noqa: S104 - what is said is fetched here, at addresses that nobody can guess
    """The address to listen on for devices that fetch what they are to say."""
    port: int = Field(default=7861, ge=0, le=65535)
    """The port for it; 0 takes any free one."""
    address: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    """How devices reach this machine, where they do not reach the address that it has itself, as in a container."""
    follow_up: float = Field(default=8.0, ge=0.0, le=60.0)
    """Seconds after an answer in which a device goes on listening; 0 asks for the wake word each time."""
    wake_words: tuple[str, ...] = Field(default=("okay_nabu",), min_length=1, max_length=10)
    """What wakes devices whose wake word is listened for here, as those of Wyoming; most listen for it themselves."""
    devices: dict[Annotated[str, Field(pattern=r"^[\w .-]{1,64}$")], EsphomeDevice] = {}

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return self.enabled or bool(self.devices)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        places = [(each.address.lower(), each.port) for each in self.devices.values()]
        if twice := next((place for place in places if places.count(place) > 1), None):
            raise ValueError(f"has two devices at {twice[0]}: keep one of them")
        return self


class Xiaozhi(BaseModel):
    """Devices with the xiaozhi-esp32 firmware."""

    model_config = FROZEN

    enabled: bool = False
    """Whether they may ask here where to talk. Each is let in by the code that it shows."""
    host: str = "0.0.0.0"  # noqa: S104 - whoever is not let in gets no further than to ask for it
    """The address to listen on, without encryption: these devices cannot check the house's certificate."""
    port: int = Field(default=8003, ge=0, le=65535)
    """The port for it; 0 takes any free one."""
    follow_up: float = Field(default=8.0, ge=1.0, le=60.0)
    """Seconds after an answer in which a device goes on listening."""
