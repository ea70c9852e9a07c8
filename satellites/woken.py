"""`/v1/woken`: which of several satellites answers that have heard the same wake word.

Doors that hold the devices' connections themselves ask the arbiter directly.
"""

from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from satellites.arbitration import Arbiter


class Woken(BaseModel):
    """A satellite has heard its wake word."""

    model_config = ConfigDict(extra="forbid")

    device: Annotated[str, Field(pattern=r"^[\w .-]{1,64}$")]
    loudness: Annotated[float, Field(ge=-200.0, le=20.0)]
    """In dB."""


def mount(app: FastAPI, arbiter: Arbiter) -> None:
    """Tell them at `app`, within 0.15 s."""

    async def woken(heard: Woken) -> Response:
        return JSONResponse({"answers": await arbiter.wins(f"satellite:{heard.device}", heard.loudness)})

    app.add_api_route("/v1/woken", woken, methods=["POST"])
