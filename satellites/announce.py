"""Where automations and scripts of the house have the assistant say something: `POST /v1/announce`.

It is said at a device, or wherever somebody can hear it, once nobody speaks there; in quiet hours it waits, unless it
is urgent.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from pipeline.assistant import AssistantNotReady
from satellites.refused import SOON, invalid, refused

LONGEST = 1000
"""Characters; nobody listens to more at once."""


class Assistant(Protocol):
    """What this door needs of the assistant."""

    async def announce(self, text: str, *, devices: Collection[str], room: str | None, urgent: bool) -> bool:
        """Say something; False where it waits until somebody can hear it. Raises `AssistantNotReady`."""


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class Announcement(BaseModel):
    """What is to be said."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00]*$")]
    device: Name | Annotated[list[Name], Field(min_length=1, max_length=64)] | None = None
    """Where; anywhere where it is left out, or where one is named and nobody is there."""
    room: Name | None = None
    """At all devices of a room."""
    urgent: bool = False
    """Whether it is said in quiet hours too."""


def mount(app: FastAPI, assistant: Assistant) -> None:
    """Take announcements at `app`."""

    async def announce(request: Request) -> Response:
        try:
            wanted = Announcement.model_validate_json(await request.body())
        except ValidationError as error:
            return refused(invalid(error), HTTPStatus.BAD_REQUEST)
        try:
            devices = [wanted.device] if isinstance(wanted.device, str) else wanted.device or []
            said = await assistant.announce(wanted.text, devices=devices, room=wanted.room, urgent=wanted.urgent)
        except AssistantNotReady as error:
            return refused(str(error), HTTPStatus.SERVICE_UNAVAILABLE, SOON)
        return JSONResponse({"status": "said" if said else "waiting"})

    app.add_api_route("/v1/announce", announce, methods=["POST"], response_model=None)
