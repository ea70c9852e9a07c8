"""What the assistant takes before it loads: from the catalogue the first time, then from what its last start took.

What does not fit is not begun: the kernel would kill it in the middle of an answer.
"""

import json
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from loguru import logger

from pipeline.budget import host
from pipeline.budget.catalogue import Catalogue, Unknown
from pipeline.budget.figures import Engine, figures
from pipeline.budget.footprint import descendants, footprint, name, peak
from pipeline.budget.memory import GIB
from pipeline.settings import Settings
from voice import models
from voice.models import ModelNotFetched

RESERVE_SHARE = 0.1
"""Of what is needed, for conversations that speak at the same time and for what nobody foresaw."""

_FILE = "memory.json"
_STORES = ("postgres", "valkey-server")
_PLENTY = 2
_SMALLEST_WHISPER = "tiny.en"
_CONTEXTS = (8192, 4096, 2048)
# Of a model that is not in the catalogue: what it keeps of conversations, as a share of its file.
_UNKNOWN_CACHE = 0.25


class NotEnoughMemory(Exception):  # noqa: N818 - reads as what is the matter
    """The assistant would not find the memory that it needs; the message has the numbers and what would fit."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that the assistant takes once it is warm."""

    speech: int
    """Hearing, speaking, finding texts by their meaning, and the assistant itself: one process."""
    language: int
    """The embedded language model's process; 0 where a server answers."""
    stores: int = 0
    """The processes of the embedded Postgres and Redis; 0 where others are used."""
    measured: bool = False
    """Whether a start with these settings has shown it."""
    loading: int = 0
    """What speech took while it was loaded, before the language model was."""

    @property
    def total(self) -> int:
        """The most that is held at any moment, and a reserve."""
        return round(max(self.loading, self.speech + self.language + self.stores) * (1 + RESERVE_SHARE))

    def described(self) -> str:
        """Tell it in GiB."""
        how = "as its last start did" if self.measured else "by the catalogue"
        return (
            f"{self.total / GIB:.2f} GiB needed {how}: {self.speech / GIB:.2f} for hearing and speech, "
            f"{self.language / GIB:.2f} for the language model, {self.stores / GIB:.2f} for the database, and a reserve"
        )


def need(settings: Settings, catalogue: Catalogue) -> Need:
    """Tell what these settings need; a model that is still to be fetched counts nothing.

    Raises `voice.models.ModelMissing`.
    """
    return _recorded(settings) or Need(_speech(settings, catalogue), _language(settings, catalogue), _stores(settings))


def fitting(settings: Settings, *, auto: bool, root: Path = Path("/")) -> tuple[Settings, str]:
    """Return settings that fit the memory which is free now, and what was decided about them.

    With `auto` that may be a shorter context or the smallest Whisper, in the order of what they cost a household.

    Raises `NotEnoughMemory`, and `voice.models.ModelMissing`.
    """
    catalogue = Catalogue.load()
    room = host.tightest(root)
    wanted = need(settings, catalogue)
    if wanted.total <= room.free:
        return settings, ""
    told = f"{wanted.described()}; {room.free / GIB:.2f} GiB of {room.limit / GIB:.2f} are free ({room.of})"
    for smaller in _smaller(settings):
        if need(smaller, catalogue).total <= room.free:
            if auto:
                return smaller, f"{told}. Started with {_difference(smaller)}"
            raise NotEnoughMemory(f"{told}. It fits with {_difference(smaller)}, which passfel serve --auto takes")
    raise NotEnoughMemory(f"{told}. End something else, or raise the limit")


def check_language(settings: Settings, *, root: Path = Path("/")) -> None:
    """Look, once speech is loaded, whether there is still room for the language model.

    Raises `NotEnoughMemory`, and `voice.models.ModelMissing`.
    """
    wanted, room = need(settings, Catalogue.load()).language, host.tightest(root)
    if wanted > room.free:
        raise NotEnoughMemory(
            f"the language model needs {wanted / GIB:.2f} GiB, and {room.free / GIB:.2f} of {room.limit / GIB:.2f} are "
            f"left beside speech ({room.of}): end something else, or lower language.context"
        )


def scarce(settings: Settings, *, root: Path = Path("/")) -> bool:
    """Tell whether what is free now is so little that speech and language model had better load one by one."""
    return host.tightest(root).free < _PLENTY * need(settings, Catalogue.load()).total


def record(settings: Settings) -> None:
    """Note what each stage of this start took, and its peak, for the next one. Blocks for some milliseconds."""
    own = os.getpid()
    others = {process: peak(process) for process in descendants(own)}
    stores = sum(taken for process, taken in others.items() if name(process) in _STORES)
    taken = {
        "settings": _key(settings),
        "speech": footprint(own),
        "loading": peak(own),
        "language": sum(others.values()) - stores,
        "stores": stores,
    }
    try:
        (settings.data_dir / _FILE).write_text(json.dumps(taken), encoding="utf-8")
    except OSError as error:
        logger.warning(f"what the start took cannot be noted: {error}")


def held() -> Need:
    """What this process and those that it has started hold now. Blocks for some milliseconds."""
    own = os.getpid()
    others = {process: footprint(process) for process in descendants(own)}
    stores = sum(taken for process, taken in others.items() if name(process) in _STORES)
    return Need(footprint(own), sum(others.values()) - stores, stores, measured=True)


def _recorded(settings: Settings) -> Need | None:
    try:
        noted = json.loads((settings.data_dir / _FILE).read_text(encoding="utf-8"))
        if noted["settings"] == _key(settings):
            # It was noted before anybody spoke.
            speaking = round(figures().assistant.conversation.value * GIB)
            speech, language, stores, loading = (
                int(noted[part]) for part in ("speech", "language", "stores", "loading")
            )
            return Need(speech + speaking, language, stores, measured=True, loading=loading)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return None


def _key(settings: Settings) -> list[object]:
    hearing, language = settings.hearing, settings.language
    return [
        *(hearing.model, hearing.compute_type, settings.speaking.voice),
        *settings.speaking.voices,
        *(language.url, language.model, language.context),
        *(settings.stores.embedded, settings.stores.postgres is None, settings.stores.redis is None),
    ]


def _speech(settings: Settings, catalogue: Catalogue) -> int:
    assistant = figures().assistant
    process = assistant.process.value + assistant.conversation.value
    voices = sum(_voice(name, settings) for name in {settings.speaking.voice, *settings.speaking.voices})
    return round(process * GIB) + _whisper(settings, catalogue) + voices + _encoder(settings)


def _voice(name: str, settings: Settings) -> int:
    try:
        return models.piper_voice(name, settings.data_dir, fetch=False).stat().st_size
    except ModelNotFetched:
        return 0


def _whisper(settings: Settings, catalogue: Catalogue) -> int:
    name = settings.hearing.model
    try:
        sizes = [c.gigabytes for c in catalogue.model(f"whisper-{name}").checkpoints if c.gigabytes]
        return round(min(sizes) * 1e9)
    except (Unknown, ValueError):
        pass
    try:
        folder = models.whisper_model(name, settings.data_dir, fetch=False)
    except ModelNotFetched:
        return 0
    return sum(file.stat().st_size for file in folder.glob("*.bin"))


def _encoder(settings: Settings) -> int:
    """What finds texts by their meaning, which is loaded wherever there is a database for them."""
    if settings.stores.postgres is None and not settings.stores.embedded:
        return 0
    try:
        weights, _ = models.sentence_encoder()
    except models.ModelMissing:
        return 0
    return weights.stat().st_size


def _language(settings: Settings, catalogue: Catalogue) -> int:
    language = settings.language
    if language.url is not None:
        return 0
    file = models.language_model(language.model)
    process = round(figures().engines[Engine.EMBEDDED].process.value * GIB)
    try:
        cache = catalogue.model(file.name).cache
    except Unknown:
        cache = None
    kept = cache.bytes_for(language.context, "bf16") if cache else round(_UNKNOWN_CACHE * file.stat().st_size)
    return file.stat().st_size + kept + process


def _stores(settings: Settings) -> int:
    own = settings.stores.postgres is None and settings.stores.embedded
    return round(figures().stores.embedded.value * GIB) if own else 0


def _smaller(settings: Settings) -> list[Settings]:
    contexts = [context for context in _CONTEXTS if context <= settings.language.context]
    if settings.language.url is not None:
        contexts = [settings.language.context]
    whispers = [settings.hearing.model]
    if settings.hearing.language == "en" and settings.hearing.model != _SMALLEST_WHISPER:
        whispers.append(_SMALLEST_WHISPER)
    return [
        settings.model_copy(
            update={
                "hearing": settings.hearing.model_copy(update={"model": whisper}),
                "language": settings.language.model_copy(update={"context": context}),
            }
        )
        for whisper, context in product(whispers, contexts)
    ]


def _difference(smaller: Settings) -> str:
    return f'hearing.model = "{smaller.hearing.model}" and language.context = {smaller.language.context}'
