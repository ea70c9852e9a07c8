"""People ask for the world and the house by voice, and hear what is so: real servers where there are some.

Home Assistant, Radicale, Joplin and oxigraph (for Wikidata) are real ones; the weather, the news and the encyclopedia are served from `responses/`.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr
from aiohttp import web as aio

from satellites.realtime.talk import RATE, Report, talk
from tests.peers import home_assistant as home_peer
from tests.peers import joplin_server
from tests.peers.home_assistant import HomeAssistant, home_assistant
from tests.peers.joplin_server import TOKEN, joplin
from tests.peers.server import Server, running_server
from tests.peers.test_calendar import PASSWORD, diary, radicale
from tests.spoken import RATE as SPOKEN_RATE
from tests.spoken import pcm, speech
from tests.tools.provider import provider, response
from tests.tools.sparql import sparql
from voice import models, recordings
from voice.whisper import SAMPLE_RATE, WhisperEngine

pytestmark = [
    pytest.mark.skipif(
        not (home_peer.ready() and joplin_server.ready()) and not os.environ.get("CI"),
        reason="no Home Assistant or no Joplin: python -m tests.peers.home_assistant, make test-joplin",
    ),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@dataclass
class Household:
    server: Server
    home: HomeAssistant
    calendar: str
    joplin: str
    folder: Path
    ears: WhisperEngine

    async def ask(self, *questions: str, after: float = 0.0) -> list[str]:
        """Speak, after some seconds of silence, and write down what is heard in answer."""
        files = []
        for number, question in enumerate(questions):
            file = self.folder / f"{number}.wav"
            silence = np.zeros(round(after * SPOKEN_RATE), np.float32)
            recordings.write(file, pcm(np.concatenate([silence, speech(question)])), SPOKEN_RATE)
            files.append(file)
        reports: list[Report] = []
        audio = await talk(files, server=self.server.address, token=None, on_turn=reports.append)
        print(*(f"{report.heard} → {report.answered}" for report in reports), sep="\n")
        heard = np.frombuffer(audio, "<i2").astype(np.float32) / 32768
        heard = soxr.resample(heard, RATE, SAMPLE_RATE)
        return [(await self.ears.transcribe(heard)).text.lower(), *(report.answered for report in reports)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def household(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Household]:
    folder = tmp_path_factory.mktemp("by-voice")
    for name in ("home", "calendar", "joplin", "facts", "data"):
        (folder / name).mkdir()
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(provider())
        files = outside.answer

        async def from_today_on(request: aio.Request) -> aio.StreamResponse:
            if request.path == "/v1/forecast":
                return aio.Response(text=json.dumps(forecast()), content_type="application/json")
            outside.instead = None
            try:
                return await files(request)
            finally:
                outside.instead = from_today_on

        outside.instead = from_today_on
        home = await stack.enter_async_context(home_assistant(folder / "home"))
        calendar = await stack.enter_async_context(radicale(folder / "calendar"))
        notes = await stack.enter_async_context(joplin(folder / "joplin"))
        server = await stack.enter_async_context(
            running_server(
                folder / "data",
                PASSFEL_HOUSEHOLD__LOCATION="Lisbon",
                PASSFEL_HOUSEHOLD__TIMEZONE="Europe/Lisbon",
                PASSFEL_WEATHER__FORECAST_URL=outside.url,
                PASSFEL_WEATHER__PLACES_URL=outside.url,
                PASSFEL_WEATHER__STATES_URL=outside.url,
                PASSFEL_NEWS__FEEDS=json.dumps([f"{outside.url}/news/world/rss.xml", f"{outside.url}/world/rss"]),
                PASSFEL_FINANCE__RATES_URL=outside.url,
                PASSFEL_FINANCE__COINS_URL=outside.url,
                PASSFEL_QUESTIONS__WIKIPEDIA_URL=outside.url,
                PASSFEL_QUESTIONS__WIKIDATA_URL=outside.url,
                PASSFEL_QUESTIONS__FACTS_URL=stack.enter_context(sparql(folder / "facts")),
                PASSFEL_HOME__URL=home.url,
                PASSFEL_HOME__TOKEN=home.token,
                PASSFEL_CALENDAR__URL=calendar,
                PASSFEL_CALENDAR__USERNAME="ana",
                PASSFEL_CALENDAR__PASSWORD=PASSWORD,
                PASSFEL_JOPLIN__URL=notes,
                PASSFEL_JOPLIN__TOKEN=TOKEN,
            )
        )
        ears = WhisperEngine(models.whisper_model("base", folder), language="en")
        stack.callback(ears.close)
        yield Household(server, home, calendar, notes, folder, ears)


def forecast() -> dict:
    """The forecast as if it had been made today."""
    kept = response("open_meteo_forecast")
    away = datetime.now(UTC).date() - datetime.fromtimestamp(kept["at"], UTC).date()

    def moved(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + away).isoformat()

    return json.loads(re.sub(r"\d{4}-\d\d-\d\d", moved, json.dumps(kept["body"])))


async def test_the_weather_is_asked_for_and_asked_on_about(household: Household) -> None:
    heard, tomorrow, later = await household.ask("What's the weather like tomorrow?", "And the day after tomorrow?")
    daily = forecast()["daily"]
    for said, offset in ((tomorrow, 1), (later, 2)):
        place = daily["time"].index((datetime.now(UTC).date() + timedelta(days=offset)).isoformat())
        low, high = round(daily["temperature_2m_min"][place]), round(daily["temperature_2m_max"][place])
        assert f"between {low} and {high} degrees" in said
    assert "lisbon" in heard
    assert "degrees" in heard


async def test_a_light_is_turned_on_and_a_door_unlocked_after_a_yes(household: Household) -> None:
    await household.home.until("light.bed_light", "off")
    heard, first, second, third = await household.ask(
        "Turn on the bed light.", "Can you unlock the front door?", "Yes."
    )
    assert first == "The bed light is on."
    assert second == "Shall I really unlock the front door?"
    assert "unlocked" in third
    assert await household.home.state("light.bed_light") == "on"
    await household.home.until("lock.front_door", "unlocked")
    assert "light is on" in heard


async def test_what_was_in_the_house_is_told(household: Household) -> None:
    heard, *_, on, told = await household.ask(
        "Turn off the bed light.", "Turn on the bed light.", "When was the bed light last turned on?"
    )
    assert on == "The bed light is on."
    assert told.startswith("The bed light was last on today at")
    assert "bed light" in heard


async def test_an_appointment_is_put_on_the_calendar_and_read_back(household: Household) -> None:
    heard, added, listed = await household.ask(
        "Put the dentist on my calendar for tomorrow at nine thirty.", "What's on my calendar tomorrow?"
    )
    assert "Dentist" in added
    assert listed == "Tomorrow there is Dentist at 9:30 AM."
    assert "dentist" in heard
    async with diary(household.calendar) as other:
        other.now[0] = datetime.now(UTC).timestamp()
        assert "Dentist" in await other.ask("list_events", when="tomorrow")


@pytest.mark.long
async def test_the_news_is_read_and_more_of_one_story(household: Household) -> None:
    heard, headlines, more = await household.ask("What's in the news?", "Tell me more about the second one.")
    assert "Whales return to the bay" in headlines
    assert "For the first time in fifty years" in more
    assert "50 years" in heard.replace("fifty", "50")


@pytest.mark.long
async def test_prices_and_an_encyclopedia_are_asked(household: Household) -> None:
    heard, rate, article = await household.ask("How much is one hundred dollars in euros?", "Look up Ada Lovelace.")
    assert rate == "100 dollars are 86.42 euros."
    assert article.startswith("According to Wikipedia, Augusta Ada King")
    assert "euros" in heard


async def test_a_fact_is_told_with_its_source(household: Household) -> None:
    heard, told = await household.ask("How high is Mount Everest?")
    assert told == "The height of Mount Everest is 8,848.86 meters, according to Wikidata."
    assert "meters" in heard, "names are misheard now and then"


async def test_something_to_do_is_written_down_in_joplin_told_and_done(household: Household) -> None:
    heard, added, told, done = await household.ask(
        "Add call the plumber to my to-do list.", "What's on my to-do list?", "Check off call the plumber."
    )
    assert "plumber" in added
    assert "plumber" in told
    assert "plumber" in done
    assert "plumber" in heard
    async with httpx.AsyncClient(base_url=household.joplin, params={"token": TOKEN}) as http:
        (item,) = (await http.get("/notes", params={"fields": "title,is_todo,todo_completed"})).json()["items"]
    assert "plumber" in item["title"].lower()
    assert item["is_todo"] == 1
    assert item["todo_completed"] > 0


async def test_a_reminder_is_heard_when_its_time_has_come(household: Household) -> None:
    heard, set_, *_ = await household.ask("Remind me to water the plants in five seconds.", "What time is it?")
    assert set_ == "I'll remind you in 5 seconds: water the plants."
    if "water the plants" not in heard.split("time", 1)[-1]:
        heard, *_ = await household.ask("What time is it?", after=6.0)
    assert "water the plants" in heard


async def test_an_automation_is_heard_in_the_conversation(household: Household) -> None:
    async with httpx.AsyncClient(base_url=household.server.address) as http:
        answer = await http.post("/v1/announce", json={"text": "The washing machine is done."})
        assert answer.json() == {"status": "waiting"}
    heard, *_ = await household.ask("What time is it?", after=4.0)
    assert "washing machine is done" in heard
