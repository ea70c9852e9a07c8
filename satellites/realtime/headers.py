"""What a satellite of the house tells of itself where it connects, beside what OpenAI's Realtime API has."""

from typing import Final

DEVICE: Final = "x-passfel-device"
"""What the household calls it."""
ROOM: Final = "x-passfel-room"
"""Where it stands."""
