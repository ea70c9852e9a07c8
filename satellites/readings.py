"""Where sensors and scripts of the house put their readings: `POST /v1/readings`.

It answers once they are kept, so whoever gets no 200 sends them again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import FastAPI, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import JSONResponse, Response

from pipeline.store.database import StoreDown
from pipeline.store.readings import Reading
from satellites.refused import SOON, invalid, refused

MOST_READINGS = 1000
"""In one request."""

_AHEAD = timedelta(days=1)
# Before that nobody measured anything here.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class Assistant(Protocol):
    """What this door needs of the assistant."""

    async def note_readings(self, readings: Sequence[Reading]) -> None:
        """Keep readings. Raises `StoreDown`."""


class Sent(BaseModel):
    """A reading, as it is sent."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(max_length=20, pattern=r"^[^\x00]*$")] = ""
    room: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] | None = None
    at: AwareDatetime | None = None
    """When it was measured, with its offset from UTC; now where that is left out."""


_SENT = TypeAdapter(Annotated[list[Sent], Field(min_length=1, max_length=MOST_READINGS)])


def mount(app: FastAPI, assistant: Assistant) -> None:
    """Take readings at `app`: one, or a list of them."""

    async def readings(request: Request) -> Response:
        body = (await request.body()).strip()
        try:
            sent = _SENT.validate_json(body if body.startswith(b"[") else b"[" + body + b"]")
        except ValidationError as error:
            return refused(invalid(error), HTTPStatus.BAD_REQUEST)
        now = datetime.now(UTC)
        kept = [Reading(each.name, each.value, each.at or now, each.unit, each.room or None) for each in sent]
        if any(not _EARLIEST < each.at < now + _AHEAD for each in kept):
            return refused("at: has to be a moment of the past, at most a day ahead", HTTPStatus.BAD_REQUEST)
        try:
            await assistant.note_readings(kept)
        except StoreDown as error:
            return refused(f"The database does not answer: {error}", HTTPStatus.SERVICE_UNAVAILABLE, SOON)
        return JSONResponse({"kept": len(kept)})

    app.add_api_route("/v1/readings", readings, methods=["POST"], response_model=None)
