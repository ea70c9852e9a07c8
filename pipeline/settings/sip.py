"""Settings of the telephone: who it registers with, who may call it, and whom it may call."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator

from pipeline.settings.group import FROZEN

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
# Characters that SIP addresses carry unquoted, so that no setting can add a parameter of its own.
User = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+_*~!-]{1,64}$")]
Encryption = Literal["off", "sdes", "sdes-required", "dtls"]
Transport = Literal["udp", "tcp", "tls"]


def _checked_server(server: str) -> str:
    if not _HOST.fullmatch(server):
        raise ValueError("is no host; write fritz.box, pbx.example.org:5061 or [fd00::1]")
    return server


def _checked_network(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network))
    except ValueError:
        raise ValueError("is no network; write 192.168.178.0/24 or fd00::/8") from None


def _checked_address(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError("is no address; write 0.0.0.0 for all that this machine has, or one of them") from None


def _checked_line(path: str) -> str:
    # The stack reads its settings line by line, and a value up to a space.
    if re.search(r"\s", path):
        raise ValueError("has to be one line without spaces")
    return path


File = Annotated[str, AfterValidator(_checked_line)]
Network = Annotated[str, AfterValidator(_checked_network)]


class SipAccount(BaseModel):
    """A telephone number of the house: at a provider, a FRITZ!Box, an Asterisk."""

    model_config = FROZEN

    server: Annotated[str, AfterValidator(_checked_server)]
    """The registrar: HOST, or HOST:PORT where the port is unusual."""
    user: User
    password: SecretStr | None = None
    auth_user: User | None = None
    """The name that the password belongs to, where that is not `user`."""
    proxy: Annotated[str, AfterValidator(_checked_server)] | None = None
    """Where to send everything, where that is not `server`."""
    transport: Transport = "udp"
    encryption: Encryption = "sdes"
    """Of the sound: `sdes` where the other side can too, `sdes-required`, `dtls`, or `off`."""
    expires: int = Field(default=180, ge=60, le=86_400)
    """Seconds for which one registration lasts; it is renewed in time."""
    registers: bool = True
    """Whether to register at all; a trunk may know this machine by its address."""

    @field_validator("password")
    @classmethod
    def _can_be_written(cls, password: SecretStr | None) -> SecretStr | None:
        # The stack reads accounts as quoted text and knows no escape.
        if password is not None and re.search(r'["\\\x00-\x1f\x7f]', password.get_secret_value()):
            raise ValueError('may not hold " or \\ or control characters: choose another one at the server')
        return password


class Outbound(BaseModel):
    """The assistant's own calls."""

    model_config = FROZEN

    people: tuple[str, ...] = ()
    """Who may have calls made, and be put through when they call, by name; nobody where empty."""
    numbers: tuple[Annotated[str, Field(pattern=r"^[0-9+*#?]{1,32}$")], ...] = ()
    """Which numbers may be called, with `*` for any digits at the end: "+49170*", "**6*" is no pattern but a number."""
    contacts: dict[str, str] = {}
    """Names and their numbers, beside the people below `people` of the telephone itself."""
    daily_limit: int = Field(default=10, ge=0, le=1000)
    account: str | None = None
    """The account to call with; the first one where that is not said."""
    ring_seconds: float = Field(default=30.0, ge=5.0, le=180.0)
    """How long it rings before nobody is there."""
    reminders: tuple[str, ...] = ()
    """People whose alarms and reminders ring their telephone when nobody heard them anywhere else."""


class AudioSocket(BaseModel):
    """Asterisk's AudioSocket: calls that an Asterisk has answered, as plain sound over TCP."""

    model_config = FROZEN

    enabled: bool = False
    host: str = "127.0.0.1"
    """The address to listen on. It knows no passwords, so let it be one that only the Asterisk reaches."""
    port: int = Field(default=9019, ge=0, le=65535)
    permissions: Literal["house", "guest"] = "guest"
    """What its callers may do: all that people of the house may, where the Asterisk lets in nobody else, or ask
    harmless questions."""


class Sip(BaseModel):
    """The telephone."""

    model_config = FROZEN

    enabled: bool = False
    listen: Annotated[str, AfterValidator(_checked_address)] = "0.0.0.0"  # noqa: S104 - who may call is decided below
    """The address to listen on."""
    port: int = Field(default=5060, ge=0, le=65534)
    """For UDP and TCP; TLS has the next one."""
    user: User = "passfel"
    """The name that phones of the house call directly: sip:passfel@HOST."""
    direct: bool = True
    """Whether phones of the house network may call without a registrar between."""
    networks: tuple[Network, ...] = (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
    """Where direct calls may come from."""
    encryption: Encryption = "sdes"
    """Of the sound of direct calls."""
    certificate: File | None = None
    """A PEM file with certificate and key, to be called over TLS."""
    authorities: File | None = None
    """A PEM file with the authorities that servers' certificates are checked against; the system's otherwise."""
    verify: bool = True
    """Whether servers have to prove who they are over TLS; off for a box with a certificate of its own making."""
    rtp_ports: tuple[int, int] = (10_000, 10_999)
    """UDP ports for sound, the first and the last; a firewall has to let them in."""
    accounts: dict[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")], SipAccount] = {}
    people: dict[str, str] = {}
    """Whose number is whose: "+491701234567" = "ana", or "**610" for a handset."""
    country: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}$")] | None = None
    """The house's country code, such as 49, so that 0170… and +49170… are the same number."""
    pin: SecretStr | None = None
    """Digits that a caller types before private things are told or done."""
    guests: Literal["refuse", "limited"] = "refuse"
    """What strangers get: nothing, or harmless questions answered."""
    messages: tuple[Literal["unlisted", "quiet"], ...] = ()
    """Who is asked for a message instead: `unlisted` callers who would be refused, and while it is `quiet` everybody,
    of whom people may still type the PIN to talk. It is quiet in `household.quiet` hours, and while no device is near
    that may be disturbed. A message is written down, and told when somebody comes."""
    max_calls: int = Field(default=4, ge=1, le=32)
    max_minutes: float = Field(default=60.0, ge=1.0, le=1440.0)
    """The longest call."""
    silence: float = Field(default=12.0, ge=3.0, le=120.0)
    """Seconds in which nobody says anything before the caller is asked for, and again before the call ends."""
    greeting: str | None = Field(default=None, max_length=300)
    """What is said first; a short one in the house's language where this is not set."""
    outbound: Outbound = Outbound()
    audiosocket: AudioSocket = AudioSocket()

    @field_validator("pin")
    @classmethod
    def _digits(cls, pin: SecretStr | None) -> SecretStr | None:
        if pin is not None and not re.fullmatch(r"\d{4,12}", pin.get_secret_value()):
            raise ValueError("has to be 4 to 12 digits")
        return pin

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        first, last = self.rtp_ports
        # Each call takes a pair, of which the even one is for sound.
        if not 1024 <= first <= 65_535 or last - first < 4 * self.max_calls or last > 65_535:
            raise ValueError(f"rtp_ports needs at least {4 * self.max_calls} ports between 1024 and 65535")
        if self.outbound.account is not None and self.outbound.account not in self.accounts:
            raise ValueError(f"outbound.account names {self.outbound.account}, which is not below sip.accounts")
        return self
