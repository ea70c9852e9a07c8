"""The client's functions, as the model calls them."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams

from satellites.realtime.protocol import RealtimeProtocol

CALL_TIMEOUT = 120.0
"""Seconds in which the client answers a call; longer than a person takes who is asked for permission."""

RESULT_TIMEOUT = 2.0
"""Seconds in which a result reaches the context. It takes milliseconds, unless the conversation has given the
call up."""


class ClientFunctions:
    """The calls that wait for the client, and the results on their way to the context."""

    def __init__(self, protocol: RealtimeProtocol, perform: Callable[[], Awaitable[None]]) -> None:
        """`perform` does what the protocol asks for."""
        self._protocol = protocol
        self._perform = perform
        self._calls: dict[str, asyncio.Future[str]] = {}
        self._undelivered: set[str] = set()
        self._delivered = asyncio.Event()
        self._delivered.set()

    async def call(self, params: FunctionCallParams) -> None:
        """Hand a call to the client, and its output to the context. The model runs when the client asks.

        When cancelled, by the caller who speaks meanwhile, a late output still reaches the context.
        """
        call_id, name = params.tool_call_id, params.function_name
        if not self._protocol.offers(name):
            await params.result_callback({"error": f"There is no function `{name}`."})
            return
        call = self._calls[call_id] = asyncio.get_running_loop().create_future()
        self._protocol.function_called(call_id, name, json.dumps(dict(params.arguments)))
        try:
            await self._perform()
            async with asyncio.timeout(CALL_TIMEOUT):
                output = await asyncio.shield(call)
        except TimeoutError:
            logger.warning(f"The client did not answer the call of {name}")
            self._abandon(call_id, call)
            await params.result_callback({"error": "The device that has this function did not answer."})
            return
        except asyncio.CancelledError:
            self._abandon(call_id, call)
            raise
        del self._calls[call_id]
        await self._deliver(params, output)

    def answer(self, call_id: str, output: str) -> None:
        """Take the client's output of a call."""
        call = self._calls.get(call_id)
        if call is not None and not call.done():
            self._undelivered.add(call_id)
            self._delivered.clear()
            call.set_result(output)

    async def delivered(self) -> None:
        """Wait until the context has every output taken so far, for `RESULT_TIMEOUT` at most."""
        try:
            async with asyncio.timeout(RESULT_TIMEOUT):
                await self._delivered.wait()
        except TimeoutError:
            logger.warning(f"The context did not take the results of {self._undelivered}")
            self._undelivered.clear()
            self._delivered.set()

    async def _deliver(self, params: FunctionCallParams, output: str) -> None:
        async def written() -> None:
            self._settle(params.tool_call_id)

        result: Any = output
        with contextlib.suppress(ValueError, RecursionError):
            result = json.loads(output)
        properties = FunctionCallResultProperties(run_llm=False, on_context_updated=written)
        await params.result_callback(result, properties=properties)

    def _abandon(self, call_id: str, call: asyncio.Future[str]) -> None:
        del self._calls[call_id]
        self._protocol.call_abandoned(call_id, call.result() if call.done() else None)
        self._settle(call_id)

    def _settle(self, call_id: str) -> None:
        self._undelivered.discard(call_id)
        if not self._undelivered:
            self._delivered.set()
