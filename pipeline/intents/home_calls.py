"""What a command about the house comes to, once there is one to command: the tool and its arguments."""

from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final[Mapping[str, str]] = {
    "HomeOn": "turn_on", "HomeOff": "turn_off", "HomeLight": "set_light", "HomeTemperature": "set_temperature",
    "HomeOpen": "open_cover", "HomeClose": "close_cover", "HomeLock": "lock_door", "HomeUnlock": "unlock_door",
    "HomeMedia": "control_media", "HomeStatus": "home_status", "HomeHistory": "home_history",
    "HassLightSet": "set_light", "HassClimateSetTemperature": "set_temperature", "HassSetPosition": "open_cover",
    "HassVacuumStart": "turn_on", "HassVacuumReturnToBase": "turn_off",
}  # fmt: skip
_BY_DOMAIN: Final[Mapping[tuple[str, str], str]] = {
    ("HassTurnOn", "cover"): "open_cover", ("HassTurnOff", "cover"): "close_cover",
    ("HassTurnOn", "lock"): "lock_door", ("HassTurnOff", "lock"): "unlock_door",
    ("HassTurnOn", ""): "turn_on", ("HassTurnOff", ""): "turn_off",
}  # fmt: skip
_GROUPS: Final[Mapping[str, str]] = {
    "light": "lights", "fan": "fans", "switch": "switches", "cover": "blinds", "lock": "doors", "climate": "thermostat",
    "media_player": "tv", "vacuum": "vacuum",
}  # fmt: skip
_NAMES: Final = {"thing": "name", "area": "room", "temperature": "degrees", "past": "when"}
_TAKEN: Final = frozenset(
    {"name", "room", "brightness", "color", "degrees", "position", "action", "when", "change", "asked"}
)

INTENTS: Final = frozenset(_PLAIN) | {"HassTurnOn", "HassTurnOff"}
"""Intents about the house that a tool carries out."""
OWN: Final = frozenset(name for name in _PLAIN if name.startswith("Home"))
"""Those with templates of ours, which take any words for a name and are only for a house that knows its names."""


def home_call(intent: str, slots: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The tool of an intent, and its arguments."""
    domain = str(slots.get("domain") or "")
    tool = _PLAIN.get(intent) or _BY_DOMAIN.get((intent, domain)) or _BY_DOMAIN[(intent, "")]
    said = {_NAMES.get(name, name): value for name, value in slots.items()}
    if said.get("room") in ("here", ""):
        del said["room"]
    if "name" not in said and domain in _GROUPS:
        said["name"] = _GROUPS[domain]
    return tool, {name: value for name, value in said.items() if name in _TAKEN}
