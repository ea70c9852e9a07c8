"""What the commands of `pipeline.store.command` do, with the assistant's database or one started for the moment."""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from pipeline.audit import forget_calls
from pipeline.context.calendars import CALENDAR, CONTACTS, read_agenda
from pipeline.context.documents import READERS, Unreadable, read_document
from pipeline.context.embeddings import EmbeddingsDown
from pipeline.context.search import word_language
from pipeline.context.vectors import Vectors
from pipeline.settings import Settings
from pipeline.store import archive, privacy
from pipeline.store.archive import ArchiveFailed
from pipeline.store.command import NothingKept, StoreCommandFailed
from pipeline.store.database import Database, StoreDown, Unusable
from pipeline.store.devices import Unsayable, checked
from pipeline.store.embedded_server import ServerFailed
from pipeline.store.library import Library, digest_of
from pipeline.store.people import CHANGEABLE, People, Unknown
from pipeline.store.readings import Readings
from pipeline.store.stores import database_address, open_vectors

AGENDAS = (CALENDAR, CONTACTS)


def run_chore(name: str, settings: Settings, options: argparse.Namespace) -> int:
    """Run a command; return its exit status. Raises `StoreCommandFailed`."""
    try:
        return asyncio.run(_CHORES[name](settings, options))
    except (ArchiveFailed, EmbeddingsDown, ServerFailed, Unknown, Unusable) as error:
        raise StoreCommandFailed(str(error)) from error
    except StoreDown as error:
        raise StoreCommandFailed(f"the database does not answer: {error}; passfel doctor says more") from error
    except OSError as error:
        raise StoreCommandFailed(str(error)) from error


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    """The database, which is started for the moment where no assistant runs it."""
    async with AsyncExitStack() as stack:
        address = await database_address(settings, stack)
        if address is None:
            raise NothingKept("nothing is kept: stores.embedded is false, and stores.postgres is not set")
        database = Database(address)
        stack.push_async_callback(database.close)
        await database.open()
        yield database


async def _learn(settings: Settings, options: argparse.Namespace) -> int:
    async with _opened(settings) as database:
        library = Library(database, language=word_language(settings.hearing.language))
        if options.remove:
            return await _unlearn(library, options.paths)
        if not options.paths:
            for each in await library.documents():
                whose = f", {each.person}'s" if each.person else ""
                print(f"{each.source}: {each.title}, {each.parts} parts, {each.learned:%Y-%m-%d}{whose}")
            return 0
        failed = await _read_all(library, options.paths, options.person, settings.household.zone)
        vectors = await open_vectors(settings, database)
        try:
            await _embed(vectors)
        except EmbeddingsDown as error:
            print(f"found by their words alone for now, {error}", file=sys.stderr)
        finally:
            await vectors.close()
        return 1 if failed else 0


async def _read_all(library: Library, paths: Sequence[Path], person: str | None, zone: tzinfo) -> int:
    """Read what is new; tell of each file that cannot be read, and return how many those are."""
    files = [file for path in paths for file in _files(path)]
    learned = same = failed = 0
    with tqdm(files, desc="reading", unit="file", disable=None) as progress:
        for file in progress:
            source = str(file)
            try:
                now = datetime.now(UTC)
                digest = await asyncio.to_thread(digest_of, file)
                # Recurring events are written out for a year, so their files are read again each month.
                digest += f"{now:%Y-%m}".encode() if file.suffix.lower() == CALENDAR else b""
                if await library.knows(source, digest, person):
                    same += 1
                    continue
                if file.suffix.lower() in AGENDAS:
                    agenda = await asyncio.to_thread(read_agenda, file, zone, now)
                    await library.keep_agenda(agenda, source, digest, person)
                else:
                    document = await asyncio.to_thread(read_document, file)
                    await library.keep(document, source, digest, person)
                learned += 1
            except (Unreadable, OSError) as error:
                failed += 1
                why = error.strerror if isinstance(error, OSError) else error
                progress.write(f"{file}: {why or error}", file=sys.stderr)
    here = set(map(str, files))
    folders = [path.resolve() for path in paths if path.is_dir()]
    gone = [
        each
        for each in await library.documents()
        if each.person == person
        and each.source not in here
        and any(Path(each.source).is_relative_to(f) for f in folders)
    ]
    await library.remove([each.id for each in gone])
    print(f"{learned} learned, {same} as before, {len(gone)} gone, {failed} not readable")
    return failed


def _files(path: Path) -> list[Path]:
    """The files of a path: a folder's, as far as their names say that they are documents."""
    place = path.expanduser().resolve()
    if not place.exists():
        raise StoreCommandFailed(f"there is no {path}")
    if place.is_file():
        return [place]
    return sorted(
        file
        for file in place.rglob("*")
        if file.suffix.lower() in (*READERS, *AGENDAS)
        and not any(part.startswith(".") for part in file.relative_to(place).parts)
        and file.is_file()
    )


async def _unlearn(library: Library, paths: Sequence[Path]) -> int:
    places = [path.expanduser().resolve() for path in paths]
    found = [
        each for each in await library.documents() if any(Path(each.source).is_relative_to(place) for place in places)
    ]
    if not found:
        raise StoreCommandFailed("no document of these paths is known; passfel learn lists those that are")
    await library.remove([each.id for each in found])
    print(f"{len(found)} forgotten")
    return 0


async def _embed(vectors: Vectors) -> None:
    with tqdm(total=await vectors.rest(), desc="embedding", unit="passage", disable=None) as progress:
        while embedded := await vectors.embed_batch(newest_first=False):
            progress.update(embedded)


@dataclass(frozen=True, slots=True)
class Present:
    """A device that a door of the running assistant knows."""

    state: str
    detail: dict[str, object]


async def _devices(settings: Settings, options: argparse.Namespace) -> int:
    present = await _present(settings)
    said = {name: value for name in CHANGEABLE if (value := getattr(options, name)) is not None}
    try:
        await _tell_kept(settings, options.device, said, present)
    except NothingKept:
        # The doors know who is there even so.
        if said or not present:
            raise
    for name, now in present.items():
        if options.device in (None, name):
            print(f"{name}: {_state(now)}")
    return 0


async def _tell_kept(settings: Settings, device: str | None, said: dict[str, str], present: dict[str, Present]) -> None:
    """Change a device, and tell what is kept of those that have called; takes from `present` who is among them."""
    async with _opened(settings) as database:
        people = People(database)
        if device and said:
            try:
                await people.change(device, checked(said, settings))
            except Unsayable as error:
                raise StoreCommandFailed(str(error)) from error
        for each in await people.devices():
            if device in (None, each.name):
                now = present.pop(each.name, None)
                # What a door's settings say of the room goes before what is kept of it.
                room = (now.detail.pop("room", None) if now else None) or each.room or "no room"
                speed = f"{each.speed:g}" if each.speed else None
                own = {"speed": speed, "voice": each.voice, "quiet": each.quiet}
                told = [each.door, str(room), each.person or "everybody"]
                told += [f"{name} {value}" for name, value in own.items() if value]
                called = f" ({each.title})" if each.title else ""
                seen = _state(now) if now else f"last seen {each.last_seen:%Y-%m-%d %H:%M}"
                print(f"{each.name}{called}: {', '.join(told)}, {seen}")


async def _present(settings: Settings) -> dict[str, Present]:
    """How the devices are that the running assistant's doors know; nothing where none runs."""
    token = settings.token.get_secret_value() if settings.token else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = f"http://127.0.0.1:{settings.port}"
    try:
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=3.0, trust_env=False) as http:
            known = (await http.get("/v1/satellites")).raise_for_status().json()
        return {each["device"]: Present(each["state"], dict(each["detail"])) for each in known}
    except (httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _state(now: Present) -> str:
    """A device's state with what its door tells of it, what is wrong last."""
    detail = now.detail
    told = [f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if value and name != "problem"]
    problem = f": {detail['problem']}" if detail.get("problem") else ""
    return f"{', '.join([now.state, *told])}{problem}"


async def _export(settings: Settings, options: argparse.Namespace) -> int:
    async with _opened(settings) as database:
        person = await People(database).find(options.person)
        exported = await privacy.export(database, settings.data_dir / "household", person)
        text = json.dumps(exported, ensure_ascii=False, indent=1)
    if options.output is None:
        print(text)
        return 0
    try:
        descriptor = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreCommandFailed(f"{options.output} cannot be written: {error.strerror}") from error
    print(f"what is kept of {person} is in {options.output}")
    return 0


async def _forget(settings: Settings, options: argparse.Namespace) -> int:
    household = settings.data_dir / "household"
    async with _opened(settings) as database:
        person = await People(database).find(options.person)
        if _serves(settings) and any((await privacy.in_files(household, person)).values()):
            raise StoreCommandFailed(
                f"the assistant runs, and has timers or telephone messages of {person} in hand: end it first"
            )
        question = f"Remove everything that is kept of {person}? It cannot be brought back. [y/N] "
        if not options.yes and (await asyncio.to_thread(input, question)).strip().lower() not in ("y", "yes"):
            print("nothing was removed")
            return 1
        await privacy.forget(database, household, person)
    await asyncio.to_thread(forget_calls, household, person)
    print(f"everything that was kept of {person} is removed; backups that were made before still hold it")
    return 0


async def _backup(settings: Settings, options: argparse.Namespace) -> int:
    async with _opened(settings) as database:
        rows = await archive.back_up(database, settings.data_dir / "household", options.file)
    print(f"{options.file}: {_counted(rows)}")
    return 0


async def _restore(settings: Settings, options: argparse.Namespace) -> int:
    if _serves(settings):
        raise StoreCommandFailed("the assistant runs, and would go on with what it has in hand: end it first")
    async with _opened(settings) as database:
        await Readings(database, keep=timedelta(days=settings.stores.readings_days)).prepare()
        rows = await archive.restore(database, settings.data_dir / "household", options.file, replace=options.replace)
    print(f"restored: {_counted(rows)}")
    return 0


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in rows.items() if count) or "nothing"


def _serves(settings: Settings) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", settings.port), timeout=1.0):
        return True
    return False


_CHORES: dict[str, Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]] = {
    "learn": _learn,
    "devices": _devices,
    "export": _export,
    "forget": _forget,
    "backup": _backup,
    "restore": _restore,
}
