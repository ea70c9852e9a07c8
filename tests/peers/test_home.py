"""A real Home Assistant does what people say, and is asked how things are."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from pipeline.intents.matching import LocalIntents
from tests.peers import home_assistant as peer
from tests.peers.home_assistant import HomeAssistant
from tests.tools.calling import ALL, HERE
from tools.executor import Executor
from tools.home.connection import Connection
from tools.home.history import HouseHistory
from tools.home.home import Home
from tools.home.house import House
from tools.home.sensors import Sensors
from tools.measured import Measured
from tools.outcomes import Outcome, Status
from tools.tool import Context

pytestmark = [
    pytest.mark.skipif(
        not peer.ready() and not os.environ.get("CI"), reason="no Home Assistant: python -m tests.peers.home_assistant"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def assistant(tmp_path_factory: Any) -> AsyncIterator[HomeAssistant]:
    async with peer.home_assistant(tmp_path_factory.mktemp("home-assistant")) as running:
        yield running


@dataclass
class Living:
    """Somebody in the house."""

    house: House
    connection: Connection
    executor: Executor
    changes: list[list[str]]
    turns: int = 0

    async def call(self, tool: str, *, here: str | None = None, **arguments: Any) -> Outcome:
        self.turns += 1
        context = Context("talk", str(self.turns), "panel", "ana", here, HERE)
        return await self.executor.call(tool, arguments, context, allowed=ALL)

    async def ask(self, tool: str, **arguments: Any) -> str:
        return (await self.call(tool, **arguments)).say

    async def yes(self) -> str:
        context = Context("talk", str(self.turns), "panel", "ana", None, HERE)
        outcome = await self.executor.confirm("talk", context, yes=True)
        assert outcome is not None
        return outcome.say


@asynccontextmanager
async def living(home: HomeAssistant, **options: Any) -> AsyncIterator[Living]:
    house, changes = House(), []
    connection = Connection(home.url, options.pop("token", home.token), house, on_change=changes.append, **options)
    history = HouseHistory(house, connection, zone=lambda: HERE)
    running = asyncio.create_task(connection.run())
    try:
        yield Living(house, connection, Executor([*Home(house, connection).tools(), *history.tools()]), changes)
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest_asyncio.fixture(loop_scope="module")
async def ana(assistant: HomeAssistant) -> AsyncIterator[Living]:
    async with living(assistant) as somebody:
        await connected(somebody)
        yield somebody


async def connected(somebody: Living) -> None:
    async with asyncio.timeout(20):
        while somebody.connection.problem is not None or not somebody.house.things:
            await asyncio.sleep(0.02)


async def test_a_light_is_turned_on_dimmed_and_turned_off(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("turn_on", name="bed light") == "The bed light is on."
    assert await assistant.state("light.bed_light") == "on"
    assert await ana.ask("set_light", name="the bed light", brightness=40) == "The bed light is at 40 percent."
    assert await ana.ask("home_status", name="bed light") == "The bed light is on at 40 percent."
    assert await ana.ask("set_light", name="bed light", change=25) == "The bed light is brighter now."
    assert await ana.ask("home_status", name="bed light", asked="on") == "Yes, the bed light is on at 65 percent."
    assert await ana.ask("set_light", name="bed light", change=-30) == "The bed light is darker now."
    assert await ana.ask("home_status", name="bed light") == "The bed light is on at 35 percent."
    assert await ana.ask("set_light", name="bed light", color="red") == "The bed light is red."
    assert await ana.ask("turn_off", name="bed") == "The bed light is off."
    assert await assistant.state("light.bed_light") == "off"


async def test_names_are_understood_as_people_say_and_mishear_them(ana: Living) -> None:
    for said in ("Ceiling Lights", "ceiling light", "the sealing lights", "ceiling lamps"):
        assert "eiling" in await ana.ask("turn_on", name=said), said


async def test_all_lights_go_out_at_once(ana: Living, assistant: HomeAssistant) -> None:
    await ana.call("turn_on", name="bed light")
    assert await ana.ask("turn_off", name="all the lights") == "All the lights are off."
    assert await assistant.state("light.bed_light") == "off"
    assert await assistant.state("light.kitchen_lights") == "off"


async def test_of_several_things_somebody_has_to_choose(ana: Living) -> None:
    said = await ana.ask("turn_on", name="fan")
    assert said.startswith("Which one? There are 5, such as the living room fan")


async def test_what_does_not_exist_is_told_to_the_model(ana: Living) -> None:
    assert (await ana.call("turn_on", name="flux capacitor")).status is Status.INVALID


async def test_a_door_is_unlocked_only_once_somebody_has_said_yes(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("home_status", name="front door") == "The front door is locked."
    asked = await ana.call("unlock_door", name="the front door")
    assert (asked.status, asked.say) == (Status.UNCONFIRMED, "Shall I really unlock the front door?")
    assert await assistant.state("lock.front_door") == "locked"
    await ana.yes()
    await assistant.until("lock.front_door", "unlocked")
    await ana.call("lock_door", name="front door")
    await assistant.until("lock.front_door", "locked")


async def test_a_garage_is_opened_only_once_somebody_has_said_yes(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("open_cover", name="garage door") == "Shall I really open the garage door?"
    assert await assistant.state("cover.garage_door") == "closed"
    assert await ana.ask("close_cover", name="hall window") == "The hall window closes."


async def test_the_heating_is_set_within_its_limits(ana: Living) -> None:
    assert await ana.ask("set_temperature", degrees=21, name="heatpump") == "The HeatPump is set to 21 degrees."
    assert "degrees" in await ana.ask("home_status", name="heat pump")
    assert await ana.ask("set_temperature", change=-2, name="heatpump") == "The HeatPump is set to 19 degrees."
    assert "goes from" in await ana.ask("set_temperature", degrees=93, name="HeatPump")


async def test_of_many_things_those_are_told_that_can_do_it(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("close_cover", name="everything") == "Everything closes."
    assert await ana.ask("open_cover", name="kitchen window", position=50) == "The kitchen window can't do that."
    await assistant.until("cover.hall_window", "closed")


async def test_players_pause_and_play(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("control_media", action="pause", name="walkman") == "The walkman is paused."
    await assistant.until("media_player.walkman", "paused")
    assert "Which one?" in await ana.ask("control_media", action="next")
    assert await ana.ask("control_media", action="pause", room="the kitchen") == "The kitchen is paused."


async def test_a_scene_starts(ana: Living, assistant: HomeAssistant) -> None:
    assert await ana.ask("turn_on", name="movie night") == "The movie night has started."
    await assistant.until("light.bed_light", "on")


async def test_what_is_on_is_told(ana: Living) -> None:
    await ana.call("turn_off", name="all lights")
    await ana.call("turn_on", name="bed light")
    outcome = await ana.call("home_status")
    assert "Bed Light" in [each["name"] for each in outcome.data["things"]]
    assert "1 light" in outcome.say


async def test_what_sensors_measure_is_told(ana: Living) -> None:
    told = await ana.ask("home_status", name="temperature")
    assert "degrees at the HeatPump" in told
    assert "15.6" not in told, "that is outside"


async def test_a_change_that_somebody_else_makes_is_known_at_once(ana: Living, assistant: HomeAssistant) -> None:
    await assistant.put("sensor.freezer", "-18.5", unit_of_measurement="°C", device_class="temperature")
    async with asyncio.timeout(2):
        while ana.house.thing("sensor.freezer") is None:
            await asyncio.sleep(0.01)
    assert "is at -18.5 degrees" in await ana.ask("home_status", name="freezer")


async def test_rooms_are_learned_and_tell_things_apart(ana: Living, assistant: HomeAssistant) -> None:
    areas = await ana.connection.ask("config/area_registry/list")
    kitchen = next(area["area_id"] for area in areas if area["name"] == "Kitchen")
    bedroom = next(area["area_id"] for area in areas if area["name"] == "Bedroom")
    for entity, area in (("light.kitchen_lights", kitchen), ("light.bed_light", bedroom), ("fan.ceiling_fan", bedroom)):
        await ana.connection.ask("config/entity_registry/update", entity_id=entity, area_id=area)
    async with asyncio.timeout(5):
        while getattr(ana.house.thing("fan.ceiling_fan"), "room", None) != "Bedroom":
            await asyncio.sleep(0.02)
    assert await ana.ask("turn_on", name="kitchen light") == "The kitchen lights are on."
    assert await ana.ask("turn_on", name="fan", room="bedroom") == "The ceiling fan is on."
    assert await ana.ask("turn_off", name="the lights in the bedroom") == "The bed light is off."
    await ana.call("turn_on", name="bed light")
    assert (await ana.call("turn_off", name="the light", room=None)).status is Status.FAILED
    there = Context("talk", "there", "panel", "ana", "Bedroom", HERE)
    assert (
        await ana.executor.call("turn_off", {"name": "the light"}, there, allowed=ALL)
    ).say == "The bed light is off."


async def test_values_of_sensors_are_handed_on(ana: Living, assistant: HomeAssistant) -> None:
    kept: list[Measured] = []

    async def keep(found: Any) -> None:
        kept.extend(found)

    sensors = Sensors(ana.house, keep, gather=0.1)
    running = asyncio.create_task(sensors.run())
    sensors.changed(["sensor.outside_temperature", "sensor.total_energy_kwh", "light.bed_light"])
    await asyncio.sleep(0.3)
    running.cancel()
    assert [(each.name, each.value, each.unit) for each in kept] == [("Outside Temperature", 15.6, "°C")]


async def test_a_token_that_is_not_accepted_is_told(assistant: HomeAssistant) -> None:
    async with living(assistant, token="wrong") as somebody:
        async with asyncio.timeout(10):
            while "token" not in (somebody.connection.problem or ""):
                await asyncio.sleep(0.02)
        assert "can't be reached" in await somebody.ask("turn_on", name="bed light")


async def test_it_is_found_again_after_it_was_away(ana: Living, assistant: HomeAssistant) -> None:
    await assistant.stop()
    async with asyncio.timeout(5):
        while ana.connection.problem is None:
            await asyncio.sleep(0.02)
    assert "can't be reached" in await ana.ask("turn_on", name="bed light")
    await assistant.start()
    async with asyncio.timeout(30):
        while ana.connection.problem is not None:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(10):
        while "is on" not in await ana.ask("turn_on", name="bed light"):
            await asyncio.sleep(0.2)


async def test_its_names_are_recognized_in_other_languages(ana: Living) -> None:
    german = LocalIntents("de")
    german.furnish([(thing.name, thing.kind) for thing in ana.house.things], ana.house.rooms)
    found = german.match_all("Schalte das Bed Light ein")
    assert [(match.tool, match.arguments) for match in found] == [("turn_on", {"name": "Bed Light"})]


async def test_it_is_told_when_a_door_was_last_unlocked_and_how_often_a_lamp_was_on(
    assistant: HomeAssistant, ana: Living
) -> None:
    for state in ("locked", "unlocked", "locked"):
        await assistant.put("lock.shed", state, friendly_name="Shed")
        await asyncio.sleep(1.1)
    said = await ana.ask("home_history", name="shed")
    assert said.startswith("The shed was last unlocked today at "), said
    for state in ("on", "off", "on", "off"):
        await assistant.put("light.cellar", state, friendly_name="Cellar light")
        await asyncio.sleep(0.3)
    said = await ana.ask("home_history", name="cellar light", when="last hour")
    assert "was on 2 times in the last hour, last today at" in said


async def test_it_is_told_how_warm_it_was(assistant: HomeAssistant, ana: Living) -> None:
    for degrees in ("18.5", "21", "20"):
        await assistant.put(
            "sensor.pantry", degrees, friendly_name="Pantry temperature", unit_of_measurement="°C",
            device_class="temperature",
        )  # fmt: skip
        await asyncio.sleep(0.4)
    await ana.connection.seen(lambda: ana.house.thing("sensor.pantry") is not None, within=5)
    said = await ana.ask("home_history", name="pantry temperature", when="today")
    assert said.startswith("The pantry temperature was between 18.5 and 21 degrees today, "), said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "flux capacitor"}, "nothing called"),
        ({"name": "kitchen lights", "when": "tomorrow"}, "still to come"),
        ({"name": "kitchen lights", "when": "someday"}, "no day"),
        ({"name": "temperature", "room": "dungeon"}, "no room called dungeon"),
    ],
)
async def test_what_was_never_written_down_is_told(ana: Living, arguments: dict[str, str], told: str) -> None:
    assert told in await ana.ask("home_history", **arguments)
