"""Who is speaking, from where, and what they may do."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What a caller may ask for. A door grants them; the voice alone never does."""

    CONVERSE = "converse"
    """Talk to the assistant and ask it questions."""
    PRIVATE = "private"
    """Hear what belongs to a person: calendar, messages, memories."""
    CONTROL = "control"
    """Change the house: lights, climate, media, timers."""
    SECURE = "secure"
    """Locks, alarms, doors and purchases."""


HOUSEHOLD: Final = frozenset({Permission.CONVERSE, Permission.PRIVATE, Permission.CONTROL, Permission.SECURE})
"""What people of the house may ask for; what matters is still confirmed aloud."""


class Capability(StrEnum):
    """What the device at the other end can do."""

    HEAR = "hear"
    """It has a microphone."""
    SPEAK = "speak"
    """It can play speech."""
    SHOW = "show"
    """It has a screen for captions and cards."""
    FULL_DUPLEX = "full-duplex"
    """It hears while it plays, so it can be interrupted by voice."""
    CALL_TOOLS = "call-tools"
    """It brings tools of its own, which the model may call."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One end of a conversation.

    Identity comes from the door, the device or a PIN; a voice is never proof of who speaks.
    """

    door: str
    """The door's name: `realtime`, `browser`, `sip`, …"""
    device: str
    """A name of the device that stays the same from call to call."""
    person: str | None = None
    """Who speaks, where the door knows it."""
    room: str | None = None
    """The room the device stands in."""
    title: str | None = None
    """What people call the device."""
    speed: float | None = None
    """How fast the assistant speaks there; 1 is the voice's own pace, and None the household's setting."""
    voice: str | None = None
    """The Piper voice that speaks there; None is the household's."""
    quiet: str | None = None
    """Hours in which nothing is announced there that can wait, such as 22:00-07:00."""
    resumes: bool = False
    """Whether a new conversation from this device goes on where the last one ended; a program begins anew."""
    capabilities: frozenset[Capability] = frozenset({Capability.HEAR, Capability.SPEAK, Capability.FULL_DUPLEX})
    permissions: frozenset[Permission] = field(default_factory=lambda: frozenset({Permission.CONVERSE}))

    def may(self, permission: Permission) -> bool:
        """Tell whether this caller holds `permission`."""
        return permission in self.permissions

    def can(self, capability: Capability) -> bool:
        """Tell whether the caller's device has `capability`."""
        return capability in self.capabilities
