"""Backups: all tables and the household's files in one archive, and back again.

The archive is a gzipped tar with a manifest, a file in Postgres's COPY format for each table, and the household's own
files. It is restored whole or not at all.
"""

import asyncio
import hashlib
import io
import json
import os
import tarfile
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg
from pydantic import BaseModel, ValidationError

from pipeline.private_file import OWNER_ONLY, write_private
from pipeline.store.database import Database, schema_version

FORMAT: Final = 1

_SECONDS = 3600.0
_MANIFEST = "manifest.json"
_TABLES: Final = (
    *("people", "devices", "embedding_models", "facts", "documents", "passages", "events", "tasks", "contacts"),
    *("messages", "series", "readings", "readings_hourly"),
)
"""In an order in which each finds what it points to. TimescaleDB's own view of the hours is no table."""


class ArchiveFailed(Exception):  # noqa: N818 - reads as what happened
    """A backup cannot be made or restored, and nothing was changed; the message says what to do."""


class _Table(BaseModel):
    columns: list[str]
    rows: int
    sha256: str


class _Sink:
    """Takes what is copied. asyncpg waits for ever where its sink raises, so an error is kept until all is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self.error: OSError | None = None
        self._file = file

    async def write(self, data: bytes) -> None:
        """Write on, unless that has failed."""
        if self.error is None:
            try:
                await asyncio.to_thread(self._file.write, data)
                self._file.flush()
                self.digest.update(data)
            except OSError as error:
                self.error = error


class _Manifest(BaseModel):
    format: int
    schema_version: int
    made: datetime
    tables: dict[str, _Table]


async def back_up(database: Database, household: Path, file: Path) -> dict[str, int]:
    """Write a backup that only its owner can read; return the rows of each table.

    Raises `ArchiveFailed` and `StoreDown`.
    """
    new = await asyncio.to_thread(_new_name, file)
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with (
            os.fdopen(descriptor, "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz") as archive,
            tempfile.TemporaryDirectory(dir=file.parent) as folder,
        ):
            manifest = await _copy_out(database, Path(folder), archive)
            for each in await asyncio.to_thread(_json_files, household):
                archive.add(each, f"household/{each.name}")
            described = manifest.model_dump_json().encode()
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size = len(described)
            archive.addfile(entry, io.BytesIO(described))
            archive.close()
            raw.flush()
            os.fsync(raw.fileno())
        new.rename(file)
    except OSError as error:
        raise ArchiveFailed(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            new.unlink()
    return {name: table.rows for name, table in manifest.tables.items()}


async def restore(database: Database, household: Path, file: Path, *, replace: bool) -> dict[str, int]:
    """Put back what a backup holds; return the rows of each table.

    Args:
        replace: remove what is there before. Without it nothing may be there.

    Raises `ArchiveFailed` and `StoreDown`.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            manifest = await asyncio.to_thread(_unpacked, file, Path(folder))
            async with database.connection(_SECONDS) as connection, connection.transaction():
                await _copy_in(connection, manifest, Path(folder), replace=replace)
                await asyncio.to_thread(_put, Path(folder, "household"), household, replace=replace)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ArchiveFailed(f"{file} cannot be read: {error}") from error
    return {name: table.rows for name, table in manifest.tables.items()}


async def _copy_out(database: Database, folder: Path, archive: tarfile.TarFile) -> _Manifest:
    tables: dict[str, _Table] = {}
    async with (
        database.connection(_SECONDS) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for name in _TABLES:
            if not (columns := await _columns(connection, name)):
                continue
            copy = folder / name
            with copy.open("wb") as file:
                sink = _Sink(file)
                status: str = await connection.copy_from_query(
                    f"SELECT {', '.join(columns)} FROM {name}", output=sink.write
                )
            if sink.error is None:
                sink.error = await asyncio.to_thread(_added, archive, copy, f"tables/{name}")
            if sink.error is not None:
                # Not as an OSError, which inside of here means that the database is away.
                raise ArchiveFailed(f"the backup cannot be written: {sink.error.strerror}") from sink.error
            tables[name] = _Table(columns=columns, rows=int(status.split()[1]), sha256=sink.digest.hexdigest())
            copy.unlink()
        version = await schema_version(connection)
    return _Manifest(format=FORMAT, schema_version=version, made=datetime.now(UTC), tables=tables)


def _unpacked(file: Path, folder: Path) -> _Manifest:
    """Unpack an archive, and check that it is whole."""
    with tarfile.open(file, "r:gz") as archive:
        archive.extractall(folder, filter="data")
    try:
        manifest = _Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError, json.JSONDecodeError) as error:
        raise ArchiveFailed(f"{file} is no backup of PASSFEL, or a part of one") from error
    if manifest.format != FORMAT:
        raise ArchiveFailed(f"{file} is of format {manifest.format}, which this PASSFEL does not know: run a newer one")
    for name, table in manifest.tables.items():
        copy = folder / "tables" / name
        if not copy.is_file() or hashlib.sha256(copy.read_bytes()).hexdigest() != table.sha256:
            raise ArchiveFailed(f"{file} is damaged: its table {name} is not what was written")
    return manifest


async def _copy_in(connection: asyncpg.Connection, manifest: _Manifest, folder: Path, *, replace: bool) -> None:
    version = await schema_version(connection)
    if manifest.schema_version > version:
        told = f"the backup has schema {manifest.schema_version}, and this PASSFEL knows {version}"
        raise ArchiveFailed(f"{told}: run a newer PASSFEL")
    there = [name for name in _TABLES if await _columns(connection, name)]
    for name in reversed(there):
        if replace:
            await connection.execute(f"DELETE FROM {name}")
        elif await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):
            raise ArchiveFailed("the database is not empty: passfel restore --replace removes what is there before")
    for name in there:
        if (table := manifest.tables.get(name)) is None:
            continue
        known = set(await _columns(connection, name))
        if not known.issuperset(table.columns):
            raise ArchiveFailed(f"the backup's table {name} has columns that are not known here")
        with (folder / "tables" / name).open("rb") as copy:
            await connection.copy_to_table(name, source=copy, columns=table.columns)
        if "id" in table.columns and name != "messages":
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), coalesce(max(id), 0) + 1, false) FROM {name}"
            )


async def _columns(connection: asyncpg.Connection, table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns NATURAL JOIN information_schema.tables "
        "WHERE table_schema = current_schema() AND table_name = $1 AND table_type = 'BASE TABLE' "
        "AND is_generated = 'NEVER' ORDER BY ordinal_position",
        table,
    )
    return [row["column_name"] for row in rows]


def _added(archive: tarfile.TarFile, file: Path, name: str) -> OSError | None:
    try:
        archive.add(file, name)
    except OSError as error:
        return error
    return None


def _new_name(file: Path) -> Path:
    if file.exists():
        raise ArchiveFailed(f"{file} is there already: choose another name")
    return file.with_name(f"{file.name}.new")


def _json_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _put(folder: Path, household: Path, *, replace: bool) -> None:
    """Put the household's own files back: all of them, or none where one is in the way."""
    files = {household / each.name: each for each in _json_files(folder)}
    if not replace and (there := [target for target in files if target.exists()]):
        raise ArchiveFailed(f"{there[0]} is there already: passfel restore --replace removes what is there before")
    try:
        for target, each in files.items():
            write_private(target, each.read_bytes())
    except OSError as error:
        # Not as an OSError, which inside of a connection means that the database is away.
        raise ArchiveFailed(f"{household} cannot be written: {error.strerror or error}") from error
