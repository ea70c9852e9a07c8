"""axe-core, which looks for what keeps people from using a page."""

import os

import pytest
from playwright.async_api import Page

from satellites.browser.door import STATIC

AXE = STATIC.parent / "page/node_modules/axe-core/axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def violations(page: Page) -> list[str]:
    """What WCAG 2.2 AA forbids on the page as it is now; without axe, fail on a CI machine and skip elsewhere."""
    if not AXE.exists():
        reason = "axe-core is not here: npm ci in satellites/browser/page"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("async (tags) => await axe.run({runOnly: tags})", STANDARDS)
    return [
        f"{each['id']}: {node['html'][:90]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
