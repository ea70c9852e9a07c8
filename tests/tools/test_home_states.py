"""How things are is told as people ask; the house is made up, its forms are Home Assistant's."""

import pytest

from tools.home.features import can
from tools.home.house import House, Thing
from tools.home.states import Summary, is_so

LAMP, FAN = Thing("light.lamp", "Lamp", state="on"), Thing("fan.fan", "Fan", state="off")
WINDOWS = [Thing("cover.left", "Left Window", state="closed"), Thing("cover.right", "Right Window", state="open")]
DOOR = Thing("lock.door", "Front Door", state="locked")
SENSED = Thing("binary_sensor.door", "Back Door", state="on", attributes={"device_class": "door"})


@pytest.mark.parametrize(
    ("things", "called", "asked", "told"),
    [
        ([LAMP], "", "on", "Yes, the lamp is on."),
        ([LAMP], "", "off", "No, the lamp is on."),
        ([DOOR], "", "locked", "Yes, the front door is locked."),
        ([SENSED], "", "closed", "No, the back door is open."),
        (WINDOWS, "the windows", "closed", "The left window is closed, the others are not."),
        (WINDOWS[:1] * 2, "the windows", "closed", "Yes, all the windows are closed."),
        (WINDOWS[:1] * 2, "any window", "open", "None of them is open."),
    ],
)
def test_what_is_asked_with_yes_or_no_is_answered_so(things: list[Thing], called: str, asked: str, told: str) -> None:
    assert Summary(House()).whether(things, called, asked).say == told


@pytest.mark.parametrize(
    ("thing", "asked"), [(DOOR, "on"), (LAMP, "locked"), (Thing("light.gone", "Gone", state="unavailable"), "on")]
)
def test_what_cannot_be_so_is_neither(thing: Thing, asked: str) -> None:
    assert is_so(thing, asked) is None


@pytest.mark.parametrize(("name", "degrees"), [("Garden Temperature", "21"), ("Freezer", "21"), ("Desk", "4")])
def test_the_temperature_inside_is_not_that_of_the_garden(name: str, degrees: str) -> None:
    house = House()
    measures = {"device_class": "temperature", "unit_of_measurement": "°C", "friendly_name": name}
    heating = {"current_temperature": 21.0, "friendly_name": "Heating"}
    house.changed({"a": {"sensor.one": {"s": "4", "a": measures}, "climate.one": {"s": "heat", "a": heating}}})
    told = Summary(house).measured("temperature", None)
    assert told is not None
    assert degrees in told.say


def test_what_a_thing_cannot_do_is_known_where_it_says_so() -> None:
    blind = Thing("cover.blind", "Blind", attributes={"supported_features": 3})
    assert can(blind, "cover.close_cover")
    assert not can(blind, "cover.set_cover_position")
    assert can(Thing("cover.old", "Old"), "cover.set_cover_position")
    assert can(LAMP, "light.turn_on")
