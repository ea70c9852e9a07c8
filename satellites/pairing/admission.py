"""How a device without a browser comes in, at `/v1/paired`, where only owners get.

It shows a code that is sent there, or a token is made there that somebody writes into it.
"""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import FastAPI
from loguru import logger
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from satellites.pairing.paired import TooMany
from satellites.pairing.waiting import Waiting
from satellites.refused import refused

NOT_WRITTEN: Final = "The assistant cannot write this down: is its disk full?"
NO_SUCH_CODE: Final = (
    "No device that asks to be let in shows this code: look at it once more. passfel pair --list tells who asks."
)


class Admitted(BaseModel):
    """A device that is to be let in."""

    code: Annotated[str, Field(max_length=12)] | None = None
    """The one that it shows; without it a token is made."""
    name: Annotated[str, Field(max_length=1000)] | None = None


def mount(app: FastAPI, waiting: Waiting) -> None:
    """Let them in at `app`."""

    async def admit(device: Admitted) -> Response:
        try:
            if device.code is None:
                added, secret = await waiting.paired.add(device.name or "")
                return JSONResponse({"id": added.id, "name": added.name, "token": secret})
            accepted = await waiting.accept(device.code, device.name)
        except TooMany as error:
            return refused(str(error), HTTPStatus.CONFLICT)
        except OSError as error:
            logger.error("A device could not be let in: {}", error)
            return refused(NOT_WRITTEN, HTTPStatus.INSUFFICIENT_STORAGE)
        if accepted is None:
            return refused(NO_SUCH_CODE, HTTPStatus.NOT_FOUND)
        return JSONResponse({"id": accepted.id, "name": accepted.name})

    async def asking() -> Response:
        return JSONResponse(
            [
                {"code": each.code, "what": each.what, "address": each.address, "door": each.door}
                for each in waiting.asking()
            ]
        )

    app.add_api_route("/v1/paired", admit, methods=["POST"])
    app.add_api_route("/v1/paired/waiting", asking, methods=["GET"])
