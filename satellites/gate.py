"""The gate before every web door: who `Access` refuses stays out, and what leaves carries its headers.

A browser on another machine logs in once, by a form or by `/?token=…`, and is given a session cookie.
"""

from http import HTTPStatus
from urllib.parse import parse_qs

from loguru import logger
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from satellites.access import COOKIE, Access, Verdict

MAX_BODY = 1 << 20
"""Bytes of a request. A WebRTC offer has about 6 kB; a websocket's messages have their own limit."""

MAX_LOGIN_BODY = 4096

SESSION_SECONDS = 90 * 24 * 3600
"""How long a browser stays logged in; a new token ends every session at once."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every response carries, where a door has not said otherwise."""

_LOGIN_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>PASSFEL</title>
<h1>PASSFEL</h1>
<p>{reason}</p>
<form method="post" action="/login">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Go in</button>
</form></html>
"""


class Gate:
    """ASGI middleware: lets in whom `Access` allows, and gives every response its headers and limits."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the application's place, or let it answer."""
        if scope["type"] == "http":
            await self._http(scope, _limited(receive), _with_headers(send))
        elif scope["type"] == "websocket":
            verdict = self._access.judge(scope)
            await (self._app if verdict else _refuse_websocket(verdict))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = request.url.path
        if path == "/healthz":
            answer = self._app
        elif path == "/login" and request.method == "POST":
            answer = await self._login(request)
        elif path == "/" and "token" in request.query_params and self._access.has_token:
            answer = self._take_token_from_address(request)
        else:
            verdict = self._access.judge(scope)
            answer = self._app if verdict else _refusal(request, verdict)
        await answer(scope, receive, send)

    def _take_token_from_address(self, request: Request) -> Response:
        """Trade a token in the address for a session, and lead to the page without it."""
        verdict = self._access.check(request.query_params["token"], request.scope)
        return self._welcome(request) if verdict else _refusal(request, verdict)

    async def _login(self, request: Request) -> Response:
        verdict = self._access.may_log_in(request.scope)
        if verdict:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_LOGIN_BODY:
                    return PlainTextResponse("A token is shorter.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            token = parse_qs(body.decode("latin-1")).get("token", [""])[0]
            verdict = self._access.check(token, request.scope)
        return self._welcome(request) if verdict else _refusal(request, verdict)

    def _welcome(self, request: Request) -> Response:
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        response.set_cookie(
            COOKIE, self._access.session(), SESSION_SECONDS, secure=secure, httponly=True, samesite="strict"
        )
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
            return HTMLResponse(_LOGIN_PAGE.format(reason=verdict.reason), verdict.status, headers)
    elif verdict.status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["retry-after"] = "60"
    return JSONResponse({"error": {"message": verdict.reason}}, verdict.status, headers)


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
