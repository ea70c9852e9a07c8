"""A conversation that outlives the process it was held in: real Chromium, real Postgres, and a killed assistant."""

from pathlib import Path

import pytest

from tests.peers.server import running_server
from tests.pipeline.misbehaving_server import misbehaving_server, says
from tests.satellites.browser.chromium import Visit, browser, chromium, synthesize, write_microphone

ANSWER_SECONDS = 60
KITCHEN = "localStorage.setItem('device', 'kitchen')"


async def visit(folder: Path, address: str, text: str) -> str:
    """Say something to the page and return what the assistant says, once it has said it."""
    microphone = write_microphone(folder / "microphone.wav", iter([2.0, synthesize(text), 60.0]))
    async with browser(microphone) as running:
        page = Visit(await running.new_page())
        await page.page.add_init_script(KITCHEN)
        await page.page.goto(address)
        await page.page.click("#talk")
        await page.state("speaking", ANSWER_SECONDS)
        await page.state("listening", ANSWER_SECONDS)
        # The turn is over when its timings are shown.
        await page.caption(".timings", ANSWER_SECONDS)
        return await page.caption(".assistant .words:not(:empty)", ANSWER_SECONDS)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_after_a_kill_the_conversation_goes_on_where_it_was(data: Path, tmp_path: Path):
    chromium()
    async with misbehaving_server() as model:
        settings = {
            "PASSFEL_STORES__EMBEDDED": "true",
            "PASSFEL_LANGUAGE__URL": model.url,
            "PASSFEL_LANGUAGE__MODEL": "model",
        }
        model.will(says("Nice to meet you."))
        async with running_server(data, **settings) as server:
            assert "Nice" in await visit(tmp_path, server.address, "My favourite colour is orange, by the way.")
            server.process.kill()
            await server.process.wait()
        model.will(says("You said that it is orange."))
        async with running_server(data, **settings) as server:
            await visit(tmp_path, server.address, "Tell me about my favourite colour.")
        said = [str(message["content"]) for message in model.requests[-1]["messages"]]
    assert any("orange" in text for text in said[:-1])
    assert any("Nice to meet you" in text for text in said[:-1])
