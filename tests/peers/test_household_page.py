"""The whole assistant in its own process, whose page and owner's page are used in Chromium."""

import tarfile
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.peers.server import running_server
from tests.satellites.browser.axe import violations
from tests.satellites.browser.chromium import Visit, browser, chromium


@pytest.mark.timeout(300)
async def test_a_device_has_its_place_and_its_past_and_the_owner_sees_the_house(data: Path) -> None:
    chromium()
    async with running_server(data, PASSFEL_STORES__EMBEDDED="true") as server, browser() as running:
        visit = Visit(await (await running.new_context()).new_page())
        page = visit.page
        await page.goto(server.address)
        await page.fill("#text", "What is twelve times twelve?")
        await page.press("#text", "Enter")
        await visit.caption(".assistant .words:has-text('144')", 30)

        await page.click("#open-settings")
        await page.fill("#this-device [name=room]", "kitchen")
        await page.fill("#this-device [name=title]", "The tablet")
        await page.select_option("#this-device [name=speed]", "1.3")
        await expect(page.locator("#this-device p")).to_have_text("Holds from the next conversation on.")
        assert await violations(page) == []
        await page.click("#settings form > button")

        await page.click("#open-history")
        await page.click("#history summary:has-text('What is twelve times twelve?')")
        await expect(page.locator("#history p.assistant")).to_contain_text("144")
        assert await violations(page) == []
        await page.click("#history form button:not(.more)")

        owner = await page.context.new_page()
        await owner.goto(f"{server.address}/admin")
        await expect(owner.get_by_label("Room of The tablet")).to_have_value("kitchen", timeout=20_000)
        await owner.get_by_label("Person of The tablet").fill("Ada")
        await owner.get_by_label("Person of The tablet").press("Tab")
        await expect(owner.locator("#said")).to_have_text("Holds from the next conversation on.")
        await expect(owner.locator("#turns li").first).to_contain_text("What is twelve times twelve?")
        assert await violations(owner) == []
        async with owner.expect_download() as download:
            await owner.click("text=Take a backup")
        kept = await (await download.value).path()
        with tarfile.open(kept) as archive:
            assert {"manifest.json", "devices"} <= {Path(name).name for name in archive.getnames()}

        await page.reload()
        await page.click("#open-settings")
        await expect(page.locator("#this-device [name=speed]")).to_have_value("1.3")
        assert visit.complaints == []
