"""Accounts at a registrar that somebody else wrote, over TCP and TLS."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.peers.sip.certificates import Authority
from tests.peers.sip.phones import eventually, registrar, softphone
from tests.satellites.sip.conftest import Telephone, telephone

KNOWN = {"people": {"100": "ana"}, "direct": False}


def account(server: str, transport: str) -> dict[str, Any]:
    box = {"server": server, "user": "620", "password": "right", "transport": transport}
    return {"accounts": {"box": box}}


def box(house: Telephone) -> dict[str, Any]:
    return house.door.satellites()[0].detail["accounts"]["box"]


async def test_over_tcp_it_registers_and_is_called_and_whoever_calls_is_told_of_its_death(tmp_path: Path):
    async with (
        registrar(tmp_path, transport="tcp") as port,
        telephone(tmp_path, **KNOWN, **account(f"127.0.0.1:{port}", "tcp")) as house,
        softphone(tmp_path) as phone,
    ):
        await eventually(lambda: box(house)["state"] == "registered")
        await phone.call(f"sip:620@127.0.0.1:{port}")
        await eventually(house.assistant.started.is_set)
        await asyncio.sleep(0.5)  # the stack's trace, which tells how to end it from outside, has a thread of its own
        assert house.door.phone.pid is not None
        os.kill(house.door.phone.pid, signal.SIGKILL)
        await phone.until(event="state", state="DISCONNECTED")


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1"])
async def test_over_tls_it_registers_where_an_authority_vouches_for_the_server(tmp_path: Path, server: str):
    authority = Authority(tmp_path)
    certificate = authority.issue(server)
    async with (
        registrar(tmp_path, transport="tls", certificate=certificate) as port,
        telephone(tmp_path, **KNOWN, **account(f"{server}:{port}", "tls"), authorities=str(authority.file)) as house,
        softphone(tmp_path) as phone,
    ):
        await eventually(lambda: box(house)["state"] == "registered")
        await phone.call(f"sip:620@127.0.0.1:{port}")
        await eventually(house.assistant.started.is_set)


@pytest.mark.parametrize(
    ("server", "certified", "trusted"),
    [
        ("localhost", "localhost", False),
        ("localhost", "another.example", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "another.example", True),
    ],
)
async def test_over_tls_a_server_that_cannot_prove_who_it_is_is_told_with_what_to_do(
    tmp_path: Path, server: str, certified: str, trusted: bool
):
    ours, theirs = Authority(tmp_path), Authority(tmp_path)
    certificate = (ours if trusted else theirs).issue(certified)
    async with (
        registrar(tmp_path, transport="tls", certificate=certificate) as port,
        telephone(tmp_path, **KNOWN, **account(f"{server}:{port}", "tls"), authorities=str(ours.file)) as house,
    ):
        await eventually(lambda: box(house)["problem"] is not None)
        assert "does not prove who it is" in box(house)["problem"]
        assert "authorities below [sip]" in box(house)["problem"]
        assert box(house)["state"] == "refused"
        assert house.state == "ready"


async def test_over_tls_it_registers_anywhere_where_nothing_is_to_be_proven(tmp_path: Path):
    certificate = Authority(tmp_path).issue("another.example")
    async with (
        registrar(tmp_path, transport="tls", certificate=certificate) as port,
        telephone(tmp_path, **KNOWN, **account(f"127.0.0.1:{port}", "tls"), verify=False) as house,
    ):
        await eventually(lambda: box(house)["state"] == "registered")
