import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web as aio
from hypothesis import given
from hypothesis import strategies as some

from tests.tools.provider import Provider, provider, status
from tools.web import LARGEST, Refused, TooLarge, Web, is_public


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as serving:
        yield serving


async def fetch(client: Web, url: str):
    try:
        return await client.request("GET", url)
    finally:
        await client.close()


async def test_an_address_that_the_household_has_set_is_reached_inside_the_house(server: Provider) -> None:
    server.instead = status(200, text="hello")
    assert (await fetch(Web([server.url]), f"{server.url}/any")).body == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0.0.0.0"])
async def test_an_address_inside_the_house_that_nobody_has_set_is_refused(server: Provider, host: str) -> None:
    port = server.url.rpartition(":")[2]
    with pytest.raises((Refused, Exception)) as caught:
        await fetch(Web(), f"http://{host}:{port}/")
    assert server.asked == []
    assert not isinstance(caught.value, AssertionError)


async def test_a_public_name_that_leads_into_the_house_is_refused(server: Provider, monkeypatch) -> None:
    port = int(server.url.rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    with pytest.raises(Refused, match=r"rebinding\.example leads to 127\.0\.0\.1"):
        await fetch(Web(), f"http://rebinding.example:{port}/")
    assert server.asked == []


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.1.1", "172.20.0.1", "169.254.169.254", "100.64.0.1", "127.9.9.9", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1%eth0", "fd00::1", "::ffff:192.168.1.1", "2002:c0a8:0101::1", "64:ff9b::a00:1", "ff02::1", "nonsense"],
)  # fmt: skip
def test_what_is_not_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(some.ip_addresses(v=4))
def test_an_address_is_as_public_inside_one_of_version_six(address) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))


async def test_a_redirect_from_a_set_address_to_another_one_is_not_followed(server: Provider) -> None:
    async with provider() as other:
        server.instead = status(302, headers={"location": f"{other.url}/secret"})
        with pytest.raises(Refused, match="redirects to"):
            await fetch(Web([server.url, other.url]), f"{server.url}/page")
        assert other.asked == []


async def test_a_redirect_at_the_same_server_is_followed(server: Provider) -> None:
    async def answer(request: aio.Request) -> aio.StreamResponse:
        if request.path == "/old":
            raise aio.HTTPFound("/new")
        return aio.Response(text="here")

    server.instead = answer
    reply = await fetch(Web([server.url]), f"{server.url}/old")
    assert (reply.body, reply.url) == (b"here", f"{server.url}/new")


@pytest.mark.parametrize("target", ["/again", "file:///etc/passwd", "http://[", "gopher://x/"])
async def test_a_redirect_in_circles_or_to_what_is_no_page_is_not_followed(server: Provider, target: str) -> None:
    server.instead = status(302, headers={"location": target})
    with pytest.raises(Refused):
        await fetch(Web([server.url]), f"{server.url}/")


async def test_an_answer_without_an_end_is_not_read_to_the_end(server: Provider) -> None:
    async def answer(request: aio.Request) -> aio.StreamResponse:
        response = aio.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * (LARGEST // 4))

    server.instead = answer
    with pytest.raises(TooLarge):
        await fetch(Web([server.url]), f"{server.url}/")
