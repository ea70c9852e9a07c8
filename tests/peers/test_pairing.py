"""A second browser is refused, comes in by the code that the first one shows, talks, and goes out."""

import socket
from pathlib import Path

import pytest

from tests.peers.server import running_server
from tests.satellites.browser.axe import violations
from tests.satellites.browser.chromium import Visit, browser, chromium, synthesize, write_microphone

ANSWER_SECONDS = 60
ELSEWHERE = {"X-Forwarded-For": "192.168.1.30"}
"""What makes a request one from another device, on a machine where tests listen on loopback alone."""


@pytest.mark.timeout(300)
async def test_a_second_browser_is_paired_over_https_talks_and_is_removed(tmp_path: Path) -> None:
    chromium()
    microphone = write_microphone(tmp_path / "microphone.wav", iter([3.0, synthesize("What day is it today?"), 60.0]))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    https = {"PASSFEL_HTTPS__ENABLED": "true", "PASSFEL_HTTPS__HOST": "127.0.0.1", "PASSFEL_HTTPS__PORT": str(port)}
    async with running_server(tmp_path, **https) as server, browser(microphone) as running:
        first = Visit(await running.new_page())
        await first.page.goto(server.address)
        context = await running.new_context(ignore_https_errors=True, extra_http_headers=ELSEWHERE)
        second = Visit(await context.new_page())
        refused = await second.page.goto(f"https://127.0.0.1:{port}")
        assert refused is not None
        assert refused.status == 401
        assert await second.page.inner_text("h2") == "Pair this device"

        await first.page.click("#add-device")
        await first.page.wait_for_selector("#pairing .picture svg")
        code = await first.page.inner_text("#pairing .code")
        await second.page.fill("#code", "000000" if code != "000 000" else "000001")
        await second.page.click("button")
        assert "not the code" in await second.page.inner_text(".reason")
        await second.page.fill("#code", code)
        await second.page.fill("#name", "Kitchen tablet")
        await second.page.click("button")
        await second.page.click("#talk")
        assert "day" in (await second.caption(".person .words:not(:empty)", ANSWER_SECONDS)).lower()
        assert await second.caption(".assistant .words:not(:empty)", ANSWER_SECONDS)

        await first.page.goto(f"{server.address}/admin")
        await first.page.wait_for_selector("#state:has-text('Everything is well.')")
        assert "day" in (await first.page.inner_text("#turns")).lower()
        assert "get_date" in await first.page.inner_text("#tools li:first-child")
        assert "Hearing" in await first.page.inner_text("#memory")
        assert await violations(first.page) == []
        await first.page.get_by_role("button", name="Remove Kitchen tablet").click()
        await second.state("idle")
        await second.page.click("#talk")
        await second.page.wait_for_selector("#notice:has-text('not known here')")
        await second.page.reload()
        assert await second.page.inner_text("h2") == "Pair this device"
        assert first.complaints == []
        assert second.complaints == []
