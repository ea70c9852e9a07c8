"""Where programs and the page use the house's tools: `POST /v1/tools/NAME`.

What has to be confirmed aloud is not done here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from pipeline.assistant import AssistantNotReady
from pipeline.caller import HOUSEHOLD, Caller, Permission
from satellites.refused import SOON, invalid, refused
from tools.outcomes import Outcome, Status

PERMISSIONS = HOUSEHOLD - {Permission.SECURE}
"""Nobody can be asked aloud here."""
_CODES: Mapping[Status, HTTPStatus] = {
    Status.DONE: HTTPStatus.OK,
    Status.INVALID: HTTPStatus.BAD_REQUEST,
    Status.REFUSED: HTTPStatus.FORBIDDEN,
    Status.UNCONFIRMED: HTTPStatus.FORBIDDEN,
    Status.FAILED: HTTPStatus.BAD_GATEWAY,
}
_ASK_ALOUD = "This has to be confirmed by a person: ask for it by voice."


class Assistant(Protocol):
    """What this door needs of the assistant."""

    async def use_tool(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Outcome:
        """Use one. Raises `AssistantNotReady`."""


class Call(BaseModel):
    """A tool's arguments, and where they come from."""

    model_config = ConfigDict(extra="forbid")

    arguments: dict[str, Any] = {}
    device: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")] = "program"
    """The device that asks: timers ring there."""


def mount(app: FastAPI, assistant: Assistant) -> None:
    """Take calls at `app`."""

    async def use(name: str, request: Request) -> Response:
        try:
            call = Call.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return refused(invalid(error), HTTPStatus.BAD_REQUEST)
        caller = Caller(door="tools", device=call.device, permissions=PERMISSIONS)
        try:
            outcome = await assistant.use_tool(name, call.arguments, caller)
        except AssistantNotReady as error:
            return refused(str(error), HTTPStatus.SERVICE_UNAVAILABLE, SOON)
        if outcome.status is not Status.DONE:
            said = _ASK_ALOUD if outcome.status is Status.UNCONFIRMED else outcome.say
            return refused(said, _CODES.get(outcome.status, HTTPStatus.BAD_GATEWAY))
        return JSONResponse({"say": outcome.say, "data": dict(outcome.data)})

    app.add_api_route("/v1/tools/{name}", use, methods=["POST"], response_model=None)
