"""Computed prompt prefixes of the embedded engine, kept from start to start and shared by its slots.

Each of llama.cpp's slots computes the prompt's stable part for itself, which takes a small processor seconds. The
first slot's state is saved to a file once (`POST /slots/{id}?action=save`, llama.cpp's server API) and restored
into all of them at every start, in milliseconds. The file holds our own prompt, and nothing that people said.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx
from loguru import logger

from pipeline.engines.endpoint import Endpoint

LIMIT: Final = 10.0
"""Seconds for one action on a slot; it is a few megabytes of a file."""


async def share_prefix(
    endpoint: Endpoint, messages: Sequence[object], compute: Callable[[], Awaitable[object]]
) -> None:
    """Give every slot of `endpoint` the state of a prompt that begins with `messages`.

    Args:
        endpoint: an embedded engine.
        messages: what the file is kept for; other messages make another file.
        compute: lets slot 0 read the prompt; called only where no file serves.
    """
    key = json.dumps([endpoint.model, endpoint.context, endpoint.slots, *messages], sort_keys=True)
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    async with httpx.AsyncClient(
        base_url=endpoint.url.removesuffix("/v1"),
        headers={"Authorization": f"Bearer {endpoint.api_key}"},
        timeout=LIMIT,
        trust_env=False,
    ) as http:
        first = 0
        if not await _act(http, 0, "restore", name):
            await compute()
            if not await _act(http, 0, "save", name):
                logger.warning("the prompt's prefix could not be kept; first answers will be slower")
                return
            first = 1
        for slot in range(first, endpoint.slots):
            await _act(http, slot, "restore", name)


async def _act(http: httpx.AsyncClient, slot: int, action: str, name: str) -> bool:
    try:
        answer = await http.post(f"/slots/{slot}", params={"action": action}, json={"filename": name})
    except httpx.HTTPError as error:
        logger.debug(f"slot {slot} could not {action}: {error}")
        return False
    return answer.is_success
