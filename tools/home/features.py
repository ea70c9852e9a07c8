"""What things of a house can do, as Home Assistant tells it. No input or output."""

from collections.abc import Mapping
from typing import Final

from tools.home.house import Thing

_FEATURES: Final[Mapping[str, int]] = {
    "cover.open_cover": 1, "cover.close_cover": 2, "cover.set_cover_position": 4,
    "media_player.turn_on": 128, "media_player.turn_off": 256, "media_player.media_pause": 1,
    "media_player.media_play": 16384, "media_player.media_stop": 4096, "media_player.media_next_track": 32,
    "media_player.media_previous_track": 16, "media_player.volume_up": 1024 | 4, "media_player.volume_down": 1024 | 4,
    "vacuum.start": 8192, "vacuum.return_to_base": 16,
}  # fmt: skip
"""The bits of `supported_features`, of which a service needs one."""


def can(thing: Thing, service: str) -> bool:
    """Whether a thing has what a service needs; one that does not say is taken to have it."""
    features = thing.attributes.get("supported_features")
    needed = _FEATURES.get(service)
    return needed is None or not isinstance(features, int) or bool(features & needed)


def dimmable(thing: Thing) -> bool:
    """Whether a lamp can be made brighter or darker."""
    return list(thing.attributes.get("supported_color_modes") or ["brightness"]) != ["onoff"]


def colourful(thing: Thing) -> bool:
    """Whether a lamp has colors."""
    modes = thing.attributes.get("supported_color_modes")
    return modes is None or bool({"hs", "xy", "rgb", "rgbw", "rgbww"}.intersection(modes))
