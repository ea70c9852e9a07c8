"""The door for clients of OpenAI's chat completions API: `POST /v1/chat/completions` and `GET /v1/models`.

It leaves authentication and the largest size of a body to the application that it is mounted on.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn, Protocol

from fastapi import FastAPI
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from pipeline.assistant import AssistantNotReady
from pipeline.caller import HOUSEHOLD, Caller, Capability
from pipeline.orchestrator.admission import Saturated
from pipeline.orchestrator.completions import NoAnswer
from pipeline.writer import Declined, HouseTool, Written, WrittenRequest
from pipeline.written import ModelDoesNotSee
from satellites.chat import MODEL, PATH
from satellites.chat.completion import Completion, error, event, model
from satellites.chat.schema import BadRequest, ChatRequest, parse

CAPABILITIES = frozenset({Capability.SHOW})

MOST_ANSWERS = 100
"""Answers at the same time, waiting ones among them. Each takes memory and some computing before its turn comes."""

LOADING_SECONDS = 5
"""After which it is worth asking an assistant again that was still loading."""

SEND_LIMIT = 30.0
"""Seconds that a client may leave a piece unread."""


class Assistant(Protocol):
    """What this door needs of the assistant."""

    def write(self, request: WrittenRequest, caller: Caller) -> AsyncGenerator[Written]:
        """Answer in writing. Closing the generator stops the work.

        Raises, at once or with the first piece: AssistantNotReady, ModelDoesNotSee, Saturated. With any: NoAnswer, and
        Declined where that is the request's fault.
        """


class ClientGone(Exception):  # noqa: N818 - reads as what happened
    """Nobody reads the answer any more."""


class Door:
    """An ASGI application that answers chat completion requests."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. A client that leaves cancels the work at once."""
        request = Request(scope, receive)
        try:
            chat = parse(await request.body())
        except (BadRequest, HTTPException) as problem:
            await Refusal.of(problem).response()(scope, receive, send)
            return
        except ClientDisconnect:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(receive))
                await self._answer(chat, caller_of(request, chat), Answer(chat, scope, send))
                watching.cancel()
        except* ClientGone:
            logger.debug("a client of the chat door has left")

    async def _answer(self, chat: ChatRequest, caller: Caller, answer: "Answer") -> None:
        if self._answers >= MOST_ANSWERS:
            await answer.fail(Saturated(1.0))
            return
        self._answers += 1
        try:
            await answer.write(self._assistant.write(chat.written(), caller))
        except ClientGone:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever went wrong in one answer stays within it
            await answer.fail(problem)
        finally:
            self._answers -= 1


class Answer:
    """One answer on its way to the client, whole or as a stream."""

    def __init__(self, chat: ChatRequest, scope: Scope, send: Send) -> None:
        self._completion = Completion(includes_usage=chat.includes_usage)
        self._streams = bool(chat.stream)
        self._scope = scope
        self._to_client = send
        self._begun = False
        self._used_tools = False

    async def write(self, pieces: AsyncGenerator[Written]) -> None:
        """Send the answer. Nothing is sent before the first piece, so that a failure still has its status."""
        async with aclosing(pieces):
            async for piece in pieces:
                self._used_tools = self._used_tools or isinstance(piece, HouseTool)
                if self._streams:
                    await self._stream(self._completion.event(piece))
                else:
                    self._completion.add(piece)
        if self._streams:
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._respond(JSONResponse(self._completion.whole()))

    async def fail(self, problem: Exception) -> None:
        """Tell the client what went wrong, in the stream where that has begun."""
        refusal = Refusal.of(problem)
        if self._begun:
            await self._send({"type": "http.response.body", "body": event(refusal.body)})
            return
        response = refusal.response()
        if self._used_tools:
            # OpenAI's clients ask again by themselves, and what a tool did would be done twice.
            response.headers["x-should-retry"] = "false"
        await self._respond(response)

    async def _stream(self, events: bytes) -> None:
        if not self._begun:
            self._begun = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                # Proxies such as nginx would collect the pieces.
                (b"x-accel-buffering", b"no"),
            ]
            await self._send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
            events = self._completion.opening() + events
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def _respond(self, response: Response) -> None:
        await response(self._scope, _nothing, self._send)

    async def _send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                await self._to_client(message)
        except (TimeoutError, OSError):
            raise ClientGone from None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told that gets no answer."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None = None
    """Seconds after which it is worth asking again."""

    @classmethod
    def of(cls, problem: Exception) -> "Refusal":
        """Put what went wrong in HTTP's and OpenAI's terms."""
        said = str(problem)
        match problem:
            case BadRequest(param=param, code=code):
                return cls(400, error(said, "invalid_request_error", param=param, code=code))
            case ModelDoesNotSee():
                return cls(400, error(said, "invalid_request_error", param="messages", code="model_does_not_see"))
            case HTTPException(status_code=status, detail=detail):
                return cls(status, error(detail, "invalid_request_error"))
            case Saturated(retry_after=seconds):
                return cls(429, error(said, "rate_limit_error", code="saturated"), seconds)
            case AssistantNotReady():
                return cls(503, error(said, "server_error", code="not_ready"), LOADING_SECONDS)
            case Declined():
                told = f"The language model does not take this: {said}"
                return cls(400, error(told, "invalid_request_error", code="declined_by_model"))
            case NoAnswer():
                logger.warning(f"a request to the chat door got no answer: {said}")
                return cls(503, error(f"The assistant cannot answer: {said}", "server_error", code="no_answer"))
        logger.opt(exception=problem).error("A request to the chat door failed")
        return cls(500, error("The server has failed; its log says why.", "server_error"))

    def response(self) -> JSONResponse:
        """The whole response."""
        headers = {} if self.retry_after is None else {"retry-after": str(math.ceil(self.retry_after))}
        return JSONResponse(self.body, self.status, headers)


def caller_of(request: Request, chat: ChatRequest) -> Caller:
    """The caller that nothing else is known about: a device by the name it gives for its user, or by its address."""
    name = chat.user or (request.client.host if request.client else "unknown")
    # The application lets in only this machine, devices that were paired and who shows the token: people of the house.
    return Caller(door="chat", device=f"chat:{name}", capabilities=CAPABILITIES, permissions=HOUSEHOLD)


async def _watch(receive: Receive) -> NoReturn:
    """Wait for the client to leave, and raise `ClientGone`."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGone


async def _nothing() -> Message:
    raise RuntimeError("the request was read already")


def mount(app: FastAPI, assistant: Assistant) -> None:
    """Serve chat completions and the list of the one model on `app`."""
    listed = model(int(time.time()))

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [listed]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name == MODEL:
            return JSONResponse(listed)
        told = error(
            f"There is no model {name!r} here: {MODEL} is the only one.", "invalid_request_error", param="model"
        )
        return JSONResponse(told, HTTPStatus.NOT_FOUND)

    app.router.routes += [
        Route(PATH, Door(assistant), methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{name:path}", one_model),
    ]
