"""`passfel doctor`: what is installed, what is found, what is wrong, and how to mend it."""

import asyncio
import errno
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pipeline.budget import host
from pipeline.budget.catalogue import Catalogue
from pipeline.budget.memory_need import need
from pipeline.settings import Settings, is_loopback
from voice import models
from voice.models import ModelMissing, ModelNotFetched
from voice.player import find_player

PACKAGES = (
    "pipecat-ai",
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "piper-tts",
    "xllamacpp",
    "aiortc",
    "websockets",
    "uvicorn",
)

NEEDED_DISK = 1 << 30
"""Bytes that a data folder may come to hold: joined models, downloads, stores."""

ANSWER_TIMEOUT = 5.0
"""Seconds that a server may take to say which models it has."""


class State(StrEnum):
    """How a finding is to be taken."""

    GOOD = "ok"
    NOTE = "note"
    """It works, but something is less than it could be."""
    WRONG = "wrong"
    """`passfel serve` will fail, or fail to answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    detail: str
    """What was found and, where it is not good, what to do."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that `passfel serve` needs, one finding after the other. Blocks; fetches nothing."""
    yield _machine()
    yield _memory(settings)
    yield from _packages()
    yield _data_dir(settings.data_dir)
    yield from _models(settings)
    yield _language_server(settings)
    yield _database(settings)
    yield _embeddings(settings)
    yield _redis(settings)
    yield _listening(settings)
    yield _sound()


def _machine() -> Finding:
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    cores = os.cpu_count() or 1
    detail = f"{python}, {cores} {'core' if cores == 1 else 'cores'}"
    if cores < 2:
        return Finding("machine", State.NOTE, f"{detail}: answers will be slow with fewer than two")
    return Finding("machine", State.GOOD, detail)


def _memory(settings: Settings) -> Finding:
    room = host.tightest()
    detail = f"{size(room.free)} free of {size(room.limit)} ({room.of})"
    try:
        wanted = need(settings, Catalogue.load())
    except ModelMissing:
        # What is missing is told of by itself.
        return Finding("memory", State.NOTE, f"{detail}; what is needed is not known")
    detail += f", {wanted.described()}"
    if wanted.total > room.free:
        return Finding("memory", State.WRONG, f"{detail}: end something else, or start with passfel serve --auto")
    return Finding("memory", State.GOOD, detail)


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(package, State.GOOD, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(package, State.WRONG, "not installed: run make serve, or pip install -e .")


def _data_dir(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        detail = f"{folder} cannot be written: set data_dir, or give {existing} to this user"
        return Finding("data folder", State.WRONG, detail)
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {size(free)} free"
    if free < NEEDED_DISK:
        return Finding("data folder", State.NOTE, f"{detail}: models may need {size(NEEDED_DISK)}")
    return Finding("data folder", State.GOOD, detail)


def models_in_use(settings: Settings) -> Iterator[tuple[str, str]]:
    """Find or fetch the models that the settings name; yield what each is for, its name and size.

    Raises `ModelMissing`.
    """
    hearing, speaking, language = settings.hearing, settings.speaking, settings.language
    whisper = models.whisper_model(hearing.model, settings.data_dir)
    yield "hearing", f"Whisper {hearing.model}, {size(size_on_disk(whisper))}"
    voice = models.piper_voice(speaking.voice, settings.data_dir)
    yield "speaking", f"Piper {speaking.voice}, {size(size_on_disk(voice))}"
    if language.url is not None:
        yield "language", f"{language.model or 'the first model'} at {language.url}"
    else:
        gguf = models.language_model(language.model)
        yield "language", f"{gguf.stem}, {size(size_on_disk(gguf))}"


def _models(settings: Settings) -> Iterator[Finding]:
    hearing, speaking, language, data_dir = (
        settings.hearing,
        settings.speaking,
        settings.language,
        settings.data_dir,
    )
    yield _model("hearing", hearing.model, lambda: models.whisper_model(hearing.model, data_dir, fetch=False))
    yield _model("speaking", speaking.voice, lambda: models.piper_voice(speaking.voice, data_dir, fetch=False))
    if language.url is None:
        yield _model("language", language.model or "embedded", lambda: models.language_model(language.model))
    yield _model("speech detection", "Silero", models.silero_vad)
    yield _model("end of turn", "smart turn", models.smart_turn)


def _model(what: str, name: str, find: Callable[[], Path]) -> Finding:
    try:
        path = find()
    except ModelNotFetched as error:
        return Finding(what, State.NOTE, str(error))
    except ModelMissing as error:
        return Finding(what, State.WRONG, str(error))
    return Finding(what, State.GOOD, f"{name}, {size(size_on_disk(path))}, {path}")


def _language_server(settings: Settings) -> Finding:
    language = settings.language
    if language.url is None:
        return Finding("language server", State.GOOD, "none set: the embedded engine answers")
    key = {"Authorization": f"Bearer {language.api_key.get_secret_value()}"} if language.api_key else {}
    try:
        answer = httpx.get(f"{language.url}/models", headers=key, timeout=ANSWER_TIMEOUT)
        answer.raise_for_status()
        names = [model["id"] for model in answer.json()["data"]]
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        advice = (
            "check language.api_key" if status in (401, 403) else "check that language.url ends as it should, in /v1"
        )
        return Finding("language server", State.WRONG, f"{language.url} answers with status {status}: {advice}")
    except httpx.HTTPError:
        detail = f"{language.url} does not answer: start that server, or correct language.url"
        return Finding("language server", State.WRONG, detail)
    except (ValueError, KeyError, TypeError):
        return Finding("language server", State.WRONG, f"{language.url} is no OpenAI-compatible API")
    if language.model is not None and language.model not in names:
        detail = f"{language.url} has no model {language.model}: set language.model to one of {', '.join(names)}"
        return Finding("language server", State.WRONG, detail)
    return Finding("language server", State.GOOD, f"{language.url} has {', '.join(names)}")


def _embeddings(settings: Settings) -> Finding:
    if settings.embeddings.url is not None:
        return Finding("embeddings", State.GOOD, f"{settings.embeddings.model} at {settings.embeddings.url}")
    try:
        weights, _ = models.sentence_encoder()
    except ModelMissing as error:
        return Finding("embeddings", State.NOTE, f"texts are found by their words alone: {error}")
    return Finding("embeddings", State.GOOD, str(weights))


def _redis(settings: Settings) -> Finding:
    stores = settings.stores
    if stores.redis is None:
        return Finding("redis", State.GOOD, f"its own, in {settings.data_dir}" if stores.embedded else "none")
    host = urlsplit(stores.redis.get_secret_value()).hostname or "the socket"
    try:
        asyncio.run(_ping(stores.redis.get_secret_value()))
    except (OSError, ValueError, RedisError) as error:
        told = str(error) or f"it does not answer within {ANSWER_TIMEOUT:g} s"
        return Finding("redis", State.NOTE, f"{host}: {told}: each assistant goes on by itself; see stores.redis")
    return Finding("redis", State.GOOD, f"{host} answers")


async def _ping(address: str) -> None:
    async with Redis.from_url(address, socket_timeout=ANSWER_TIMEOUT, socket_connect_timeout=ANSWER_TIMEOUT) as redis:
        await redis.ping()


def _database(settings: Settings) -> Finding:
    stores = settings.stores
    if stores.postgres is None:
        detail = f"its own, in {settings.data_dir}" if stores.embedded else "none: nothing that is said is kept"
        return Finding("database", State.GOOD, detail)
    host = urlsplit(stores.postgres.get_secret_value()).hostname or "the socket"
    try:
        asyncio.run(_connect(stores.postgres.get_secret_value()))
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        told = str(error) or f"it does not answer within {ANSWER_TIMEOUT:g} s"
        return Finding("database", State.NOTE, f"{host}: {told}: what is said waits in memory; see stores.postgres")
    return Finding("database", State.GOOD, f"{host} answers")


async def _connect(address: str) -> None:
    connection = await asyncpg.connect(address, timeout=ANSWER_TIMEOUT)
    await connection.close()


def _listening(settings: Settings) -> Finding:
    where = f"{settings.host} port {settings.port}"
    try:
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[4], family=address[0]).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_passfel(settings):
            return Finding("address", State.GOOD, f"PASSFEL is running on {where}")
        reason = error.strerror or str(error)
        detail = f"{where} cannot be listened on ({reason}): stop the other program, or set host and port"
        return Finding("address", State.WRONG, detail)
    who = "this machine only" if is_loopback(settings.host) else "other machines, with the token"
    return Finding("address", State.GOOD, f"{where} is free; it will be open to {who}")


def _is_passfel(settings: Settings) -> bool:
    try:
        answer = httpx.get(f"http://localhost:{settings.port}/healthz", timeout=ANSWER_TIMEOUT, trust_env=False)
        return "status" in answer.json()
    except (httpx.HTTPError, ValueError, TypeError):
        return False


def _sound() -> Finding:
    if player := find_player():
        return Finding("sound", State.GOOD, f"{player} plays for passfel say and talk --play")
    detail = "no player for passfel say and talk --play: install pulseaudio-utils, alsa-utils or ffmpeg"
    return Finding("sound", State.NOTE, detail)


def size(of_bytes: int) -> str:
    """Write a number of bytes as people read it."""
    return f"{of_bytes / 1e9:.1f} GB" if of_bytes >= 1e9 else f"{of_bytes / 1e6:.0f} MB"


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
