"""How the language model fares, and taking it out of use for maintenance: what `passfel engine` asks for.

Who may ask is decided by the application that these are mounted on.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from pipeline.assistant import AssistantNotReady
from pipeline.engines.engine_control import PATH
from satellites.refused import SOON, refused


class Assistant(Protocol):
    """What these routes need of the assistant. Each method raises `AssistantNotReady` before it is warm."""

    def engine_state(self) -> Mapping[str, Any]:
        """Tell how the household's own model fares, ready for JSON: draining, failing, running, waiting."""

    def drain(self) -> None:
        """Ask the model nothing from now on; answers that have begun go on."""

    def resume(self) -> None:
        """Ask the model again."""


def mount(app: FastAPI, assistant: Assistant) -> None:
    """Add the routes to the application."""

    def answered(change: Callable[[], None] | None = None) -> Response:
        try:
            if change is not None:
                change()
            return JSONResponse(dict(assistant.engine_state()))
        except AssistantNotReady as error:
            return refused(str(error), HTTPStatus.SERVICE_UNAVAILABLE, SOON)

    async def state() -> Response:
        return answered()

    async def drain() -> Response:
        return answered(assistant.drain)

    async def resume() -> Response:
        return answered(assistant.resume)

    app.add_api_route(PATH, state, methods=["GET"])
    app.add_api_route(f"{PATH}/drain", drain, methods=["POST"])
    app.add_api_route(f"{PATH}/resume", resume, methods=["POST"])
