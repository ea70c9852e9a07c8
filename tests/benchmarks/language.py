"""The language model that is measured, or that both sides of a comparison ask."""

import contextlib
from collections.abc import AsyncIterator

from pipeline import settings
from pipeline.engines.embedded import EmbeddedLanguageEngine
from pipeline.engines.vllm import VllmEngine
from pipeline.settings.engine import Engine
from tests.benchmarks.servers import REPOSITORY, LanguageServer
from tests.peers import vllm_environment
from voice.models import language_model


@contextlib.asynccontextmanager
async def language_server(url: str | None, model: str) -> AsyncIterator[LanguageServer]:
    """Give the one language model that both sides ask, started here unless there is one already."""
    if url is not None:
        yield LanguageServer(url, "none", model)
        return
    # As PASSFEL starts it where no address is set.
    language = settings.Language()
    engine = EmbeddedLanguageEngine(language_model(None), threads=language.threads, context=language.context)
    endpoint = await engine.start()
    try:
        yield LanguageServer(endpoint.url, endpoint.api_key, endpoint.model, embedded=True, endpoint=endpoint)
    finally:
        await engine.stop()


@contextlib.asynccontextmanager
async def vllm_server() -> AsyncIterator[LanguageServer | None]:
    """Give vLLM's CPU build with the embedded engine's model, or None where its environment is not here."""
    if not vllm_environment.ready():
        yield None
        return
    chosen = Engine.model_validate(
        {
            "model": str(vllm_environment.MODEL),
            "python": vllm_environment.PYTHON,
            "port": 0,
            "device": "cpu",
            "context": 4096,
            "kv_cache_bytes": 512 << 20,
            "tool_parser": "hermes",
            "chat_template": REPOSITORY / "pipeline" / "engines" / "chat_template.jinja",
        }
    )
    engine = VllmEngine(chosen)
    await engine.start()
    try:
        endpoint = engine.endpoint
        yield LanguageServer(endpoint.url, endpoint.api_key, endpoint.model, endpoint=endpoint)
    finally:
        await engine.stop()
