"""The measure: every request to every server, with and without what PASSFEL answers by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.intents.matching import LocalIntents
from pipeline.orchestrator.language import language_client
from tests.benchmarks.servers import LanguageServer
from tests.benchmarks.tool_choice import tables
from tests.benchmarks.tool_choice.asking import Answer, Asker, house_tools, reached
from tests.benchmarks.tool_choice.requests import requests


async def measure(
    servers: Sequence[LanguageServer], folder: Path, *, only: str | None = None
) -> tuple[str, dict[str, list[Answer]]]:
    """Return the report's text, and the answers of each side.

    Args:
        servers: they answer the same requests, so that two of them can be compared.
        only: a tool; other requests are left out.
    """
    asked = [request for request in requests() if only in (None, request.topic)]
    if not asked:
        raise SystemExit(f"there is no request about {only!r}")
    sides: dict[str, list[Answer]] = {}
    intents = await asyncio.to_thread(LocalIntents, "en")
    for number, server in enumerate(servers, start=1):
        endpoint, family = await reached(server, folder)
        name = endpoint.model if len(servers) == 1 else f"{number}: {endpoint.model}"
        async with language_client(endpoint) as client:
            # Also a model that PASSFEL would not trust with tools has to show what it can do.
            trusted = replace(endpoint, calls_tools=True)
            sides[f"{name} alone"] = await Asker(trusted, client, family, folder, None).all(asked)
            sides[f"{name} in PASSFEL"] = await Asker(endpoint, client, family, folder, intents).all(asked)
    return tables.text(sides, house_tools(folder)), sides
