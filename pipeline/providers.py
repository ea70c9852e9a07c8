"""The tools that ask others outside of the process, as the settings have them, and what these share."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import httpx
from loguru import logger

from pipeline.json_store import JsonStore
from pipeline.settings import Settings
from pipeline.settings.tools import Mcp
from pipeline.store.cache import SharedCache
from pipeline.store.database import StoreDown
from pipeline.store.readings import Reading, Readings
from pipeline.store.shared import Shared
from tools.caldav_calendar import CalDav
from tools.calendar import Calendar, Source
from tools.calendars import Calendars
from tools.call_words import call_words
from tools.cancellation import heed_cancellation
from tools.finance import Finance
from tools.google_account import GoogleAccount
from tools.google_calendar import GoogleCalendar
from tools.ground_news import GroundNews
from tools.home.connection import Connection
from tools.home.history import HouseHistory
from tools.home.home import Home
from tools.home.house import House
from tools.home.sensors import Sensors
from tools.joplin import Joplin, Notes
from tools.mcp_tools import McpServer, prepared
from tools.measured import Measured
from tools.messages import Messages
from tools.news import News
from tools.nws import NationalWeather
from tools.open_meteo import OpenMeteo
from tools.places import Places
from tools.questions import Questions
from tools.service import Cache, MemoryCache, Service
from tools.telephone import Exchange, Rules, Telephone
from tools.tool import Tool
from tools.weather import Weather
from tools.web import Web
from tools.yahoo import Yahoo

AGAIN_SECONDS: Final = 60.0
"""After which what has failed is begun again."""

Work = Callable[[], Coroutine[None, None, None]]
"""What a tool does beside its calls."""
Furnish = Callable[[Sequence[tuple[str, str]], Sequence[str]], None]
COMMANDED: Final = frozenset(
    {"light", "switch", "fan", "cover", "lock", "climate", "media_player", "vacuum", "scene", "script", "humidifier"}
)
"""Domains of Home Assistant with names that commands are matched with."""


class Announce(Protocol):
    """Says something to whoever can hear it."""

    async def __call__(self, text: str, *, urgent: bool = False) -> object:
        """Say it; what is not urgent waits for the end of quiet hours."""


class ToolSet(Protocol):
    """Tools that belong together."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""


class Providers:
    """Makes the sets of tools.

    Args:
        readings: where measurements go; None keeps none.
        shared: what processes share; None where they share nothing.
        announce: says something to whoever can hear it.
        furnish: told of the names of things in the house, with their domains, and of its rooms.
        exchange: makes telephone calls.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        readings: Readings | None = None,
        shared: Shared | None = None,
        announce: Announce | None = None,
        furnish: Furnish = lambda _things, _rooms: None,
        exchange: Exchange | None = None,
    ) -> None:
        self._settings = settings
        self._readings = readings
        self._announce = announce
        self._furnish = furnish
        self._cache: Cache = MemoryCache() if shared is None else SharedCache(shared)
        self._web = Web(_own_addresses(settings), contact=settings.household.contact or "self-hosted")
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(self._web.close)
        self._work: list[Work] = []
        self.sets: list[ToolSet] = []
        self.calendar: Calendar | None = None
        self.todos: Joplin | None = None
        self.telephone: Telephone | None = None
        self.messages: Messages | None = None
        self._ready: list[asyncio.Event] = []
        if settings.weather.enabled:
            self._add_weather()
        if settings.news.enabled and settings.news.feeds:
            feeds = [self._service(httpx.URL(url).host, url, requests=10) for url in settings.news.feeds]
            self.sets.append(News(feeds))
        if settings.news.ground:
            self.sets.append(GroundNews(settings.news.ground_url, cache=self._cache))
        if settings.finance.enabled:
            self._add_finance()
        if settings.questions.enabled:
            self._add_questions()
        if sources := list(self._calendars()):
            self._add_calendar(sources)
        if settings.joplin.url is not None and settings.joplin.token is not None:
            self._add_notes(settings.joplin.url, settings.joplin.token.get_secret_value())
        exchange = exchange or Exchange()
        if settings.sip.enabled or settings.sip.audiosocket.enabled:
            self._add_messages(exchange)
        if settings.sip.enabled and (settings.sip.outbound.people or settings.sip.outbound.reminders):
            self._add_telephone(exchange)
        if settings.home.url is not None and settings.home.token is not None:
            self._add_home(settings.home.url, settings.home.token.get_secret_value())

    async def prepare(self) -> None:
        """Ask servers of others which tools they have, before `sets` is used."""
        for tools in await prepared([_mcp_server(name, chosen) for name, chosen in self._settings.mcp.items()]):
            self.sets.append(tools)
            self._work.append(tools.run)
            if tools.tools():
                self._ready.append(tools.ready)

    async def run(self) -> None:
        """Keep fresh what tools know, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in self._work:
                tasks.create_task(kept_running(work))

    async def connected(self, *, within: float) -> None:
        """Wait until what stays connected is, for so many seconds at most. `run` connects it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                for ready in self._ready:
                    await ready.wait()

    async def close(self) -> None:
        """Close the connections."""
        await self._stack.aclose()

    def _service(self, name: str, url: str, *, requests: float, seconds: float = 60.0) -> Service:
        return Service(name, url, self._web, cache=self._cache, requests=requests, seconds=seconds)

    def _add_weather(self) -> None:
        weather, household = self._settings.weather, self._settings.household
        point = None
        if household.latitude is not None and household.longitude is not None:
            point = household.latitude, household.longitude
        # The names are what a person hears where they do not answer.
        places = Places(
            self._service("the service that knows places", weather.places_url, requests=60),
            home=household.location,
            point=point,
        )
        forecasts = OpenMeteo(self._service("the weather service", weather.forecast_url, requests=60))
        states = NationalWeather(self._service("the National Weather Service", weather.states_url, requests=60))
        tools = Weather(
            places,
            forecasts,
            states,
            units=household.units,
            on_measured=self._measured if self._readings is not None else None,
            on_alert=self._warn if self._announce is not None else None,
        )
        self.sets.append(tools)
        if weather.watch and (household.location or point):
            self._work.append(tools.run)

    def _add_finance(self) -> None:
        chosen = self._settings.finance
        tools = Finance(
            self._service("the service that knows currencies", chosen.rates_url, requests=60),
            self._service("the service that knows coins", chosen.coins_url, requests=25),
            Yahoo() if chosen.stocks else None,
            currency=chosen.currency,
            holdings=chosen.holdings,
        )
        self.sets.append(tools)

    def _add_questions(self) -> None:
        chosen = self._settings.questions
        tools = Questions(
            wikipedia=self._service("Wikipedia", chosen.wikipedia_url, requests=60),
            wikidata=self._service("Wikidata", chosen.wikidata_url, requests=60),
            facts=self._service("Wikidata", chosen.facts_url, requests=30),
            instant=self._service("DuckDuckGo", chosen.instant_url, requests=30),
            # Its terms: one question in three seconds.
            papers=self._service("arXiv", chosen.papers_url, requests=1, seconds=3.0),
        )
        self.sets.append(tools)

    def _add_calendar(self, sources: Sequence[tuple[str, Source]]) -> None:
        chosen, household = self._settings.calendar, self._settings.household
        self.calendar = Calendar(
            sources[0][1] if len(sources) == 1 else Calendars(sources),
            zone=lambda: household.zone,
            reminded=JsonStore(self._settings.data_dir / "household" / "reminded.json"),
            announce=self._tell if self._announce is not None else None,
            before=timedelta(minutes=chosen.remind_minutes) if chosen.remind_minutes else None,
        )
        self.sets.append(self.calendar)
        self._work.append(self.calendar.run)

    def _calendars(self) -> Iterator[tuple[str, Source]]:
        chosen, google, zone = self._settings.calendar, self._settings.google, self._settings.household.zone
        if chosen.url is not None:
            assert chosen.username is not None
            assert chosen.password is not None
            password = chosen.password.get_secret_value()
            source = CalDav(chosen.url, chosen.username, password, name=chosen.name, zone=zone)
            self._stack.push_async_callback(source.close)
            yield "the calendar server", source
        if google.refresh_token is not None:
            assert google.client_id is not None
            assert google.client_secret is not None
            account = GoogleAccount(
                self._service("Google", google.sign_in_url, requests=30),
                google.client_id,
                google.client_secret.get_secret_value(),
                google.refresh_token.get_secret_value(),
            )
            service = self._service("Google Calendar", google.calendar_url, requests=300)
            yield "your Google calendar", GoogleCalendar(service, account, name=google.name, zone=zone)

    def _add_notes(self, url: str, token: str) -> None:
        household = self._settings.household
        service = self._service("Joplin", url, requests=300)
        self.todos = Joplin(service, token, notebook=self._settings.joplin.notebook)
        self.sets.append(Notes(self.todos, zone=lambda: household.zone))

    def _add_telephone(self, exchange: Exchange) -> None:
        sip, household = self._settings.sip, self._settings.household
        chosen = sip.outbound
        # Of somebody with several numbers, the first is called.
        people = {person: number for number, person in reversed(sip.people.items())}
        self.telephone = Telephone(
            exchange,
            people | chosen.contacts,
            Rules(chosen.people, chosen.numbers, chosen.daily_limit, chosen.reminders),
            JsonStore(self._settings.data_dir / "household" / "calls.json"),
            self._announce,
            lambda: household.zone,
            call_words(self._settings.hearing.language),
        )
        self.sets.append(self.telephone)
        self._work.append(self.telephone.run)

    def _add_messages(self, exchange: Exchange) -> None:
        sip, household = self._settings.sip, self._settings.household
        self.messages = exchange.messages = Messages(
            JsonStore(self._settings.data_dir / "household" / "messages.json"),
            [*sip.people.values(), *sip.outbound.people],
            lambda: household.zone,
            words=call_words(self._settings.hearing.language),
        )
        self.sets.append(self.messages)

    def _add_home(self, url: str, token: str) -> None:
        house = House()
        sensors = Sensors(house, self._measured) if self._readings is not None else None
        named: set[str] = set()

        def changed(things: list[str]) -> None:
            if sensors is not None:
                sensors.changed(things)
            # Rooms and names change seldom, and states several times a second.
            if things and named.issuperset(things):
                return
            named.update(things)
            found = [thing for thing in house.things if thing.kind in COMMANDED]
            names = [(name, thing.kind) for thing in found for name in (thing.name, *thing.aliases)]
            self._furnish(names, [spoken for spoken, _ in house.spoken_rooms()])

        connection = Connection(url, token, house, on_change=changed, exposed_only=self._settings.home.exposed_only)
        household = self._settings.household
        self.sets += [Home(house, connection), HouseHistory(house, connection, zone=lambda: household.zone)]
        self._work.append(connection.run)
        self._ready.append(connection.ready)
        if sensors is not None:
            self._work.append(sensors.run)

    async def _warn(self, text: str) -> None:
        assert self._announce is not None
        await self._announce(text, urgent=True)

    async def _tell(self, text: str) -> None:
        assert self._announce is not None
        await self._announce(text)

    async def _measured(self, measured: Sequence[Measured]) -> None:
        assert self._readings is not None
        now = datetime.now(UTC)
        try:
            await self._readings.note([Reading(each.name, each.value, now, each.unit, each.room) for each in measured])
        except StoreDown as error:
            logger.debug(f"what was measured is not kept this time: {error}")


async def kept_running(work: Work, *, again: float = AGAIN_SECONDS) -> None:
    """Do `work`, once more where it fails, until it returns: no service may stop the others, nor the timers."""
    while True:
        try:
            return await work()
        except Exception:  # noqa: BLE001 - a service may answer whatever it likes
            logger.exception(f"{getattr(work, '__qualname__', work)} failed and begins again in {again:g} s")
            heed_cancellation()
            await asyncio.sleep(again)


def _mcp_server(name: str, chosen: Mcp) -> McpServer:
    env = {key: value.get_secret_value() for key, value in chosen.env.items()}
    headers = {key: value.get_secret_value() for key, value in chosen.headers.items()}
    return McpServer(name, chosen.command, env, chosen.url or "", headers)


def _own_addresses(settings: Settings) -> list[str]:
    """Addresses that somebody of the household has set, which may be inside the house."""
    own = [settings.joplin.url] if settings.joplin.url is not None else list[str]()
    for group in (settings.weather, settings.news, settings.finance, settings.questions, settings.google):
        for name, field in type(group).model_fields.items():
            value = getattr(group, name)
            set_here = value if isinstance(value, tuple) else (value,)
            usual = field.default if isinstance(field.default, tuple) else (field.default,)
            own += [each for each in set_here if each not in usual and str(each).startswith("http")]
    return own
