"""`passfel connect`: walks through what a service needs, tries it, and keeps it safe."""

import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from pipeline import credentials
from pipeline.credentials import CredentialsUnreadable
from pipeline.settings import Settings
from pipeline.settings.addresses import checked_url
from pipeline.tool_commands import ToolCommandFailed
from tools.caldav_calendar import CalDav
from tools.google_account import GoogleAccount
from tools.google_calendar import GoogleCalendar
from tools.joplin import Joplin
from tools.service import MemoryCache, Service
from tools.tool import Failed
from tools.web import Web

SECONDS: Final = 15.0
APPLE: Final = "https://caldav.icloud.com"
VENICE: Final = "https://api.venice.ai/api/v1"


def connect(settings: Settings, service: str) -> int:
    """Connect a service; return the exit status. Raises `ToolCommandFailed`."""
    group, ask = _SERVICES[service]
    try:
        values, told = asyncio.run(ask(settings))
        file = credentials.keep(settings.data_dir, group, values)
    except (Failed, CredentialsUnreadable) as error:
        raise ToolCommandFailed(str(error)) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        what = "it does not accept the key or password" if status in (401, 403) else f"it answers with status {status}"
        raise ToolCommandFailed(f"{error.request.url.host}: {what}") from error
    except (httpx.HTTPError, TimeoutError) as error:
        raise ToolCommandFailed(f"it does not answer: {error or 'it took too long'}; check the address") from error
    except json.JSONDecodeError as error:
        raise ToolCommandFailed(f"what answers there is no JSON ({error}); check the address") from error
    except EOFError:
        raise ToolCommandFailed("the answers ended before the questions") from None
    except OSError as error:
        raise ToolCommandFailed(f"{settings.data_dir}: {error.strerror or error}") from error
    print(f"{told} It is kept in {file}. Start the assistant again to use it.")
    return 0


async def _home_assistant(settings: Settings) -> tuple[dict[str, Any], str]:
    print("In Home Assistant, open your profile (your name, bottom left), Security, Long-lived access tokens.")
    url = _url("Address of Home Assistant", settings.home.url or "http://homeassistant.local:8123")
    token = _secret("Long-lived access token")
    async with httpx.AsyncClient(timeout=SECONDS, headers={"authorization": f"Bearer {token}"}) as client:
        (await client.get(f"{url}/api/")).raise_for_status()
        states = (await client.get(f"{url}/api/states")).raise_for_status().json()
    return {"url": url, "token": token}, f"Home Assistant is connected: it has {len(states)} things."


async def _caldav(settings: Settings) -> tuple[dict[str, Any], str]:
    print(f"Apple's address is {APPLE}; its password is one made for PASSFEL at account.apple.com.")
    url = _url("Address of the calendar server", settings.calendar.url or APPLE)
    username = _asked("User name", settings.calendar.username or "")
    password = _secret("Password")
    values: dict[str, Any] = {"url": url, "username": username, "password": password}
    calendar = CalDav(url, username, password, name=None, zone=settings.household.zone)
    try:
        names = await calendar.names()
        now = datetime.now(UTC)
        coming = await calendar.between(now, now + timedelta(days=7))
    finally:
        await calendar.close()
    print(f"Calendars: {', '.join(names)}")
    if len(names) > 1:
        values["name"] = _asked("Which one is for new appointments", names[0])
        if values["name"] not in names:
            raise Failed(f"there is no calendar called {values['name']}")
    return values, f"The calendar is connected: {len(coming)} appointments in the next seven days."


async def _google(settings: Settings) -> tuple[dict[str, Any], str]:
    print("At console.cloud.google.com, make a project and enable the Google Calendar API in it. Under Google Auth")
    print("Platform, make a client of the type 'TVs and Limited Input devices', and publish the app: while it is being")
    print("tested, Google ends the connection after a week.")
    chosen = settings.google
    client_id = _asked("Client ID", chosen.client_id or "")
    secret = _secret("Client secret")
    async with _web(chosen.sign_in_url, chosen.calendar_url) as service:
        account = GoogleAccount(service("Google", chosen.sign_in_url), client_id, secret)
        invitation = await account.invite()
        print(f"Open {invitation.url} on any device and type {invitation.code}", flush=True)
        token = await account.let_in(invitation)
        api = service("Google Calendar", chosen.calendar_url)
        calendar = GoogleCalendar(api, account, name=None, zone=settings.household.zone)
        names = await calendar.names()
        now = datetime.now(UTC)
        coming = await calendar.between(now, now + timedelta(days=7))
    print(f"Calendars: {', '.join(names)}")
    values = {"client_id": client_id, "client_secret": secret, "refresh_token": token}
    return values, f"Google is connected: {len(coming)} appointments in the next seven days."


async def _joplin(settings: Settings) -> tuple[dict[str, Any], str]:
    print("In Joplin, open Tools, Options, Web Clipper, enable the service, and copy the token under Advanced options.")
    print("Joplin answers on its own machine only. Where that is not this one, forward its port 41184 by SSH.")
    url = _url("Address of Joplin", settings.joplin.url or "http://localhost:41184")
    token = _secret("Token")
    async with _web(url) as service:
        joplin = Joplin(service("Joplin", url), token)
        entries, todos = await joplin.entries(), await joplin.todos()
    return {"url": url, "token": token}, f"Joplin is connected: {len(entries)} notes, {len(todos)} of them to do."


@asynccontextmanager
async def _web(*own: str) -> AsyncIterator[Callable[[str, str], Service]]:
    """Make services while the context lasts."""
    web = Web(own)
    try:
        yield lambda name, url: Service(name, url, web, cache=MemoryCache())
    finally:
        await web.close()


async def _venice(_: Settings) -> tuple[dict[str, Any], str]:
    print("A hosted model answers while your own cannot. It then sees what is said in the house.")
    url = _url("Address of the service", VENICE)
    key = _secret("API key")
    async with httpx.AsyncClient(timeout=SECONDS, headers={"authorization": f"Bearer {key}"}) as client:
        listed = (await client.get(f"{url}/models")).raise_for_status().json()
    try:
        models = [str(model["id"]) for model in listed["data"]]
    except (KeyError, TypeError) as error:
        raise Failed(f"{url}/models does not list models as OpenAI's API does: is the address right?") from error
    print(f"Models: {', '.join(models[:20])}{' and more' if len(models) > 20 else ''}")
    model = _asked("Which one", models[0] if models else "")
    if model not in models:
        raise Failed(f"there is no model called {model}")
    return {"allowed": True, "url": url, "api_key": key, "model": model}, f"{model} answers where your own model fails."


Ask = Callable[[Settings], Coroutine[Any, Any, tuple[dict[str, Any], str]]]
_SERVICES: Final[Mapping[str, tuple[str, Ask]]] = {
    "homeassistant": ("home", _home_assistant),
    "caldav": ("calendar", _caldav),
    "google": ("google", _google),
    "joplin": ("joplin", _joplin),
    "venice": ("fallback", _venice),
}
"""Each with the group of settings that it fills."""


def _asked(what: str, usual: str) -> str:
    shown = f" [{usual}]" if usual else ""
    answer = input(f"{what}{shown}: ").strip() or usual
    if not answer:
        raise Failed(f"{what.lower()} is needed")
    return answer


def _url(what: str, usual: str) -> str:
    try:
        return checked_url(_asked(what, usual)) or usual
    except ValueError:
        raise Failed("the address has to begin with http:// or https://") from None


def _secret(what: str) -> str:
    # A terminal shows nothing; a script may pipe it in.
    given = getpass.getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise Failed(f"{what.lower()} is needed")
    return given.strip()
