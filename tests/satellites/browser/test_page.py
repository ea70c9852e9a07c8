"""The page in a real browser, talking to a scripted assistant over real WebRTC."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.satellites.browser.chromium import (
    Visit,
    browser,
    chromium,
    contacted,
    synthesize,
    write_microphone,
)
from tests.satellites.browser.conftest import Serve
from tests.satellites.browser.scripted import SCRIPT, ScriptedAssistant

(FIRST, FIRST_ANSWER), (SECOND, SECOND_ANSWER), _ = SCRIPT


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microphone that hears one question."""
    chromium()
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    return write_microphone(path, iter([1.0, synthesize(FIRST), 15.0]))


@pytest.fixture(scope="module")
def interruption(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microphone that hears a question, and another one while the first is being answered."""
    chromium()
    path = tmp_path_factory.mktemp("microphone") / "interruption.wav"
    return write_microphone(path, iter([1.0, synthesize(FIRST), 2.2, synthesize(SECOND), 15.0]))


async def visit(running: Browser, address: str) -> Visit:
    found = Visit(await running.new_page())
    await found.page.goto(address)
    return found


async def test_a_spoken_question_is_answered_aloud_and_in_writing(serve: Serve, question: Path):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, browser(question) as running:
        page = await visit(running, address)
        await page.page.click("#talk")
        assert await page.caption(".person .tentative:not(:empty)")
        await page.state("speaking")
        assert await page.loudness() > 0.05
        await page.caption(".assistant .timings")
        assert await page.caption(".person .words") == FIRST
        assert await page.caption(".assistant .words") == FIRST_ANSWER
        assert await page.page.inner_text(".timings summary") == "answered in 0.43 s"
        assert page.complaints == []
    [caller] = assistant.callers
    assert caller.door == "browser"
    assert re.fullmatch(r"browser-[0-9a-f]{16}", caller.device)


RECORD_ICE_SERVERS = """
  window.iceServers = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super(configuration);
      window.iceServers.push(configuration?.iceServers ?? []);
    }
  };
"""


async def test_nobody_but_the_house_is_contacted(serve: Serve, question: Path, tmp_path: Path):
    log = tmp_path / "network.json"
    async with serve(ScriptedAssistant()) as address, browser(question, network_log=log) as running:
        page = Visit(await running.new_page())
        await page.page.add_init_script(RECORD_ICE_SERVERS)
        await page.page.goto(address)
        await page.page.click("#talk")
        await page.state("speaking")
        assert await page.page.evaluate("window.iceServers") == [[]]
    assert contacted(log) == {"127.0.0.1"}


async def test_a_word_over_the_answer_cuts_it_where_it_was(serve: Serve, interruption: Path):
    async with serve(ScriptedAssistant()) as address, browser(interruption) as running:
        page = await visit(running, address)
        await page.page.click("#talk")
        spoken = await page.caption(".assistant.cut .words")
        assert FIRST_ANSWER.startswith(spoken)
        assert 0 < len(spoken) < len(FIRST_ANSWER)
        await page.caption(f".assistant:not(.cut) p:has-text('{SECOND_ANSWER}')")
        assert await page.page.locator(".assistant").count() == 2


async def test_the_sound_stops_at_once_when_the_answer_is_cut(serve: Serve, interruption: Path):
    async with serve(ScriptedAssistant()) as address, browser(interruption) as running:
        page = await visit(running, address)
        await page.page.evaluate(
            """() => {
              window.mutedAtCut = null;
              new MutationObserver(() => {
                if (!document.querySelector(".cut")) return;
                window.mutedAtCut ??= document.getElementById("voice").muted;
              }).observe(document.getElementById("conversation"), { subtree: true, attributes: true });
            }"""
        )
        await page.page.click("#talk")
        await page.caption(".assistant.cut")
        assert await page.page.evaluate("window.mutedAtCut") is True
        await page.state("speaking")
        assert await page.page.evaluate("document.getElementById('voice').muted") is False


async def test_where_udp_is_blocked_the_conversation_goes_over_the_web(serve: Serve, interruption: Path):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, browser(interruption, udp=False) as running:
        page = await visit(running, address)
        await page.page.click("#talk")
        await page.state("speaking", 40)
        assert await page.loudness() > 0.05
        spoken = await page.caption(".assistant.cut .words")
        assert 0 < len(spoken) < len(FIRST_ANSWER)
        await page.caption(f".assistant:not(.cut) p:has-text('{SECOND_ANSWER}')")
        assert page.complaints == []
        await page.page.click("#talk")
        await page.state("idle")
        async with asyncio.timeout(10):
            await assistant.ended.wait()
    [caller] = assistant.callers
    assert re.fullmatch(r"browser-[0-9a-f]{16}", caller.device)


async def test_a_conversation_over_the_web_is_taken_up_again_when_the_server_comes_back(serve: Serve):
    assistant = ScriptedAssistant()
    async with browser(udp=False, allow=False) as running:
        async with serve(assistant) as address:
            page = await visit(running, address)
            await page.page.fill("#text", "What is the weather like?")
            await page.page.press("#text", "Enter")
            await page.state("speaking", 40)
        await page.state("connecting", 40)
        async with serve(assistant, int(address.rsplit(":", 1)[1])):
            await page.state("listening", 40)
            await page.page.fill("#text", "And tomorrow?")
            await page.page.press("#text", "Enter")
            await page.state("speaking", 40)
    assert len(assistant.callers) == 2


async def test_a_typed_question_is_answered_without_a_microphone(serve: Serve):
    async with serve(ScriptedAssistant()) as address, browser(allow=False) as running:
        page = await visit(running, address)
        await page.page.fill("#text", "What is the weather like?")
        await page.page.press("#text", "Enter")
        await page.state("speaking")
        assert await page.loudness() > 0.05
        await page.caption(f".assistant p:has-text('{FIRST_ANSWER}')")
        await expect(page.page.locator("#notice")).to_be_hidden()
        assert page.complaints == []


async def test_a_refused_microphone_says_what_to_do(serve: Serve):
    async with serve(ScriptedAssistant()) as address, browser(allow=False) as running:
        page = await visit(running, address)
        await page.page.click("#talk")
        await expect(page.page.locator("#notice strong")).to_have_text("The microphone is blocked")
        await page.state("idle")


async def test_the_page_connects_again_by_itself_when_its_server_comes_back(serve: Serve, question: Path):
    assistant = ScriptedAssistant()
    async with browser(question) as running:
        async with serve(assistant) as address:
            page = await visit(running, address)
            await page.page.click("#talk")
            await page.state("listening")
        await page.state("connecting")
        await expect(page.page.locator("#notice")).to_be_visible()
        async with serve(assistant, int(address.rsplit(":", 1)[1])):
            await page.state("listening", 30)
            await expect(page.page.locator("#notice")).to_be_hidden()
    assert len(assistant.callers) == 2
    assert assistant.callers[0].device == assistant.callers[1].device


async def test_the_button_ends_the_conversation_and_starts_another(serve: Serve, question: Path):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, browser(question) as running:
        page = await visit(running, address)
        await page.page.focus("#talk")
        await page.page.keyboard.press("Space")
        await page.state("listening")
        await page.page.keyboard.press("Enter")
        await page.state("idle")
        async with asyncio.timeout(5):
            await assistant.ended.wait()
        await page.page.keyboard.press("Enter")
        await page.state("listening")


async def test_a_killed_browser_is_noticed_long_before_its_ice_consent_ends(serve: Serve, question: Path):
    assistant = ScriptedAssistant()
    async with serve(assistant) as address, browser(question) as running:
        page = await visit(running, address)
        await page.page.click("#talk")
        await page.state("listening")
        await asyncio.sleep(1.5)
        system = await running.new_browser_cdp_session()
        processes = (await system.send("SystemInfo.getProcessInfo"))["processInfo"]
        for process in processes:
            os.kill(process["id"], signal.SIGKILL)
        async with asyncio.timeout(14):
            await assistant.ended.wait()


@pytest.mark.parametrize("size", [(360, 640), (390, 844), (820, 1180), (1440, 900), (740, 360)])
async def test_nothing_is_cut_off_at_any_size(serve: Serve, size: tuple[int, int]):
    width, height = size
    async with serve(ScriptedAssistant()) as address, browser() as running:
        page = Visit(await running.new_page(viewport={"width": width, "height": height}))
        await page.page.goto(address)
        for element in ("#talk", "#status", "#type", "#text", "#mute", "#send", "h1"):
            box = await page.page.locator(element).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height


async def test_the_page_can_be_installed_as_an_app(serve: Serve):
    async with serve(ScriptedAssistant()) as address, browser() as running:
        page = await running.new_page()
        await page.goto(address)
        session = await page.context.new_cdp_session(page)
        manifest = await session.send("Page.getAppManifest")
        assert manifest["errors"] == []
        problems = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        # Every page of a browser under test is in private mode.
        assert {problem["errorId"] for problem in problems} <= {"in-incognito"}
