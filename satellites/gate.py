"""The gate before every web door: who `Access` refuses stays out, and what leaves carries its headers.

A browser on another machine comes in once, by a form or by `/?code=…` or `/?token=…`, and is given a session cookie.
A device that is removed is out at once: its websockets end here, and what else goes on is told by `REMOVED`.
"""

import asyncio
from http import HTTPStatus
from urllib.parse import parse_qs

from loguru import logger
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from satellites.access import COOKIE, DEVICE, OWNER, REMOVED, Access, Verdict
from satellites.pairing.door import OPEN, Pairing
from satellites.pairing.page import device_name, pairing_page
from satellites.refused import refused

MAX_BODY = 1 << 20
"""Bytes of a request. A WebRTC offer has about 6 kB; a websocket's messages have their own limit."""

MAX_LOGIN_BODY = 4096

SESSION_SECONDS = 390 * 24 * 3600
"""How long a browser keeps its cookie; a new token ends the sessions of the old one, and removal that of a device."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    # Without a referrer at all, a form of the page itself would be sent with the Origin "null".
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every response carries, where a door has not said otherwise."""


class Gate:
    """ASGI middleware: lets in whom `Access` allows, and gives every response its headers and limits."""

    def __init__(self, app: ASGIApp, access: Access, pairing: Pairing | None = None) -> None:
        self._app = app
        self._access = access
        self._pairing = pairing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the application's place, or let it answer."""
        if scope["type"] == "http":
            await self._http(scope, _limited(receive), _with_headers(send))
        elif scope["type"] == "websocket":
            verdict = self._access.judge(scope)
            if verdict and (removed := await self._identify(scope)):
                receive = _until(removed, receive)
            await (self._app if verdict else _refuse_websocket(verdict))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = request.url.path
        query = request.query_params
        if path in OPEN or path == "/healthz":
            answer = self._app
        elif path == "/login" and request.method == "POST":
            answer = await self._login(request)
        elif path == "/" and request.method == "GET" and ("token" in query or "code" in query):
            # They do not stay in the address, where a history would keep them.
            answer = await self._let_in(request, query.get("token") or query.get("code") or "", "")
        else:
            verdict = self._access.judge(scope)
            if verdict:
                await self._identify(scope)
                verdict = self._access.judge_path(scope)
            answer = self._app if verdict else _refusal(request, verdict)
        await answer(scope, receive, send)

    async def _identify(self, scope: Scope) -> asyncio.Event | None:
        """Note in the scope who sent it. Returns what tells when its device is removed, where a paired one did."""
        device, removed = self._access.device(scope) or (None, None)
        scope[OWNER] = self._access.owns(scope, device)
        if device is None or self._pairing is None:
            return None
        scope[REMOVED], scope[DEVICE] = removed, device.unique_name
        await self._pairing.seen(device)
        return removed

    async def _login(self, request: Request) -> Response:
        verdict = self._access.may_log_in(request.scope)
        if not verdict:
            return _refusal(request, verdict)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_LOGIN_BODY:
                return PlainTextResponse("A code is shorter.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        form = parse_qs(body.decode(errors="replace"))
        shown = form.get("code", form.get("token", [""]))[0]
        return await self._let_in(request, shown, form.get("name", [""])[0])

    async def _let_in(self, request: Request, shown: str, name: str) -> Response:
        """Trade a code or the token for a session."""
        shown = shown.strip()
        name = name.strip() or device_name(request.headers.get("user-agent", ""))
        if self._pairing is not None and self._pairing.is_code(shown):
            secret, verdict = None, self._access.may_try(request.scope)
            if verdict:
                secret, verdict = await self._pairing.redeem(shown, name)
                if not secret:
                    self._access.failed(request.scope)
        else:
            verdict = self._access.check(shown, request.scope)
            secret = self._access.session() if verdict else None
        return self._welcome(request, secret) if secret else _refusal(request, verdict)

    def _welcome(self, request: Request, secret: str) -> Response:
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        response.set_cookie(COOKIE, secret, SESSION_SECONDS, secure=secure, httponly=True, samesite="strict")
        return response


class BodyTooLarge(HTTPException):
    """A request's body went past `MAX_BODY`; answered with 413."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have {MAX_BODY} bytes.")


def _refusal(request: Request, verdict: Verdict) -> Response:
    logger.warning("Refused {} {!r}: {}", request.method, request.url.path, verdict.reason)
    headers = {}
    if verdict.status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(pairing_page(request, verdict.reason), verdict.status, headers)
    elif verdict.status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["retry-after"] = "60"
    return refused(verdict.reason, verdict.status, headers)


def _refuse_websocket(verdict: Verdict) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        logger.warning("Refused a websocket at {!r}: {}", scope["path"], verdict.reason)
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": verdict.reason})
            return
        await send({"type": "websocket.http.response.start", "status": verdict.status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": verdict.reason.encode()})

    return refuse


def _until(removed: asyncio.Event, receive: Receive) -> Receive:
    """End a websocket when its device is removed: the application is told that the peer left."""

    end: Message = {"type": "websocket.disconnect", "code": 1008}

    async def receive_or_end() -> Message:
        if removed.is_set():
            return end
        async with asyncio.TaskGroup() as group:
            gone, message = group.create_task(removed.wait()), group.create_task(_received(receive))
            await asyncio.wait({gone, message}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            message.cancel()
        return message.result() if not message.cancelled() else end

    return receive_or_end


async def _received(receive: Receive) -> Message:
    return await receive()


def _limited(receive: Receive) -> Receive:
    """Count a body as it comes: its declared length may be absent or wrong."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise BodyTooLarge
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
