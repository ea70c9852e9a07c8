"""A browser on another host, in a network namespace of the test's own, whose cable is pulled and put back."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from satellites.access import Access
from tests.satellites.browser.chromium import Visit, browser, chromium
from tests.satellites.browser.conftest import Serve, serve  # noqa: F401 - a fixture
from tests.satellites.browser.scripted import SCRIPT, ScriptedAssistant

TOKEN = "a-token-of-the-household"
OURS, THEIRS = "10.77.31.1", "10.77.31.2"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


@dataclass(frozen=True)
class Host:
    """Another host, at the end of a cable."""

    name: str
    cable: str

    def program(self, folder: Path, command: str) -> Path:
        """A program that starts `command` there."""
        file = folder / "there"
        file.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {command} "$@"\n')
        file.chmod(0o755)
        return file

    def pull(self) -> None:
        _ip("link", "set", self.cable, "down")

    def put_back(self) -> None:
        _ip("link", "set", self.cable, "up")


@pytest.fixture
def host() -> Iterator[Host]:
    """Another host; without the right to make one, fail on a CI machine and skip elsewhere."""
    made = Host(f"passfel-{os.getpid()}", f"pf{os.getpid() % 10**8}a")
    far = f"{made.cable[:-1]}b"
    try:
        _ip("netns", "add", made.name)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"no network namespace can be made here: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        _ip("link", "add", made.cable, "type", "veth", "peer", "name", far, "netns", made.name)
        _ip("addr", "add", f"{OURS}/24", "dev", made.cable)
        _ip("link", "set", made.cable, "up")
        _ip("-n", made.name, "addr", "add", f"{THEIRS}/24", "dev", far)
        _ip("-n", made.name, "link", "set", far, "up")
        _ip("-n", made.name, "link", "set", "lo", "up")
        yield made
    finally:
        _ip("netns", "del", made.name)


@pytest.mark.long
async def test_what_was_said_while_the_network_was_gone_is_answered_when_it_comes_back(
    serve: Serve,  # noqa: F811
    host: Host,
    tmp_path: Path,
) -> None:
    there = host.program(tmp_path, chromium())
    assistant, access = ScriptedAssistant(), Access(SecretStr(TOKEN))
    async with (
        serve(assistant, host=OURS, access=access) as address,
        browser(executable=there, allow=False) as running,
    ):
        visit = Visit(await running.new_page())
        page = visit.page
        await page.goto(f"{address}/?token={TOKEN}")
        await page.fill("#text", SCRIPT[0][0])
        await page.press("#text", "Enter")
        await visit.caption(f".assistant p:has-text('{SCRIPT[0][1]}')", 30)
        await visit.state("listening")
        host.pull()
        await visit.state("connecting", 30)
        await expect(page.locator("#notice strong")).to_have_text("Connection lost", timeout=30_000)
        await page.fill("#text", SCRIPT[1][0])
        await page.press("#text", "Enter")
        await asyncio.sleep(8)
        host.put_back()
        await expect(page.locator("#notice")).to_be_hidden(timeout=60_000)
        await visit.caption(".assistant:nth-of-type(n+3) .words:not(:empty)", 30)
    assert len({caller.device for caller in assistant.callers}) == 1
