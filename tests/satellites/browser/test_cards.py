"""What tools told is shown beside the answer, in the language of the browser, for everybody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.satellites.browser.axe import violations
from tests.satellites.browser.chromium import Visit, browser
from tests.satellites.browser.conftest import Serve
from tests.satellites.browser.scripted import ScriptedAssistant

DATA = {
    "get_weather": {
        "place": "Lisbon",
        "days": [
            {"date": "2026-11-24", "low": 10, "high": 18, "condition": "rain", "chance_of_rain": 71},
            {"date": "2026-11-25", "low": 9, "high": 17, "condition": "clear", "chance_of_rain": 0},
        ],
    },
    "list_events": {
        "events": [
            {
                "title": "Dentist <b>",
                "starts": "2026-11-25T09:30",
                "ends": "2026-11-25T10:00",
                "all_day": False,
                "place": "Rua 1",
            }
        ]
    },
    "get_news": {"stories": [{"title": "Whales return", "source": "World news"}]},
    "get_price": {"name": "Bitcoin", "price": 81234.5, "currency": "EUR", "change": -2.35},
    "home_status": {"things": [{"id": "light.bed", "name": "Bed Light", "room": "Bedroom", "state": "on"}]},
    "home_history": {"things": [{"name": "Freezer", "states": [["a", "-18"], ["b", "-17.2"], ["c", "-18.4"]]}]},
    "read_list": {"items": ["milk", "eggs"]},
}


def told(*tools: str) -> list[dict]:
    return [{"tool": tool, "status": "done", "data": DATA[tool]} for tool in tools]


@asynccontextmanager
async def answered(serve: Serve, *tools: str, **options) -> AsyncIterator[Visit]:
    """A page on which something was typed and answered after these tools had been used."""
    async with serve(ScriptedAssistant(shown=told(*tools))) as address, browser() as running:
        context = await running.new_context(**options)
        visit = Visit(await context.new_page())
        await visit.page.goto(address)
        await visit.page.fill("#text", "Tell me.")
        await visit.page.press("#text", "Enter")
        await visit.state("speaking")
        yield visit


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        ("get_weather", ["Lisbon", "18°", "10°", "71 % rain"]),
        ("list_events", ["Wednesday, November 25", "9:30 AM", "Dentist <b>", "Rua 1"]),
        ("get_news", ["Whales return", "World news"]),
        ("get_price", ["Bitcoin", "€81,234.50", "▼ 2.35 %"]),
        ("home_status", ["Bed Light", "Bedroom"]),
        ("home_history", ["Freezer", "lowest -18.4", "highest -17.2", "latest -18.4"]),
        ("read_list", ["milk", "eggs"]),
    ],
)
async def test_what_a_tool_told_is_shown_below_the_answer(serve: Serve, tool: str, shown: list[str]) -> None:
    async with answered(serve, tool, locale="en-US", timezone_id="Europe/Lisbon") as visit:
        card = await visit.caption(".assistant .card")
        for words in shown:
            assert words in card
        assert visit.complaints == []


@pytest.mark.parametrize(
    "data", [{}, {"days": [{"low": None}]}, {"events": "none"}, {"things": [1]}, {"price": "high"}]
)
async def test_data_that_is_none_of_these_is_no_card_and_no_error(serve: Serve, data: dict) -> None:
    shown = [{"tool": "other", "status": "done", "data": data}]
    async with serve(ScriptedAssistant(shown=shown)) as address, browser() as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(address)
        await visit.page.fill("#text", "Tell me.")
        await visit.page.press("#text", "Enter")
        await visit.caption(".assistant .words:not(:empty)")
        assert visit.complaints == []


async def test_a_light_is_switched_by_its_card(serve: Serve) -> None:
    async with answered(serve, "home_status") as visit:
        asked = []

        async def tool(route) -> None:
            asked.append((route.request.url.rpartition("/")[2], json.loads(route.request.post_data)["arguments"]))
            await route.fulfill(json={"say": "", "data": {}})

        await visit.page.route("**/v1/tools/turn_*", tool)
        light = visit.page.get_by_role("switch", name="Bed Light")
        assert await light.get_attribute("aria-checked") == "true"
        await light.click()
        await visit.page.wait_for_selector("[role=switch][aria-checked=false]:enabled")
        assert asked == [("turn_off", {"name": "Bed Light", "room": "Bedroom"})]


async def test_a_light_that_cannot_be_switched_is_shown_as_it_is(serve: Serve) -> None:
    async with answered(serve, "home_status") as visit:
        await visit.page.route(
            "**/v1/tools/turn_off", lambda route: route.fulfill(status=502, json={"error": {"message": "It is away."}})
        )
        await visit.page.click("[role=switch]")
        await visit.page.wait_for_selector("[role=switch][aria-checked=true]:enabled")
        assert "It is away." in (await visit.page.get_attribute("[role=switch]", "title") or "")


async def test_of_several_timers_the_one_is_stopped_whose_button_is_pressed(serve: Serve) -> None:
    timers = [
        {"id": "1", "kind": "timer", "name": "pasta", "due": 0, "seconds": 300, "left": 200},
        {"id": "2", "kind": "timer", "name": "", "due": 0, "seconds": 600, "left": 500},
    ]
    async with serve(ScriptedAssistant()) as address, browser() as running:
        visit = Visit(await running.new_page())
        stopped = []

        async def status(route) -> None:
            await route.fulfill(json={"say": "", "data": {"timers": timers}})

        async def cancel(route) -> None:
            stopped.append(json.loads(route.request.post_data)["arguments"])
            await route.fulfill(json={"say": "", "data": {}})

        await visit.page.route("**/v1/tools/timer_status", status)
        await visit.page.route("**/v1/tools/cancel_timer", cancel)
        await visit.page.goto(address)
        for button in ("Stop: Timer", "Stop: pasta"):
            async with visit.page.expect_request("**/v1/tools/timer_status"):
                await visit.page.get_by_role("button", name=button).click()
        assert stopped == [{"seconds": 600}, {"seconds": 300, "name": "pasta"}]


@pytest.mark.parametrize(
    ("locale", "spoken", "talk"),
    [("de-AT", "de", "Zum Sprechen tippen"), ("fr-FR", "fr", "Touchez pour parler"), ("pt-PT", "en", "Tap to talk")],
)
async def test_the_page_speaks_the_browsers_language(serve: Serve, locale: str, spoken: str, talk: str) -> None:
    async with serve(ScriptedAssistant()) as address, browser() as running:
        context = await running.new_context(locale=locale)
        visit = Visit(await context.new_page())
        await visit.page.goto(address)
        assert await visit.page.get_attribute("html", "lang") == spoken
        assert talk in await visit.page.inner_text("#status")
        await visit.page.click("#open-settings")
        await visit.page.select_option("[name=language]", "de")
        await visit.page.wait_for_function("document.documentElement.lang === 'de'")


async def test_settings_are_kept_by_the_browser(serve: Serve) -> None:
    async with serve(ScriptedAssistant()) as address, browser() as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(address)
        await visit.page.click("#open-settings")
        await visit.page.select_option("[name=appearance]", "dark")
        await visit.page.select_option("[name=textSize]", "large")
        await visit.page.reload()
        background = await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(19, 21, 23)"
        assert await visit.page.evaluate("getComputedStyle(document.documentElement).fontSize") == "20px"
        await visit.page.evaluate("localStorage.setItem('preferences', '{not json')")
        await visit.page.reload()
        assert visit.complaints == []


async def test_the_assistant_listens_only_while_the_button_is_held(serve: Serve) -> None:
    async with serve(ScriptedAssistant()) as address, browser() as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(address)
        await visit.page.evaluate("localStorage.setItem('preferences', JSON.stringify({pushToTalk: true}))")
        await visit.page.reload()
        await visit.page.click("#talk")
        await visit.page.wait_for_selector("#mute[aria-pressed=true]:enabled")
        await visit.page.hover("#talk")
        await visit.page.mouse.down()
        await visit.page.wait_for_selector("#mute[aria-pressed=false]")
        await visit.page.mouse.up()
        await visit.page.wait_for_selector("#mute[aria-pressed=true]")
        await visit.page.evaluate("document.activeElement.blur()")
        await visit.page.keyboard.down("Space")
        await visit.page.wait_for_selector("#mute[aria-pressed=false]")
        await visit.page.keyboard.up("Space")
        await visit.page.wait_for_selector("#mute[aria-pressed=true]")
        assert await visit.page.get_attribute("body", "data-state") != "idle"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_against_the_page(serve: Serve, scheme: str) -> None:
    async with answered(serve, *DATA, color_scheme=scheme, reduced_motion="reduce") as visit:
        await visit.caption(".card")
        assert await violations(visit.page) == []
        dialogs = (("#add-device", "#pairing"), ("#open-settings", "#settings"), ("#open-history", "#history"))
        for button, dialog in dialogs:
            await visit.page.click(button)
            assert await violations(visit.page) == []
            await visit.page.click(f"{dialog} form button:not(.more)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_against_the_page_at_rest(serve: Serve, scheme: str) -> None:
    async with serve(ScriptedAssistant()) as address, browser() as running:
        context = await running.new_context(color_scheme=scheme)
        page = await context.new_page()
        await page.goto(address)
        assert await violations(page) == []
