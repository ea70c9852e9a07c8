"""The whole assistant in its own process, talked to through its page by Chromium."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.peers.server import running_server
from tests.satellites.browser.chromium import (
    Visit,
    browser,
    chromium,
    contacted,
    synthesize,
    write_microphone,
)

ANSWER_SECONDS = 60


async def sounds(page: Page) -> None:
    """Wait until the assistant's voice is heard, not only said to be speaking."""
    visit = Visit(page)
    async with asyncio.timeout(ANSWER_SECONDS):
        while await visit.loudness() < 0.02:
            pass


@pytest.mark.timeout(400)
async def test_chromium_talks_with_the_assistant_and_interrupts_it(tmp_path: Path):
    chromium()
    microphone = write_microphone(
        tmp_path / "microphone.wav",
        iter(
            [
                2.0,
                synthesize("Please tell me a long story about the sea."),
                6.0,
                synthesize("Stop, please. What time is it?"),
                60.0,
            ]
        ),
    )
    log = tmp_path / "network.json"
    async with running_server(tmp_path) as server, browser(microphone, network_log=log) as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(server.address)
        await visit.page.click("#talk")
        assert "story" in (await visit.caption(".person .words:not(:empty)", ANSWER_SECONDS)).lower()
        await visit.state("speaking", ANSWER_SECONDS)
        await sounds(visit.page)
        assert await visit.caption(".assistant .words:not(:empty)", ANSWER_SECONDS)
        await visit.caption(".assistant.cut", ANSWER_SECONDS)
        await visit.caption(".person:nth-of-type(n+3) .words:has-text('time')", ANSWER_SECONDS)
        await visit.caption(".timings", ANSWER_SECONDS)
        assert visit.complaints == []
    assert contacted(log) == {"127.0.0.1"}


@pytest.mark.timeout(300)
async def test_what_the_tools_did_is_seen_on_the_page(tmp_path: Path):
    chromium()
    async with running_server(tmp_path) as server, browser() as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(server.address)

        async def typed(text: str) -> None:
            await visit.page.fill("#text", text)
            await visit.page.press("#text", "Enter")

        await typed("Set a pasta timer for eight minutes")
        timer = visit.page.locator("#timers li")
        await timer.wait_for(timeout=20_000)
        assert "pasta" in await timer.inner_text()
        await visit.page.wait_for_selector("#timers time:has-text('7:5')")
        await typed("Add milk and eggs to the shopping list")
        assert {"milk", "eggs"} <= set((await visit.caption(".card.items", 20)).split())
        await visit.page.reload()
        await timer.wait_for()
        await visit.page.get_by_role("button", name="Stop: pasta").click()
        await timer.wait_for(state="detached")
        assert visit.complaints == []
