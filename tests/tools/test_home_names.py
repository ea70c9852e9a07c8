"""Which things are meant by what people say; the house is made up, its forms are Home Assistant's."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tools.home.house import House
from tools.home.names import meant

KINDS = ("light", "switch", "fan", "cover", "lock", "climate", "media_player", "scene")
THINGS = {
    "light.kitchen_ceiling": ("Kitchen ceiling", "kitchen"),
    "light.counter": ("Counter lamp", "kitchen"),
    "light.bed": ("Bed Light", "bedroom"),
    "light.reading": ("Reading lamp", "living"),
    "media_player.kitchen": ("Kitchen", "kitchen"),
    "fan.bedroom": ("Bedroom fan", "bedroom"),
    "lock.front": ("Front Door", None),
    "cover.garage": ("Garage Door", None),
    "switch.coffee": ("Coffee machine", "kitchen"),
    "climate.living": ("Living room thermostat", "living"),
}


@pytest.fixture(scope="module")
def house() -> House:
    return built()


def built() -> House:
    made = House()
    areas = [
        {"area_id": "kitchen", "name": "Kitchen", "aliases": ["Küche", "cuisine", "cocina"]},
        {"area_id": "bedroom", "name": "Bedroom", "aliases": ["sleeping room"]},
        {"area_id": "living", "name": "Living Room", "aliases": []},
    ]
    entities = [{"entity_id": id_, "area_id": area, "aliases": []} for id_, (_, area) in THINGS.items()]
    entities[8]["aliases"] = ["espresso maker"]
    made.registered(areas, [], entities)
    made.changed({"a": {id_: {"s": "off", "a": {"friendly_name": name}} for id_, (name, _) in THINGS.items()}})
    return made


@pytest.mark.parametrize(
    ("said", "here", "wanted", "several"),
    [
        ("bed light", None, {"light.bed"}, False),
        ("the bed lamp", None, {"light.bed"}, False),
        ("the light in the bedroom", None, {"light.bed"}, False),
        ("the light in the sleeping room", None, {"light.bed"}, False),
        ("das Licht in der Küche", None, {"light.kitchen_ceiling", "light.counter"}, True),
        ("la lumière dans la cuisine", None, {"light.kitchen_ceiling", "light.counter"}, True),
        ("la luz de la cocina", None, {"light.kitchen_ceiling", "light.counter"}, True),
        ("das Bed Light", None, {"light.bed"}, False),
        ("kitchen lights", None, {"light.kitchen_ceiling", "light.counter"}, True),
        ("the lights in the kitchen", None, {"light.kitchen_ceiling", "light.counter"}, True),
        ("all the lights", None, {"light.kitchen_ceiling", "light.counter", "light.bed", "light.reading"}, True),
        ("the lights", "kitchen", {"light.kitchen_ceiling", "light.counter"}, True),
        ("the light", "bedroom", {"light.bed"}, False),
        ("kitchen", None, {"media_player.kitchen"}, False),
        ("espresso maker", None, {"switch.coffee"}, False),
        ("the coffee machine", None, {"switch.coffee"}, False),
        ("coffee", None, {"switch.coffee"}, False),
        ("the front door", None, {"lock.front"}, False),
        ("garage door", None, {"cover.garage"}, False),
        ("the fan", None, {"fan.bedroom"}, False),
        ("thermostat", None, {"climate.living"}, False),
        ("the living room thermostat", None, {"climate.living"}, False),
        ("counter lamb", None, {"light.counter"}, False),
        ("red ing lamp", None, {"light.reading"}, False),
        ("flux capacitor", None, set(), False),
    ],
)
def test_things_are_found_by_what_people_say(
    house: House, said: str, here: str | None, wanted: set[str], several: bool
) -> None:
    found = meant(said, house, kinds=KINDS, room=None, here=here)
    assert {thing.id for thing in found.things} == wanted
    assert found.several is several


ALL_LIGHTS = {"light.kitchen", "light.island", "light.hall"}
FULL = {
    "light.kitchen": ("Kitchen Lights", "kitchen", ""),
    "light.island": ("Island", "kitchen", ""),
    "light.hall": ("Hall light", "hall", ""),
    "light.living": ("Living Room RGB Lights", "living", ""),
    "cover.kitchen": ("Kitchen Window", "kitchen", ""),
    "cover.living": ("Living Room Blind", "living", "blind"),
    "cover.bay": ("Bay", "living", "shade"),
    "cover.garage": ("Garage Door", None, "garage"),
    "cover.roof": ("Pergola Roof", None, ""),
}


@pytest.fixture(scope="module")
def full_house() -> House:
    made = House()
    areas = [{"area_id": id_, "name": name} for id_, name in (("kitchen", "Kitchen"), ("hall", "Hall"), ("living", "Living Room"))]  # fmt: skip
    made.registered(areas, [], [{"entity_id": id_, "area_id": area} for id_, (_, area, _) in FULL.items()])
    made.changed({"a": {
        id_: {"s": "off", "a": {"friendly_name": name, "device_class": device_class}}
        for id_, (name, _, device_class) in FULL.items()
    }})  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("said", "here", "wanted"),
    [
        ("all the lights", None, {*ALL_LIGHTS, "light.living"}),
        ("the lights", None, {*ALL_LIGHTS, "light.living"}),
        ("all the lights", "kitchen", {*ALL_LIGHTS, "light.living"}),
        ("the lights", "kitchen", {"light.kitchen", "light.island"}),
        ("the lights in the kitchen", None, {"light.kitchen", "light.island"}),
        ("the kitchen lights", None, {"light.kitchen"}),
        ("the light", "hall", {"light.hall"}),
        ("the living room lights a warm", None, set()),
        ("the blinds", None, {"cover.living", "cover.bay"}),
        ("all the windows", None, {"cover.kitchen"}),
        ("the window", "kitchen", {"cover.kitchen"}),
        ("the garage", None, {"cover.garage"}),
        ("the curtains", None, set()),
    ],
)
def test_a_word_for_many_things_means_those_it_is_said_of(
    full_house: House, said: str, here: str | None, wanted: set[str]
) -> None:
    found = meant(said, full_house, kinds=("light", "cover"), room=None, here=here)
    assert {thing.id for thing in found.things} == wanted


def test_one_light_of_several_is_not_chosen_for_somebody(house: House) -> None:
    found = meant("the light", house, kinds=("light",), room=None, here=None)
    assert (len(found.things), found.several) == (4, False)


@given(some.text(max_size=40), some.sampled_from([None, "kitchen", "nowhere"]))
def test_any_words_mean_things_of_the_house_or_none(said: str, here: str | None) -> None:
    found = meant(said, built(), kinds=("light", "lock"), room=None, here=here)
    assert {thing.kind for thing in found.things} <= {"light", "lock"}


@given(some.dictionaries(some.sampled_from(["a", "c", "r", "x"]), some.none() | some.just({}) | some.just([])))
def test_an_event_without_content_changes_nothing(event: dict[str, object]) -> None:
    made = built()
    if not isinstance(event.get("a"), list) and not isinstance(event.get("c"), list):
        before = made.things
        made.changed(event)
        assert made.things == before


def test_a_difference_changes_only_what_it_names(house: House) -> None:
    made = built()
    made.changed({"c": {"light.bed": {"+": {"s": "on", "a": {"brightness": 128}}}}})
    made.changed({"c": {"light.bed": {"+": {"a": {"color_mode": "hs"}}, "-": {"a": ["brightness"]}}}})
    bed = made.thing("light.bed")
    assert bed is not None
    assert (bed.state, bed.attributes) == ("on", {"friendly_name": "Bed Light", "color_mode": "hs"})
    made.changed({"r": ["light.bed"]})
    assert made.thing("light.bed") is None


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("all the lights except the kitchen", {"light.hall", "light.living"}),
        ("everything in the kitchen but not the island", {"light.kitchen", "cover.kitchen"}),
        ("all the lights except the moon", set()),
        ("the hall light except the kitchen", set()),
    ],
)
def test_what_is_excepted_is_left_alone(full_house: House, said: str, wanted: set[str]) -> None:
    found = meant(said, full_house, kinds=("light", "cover"), room=None, here=None)
    assert {thing.id for thing in found.things} == wanted
