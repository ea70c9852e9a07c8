"""How tools ask servers outside of the process: what they may reach, how long they wait, and what is believed.

A household's own servers stand in its settings and may be anywhere. Everything else has to be on the public internet:
a name that leads to an address inside the house is refused, whatever a page or a model has asked for.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
"""Between two pieces of an answer."""
LARGEST: Final = 4_000_000
"""Bytes of an answer; what is larger is not what was asked for."""
MOST_REDIRECTS: Final = 3
_MOST_ADDRESSES: Final = 3
"""Addresses of one name that are tried."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Refused(Exception):  # noqa: N818 - reads as what happened
    """An address that tools may not reach, or a redirect to one; the message says which and why."""


class TooLarge(Exception):  # noqa: N818 - reads as what is the matter
    """An answer with more than `LARGEST` bytes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    """Where the last redirect led."""


class Web:
    """One client for all tools, which share its connections.

    Args:
        own: addresses that the household has set; these may be inside the house, as far as their host and port.
        contact: what servers are told about who asks; some want an address to write to.
    """

    def __init__(self, own: Collection[str] = (), *, contact: str = "self-hosted") -> None:
        self._own = frozenset(_place(httpx.URL(url)) for url in own)
        self._transport = _Guarded(self._own)
        self._client = httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            headers={"user-agent": f"PASSFEL/0.1 (voice assistant of a household; {contact})"},
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask a server, and follow its redirects where they stay at the same server or in public.

        Args:
            json: what is sent as JSON.
            form: what is sent as a form instead.

        Raises:
            httpx.HTTPError, Refused, TooLarge: no answer. An answer with a bad status is an answer.
        """
        request = self._client.build_request(method, url, params=params, headers=headers, json=json, data=form)
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._send(request)
            target = reply.headers.get("location")
            if reply.status not in _REDIRECTS or target is None:
                return reply
            request = self._redirected(request, target)
        raise Refused(f"{request.url.host} redirects in circles")

    async def _send(self, request: httpx.Request) -> Reply:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LARGEST:
                    raise TooLarge(f"{request.url.host} sends more than {LARGEST} bytes")
            return Reply(response.status_code, response.headers, bytes(body), str(request.url))
        finally:
            await response.aclose()

    def _redirected(self, request: httpx.Request, target: str) -> httpx.Request:
        try:
            url = request.url.join(target)
        except httpx.InvalidURL:
            raise Refused(f"{request.url.host} redirects to what is no address") from None
        same = _place(url) == _place(request.url)
        if request.method != "GET" or url.scheme not in ("http", "https"):
            raise Refused(f"{request.url.host} redirects to {url.scheme}://{url.host}")
        # A server of the household must not be able to send its visitors to another one, nor a page of the internet.
        if not same and (_place(request.url) in self._own or _place(url) in self._own):
            raise Refused(f"{request.url.host} redirects to {url.host}")
        if request.url.scheme == "https" and url.scheme == "http":
            raise Refused(f"{request.url.host} redirects to an address without encryption")
        headers = {name: request.headers[name] for name in ("user-agent", "accept") if name in request.headers}
        return self._client.build_request("GET", url, headers=request.headers if same else headers)


class _Guarded(httpx.AsyncBaseTransport):
    """Looks names up itself and connects to the address that it has checked, so that no second look can differ."""

    def __init__(self, own: Collection[tuple[str, int]]) -> None:
        self._own = own
        self._ssl = ssl.create_default_context()
        # Connections are kept by address: one transport a name keeps them from serving another name.
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = _place(request.url)
        addresses = await self._addresses(host, port, request)
        transport = self._transports.setdefault(host, httpx.AsyncHTTPTransport(verify=self._ssl))
        for last, address in ((address is addresses[-1], address) for address in addresses):
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                response = await transport.handle_async_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if last:
                    raise
            else:
                return response
        raise AssertionError("a name has at least one address")

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def _addresses(self, host: str, port: int, request: httpx.Request) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} has no address: {error}", request=request) from error
        except TimeoutError:
            raise httpx.ConnectTimeout(f"nobody tells the address of {host}", request=request) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if (host, port) not in self._own:
            inside = [address for address in addresses if not is_public(address)]
            if inside:
                raise Refused(f"{host} leads to {inside[0]}, which is not on the internet")
        return addresses[:_MOST_ADDRESSES]


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also where it is wrapped into one of version 6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        # 64:ff9b::/96 is how networks without version 4 reach it (RFC 6052).
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def _place(url: httpx.URL) -> tuple[str, int]:
    return url.host.lower(), url.port or (443 if url.scheme == "https" else 80)
