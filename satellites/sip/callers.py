"""Who is calling, by the number that is shown, and what they may do. Without I/O."""

import hmac
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import SecretStr

from pipeline.caller import HOUSEHOLD, Caller, Permission
from pipeline.settings.sip import Sip

GUEST: Final = frozenset({Permission.CONVERSE})
MOST_TRIES: Final = 3
"""Wrong PINs in one call."""
MOST_WRONG: Final = 12
"""Wrong PINs of all callers together in an hour, after which none is taken: a thousand calls try three each."""
HOUR: Final = 3600.0

_ADDRESS: Final = re.compile(r"<?\s*(?:sips?:(?:(?P<user>[^@;>?]*)@)?|tel:(?P<number>[^@;>?]*))", re.IGNORECASE)
_NOBODY: Final = frozenset({"", "anonymous", "unknown", "restricted", "unavailable"})


def number_of(address: str, country: str | None = None) -> str:
    """Return the number or name in a SIP address, in one form; "" where the caller does not show it.

    Args:
        address: such as `sip:+49 170 1234567@provider.example;user=phone`, or a number alone.
        country: the house's country code, which turns `0170…` into `+49170…`.
    """
    found = _ADDRESS.match(address.strip())
    given = (found["user"] or found["number"] or "") if found else address.partition("@")[0]
    user = urllib.parse.unquote(given).strip().lower()
    if re.fullmatch(r"[+\d][\d\s().\-/]*", user):
        user = re.sub(r"[^+\d]", "", user)
        if user.startswith("00"):
            user = f"+{user[2:]}"
        elif user.startswith("0") and country is not None and len(user) > 3:
            user = f"+{country}{user[1:]}"
    return "" if user in _NOBODY else re.sub(r"[\x00-\x20\x7f]", "", user)[:64]


def shown(number: str) -> str:
    """Return a number as a log may hold it: the last digits tell people which one it was."""
    return f"…{number[-4:]}" if len(number) > 5 else number or "anonymous"


@dataclass(frozen=True, slots=True)
class Admission:
    """How a call is taken."""

    kind: Literal["refused", "guest", "person"]
    number: str = ""
    person: str | None = None
    asks_pin: bool = False
    """Whether the PIN comes before anything private."""
    leaves_message: bool = False
    """Whether the caller is asked for a message, and talks to nobody."""

    @property
    def named(self) -> str:
        """As whose a message is kept: a person's name, else a number."""
        return self.person or self.number

    def caller(self, *, proven: bool) -> Caller:
        """Return who speaks; `proven` is whether the PIN was given."""
        of_the_house = proven or (self.kind == "person" and not self.asks_pin)
        known = self.person if of_the_house else None
        # What a stranger is called is the stranger's choice, and no device of the house.
        device = f"sip:{self.number}" if self.kind == "person" else "sip:guest"
        return Caller(
            door="sip",
            device=device,
            person=known,
            resumes=of_the_house and self.kind == "person",
            permissions=HOUSEHOLD if of_the_house else GUEST,
        )


class Directory:
    """The numbers that the household knows."""

    def __init__(self, settings: Sip) -> None:
        self._country = settings.country
        self._people: Mapping[str, str] = {
            number_of(number, self._country): person for number, person in settings.people.items()
        }
        self._guests = settings.guests
        self._pin = settings.pin is not None
        self._messages = settings.messages

    def admit(self, address: str, *, trusted: bool, quiet: bool = False) -> Admission:
        """Decide about a call, from whatever address of its caller it came with.

        Args:
            trusted: whether it comes from where calls are taken.
            quiet: whether nobody wants to be disturbed now.
        """
        number = number_of(address, self._country)
        if not trusted:
            return Admission("refused", number)
        message = quiet and "quiet" in self._messages
        if (person := self._people.get(number)) is not None and number:
            return Admission("person", number, person, self._pin, leaves_message=message)
        if message or self._guests == "limited" or "unlisted" in self._messages:
            return Admission("guest", number, leaves_message=message or self._guests != "limited")
        return Admission("refused", number)

    def number(self, person: str) -> str | None:
        """Return the first number of a person."""
        wanted = person.casefold()
        return next((number for number, each in self._people.items() if each.casefold() == wanted), None)


@dataclass(slots=True)
class Pins:
    """Checks PINs, and gives up on guessing: one for all calls. Times are monotonic seconds."""

    pin: SecretStr | None
    _wrong: list[float] = field(default_factory=list)

    def check(self, typed: str, now: float) -> bool:
        """Tell whether a PIN is right."""
        if self.pin is None or self.locked(now):
            return False
        right = hmac.compare_digest(typed.encode(), self.pin.get_secret_value().encode())
        if not right:
            self._wrong.append(now)
        return right

    def locked(self, now: float) -> bool:
        """Tell whether too many wrong ones came in the last hour, so that none is taken."""
        self._wrong = [each for each in self._wrong if now - each < HOUR]
        return len(self._wrong) >= MOST_WRONG

    @property
    def length(self) -> int:
        """How many digits it has; 0 where there is none."""
        return 0 if self.pin is None else len(self.pin.get_secret_value())


class Keys:
    """Collects the digits that a caller types into PINs: as many as it has, or up to the hash key.

    Args:
        length: of the PIN.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._typed = ""

    def press(self, key: str) -> str | None:
        """Take a key; returns what was typed once it is complete. The star key begins anew."""
        if key == "*":
            self._typed = ""
        elif key == "#":
            typed, self._typed = self._typed, ""
            return typed or None
        elif key.isdigit():
            self._typed += key
            if len(self._typed) >= self._length:
                typed, self._typed = self._typed, ""
                return typed
        return None
