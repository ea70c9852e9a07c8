"""What may be said of a device. No input or output."""

from collections.abc import Mapping
from typing import Final

from pipeline.quiet import QuietHours
from pipeline.settings import Settings
from pipeline.store.people import CHANGEABLE

LONGEST: Final = 64
"""Characters of a name."""
SLOWEST, FASTEST = 0.5, 2.0


class Unsayable(ValueError):  # noqa: N818 - reads as what is the matter
    """Something cannot be said of a device; the message says what can."""


def checked(said: Mapping[str, object], settings: Settings) -> dict[str, str | float | None]:
    """Return what is said in the form in which it is kept. Raises `Unsayable`."""
    found: dict[str, str | float | None] = {}
    for name, value in said.items():
        if name not in CHANGEABLE:
            raise Unsayable(f"{name}: there is no such thing; there are: {', '.join(CHANGEABLE)}")
        if value in (None, ""):
            found[name] = None
        elif name == "speed":
            found[name] = _speed(value)
        elif not isinstance(value, str) or len(value) > LONGEST or not value.strip() or not value.isprintable():
            raise Unsayable(f"{name}: has to be a word or two, {LONGEST} characters at most")
        else:
            found[name] = value.strip()
    if isinstance(hours := found.get("quiet"), str):
        try:
            QuietHours(hours)
        except ValueError as error:
            raise Unsayable(f"quiet: {error}") from error
    voice, voices = found.get("voice"), [settings.speaking.voice, *settings.speaking.voices]
    if isinstance(voice, str) and voice not in voices:
        raise Unsayable(f"voice: has to be one of {', '.join(voices)}; speaking.voices names more")
    return found


def _speed(value: object) -> float:
    try:
        speed = float(value) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        speed = 0.0
    if not SLOWEST <= speed <= FASTEST:
        raise Unsayable(f"speed: has to be a number from {SLOWEST} to {FASTEST:g}")
    return speed
