"""What the assistant and the telephone process say to each other, and its form on the pipe between them.

A frame is four bytes of length, big-endian, that count what follows: one byte that names the kind, and the payload. Of
kind `j` the payload is a message in JSON; of kind `a` it is sound: four bytes that name the call, then 16-bit mono PCM
at `RATE`. It has no I/O of its own.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

RATE: Final = 16_000
"""Hz of all sound on the pipe, whatever a call's codec makes of it."""
LARGEST: Final = 1 << 18
"""Bytes of a frame: eight seconds of sound."""
_HEADER: Final = 4
_JSON: Final = ord("j")
_AUDIO: Final = ord("a")


class WireBroken(Exception):  # noqa: N818 - reads as what is the matter
    """What arrived is no frame or no message: the other side is not what it should be, or has gone wrong."""


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """An account to register, or to call with."""

    name: str
    server: str
    user: str
    password: str = field(repr=False)
    auth_user: str | None
    proxy: str | None
    transport: Literal["udp", "tcp", "tls"]
    encryption: Literal["off", "sdes", "sdes-required", "dtls"]
    expires: int
    registers: bool


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to the telephone process: how it is set up."""

    listen: str
    port: int
    user: str
    direct: bool
    networks: tuple[str, ...]
    encryption: Literal["off", "sdes", "sdes-required", "dtls"]
    certificate: str | None
    authorities: str | None
    verify: bool
    rtp_ports: tuple[int, int]
    max_calls: int
    instance: str
    accounts: tuple[AccountSetup, ...]
    kind: Literal["setup"] = "setup"


@dataclass(frozen=True, slots=True)
class Answer:
    """Take a call that rings."""

    call: int
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not take a call that rings."""

    call: int
    status: Literal[403, 480, 486]
    """What the caller's telephone is told: that they may not, that nobody is there now, that it is busy."""
    kind: Literal["refuse"] = "refuse"


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a call."""

    call: int
    kind: Literal["hang-up"] = "hang-up"


@dataclass(frozen=True, slots=True)
class Flush:
    """Forget what was to be heard in a call and has not been yet."""

    call: int
    kind: Literal["flush"] = "flush"


@dataclass(frozen=True, slots=True)
class Dial:
    """Call somebody. `call` is a number of the assistant's own choosing, below zero."""

    call: int
    account: str
    target: str
    ring_seconds: float
    kind: Literal["dial"] = "dial"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Have the other side of a call talk with somebody else instead; then this call ends."""

    call: int
    target: str
    seconds: float
    """How long the other side may try."""
    kind: Literal["transfer"] = "transfer"


@dataclass(frozen=True, slots=True)
class Ready:
    """The telephone listens."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Alive:
    """The telephone is well; it says so every few seconds."""

    kind: Literal["alive"] = "alive"


@dataclass(frozen=True, slots=True)
class Registration:
    """How an account fares."""

    account: str
    registered: bool
    status: int | None = None
    """The registrar's answer; None where there was none."""
    reason: str = ""
    again: float = 0.0
    """Seconds until the next try."""
    unproven: str = ""
    """What is wrong with the registrar's certificate."""
    kind: Literal["registration"] = "registration"


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody calls."""

    call: int
    account: str | None
    """None where the phone called directly."""
    caller: str
    """The caller's SIP address, as the caller or the provider says."""
    address: str
    """Where the call came from, as far as that is known."""
    trusted: bool
    """Whether that is a place to take calls from."""
    kind: Literal["incoming"] = "incoming"


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """Somebody called in a way that the telephone itself could not take."""

    caller: str
    address: str
    status: int
    """What they were answered."""
    why: str
    kind: Literal["unacceptable"] = "unacceptable"


@dataclass(frozen=True, slots=True)
class Begun:
    """How a call was begun, as far as that is needed to end it from outside of its stack (RFC 3261, section 12)."""

    call_id: str
    ours: str
    """Our side, with its tag, as it stands in From or To."""
    theirs: str
    target: str
    """Where the other side wants to be asked."""
    route: tuple[str, ...]
    there: str
    """The address and port that its messages came from."""
    here: str
    """Those at which they came."""
    transport: Literal["udp", "tcp", "tls"] = "udp"


@dataclass(frozen=True, slots=True)
class Established:
    """A call can be spoken in."""

    call: int
    codec_rate: int
    """Hz of what the codec carries: 8000 is the old telephone's sound."""
    kind: Literal["established"] = "established"


@dataclass(frozen=True, slots=True)
class Dialog:
    """How a call could be ended without this stack."""

    call: int
    begun: Begun
    kind: Literal["dialog"] = "dialog"


@dataclass(frozen=True, slots=True)
class Held:
    """The other side has put the call on hold, or taken it off again."""

    call: int
    held: bool
    kind: Literal["held"] = "held"


@dataclass(frozen=True, slots=True)
class Digit:
    """A key was pressed."""

    call: int
    digit: str
    kind: Literal["digit"] = "digit"


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a call is heard, as RTCP and the jitter buffer tell."""

    call: int
    received: int
    """Packets of sound."""
    lost: int
    lost_there: int
    """Packets of ours that did not arrive."""
    jitter_ms: float
    round_trip_ms: float
    mos: float
    """An estimate, 1 to 5; 4.4 is the best a narrow-band call has."""
    encrypted: bool
    kind: Literal["quality"] = "quality"


@dataclass(frozen=True, slots=True)
class Ended:
    """A call is over."""

    call: int
    reason: str
    status: int | None = None
    """The SIP status where it did not come about."""
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class NotTransferred:
    """The other side of a call did not reach whom it was put through to, and is still there."""

    call: int
    reason: str
    kind: Literal["not-transferred"] = "not-transferred"


@dataclass(frozen=True, slots=True)
class Banned:
    """An address was not listened to any more, for as many seconds."""

    address: str
    seconds: float
    why: str
    kind: Literal["banned"] = "banned"


Order = Setup | Answer | Refuse | HangUp | Flush | Dial | Transfer
Report = (
    Ready
    | Alive
    | Registration
    | Incoming
    | Unacceptable
    | Established
    | Dialog
    | Held
    | Digit
    | Quality
    | Ended
    | NotTransferred
    | Banned
)
Message = Order | Report

_MESSAGES: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound of a call: 16-bit mono PCM at `RATE`."""

    call: int
    pcm: bytes


def encode(message: Message) -> bytes:
    """Put a message into a frame."""
    return _framed(_JSON, _MESSAGES.dump_json(message))


def encode_audio(call: int, pcm: bytes) -> bytes:
    """Put sound into a frame. Raises `ValueError` where it is too long or holds half a sample."""
    if len(pcm) % 2:
        raise ValueError("the sound holds half a sample")
    return _framed(_AUDIO, call.to_bytes(4, "big", signed=True) + pcm)


def _framed(kind: int, payload: bytes) -> bytes:
    if len(payload) + 1 > LARGEST:
        raise ValueError(f"{len(payload)} bytes are too many for one frame")
    return (len(payload) + 1).to_bytes(_HEADER, "big") + bytes((kind,)) + payload


class Decoder:
    """Takes bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> list[Message | Audio]:
        """Return what is complete now. Raises `WireBroken`, after which nothing more can be understood."""
        self._received += data
        complete: list[Message | Audio] = []
        while len(self._received) >= _HEADER:
            length = int.from_bytes(self._received[:_HEADER], "big")
            if not 1 <= length <= LARGEST:
                raise WireBroken(f"a frame of {length} bytes")
            end = _HEADER + length
            if len(self._received) < end:
                break
            frame = bytes(self._received[_HEADER:end])
            del self._received[:end]
            complete.append(_read(frame[0], frame[1:]))
        return complete


def _read(kind: int, payload: bytes) -> Message | Audio:
    if kind == _AUDIO and len(payload) >= _HEADER and len(payload) % 2 == 0:
        return Audio(int.from_bytes(payload[:_HEADER], "big", signed=True), payload[_HEADER:])
    if kind == _JSON:
        try:
            return _MESSAGES.validate_json(payload)
        except ValidationError as error:
            # Pydantic's own words could show a password.
            raise WireBroken(f"{error.error_count()} things wrong in a message") from None
    raise WireBroken(f"a frame of kind {kind} with {len(payload)} bytes")
