"""The built page: nobody else's server in it, and the same bytes from the same sources."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from satellites.browser.door import STATIC

PAGE = STATIC.parent / "page"
HARMLESS = {
    "https://github.com/pipecat-ai/pipecat-client-web.git",  # in the client's copy of its own package.json
    "https://github.com/uuidjs/uuid#getrandomvalues-not-supported",  # in an error message
    "https://github.com/timostamm/protobuf-ts/blob/v1.0.8/MANUAL.md#bigint-support",  # in another
    "http://www.w3.org/2000/svg",  # a namespace
}


def test_the_page_names_no_server_but_its_own():
    for file in STATIC.iterdir():
        if file.suffix in (".txt", ".png"):
            continue
        found = set(re.findall(r"""(?:https?|wss?|stuns?|turns?)://[^\s"'`<>)]+|stuns?:[\w.]+""", file.read_text()))
        assert found <= HARMLESS, file.name


def test_no_vendors_call_machinery_is_bundled():
    assert "daily-js" not in (STATIC / "page.js").read_text()
    assert not re.search(r"^(@daily-co|@sentry)", (STATIC / "licences.txt").read_text(), re.MULTILINE)


def test_every_bundled_package_has_its_licence():
    licences = (STATIC / "licences.txt").read_text()
    for name in ("client-js 1.13.1", "small-webrtc-transport 1.10.8", "websocket-transport 1.7.1"):
        assert f"@pipecat-ai/{name}" in licences
    assert "Redistribution and use in source and binary forms" in licences


def test_the_page_is_fetched_quickly_even_by_an_old_phone():
    files = [file for file in STATIC.iterdir() if file.name.startswith(("index", "page", "favicon", "passfel"))]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 500_000


def test_nothing_is_inline_that_the_content_security_policy_forbids():
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


def test_the_lock_file_names_no_host():
    lock = json.loads((PAGE / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_committed_page_is_what_its_sources_build(tmp_path: Path):
    node = shutil.which("node")
    if node is None or not (PAGE / "node_modules" / "esbuild").is_dir():
        pytest.skip("the page's packages are not installed (npm ci in satellites/browser/page)")
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=PAGE, check=True, timeout=120)
    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    committed = {file.name: file.read_bytes() for file in STATIC.iterdir()}
    assert built == committed
