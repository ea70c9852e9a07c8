"""A Google on the loopback, written from the documentation of its OAuth 2.0 for devices and its Calendar API.

What it is asked is held against Google's own description of the API, as google-api-python-client carries it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from aiohttp import web

from tests.tools.provider import free_port

CLIENT, SECRET, REFRESH = "client", "only for this test", "lasting"
FAMILY = "family@group.calendar.google.com"
DOCUMENTS = resources.files("googleapiclient.discovery_cache.documents")
API: dict[str, Any] = json.loads((DOCUMENTS / "calendar.v3.json").read_text())
WITHOUT_SYNC_TOKEN = {"iCalUID", "orderBy", "q", "timeMin", "timeMax", "updatedMin"}


@dataclass
class Google:
    url: str
    pending: list[str] = field(default_factory=lambda: ["authorization_pending"])
    """What is answered before somebody has typed the code."""
    lasting: str | None = REFRESH
    tokens: int = 0
    valid: set[str] = field(default_factory=set)
    page: int = 2
    """Events on a page."""
    calendars: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": FAMILY, "summary": "Family", "selected": True, "accessRole": "owner"},
            {"id": "ana@example.org", "summary": "Ana", "primary": True, "accessRole": "owner"},
            {"id": "holidays", "summary": "Holidays", "selected": False, "accessRole": "reader"},
            {"id": "boss", "summary": "Busy", "selected": True, "accessRole": "freeBusyReader"},
        ]
    )
    events: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    """The calendar and the event of each change; a sync token is how many there were."""
    forgotten: int = 0
    """Sync tokens before this one have expired."""
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    instead: web.Response | None = None

    def put(self, calendar: str, **event: Any) -> str:
        id_ = str(event.setdefault("id", f"event{len(self.changes)}"))
        self.events.setdefault(calendar, {})[id_] = {"status": "confirmed", **event}
        self.changes.append((calendar, id_))
        return id_

    async def device_code(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("client_id") != CLIENT:
            return web.json_response({"error": "invalid_client"}, status=401)
        assert form["scope"] == "https://www.googleapis.com/auth/calendar"
        return web.json_response(
            {
                "device_code": "device",
                "user_code": "GQVQ-JKEC",
                "verification_url": "https://www.google.com/device",
                "expires_in": 1800,
                "interval": 0,
            }
        )

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.lasting:
                return web.json_response({"error": "invalid_grant"}, status=400)
            return self._granted({})
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
        assert form["device_code"] == "device"
        if self.pending:
            error = self.pending.pop(0)
            return web.json_response({"error": error}, status={"authorization_pending": 428}.get(error, 403))
        return self._granted({"refresh_token": self.lasting} if self.lasting else {})

    def _granted(self, more: dict[str, Any]) -> web.Response:
        self.tokens += 1
        self.valid.add(f"token{self.tokens}")
        return web.json_response(
            {"access_token": f"token{self.tokens}", "expires_in": 3599, "token_type": "Bearer", **more}
        )

    async def api(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        if self.instead is not None:
            answer, self.instead = self.instead, None
            return answer
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid:
            return web.json_response({"error": {"code": 401}}, status=401)
        parts = request.match_info["tail"].split("/")
        if parts == ["users", "me", "calendarList"]:
            self._check(API["resources"]["calendarList"]["methods"]["list"], request)
            return web.json_response({"items": self.calendars})
        _, calendar, _, *event = parts
        body = await request.json() if request.can_read_body else {}
        method = {"GET": "list", "POST": "insert", "PATCH": "patch", "DELETE": "delete"}[request.method]
        self._check(API["resources"]["events"]["methods"][method], request, body)
        return getattr(self, f"_{method}")(calendar, request, body, *event)

    def _check(self, method: dict[str, Any], request: web.Request, body: dict[str, Any] | None = None) -> None:
        known = {*method.get("parameters", {}), *API["parameters"]}
        self.wrong += [f"{method['id']} knows no {name}" for name in request.query if name not in known]
        self.wrong += [
            f"no {name} in an event" for name in body or {} if name not in API["schemas"]["Event"]["properties"]
        ]

    def _list(self, calendar: str, request: web.Request, _: dict[str, Any]) -> web.Response:
        query, kept = request.query, self.events.get(calendar, {})
        if "syncToken" in query:
            if WITHOUT_SYNC_TOKEN & set(query):
                return web.json_response({"error": {"code": 400}}, status=400)
            since = int(query["syncToken"])
            if since < self.forgotten:
                return web.json_response({"error": {"code": 410}}, status=410)
            changed = {id_ for where, id_ in self.changes[since:] if where == calendar}
            items = [kept.get(id_, {"id": id_, "status": "cancelled"}) for id_ in changed]
        else:
            window = [datetime.fromisoformat(query[name]) for name in ("timeMin", "timeMax")]
            items = [each for each in kept.values() if self._overlaps(each, *window)]
        start = int(query.get("pageToken", 0))
        answer: dict[str, Any] = {"items": items[start : start + self.page]}
        if start + self.page < len(items):
            answer["nextPageToken"] = str(start + self.page)
        else:
            answer["nextSyncToken"] = str(len(self.changes))
        return web.json_response(answer)

    def _overlaps(self, event: dict[str, Any], first: datetime, last: datetime) -> bool:
        def at(moment: dict[str, str]) -> datetime:
            if "dateTime" in moment:
                return datetime.fromisoformat(moment["dateTime"])
            return datetime.fromisoformat(moment["date"]).replace(tzinfo=first.tzinfo)

        try:
            return at(event["end"]) > first and at(event["start"]) < last
        except (KeyError, ValueError):
            return True

    def _insert(self, calendar: str, _: web.Request, body: dict[str, Any]) -> web.Response:
        if body["id"] in self.events.get(calendar, {}):
            return web.json_response({"error": {"code": 409}}, status=409)
        times = [body["start"], body["end"]]
        assert "recurrence" not in body or all("timeZone" in each or "date" in each for each in times)
        for week in range(4 if body.pop("recurrence", None) == ["RRULE:FREQ=WEEKLY"] else 1):
            moved = {name: self._later(body[name], week) for name in ("start", "end")}
            series = {"recurringEventId": body["id"]} if week else {}
            self.put(calendar, **{**body, **moved, **series, "id": f"{body['id']}_{week}" if week else body["id"]})
        return web.json_response(body)

    def _later(self, moment: dict[str, str], weeks: int) -> dict[str, str]:
        key = "dateTime" if "dateTime" in moment else "date"
        value = datetime.fromisoformat(moment[key]) + timedelta(weeks=weeks)
        return {**moment, key: value.isoformat() if key == "dateTime" else value.date().isoformat()}

    def _patch(self, calendar: str, _: web.Request, body: dict[str, Any], event: str) -> web.Response:
        if event not in self.events.get(calendar, {}):
            return web.json_response({"error": {"code": 404}}, status=404)
        self.put(calendar, **{**self.events[calendar][event], **body})
        return web.json_response(self.events[calendar][event])

    def _delete(self, calendar: str, _: web.Request, __: dict[str, Any], event: str) -> web.Response:
        if event not in self.events.get(calendar, {}):
            return web.json_response({"error": {"code": 410}}, status=410)
        del self.events[calendar][event]
        self.changes.append((calendar, event))
        return web.Response(status=204)


@asynccontextmanager
async def google() -> AsyncIterator[Google]:
    port = free_port()
    serving = Google(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_post("/device/code", serving.device_code)
    app.router.add_post("/token", serving.token)
    app.router.add_route("*", "/calendar/v3/{tail:.*}", serving.api)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield serving
    finally:
        await runner.cleanup()
