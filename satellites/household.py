"""What the page and the owner see and say of the household: its devices, what was said at one, and a backup.

`/v1/devices` lists who has called and takes what is said of one, `/v1/conversations` tells what was said at a
browser, and `/v1/backup` hands out everything. A browser's name is long and random: who knows it is that browser.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from pipeline.caller import Caller
from pipeline.settings import Settings
from pipeline.store import archive
from pipeline.store.archive import ArchiveFailed
from pipeline.store.database import StoreDown
from pipeline.store.devices import Unsayable, checked
from pipeline.store.people import Unknown
from pipeline.store.stores import Stores
from satellites.access import OWNER
from satellites.refused import refused

BROWSER: Final = re.compile(r"browser-[0-9a-f]{16}")
LONGEST: Final = 4096
"""Bytes of what is said of a device."""
NOT_YOURS: Final = "Only an owner's device may see or say that."


class Assistant(Protocol):
    """What these routes need of the assistant."""

    @property
    def stores(self) -> Stores | None:
        """What is kept; None where nothing is, or not yet."""


class Household:
    """Answers the requests."""

    def __init__(self, assistant: Assistant, settings: Settings) -> None:
        self._assistant = assistant
        self._settings = settings

    async def devices(self, request: Request) -> Response:
        """Tell which voices there are, and an owner also who has called and who lives here."""
        people, speaking = self._stores().people, self._settings.speaking
        found: dict[str, Any] = {"voices": [speaking.voice, *speaking.voices], "speed": speaking.speed}
        if request.scope.get(OWNER):
            known = [_plain(asdict(each)) for each in await people.devices()]
            found |= {"devices": known, "people": await people.people()}
        return JSONResponse(found)

    async def device(self, name: str, request: Request) -> Response:
        """Tell what is known of a device."""
        if not request.scope.get(OWNER) and BROWSER.fullmatch(name) is None:
            return refused(NOT_YOURS, HTTPStatus.FORBIDDEN)
        found = [each for each in await self._stores().people.devices() if each.name == name]
        return JSONResponse(_plain(asdict(found[0])) if found else {"name": name})

    async def change(self, name: str, request: Request) -> Response:
        """Take what is said of a device: whose it is by an owner alone."""
        said = await _said(request)
        if not request.scope.get(OWNER) and (BROWSER.fullmatch(name) is None or "person" in said):
            return refused(NOT_YOURS, HTTPStatus.FORBIDDEN)
        people, changes = self._stores().people, checked(said, self._settings)
        if BROWSER.fullmatch(name) is not None:
            # It may be set up before anybody has talked with it.
            await people.known(Caller("browser", name))
        await people.change(name, changes)
        return JSONResponse({"changed": name})

    async def conversations(self, device: str, before: float | None = None) -> Response:
        """Tell what was said at a browser, the latest first; `before` is in seconds since 1970."""
        if BROWSER.fullmatch(device) is None:
            return refused(NOT_YOURS, HTTPStatus.FORBIDDEN)
        try:
            until = None if before is None else datetime.fromtimestamp(before, UTC)
        except (ValueError, OverflowError, OSError):
            return refused("before: has to be seconds since 1970.", HTTPStatus.BAD_REQUEST)
        told = await self._stores().conversations.told(device, before=until)
        return JSONResponse([_plain(asdict(each)) for each in told])

    async def backup(self) -> Response:
        """Hand out everything that the household keeps, as `passfel backup` writes it."""
        database = self._stores().database
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="passfel-backup-")
        try:
            file = Path(folder.name) / f"passfel-{datetime.now(self._settings.household.zone):%Y-%m-%d}.tar.gz"
            await archive.back_up(database, self._settings.data_dir / "household", file)
        except BaseException:
            await asyncio.to_thread(folder.cleanup)
            raise
        return FileResponse(file, filename=file.name, background=BackgroundTask(folder.cleanup))

    def _stores(self) -> Stores:
        if self._assistant.stores is None:
            raise StoreDown("Nothing is kept: there is no database.")
        return self._assistant.stores


def mount(app: FastAPI, assistant: Assistant, settings: Settings) -> None:
    """Serve them at `app`."""

    async def failed(_: Request, error: Exception) -> Response:
        return refused(str(error), HTTPStatus.SERVICE_UNAVAILABLE)

    async def wrong(_: Request, error: Exception) -> Response:
        return refused(str(error), HTTPStatus.BAD_REQUEST)

    app.add_exception_handler(StoreDown, failed)
    app.add_exception_handler(ArchiveFailed, failed)
    app.add_exception_handler(Unknown, wrong)
    app.add_exception_handler(Unsayable, wrong)
    household = Household(assistant, settings)
    app.add_api_route("/v1/devices", household.devices, methods=["GET"])
    app.add_api_route("/v1/devices/{name}", household.device, methods=["GET"])
    app.add_api_route("/v1/devices/{name}", household.change, methods=["PATCH"])
    app.add_api_route("/v1/conversations", household.conversations, methods=["GET"])
    app.add_api_route("/v1/backup", household.backup, methods=["GET"])


async def _said(request: Request) -> Mapping[str, Any]:
    """What is said of a device. Raises `Unsayable`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            raise Unsayable(f"a device needs fewer words: {LONGEST} bytes at most")
    try:
        said = json.loads(body)
    except ValueError as error:
        raise Unsayable("what is said of a device has to be JSON") from error
    if not isinstance(said, dict):
        raise Unsayable("what is said of a device has to be a JSON object")
    return said


def _plain(value: Any) -> Any:
    """With moments as seconds since 1970, ready for JSON."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
