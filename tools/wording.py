"""How lengths of time, names and enumerations are said. No input or output."""

from collections.abc import Sequence


def begun(sentence: str) -> str:
    """A sentence with a capital at its beginning, and no other letter changed."""
    return sentence[:1].upper() + sentence[1:]


def spoken_length(seconds: float, *, plural: bool = True) -> str:
    """A length of time as it is said: "1 hour and 5 minutes", or "5 minute" before a noun."""
    whole = max(0, round(seconds))
    # Nobody wants the seconds of an hour.
    if whole >= 3600:
        whole = round(whole / 60) * 60
    sizes = (("day", whole // 86400), ("hour", whole % 86400 // 3600), ("minute", whole % 3600 // 60))
    parts = [*sizes, ("second", whole % 60)]
    said = [f"{count} {unit}{'s' if plural and count != 1 else ''}" for unit, count in parts if count]
    return joined(said) if said else "0 seconds"


def joined(parts: Sequence[str]) -> str:
    """Several things, the last after "and"."""
    if not parts:
        return "none"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def same_name(one: str | None, other: str | None) -> bool:
    """Tell whether two names of people or rooms are one, however they are written; a missing one is nobody's."""
    return one is not None and other is not None and one.casefold() == other.casefold()
