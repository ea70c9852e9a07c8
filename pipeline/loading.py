"""Loads what the assistant hears, thinks and speaks with, and warms it."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, cast

from loguru import logger
from openai import AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageParam

from pipeline.conversation import Engines
from pipeline.engines.embedded import EmbeddedLanguageEngine
from pipeline.engines.endpoint import Endpoint
from pipeline.engines.engine_state import EngineRecord
from pipeline.engines.families import Family
from pipeline.engines.prefixes import share_prefix
from pipeline.engines.probe import probe
from pipeline.orchestrator.completions import Completions, Engine, Fallback
from pipeline.orchestrator.language import language_client
from pipeline.orchestrator.prompt import EXAMPLES, Prompt
from pipeline.settings import Settings
from voice import models
from voice.endpointing import SmartTurn
from voice.piper import PiperEngine
from voice.vad import SpeechDetector
from voice.voices import Voices
from voice.whisper import WhisperEngine

WARM_UP_LIMIT: Final = 60.0
PROBE_LIMIT: Final = 10.0
"""Seconds for each answer of a server that is asked what it can do."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What hears and speaks."""

    whisper: WhisperEngine
    smart_turn: SmartTurn
    detector: SpeechDetector
    piper: PiperEngine
    voices: Voices


@dataclass(frozen=True, slots=True)
class LanguageModelInUse:
    """What thinks: a server, or the embedded engine."""

    endpoint: Endpoint
    client: AsyncOpenAI
    embedded: EmbeddedLanguageEngine | None = None
    family: Family | None = None
    priorities: bool = False
    """Whether the server knows which requests are urgent."""


def load_voice(settings: Settings, stack: AsyncExitStack) -> Voice:
    """Load the speech engines, which `stack` closes; this blocks.

    Raises `voice.models.ModelMissing`, `voice.whisper.WhisperError` and `voice.piper.VoiceError`.
    """
    data, hearing = settings.data_dir, settings.hearing
    whisper = WhisperEngine(
        models.whisper_model(hearing.model, data),
        language=None if hearing.language == "auto" else hearing.language,
        beam=hearing.beam,
        threads=hearing.threads or cores(),
        compute_type=hearing.compute_type,
        device=hearing.device,
    )
    stack.callback(whisper.close)

    def load(name: str) -> PiperEngine:
        threads = settings.speaking.threads or cores()
        return PiperEngine(models.piper_voice(name, data), cache_dir=data / "cache" / "piper", threads=threads)

    piper = load(settings.speaking.voice)
    stack.callback(piper.close)
    voices = Voices(piper, settings.speaking.voices, load)
    stack.callback(voices.close)
    return Voice(whisper, SmartTurn(models.smart_turn()), SpeechDetector(models.silero_vad()), piper, voices)


async def start_language_model(settings: Settings, stack: AsyncExitStack) -> LanguageModelInUse:
    """Reach the server that the settings name, or the engine that runs here, or start the embedded one.

    `stack` closes it. Raises `pipeline.engines.embedded.LanguageEngineError`.
    """
    language, family, priorities, embedded = settings.language, None, False, None
    own = EngineRecord(settings.data_dir).read()
    if language.url is not None:
        key = language.api_key.get_secret_value() if language.api_key else "none"
        named = Endpoint(language.url, key, language.model or "", context=language.context)
        endpoint, family, priorities = await _known(named, settings)
    elif own is not None and own.url:
        endpoint, family, priorities = await _known(own.endpoint(), settings)
    else:
        embedded = EmbeddedLanguageEngine(
            models.language_model(language.model),
            prefixes=settings.data_dir / "cache" / "prefixes",
            threads=language.threads,
            context=language.context,
        )
        endpoint = await embedded.start()
        stack.push_async_callback(embedded.stop)
    client = language_client(endpoint)
    stack.push_async_callback(client.close)
    return LanguageModelInUse(endpoint, client, embedded, family, priorities)


async def _known(endpoint: Endpoint, settings: Settings) -> tuple[Endpoint, Family | None, bool]:
    """Learn what a server can do by asking it, once for each of its models and versions."""
    language = settings.language
    found = await probe(endpoint, cache=settings.data_dir / "cache" / "capabilities.json", patience=PROBE_LIMIT)
    logger.info(found.summary())
    known = found.known(endpoint, tools=language.tools, images=language.images)
    return known, found.family(endpoint.url), found.priorities is True


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def completions_with(
    model: LanguageModelInUse, settings: Settings, stack: AsyncExitStack, *, draining: bool
) -> Completions:
    """Make what asks the household's own model, and a hosted one where that is allowed; `stack` closes it.

    Args:
        draining: whether the own model is asked nothing until that is ended.
    """
    hosted, fallback = settings.fallback, None
    if hosted.allowed:
        assert hosted.api_key is not None
        assert hosted.model is not None
        address = Endpoint(hosted.url, hosted.api_key.get_secret_value(), hosted.model)
        hosted_client = language_client(address)
        stack.push_async_callback(hosted_client.close)
        fallback = Fallback("the hosted service", address, hosted_client, allowed=True, private=hosted.private)
    own = Engine("the language model", model.endpoint, model.client, family=model.family, priorities=model.priorities)
    completions = Completions(own, fallback, beside_speech=model.embedded is not None)
    if draining:
        completions.drain()
    stack.callback(completions.close)
    return completions


async def warm_up(engines: Engines, settings: Settings) -> None:
    """Have everything done once that is slow the first time: hear, speak, and read the prompt."""
    async with asyncio.timeout(WARM_UP_LIMIT):
        await engines.whisper.warm_up()
        await engines.piper.warm_up()
    prompt = Prompt(settings.household, small=engines.endpoint.needs_examples)
    messages = [{"role": "system", "content": prompt.instruction()}, *prompt.opening()]
    try:
        async with asyncio.timeout(WARM_UP_LIMIT):
            if engines.endpoint.slots:
                await share_prefix(
                    engines.endpoint, [prompt.instruction(), *EXAMPLES], lambda: _read(engines, messages, slot=0)
                )
            await _read(engines, messages, slot=0 if engines.endpoint.slots else None)
    except (OpenAIError, TimeoutError) as error:
        # It may come up later, and until then the assistant says so aloud.
        logger.warning(f"the language model at {engines.endpoint.url} does not answer yet: {error}")


async def _read(engines: Engines, messages: Sequence[object], *, slot: int | None) -> None:
    await engines.client.chat.completions.create(
        model=engines.endpoint.model,
        messages=cast("list[ChatCompletionMessageParam]", messages),
        max_tokens=1,
        extra_body=None if slot is None else {"id_slot": slot},
    )
