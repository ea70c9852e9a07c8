"""Who may use the web doors: this machine, devices that were paired, and whoever shows the household's token.

Every decision is pure: an ASGI scope in, a `Verdict` out. `satellites.http` carries verdicts out.

- A request from loopback is trusted, unless a proxy passed it on. Its Host must name this machine, so that
  no web page can reach in by rebinding its own name to 127.0.0.1.
- Any other request needs the token, or the secret of a device that was paired: as a bearer (RFC 6750), as the
  websocket subprotocol that browsers use for OpenAI's Realtime API, or as the session cookie that a page is given once.
- What a browser sends on behalf of another site's page is refused by its Origin (RFC 6454).
"""

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Scope

from pipeline.settings import is_loopback
from satellites.pairing.paired import Device, Paired

SUBPROTOCOL = "openai-insecure-api-key."
COOKIE = "passfel_session"
REMOVED = "passfel.removed"
"""In the scope of what a paired device sends: the event that it is removed."""
DEVICE = "passfel.device"
"""In the scope of what a paired device sends: its name."""
OWNER = "passfel.owner"
"""In the scope of what may look after the house."""
OWNERS = ("/admin", "/v1/overview", "/v1/paired", "/v1/backup", "/v1/engine", "/v1/satellites", "/v1/turns")
"""What only an owner sees, each with all that lies below it."""

MAX_FAILURES = 10
"""Wrong tokens that one address may send …"""
FAILURE_WINDOW = 60.0
"""… in so many seconds, before every token of it is refused."""
MAX_ADDRESSES = 1024
"""Addresses with failures that are remembered; the one that failed longest ago goes first."""

_FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass; a refusal says why, and what to do, in one line for people."""

    status: HTTPStatus
    reason: str = ""

    def __bool__(self) -> bool:
        return self.status is HTTPStatus.OK


ALLOWED = Verdict(HTTPStatus.OK)
_UNKNOWN = Verdict(
    HTTPStatus.UNAUTHORIZED,
    "This device is not known here yet: pair it with a code in its browser, or send the assistant's token.",
)
_WRONG_TOKEN = Verdict(HTTPStatus.UNAUTHORIZED, "This is not the assistant's token.")
_TOO_MANY_FAILURES = Verdict(
    HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong codes or tokens came from here. Wait a minute."
)
_NO_OWNER = Verdict(
    HTTPStatus.FORBIDDEN,
    "Only an owner's device may see this: pair it with passfel pair --owner, or open it where the assistant runs.",
)
_STRANGE_HOST = Verdict(HTTPStatus.FORBIDDEN, "Use http://localhost here: this name could be another site's.")
_OTHER_SITE = Verdict(HTTPStatus.FORBIDDEN, "Another site's page may not talk to this assistant.")


class Failures:
    """Counts wrong tokens by address, in a fixed amount of memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, list[float]] = OrderedDict()

    def add(self, address: str) -> None:
        """Note that `address` has sent a wrong token now."""
        self._by_address[address] = [*self._recent(address), self._clock()][-MAX_FAILURES:]
        self._by_address.move_to_end(address)
        if len(self._by_address) > MAX_ADDRESSES:
            self._by_address.popitem(last=False)

    def too_many(self, address: str) -> bool:
        """Tell whether `address` must wait."""
        return len(self._recent(address)) >= MAX_FAILURES

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - FAILURE_WINDOW
        return [at for at in self._by_address.get(address, []) if at > since]


class Access:
    """The rules, for one token or none, and devices that were paired."""

    def __init__(
        self, token: SecretStr | None, paired: Paired | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token.get_secret_value().encode() if token else None
        self._paired = paired
        self._failures = Failures(clock)

    def device(self, scope: Scope) -> tuple[Device, asyncio.Event] | None:
        """Which paired device sends this, and what tells when it is removed; None where it is another caller."""
        headers = Headers(scope=scope)
        shown = shown_token(headers) or _cookie(headers)
        return self._known(shown) if shown else None

    def judge(self, scope: Scope) -> Verdict:
        """Decide about an `http` or `websocket` scope."""
        headers = Headers(scope=scope)
        shown = shown_token(headers)
        from_here = is_from_this_machine(scope, headers)
        if shown is not None and (self._is_good(shown) or not from_here):
            # Who shows the token itself is no page that was lured here, so its site does not matter. Clients
            # on this machine may send any key: they are trusted without, and their guesses are not counted.
            return ALLOWED if from_here else self.check(shown, scope)
        if not self._has_session(headers):
            if not from_here:
                return _UNKNOWN
            if not is_loopback(_host_and_port(headers.get("host", ""), "http")[0]):
                return _STRANGE_HOST
        return ALLOWED if _is_same_site(scope, headers) else _OTHER_SITE

    def owns(self, scope: Scope, device: Device | None) -> bool:
        """Whether what is allowed in, and was sent by `device`, comes from somebody who looks after the house.

        That is this machine, whoever shows the household's token, and devices that were let in as an owner's.
        """
        return device is None or device.owner or is_from_this_machine(scope, Headers(scope=scope))

    def judge_path(self, scope: Scope) -> Verdict:
        """Decide whether what is allowed in may see the path that it asks for."""
        path = scope["path"]
        owners = any(path == each or path.startswith(f"{each}/") for each in OWNERS)
        return _NO_OWNER if owners and not scope.get(OWNER) else ALLOWED

    def check(self, token: str, scope: Scope) -> Verdict:
        """Decide about a token that was shown, in constant time, and count it where it is wrong."""
        if not (verdict := self.may_try(scope)):
            return verdict
        if self._is_good(token):
            return ALLOWED
        self.failed(scope)
        return _WRONG_TOKEN

    def may_try(self, scope: Scope) -> Verdict:
        """Decide whether a code or token that comes from there is looked at."""
        return _TOO_MANY_FAILURES if self._failures.too_many(_network(scope)) else ALLOWED

    def failed(self, scope: Scope) -> None:
        """Note that a wrong code or token came from there."""
        self._failures.add(_network(scope))

    def may_log_in(self, scope: Scope) -> Verdict:
        """Decide whether a login form may be handed in: never by another site's page."""
        return ALLOWED if _is_same_site(scope, Headers(scope=scope)) else _OTHER_SITE

    def _is_good(self, shown: str) -> bool:
        is_token = self._token is not None and hmac.compare_digest(shown.encode(), self._token)
        return is_token or self._known(shown) is not None

    def session(self) -> str:
        """Make the session cookie's value, which proves that its holder once knew the token and is not it."""
        if self._token is None:
            raise ValueError("without a token there are no sessions")
        return hmac.digest(self._token, b"passfel page session", hashlib.sha256).hex()

    def _has_session(self, headers: Headers) -> bool:
        shown = _cookie(headers)
        if shown is None:
            return False
        if self._token is not None and hmac.compare_digest(shown.encode(), self.session().encode()):
            return True
        return self._known(shown) is not None

    def _known(self, secret: str) -> tuple[Device, asyncio.Event] | None:
        return self._paired.known(secret) if self._paired is not None else None


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None


def shown_token(headers: Headers) -> str | None:
    """Return the token that a request shows in its headers, right or wrong."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(SUBPROTOCOL):
            return offered.strip().removeprefix(SUBPROTOCOL)
    return None


def is_from_this_machine(scope: Scope, headers: Headers) -> bool:
    """Tell whether a request was made here. One that a proxy passed on may come from anywhere."""
    client = scope.get("client")
    forwarded = any(name in _FORWARDING or name.startswith("x-forwarded") for name in headers)
    return client is not None and is_loopback(client[0]) and not forwarded


def _is_same_site(scope: Scope, headers: Headers) -> bool:
    """Compare Origin with Host wherever a browser must have sent one. What is not a browser sends none."""
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE_METHODS):
        return True
    scheme, _, host = origin.partition("://")
    return bool(host) and _host_and_port(host, scheme) == _host_and_port(headers.get("host", ""), scheme)


def _host_and_port(host: str, scheme: str) -> tuple[str, int | None]:
    try:
        split = urlsplit(f"//{host}")
        return split.hostname or "", split.port or _DEFAULT_PORTS.get(scheme)
    except ValueError:
        return "", None


def _network(scope: Scope) -> str:
    """The client's address, or the /64 that one IPv6 host may choose its addresses from."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
